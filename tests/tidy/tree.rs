//! The files of the project, and what is found in them.

use std::fmt;
use std::path::{Path, PathBuf};

/// Folders that hold what is built, fetched or written at run time.
const NOT_OURS: [&str; 6] = [".git", "target", "node_modules", ".holiday", "data", "deps"];

/// What is read: text that people write.
const EXTENSIONS: [&str; 13] =
    ["rs", "md", "toml", "wit", "json", "txt", "sh", "yml", "yaml", "js", "mjs", "ts", "py"];

/// Files without an extension that people write.
const NAMES: [&str; 4] = ["run", ".gitignore", "LICENSE-MIT", "LICENSE-APACHE"];

/// All text files below the root, in the order of their paths.
pub(crate) struct Tree {
    root: PathBuf,
    files: Vec<File>,
}

pub(crate) struct File {
    /// Relative to the root, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Compiled for tests only.
    is_test: bool,
}

/// Something that is not as it should be.
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Tree {
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        read_into(&mut files, &root, "");
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 50, "the tree is read from the root of the workspace");
        let tests: Vec<bool> = files.iter().map(|file| is_test(&file.path, &files)).collect();
        files.iter_mut().zip(tests).for_each(|(file, is_test)| file.is_test = is_test);
        Tree { root, files }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The Rust files below any of these folders.
    pub(crate) fn rust<'a>(&'a self, folders: &'a [&'a str]) -> impl Iterator<Item = &'a File> {
        let is_below = move |file: &&File| folders.iter().any(|folder| file.path.starts_with(folder));
        self.files.iter().filter(|file| file.path.ends_with(".rs")).filter(is_below)
    }

    /// A file that must be there.
    pub(crate) fn file(&self, path: &str) -> &File {
        let found = self.files.iter().find(|file| file.path == path);
        found.unwrap_or_else(|| panic!("{path} is missing; it belongs to the project"))
    }

    /// Replaces a file of the project.
    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root.join(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Whether a path from the root names a file or folder.
    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.root.join(path).exists()
    }
}

fn read_into(files: &mut Vec<File>, folder: &Path, prefix: &str) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("the folder can be read to its end");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                read_into(files, &entry.path(), &format!("{path}/"));
            }
        } else if is_text(&name) {
            let text =
                std::fs::read_to_string(entry.path()).unwrap_or_else(|error| panic!("{path}: {error}"));
            files.push(File { path, text, is_test: false });
        }
    }
}

/// Whether a Rust file, or a folder above it, is a module that its parent declares for tests only.
fn is_test(path: &str, files: &[File]) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else { return false };
    let name = name.trim_end_matches(".rs");
    if name == "mod" {
        return is_test(folder, files);
    }
    let parents = [
        format!("{folder}/mod.rs"),
        format!("{folder}/lib.rs"),
        format!("{folder}/main.rs"),
        format!("{folder}.rs"),
    ];
    let declarations =
        ["", "pub(crate) ", "pub(super) "].map(|public| format!("#[cfg(test)]\n{public}mod {name};"));
    let declares = |file: &&File| declarations.iter().any(|declaration| file.text.contains(declaration));
    files.iter().filter(|file| parents.contains(&file.path)).any(|file| declares(&file))
        || is_test(folder, files)
}

/// Whether a file is of a package's tests, or of a package that consists of tests.
fn is_below_tests(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/")
}

fn is_text(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    NAMES.contains(&name) || extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

impl File {
    /// The lines with their numbers, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The lines of a Rust file that are neither comment nor test.
    ///
    /// A module of tests stands last in its file, so everything from its attribute on is one.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = match self.is_test {
            true => 0,
            false => self.start_of_tests(),
        };
        self.lines().take_while(move |(line, _)| *line < end).filter(|(_, text)| !is_comment(text))
    }

    /// The lines of a Rust file that are compiled for tests only, without comments.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let start = match self.is_test || is_below_tests(&self.path) {
            true => 1,
            false => self.start_of_tests(),
        };
        self.lines().skip_while(move |(line, _)| *line < start).filter(|(_, text)| !is_comment(text))
    }

    fn start_of_tests(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let starts = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_end().ends_with('{');
        lines.windows(2).position(starts).map_or(usize::MAX, |index| index + 1)
    }

    pub(crate) fn find(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}
