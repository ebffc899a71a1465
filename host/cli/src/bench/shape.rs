//! What is called, and the answer that is right.

use std::fmt;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// A handler that answers at once
    Greet,
    /// A handler with one run step
    Step1,
    /// A handler with ten run steps
    Steps,
    /// A handler that sleeps for 100 ms
    Sleep,
    /// An object that reads and writes one value, one key per connection
    Counter,
    /// A service that calls six others in turn
    SagaSvc,
    /// An object that calls six others in turn, a new key each time
    Saga,
}

/// One request and what it should be answered with.
#[derive(Debug, PartialEq)]
pub(super) struct Exchange {
    pub(super) path: String,
    pub(super) body: Option<String>,
    pub(super) answer: String,
}

impl Shape {
    pub(crate) const ALL: [Shape; 7] =
        [Shape::Greet, Shape::Step1, Shape::Steps, Shape::Sleep, Shape::Counter, Shape::SagaSvc, Shape::Saga];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Greet => "greet",
            Shape::Step1 => "step1",
            Shape::Steps => "steps",
            Shape::Sleep => "sleep",
            Shape::Counter => "counter",
            Shape::SagaSvc => "saga-svc",
            Shape::Saga => "saga",
        }
    }

    /// The request number `number`, from 1, of a connection whose keys begin with `prefix`.
    pub(super) fn exchange(self, prefix: &str, number: u64) -> Exchange {
        let exchange = |path: &str, body: Option<String>, answer: &str| Exchange {
            path: path.to_owned(),
            body,
            answer: answer.to_owned(),
        };
        match self {
            Shape::Greet => exchange("/Bench/greet", Some(r#""Ann""#.to_owned()), r#""Hello, Ann!""#),
            Shape::Step1 => exchange("/Bench/step1", None, "1"),
            Shape::Steps => exchange("/Bench/steps", None, r#"{"sum":55,"steps":10}"#),
            Shape::Sleep => exchange("/Bench/sleep", Some("100".to_owned()), r#""slept""#),
            Shape::Counter => {
                exchange(&format!("/Counter/{prefix}/add"), Some("1".to_owned()), &number.to_string())
            }
            Shape::SagaSvc => exchange("/SagaSvc/run", Some(format!(r#""{prefix}-{number}""#)), "6"),
            Shape::Saga => exchange(
                &format!("/Saga/{prefix}-{number}/run"),
                Some(format!(r#""{prefix}-{number}""#)),
                "6",
            ),
        }
    }
}

/// For the help text: the name on the command line.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for shape in Shape::ALL {
            assert_eq!(Shape::from_str(shape.name(), false), Ok(shape));
        }
    }

    #[test]
    fn a_counter_counts_its_own_requests() {
        let exchange = Shape::Counter.exchange("k", 7);
        assert_eq!((exchange.path.as_str(), exchange.answer.as_str()), ("/Counter/k/add", "7"));
    }
}
