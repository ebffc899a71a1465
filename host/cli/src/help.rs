//! The help texts are the reference: `help.txt` holds them all, and this test keeps it true.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use expect_test::expect_file;

#[test]
fn the_help_of_every_command_is_in_help_txt() {
    let mut text = String::new();
    // A name as in the shell, and a width that does not depend on the terminal.
    write_help(crate::Cli::command().term_width(100), "", &mut text);
    expect_file!["../help.txt"].assert_eq(&text);
}

fn write_help(mut command: Command, parent: &str, text: &mut String) {
    let name = format!("{parent}{}", command.get_name());
    command = command.bin_name(&name).term_width(100);
    writeln!(text, "$ {name} --help").expect("writing to a string works");
    for line in command.render_long_help().to_string().lines() {
        writeln!(text, "{}", line.trim_end()).expect("writing to a string works");
    }
    text.push('\n');
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    for subcommand in subcommands.into_iter().filter(|it| it.get_name() != "help") {
        write_help(subcommand, &format!("{name} "), text);
    }
}
