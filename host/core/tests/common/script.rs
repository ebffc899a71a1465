//! Reading the words of a script.

use holiday_core::retry::{Exhausted, RetryPolicy};
use holiday_core::target::Target;
use holiday_core::value::{Failure, Outcome, Payload};

/// The words of a line, taken from the front.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Words(line.split_whitespace().collect())
    }

    pub(crate) fn next(&mut self) -> Option<&'a str> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    pub(crate) fn word(&mut self) -> &'a str {
        self.next().expect("the line has one more word")
    }

    pub(crate) fn number<T: std::str::FromStr>(&mut self) -> T {
        number(self.word())
    }

    /// All the rest as numbers, up to the option `stop`.
    pub(crate) fn numbers(&mut self, stop: &str) -> Vec<u32> {
        let end = self.0.iter().position(|word| *word == stop).unwrap_or(self.0.len());
        self.0.drain(..end).map(number).collect()
    }

    /// The word after `name`, wherever that stands.
    pub(crate) fn option(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|word| *word == name)?;
        self.0.remove(at);
        Some(self.0.remove(at))
    }

    pub(crate) fn number_option(&mut self, name: &str) -> Option<u64> {
        self.option(name).map(number)
    }

    pub(crate) fn rest(self) -> String {
        self.0.join(" ")
    }

    pub(crate) fn target(&mut self) -> Target {
        let text = self.word();
        match text.split('/').collect::<Vec<_>>()[..] {
            [service, handler] => Target::service(service, handler),
            [service, key, handler] => Target::keyed(service, key, handler),
            _ => panic!("'{text}' is not a target"),
        }
    }

    /// `retry MAX INTERVAL`.
    pub(crate) fn retry(&mut self) -> Option<RetryPolicy> {
        let max_attempts = self.number_option("retry")?;
        Some(RetryPolicy {
            initial_interval_ms: self.number(),
            max_attempts: u32::try_from(max_attempts).ok(),
            then: Exhausted::Fail,
            ..RetryPolicy::DEFAULT
        })
    }

    pub(crate) fn outcome(self) -> Outcome {
        let text = self.rest();
        match text.strip_prefix('!').and_then(|failure| failure.split_once(' ')) {
            Some((code, message)) => Failure::new(number(code), message).into(),
            None => Outcome::success(text),
        }
    }
}

/// An outcome, as scripts write it.
pub(crate) fn text_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Success(payload) => text_of_payload(payload),
        Outcome::Failure(failure) => format!("!{} {}", failure.code, failure.message),
    }
}

pub(crate) fn text_of_payload(payload: &Payload) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("'{word}' is not a number"))
}
