//! Pages of commands: read as text, and tried as a reader would, one after the other in one shell.
//!
//! An example is a fenced block `shell`, and what it prints is the fenced block right below it; or a line that begins with
//! `$ `, and what it prints are the lines up to the next. In what is printed, `…` stands for anything, and white space for
//! nothing. A block `log` shows lines that are in the host's log by then, beside others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::harness::{TestHost, workspace};

/// How often what only reads is tried until it answers as the page has it: what is accepted is done a moment later.
const TRIES_MAX: usize = 400;

/// How a page begins; the host of a test is there already.
pub(crate) const START: &str = "cargo run --release -- dev";

/// Comes after the output of a block.
const END: &str = "--- end of block ---";

#[derive(Debug, PartialEq)]
pub(crate) struct Example {
    /// Where the page has it.
    pub(crate) line: usize,
    pub(crate) commands: String,
    pub(crate) output: Option<String>,
}

/// All examples of a page, by its path from the root.
pub(crate) fn examples(page: &str) -> Vec<Example> {
    let examples = examples_of(&read(page));
    assert!(!examples.is_empty(), "{page} has no examples");
    examples
}

/// Waits until the host's log has each line that the page shows of it.
pub(crate) async fn assert_logged(page: &str, host: &TestHost) {
    let text = read(page);
    let lines: Vec<&str> = log_lines(&text).collect();
    assert!(!lines.is_empty(), "{page} shows nothing of the log");
    for line in lines {
        host.lines_where(line, |logged| fits(line, logged), 1).await;
    }
}

fn log_lines(text: &str) -> impl Iterator<Item = &str> {
    blocks(text).into_iter().filter(|block| block.language == "log").flat_map(|block| block.lines)
}

/// Where a page has a line.
pub(crate) fn line_of(page: &str, line: &str) -> usize {
    let at = read(page).lines().position(|text| text == line);
    at.map_or_else(|| panic!("{page} has no line '{line}'"), |at| at + 1)
}

fn read(page: &str) -> String {
    std::fs::read_to_string(workspace().join(page)).unwrap_or_else(|why| panic!("{page}: {why}"))
}

fn examples_of(text: &str) -> Vec<Example> {
    let blocks = blocks(text);
    let mut examples = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        if block.lines.first().is_some_and(|line| line.starts_with("$ ")) {
            examples.extend(prompted(block));
        } else if block.language == "shell" {
            let below = blocks.get(index + 1).filter(|next| block.is_right_above(next));
            examples.push(Example {
                line: block.line,
                commands: block.lines.join("\n"),
                output: below.map(|next| next.lines.join("\n")),
            });
        }
    }
    examples
}

fn prompted(block: &Block<'_>) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (line, text) in (block.line..).zip(&block.lines) {
        if let Some(commands) = text.strip_prefix("$ ") {
            examples.push(Example { line, commands: commands.to_owned(), output: None });
        } else if let Some(example) = examples.last_mut() {
            let output = example.output.get_or_insert_default();
            *output += text;
            output.push('\n');
        }
    }
    examples
}

/// A block of a page, fenced or indented.
struct Block<'a> {
    /// Of its first line.
    line: usize,
    language: &'a str,
    lines: Vec<&'a str>,
}

