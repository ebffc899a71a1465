//! A database file opened as if for writing, of which nothing is written.
//!
//! redb changes a file as soon as it opens it: it marks it as in use and repairs what a crash left. Whether
//! this binary should touch the file at all is known only after that. So the file is opened in rehearsal
//! first: what redb writes stays in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, MutexGuard};

use redb::StorageBackend;

/// The unit in which changes are kept.
const PAGE_BYTES: u64 = 4_096;

/// A file, and above it the pages that were changed in memory.
#[derive(Debug)]
pub(super) struct Rehearsal(Mutex<Pages>);

#[derive(Debug)]
struct Pages {
    file: File,
    /// How much of the file still counts; what was cut off and grown again is zero.
    file_len: u64,
    len: u64,
    changed: BTreeMap<u64, Vec<u8>>,
}

impl Rehearsal {
    pub(super) fn new(file: File, len: u64) -> Self {
        Rehearsal(Mutex::new(Pages { file, file_len: len, len, changed: BTreeMap::new() }))
    }

    fn pages(&self) -> io::Result<MutexGuard<'_, Pages>> {
        self.0.lock().map_err(|_| io::Error::other("an earlier access to the file panicked"))
    }
}

impl StorageBackend for Rehearsal {
    fn len(&self) -> io::Result<u64> {
        Ok(self.pages()?.len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.pages()?.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.pages()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.pages()?.write(offset, data)
    }
}

impl Pages {
    fn read(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = self.check_end(offset, out.len())?;
        self.read_file(offset, out)?;
        for (start, page) in self.changed.range(offset / PAGE_BYTES * PAGE_BYTES..end) {
            let (from, to) = (offset.max(*start), end.min(start + PAGE_BYTES));
            out[span(offset, from, to)].copy_from_slice(&page[span(*start, from, to)]);
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = self.check_end(offset, data.len())?;
        let mut from = offset;
        while from < end {
            let start = from / PAGE_BYTES * PAGE_BYTES;
            let to = end.min(start + PAGE_BYTES);
            self.changed_page(start)?[span(start, from, to)].copy_from_slice(&data[span(offset, from, to)]);
            from = to;
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        if !len.is_multiple_of(PAGE_BYTES) {
            let last = len / PAGE_BYTES * PAGE_BYTES;
            self.changed_page(last)?[span(last, len, last + PAGE_BYTES)].fill(0);
        }
        self.changed.retain(|start, _| *start < len);
        self.file_len = self.file_len.min(len);
        self.len = len;
        Ok(())
    }

    fn changed_page(&mut self, start: u64) -> io::Result<&mut Vec<u8>> {
        if !self.changed.contains_key(&start) {
            let mut page = vec![0; span(0, 0, PAGE_BYTES).len()];
            self.read_file(start, &mut page)?;
            self.changed.insert(start, page);
        }
        Ok(self.changed.get_mut(&start).expect("was there or is inserted above"))
    }

    /// Reads from the file itself; zeros where it does not count or does not reach.
    fn read_file(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let to = self.file_len.clamp(offset, offset + out.len() as u64);
        let (counts, beyond) = out.split_at_mut(span(offset, offset, to).len());
        beyond.fill(0);
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(counts)
    }

    fn check_end(&self, offset: u64, len: usize) -> io::Result<u64> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.len);
        end.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the file is too short"))
    }
}

/// The bytes `from..to` of the file, counted from `base`.
fn span(base: u64, from: u64, to: u64) -> std::ops::Range<usize> {
    let index = |at: u64| usize::try_from(at - base).expect("a span lies within a buffer in memory");
    index(from)..index(to)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::conformance::Random;
    use super::*;

    #[test]
    fn behaves_like_a_file_and_leaves_the_real_one_alone() {
        for seed in 0..50 {
            let mut random = Random(seed);
            let mut model: Vec<u8> = (0..random.below(20_000)).map(|_| random.byte()).collect();
            let original = model.clone();
            let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
            file.write_all(&model).expect("writes");
            let rehearsal = Rehearsal::new(file.reopen().expect("reopens"), model.len() as u64);
            for _ in 0..50 {
                let (at, len) = (random.below(model.len() + 1), random.below(9_000));
                let end = model.len().min(at + len);
                match random.below(5) {
                    0 => {
                        let len = random.below(30_000);
                        model.resize(len, 0);
                        rehearsal.set_len(len as u64).expect("resizes");
                    }
                    1 | 2 => {
                        model[at..end].fill(7);
                        rehearsal.write(at as u64, &model[at..end]).expect("writes");
                    }
                    _ => {
                        let mut found = vec![9; end - at];
                        rehearsal.read(at as u64, &mut found).expect("reads");
                        assert!(found == model[at..end], "seed {seed}: {at}..{end}");
                    }
                }
                assert_eq!(rehearsal.len().expect("has one"), model.len() as u64);
            }
            assert!(rehearsal.read(model.len() as u64, &mut [0]).is_err());
            assert!(std::fs::read(file.path()).expect("reads") == original);
        }
    }
}
