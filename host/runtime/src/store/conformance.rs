//! What any [`Kv`] must pass, and the small random source that the tests of this module share.

use std::ops::ControlFlow;

use bytes::Bytes;
use holiday_core::state::Kv;

/// Rows every check begins with, in order. Some keys are prefixes of others.
const ROWS: &[(&str, &str)] = &[("a", "1"), ("ab", "2"), ("b", ""), ("ba", "4"), ("bb", "5"), ("c", "6")];

/// Runs the suite. `create` makes a new store with these rows in it, wherever they are stored.
pub(crate) fn check<K: Kv>(create: impl Fn(&[(&str, &str)]) -> K) {
    let check = |script: &str, expected: &str| {
        let mut kv = create(ROWS);
        let answers: Vec<String> = script.split('|').map(|command| run(&mut kv, command.trim())).collect();
        assert_eq!(answers.concat(), expected, "{script}");
    };
    // A key has the value that was put last, or none.
    check("get a | get b | get d | get", "[1][][-][-]");
    check("put a 9 | get a | put a 8 | get a", "[9][8]");
    check("put d 9 | get d | get c", "[9][6]");
    check("delete a | get a | get ab", "[-][2]");
    check("delete d | get d", "[-]");
    check("delete a | delete a | get a", "[-]");
    check("delete a | put a 9 | get a | delete a | get a", "[9][-]");
    check("put d 9 | delete d | get d | put d 8 | get d", "[-][8]");
    // A scan goes from its start up to but not including its end, in the order of bytes.
    check("scan a z", "(a=1 ab=2 b= ba=4 bb=5 c=6)");
    check("scan ab bb", "(ab=2 b= ba=4)");
    check("scan aa bc", "(ab=2 b= ba=4 bb=5)");
    check("scan d z", "()");
    check("scan a a", "()");
    check("scan z a", "()");
    // It sees what changed.
    check("put aa 9 | put c 8 | put d 7 | scan a z", "(a=1 aa=9 ab=2 b= ba=4 bb=5 c=8 d=7)");
    check("delete a | delete ba | delete c | scan a z", "(ab=2 b= bb=5)");
    check("delete a | put a 9 | put d 7 | delete d | scan a z", "(a=9 ab=2 b= ba=4 bb=5 c=6)");
    // It stops when told to, and never shows a deleted row first.
    check("first a z | first b z | first d z", "(a=1)(b=)()");
    check("delete a | delete ab | delete b | first a z", "(ba=4)");
    check("put b 9 | first b z", "(b=9)");
}

/// Runs one command and answers in one word.
fn run(kv: &mut impl Kv, command: &str) -> String {
    let mut words = command.split(' ');
    let verb = words.next().unwrap_or_default();
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match verb {
        "put" => {
            let value = Bytes::copy_from_slice(second.as_bytes());
            kv.put(first.as_bytes().to_vec(), value).expect("puts");
            String::new()
        }
        "delete" => {
            kv.delete(first.as_bytes()).expect("deletes");
            String::new()
        }
        "get" => match kv.get(first.as_bytes()).expect("gets") {
            Some(value) => format!("[{}]", text(&value)),
            None => "[-]".to_owned(),
        },
        "scan" => scan(kv, first, second, usize::MAX),
        "first" => scan(kv, first, second, 1),
        _ => panic!("unknown command {command}"),
    }
}

fn scan(kv: &impl Kv, start: &str, end: &str, limit: usize) -> String {
    let mut found = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        found.push(format!("{}={}", text(key), text(value)));
        if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    kv.scan(start.as_bytes()..end.as_bytes(), &mut visit).expect("scans");
    format!("({})", found.join(" "))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the suite stores text")
}

/// A small random source (splitmix64): the same seed gives the same numbers.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize")
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[test]
fn the_store_in_memory_conforms() {
    check(|rows| {
        let mut kv = holiday_core::state::memory::MemoryKv::new();
        for (key, value) in rows {
            kv.put(key.as_bytes().to_vec(), Bytes::copy_from_slice(value.as_bytes())).expect("puts");
        }
        kv
    });
}