impl Block<'_> {
    /// Whether nothing but an empty line and the fences are between this block and the next, which shows output.
    fn is_right_above(&self, next: &Block<'_>) -> bool {
        !matches!(next.language, "" | "shell") && next.line == self.line + self.lines.len() + 3
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines()).peekable();
    while let Some((line, text)) = lines.next() {
        if let Some(language) = text.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```");
            blocks.push(Block { line: line + 1, language, lines: inside.collect() });
        } else if text.trim_start().starts_with("$ ") && text.starts_with("    ") {
            let indent = text.len() - text.trim_start().len();
            let mut inside = vec![&text[indent..]];
            while let Some((_, text)) =
                lines.next_if(|(_, text)| text.is_empty() || indentation(text) >= indent)
            {
                inside.push(text.get(indent..).unwrap_or_default());
            }
            while inside.pop_if(|text| text.is_empty()).is_some() {}
            blocks.push(Block { line, language: "", lines: inside });
        }
    }
    blocks
}

fn indentation(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

impl Example {
    /// Whether it may be tried again and again.
    fn only_reads(&self) -> bool {
        let reads = |command: &str| match command.split_once("curl ") {
            Some((_, curl)) => ![" --json", " -d", " -X"].iter().any(|option| curl.contains(option)),
            None => [" get ", " list", " describe "].iter().any(|verb| command.contains(verb)),
        };
        self.commands.lines().all(reads)
    }

    /// Whether this was printed; where the page does not say what is, it is no error.
    fn is_answered_by(&self, printed: &str) -> bool {
        match &self.output {
            Some(expected) if self.commands.contains(" list") => fits_in_any_order(expected, printed),
            Some(expected) => fits(expected, printed),
            None => !printed.contains("error"),
        }
    }
}

/// A list is in the order of ids, which are drawn.
fn fits_in_any_order(expected: &str, printed: &str) -> bool {
    let mut printed: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    let is_there = |expected: &str| {
        let at = printed.iter().position(|line| fits(expected, line));
        at.map(|at| printed.swap_remove(at)).is_some()
    };
    expected.lines().all(is_there) && printed.is_empty()
}

fn fits(expected: &str, printed: &str) -> bool {
    let [expected, printed] = [expected, printed].map(|text| text.split_whitespace().collect::<String>());
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// A reader's shell. What it is told of a host on this machine's usual ports is told of the host of the test.
pub(crate) struct Reader {
    shell: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    ingress: String,
    admin: String,
    /// What stands for commands of a page, such as a program in another folder.
    replaced: Vec<(String, String)>,
}

impl Reader {
    /// The shell runs in a folder that goes with the host.
    pub(crate) fn new(host: &TestHost) -> Reader {
        let folder = Reader::folder(host);
        let programs = folder.join("programs");
        std::fs::create_dir_all(&programs).expect("a temporary folder");
        let binary = env!("CARGO_BIN_EXE_holiday-host");
        write_program(&programs.join("holiday-host"), &format!("exec '{binary}' \"$@\""));
        // `cargo run --release --example …` and `cargo run --release -- …`
        let examples = Path::new(binary).with_file_name("examples");
        let example =
            format!("[ \"$3\" != --example ] || {{ shift 3; exec '{}'/\"$@\"; }}", examples.display());
        write_program(&programs.join("cargo"), &format!("{example}; shift 3; exec '{binary}' \"$@\""));
        std::fs::write(folder.join(".curlrc"), "silent\n").expect("a temporary file");

        let mut path = vec![programs];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let client = host.client(&[]);
        let mut shell = Command::new("sh");
        shell
            .envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", std::env::join_paths(path).expect("paths"));
        shell.env("CURL_HOME", &folder).env("no_proxy", "*").env("EDITOR", "true").env_remove("VISUAL");
        shell.current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().expect("a shell");
        let mut stdin = shell.stdin.take().expect("piped");
        stdin.write_all(b"exec 2>&1\n").expect("the shell reads");
        let stdout = BufReader::new(shell.stdout.take().expect("piped"));
        let (ingress, admin) = (host.ingress_address().to_string(), host.admin_address().to_string());
        Reader { shell, stdin, stdout, ingress, admin, replaced: Vec::new() }
    }

    /// Has what the page says replaced by what stands for it here.
    pub(crate) fn replace(&mut self, page: &str, here: &str) {
        self.replaced.push((page.to_owned(), here.to_owned()));
    }

    /// The folder in which the commands run.
    pub(crate) fn folder(host: &TestHost) -> PathBuf {
        host.folder().join("reader")
    }

    /// Runs commands and returns what they print.
    pub(crate) fn run(&mut self, commands: &str) -> String {
        let mut commands =
            commands.replace("localhost:8080", &self.ingress).replace("localhost:9070", &self.admin);
        for (page, here) in &self.replaced {
            commands = commands.replace(page, here);
        }
        assert!(!commands.contains("localhost"), "tests stay on this machine: {commands}");
        assert!(!commands.contains("pgrep"), "the test kills its own host, and no other: {commands}");
        tokio::task::block_in_place(|| {
            writeln!(self.stdin, "{{ {commands}\n}} </dev/null\nprintf '\\n%s\\n' '{END}'")
                .expect("it reads");
            let lines = self.stdout.by_ref().lines().map(|line| line.expect("text"));
            lines.take_while(|line| line != END).collect::<Vec<_>>().join("\n")
        })
    }

    /// Runs an example and compares what it prints.
    pub(crate) async fn try_out(&mut self, example: &Example) {
        let mut printed = self.run(&example.commands);
        let mut tries = 1;
        while example.only_reads() && !example.is_answered_by(&printed) && tries < TRIES_MAX {
            tokio::time::sleep(Duration::from_millis(20)).await;
            printed = self.run(&example.commands);
            tries += 1;
        }
        let Example { line, commands, output } = example;
        let expected = output.as_deref().unwrap_or_default();
        assert!(
            example.is_answered_by(&printed),
            "line {line}:\n{commands}\n--- the page has ---\n{expected}\n--- it prints ---\n{printed}"
        );
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.shell.kill());
        drop(self.shell.wait());
    }
}

/// Makes a program of one line of shell.
pub(crate) fn write_program(path: &Path, line: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{line}\n")).expect("a temporary file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn a_page_is_read() {
    let page = "\
```shell
echo one
```

```text
one
```

```shell
echo two
```

The log then has:

```log
… two
```

Like that:

    $ echo three
    three

       and on
    $ echo four
Or so.
";
    let example = |line, commands: &str, output: Option<&str>| Example {
        line,
        commands: commands.to_owned(),
        output: output.map(str::to_owned),
    };
    let expected = [
        example(2, "echo one", Some("one")),
        example(10, "echo two", None),
        example(21, "echo three", Some("three\n\n   and on\n")),
        example(25, "echo four", None),
    ];
    assert_eq!(examples_of(page), expected);
    assert_eq!(log_lines(page).collect::<Vec<_>>(), ["… two"]);
}

#[test]
fn what_is_printed_is_compared_up_to_ids() {
    for (expected, printed) in [
        ("one", "one\n"),
        ("{\"id\": \"…\"}", "{\"id\":\"inv_1\"}"),
        ("… two", "one two"),
        ("a … b …", "a 1 b 2"),
    ] {
        assert!(fits(expected, printed), "{printed}");
    }
    for (expected, printed) in [("one", "one two"), ("a … b", "a 1 b 2"), ("a … b … c", "a b")] {
        assert!(!fits(expected, printed), "{printed}");
    }
    let list = "ID …\n… paused\n… inboxed\n";
    assert!(fits_in_any_order(list, "ID AT\n1 inboxed\n2 paused\n"));
    for other in
        ["ID AT\n1 inboxed\n", "ID AT\n1 paused\n2 paused\n", "ID AT\n1 paused\n2 inboxed\n3 paused\n"]
    {
        assert!(!fits_in_any_order(list, other), "{other}");
    }
}
