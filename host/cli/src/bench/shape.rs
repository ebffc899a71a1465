//! What is called, and the answer that is right.

use std::fmt;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// A handler that answers at once
    Greet,
    /// The same, without waiting for the answer
    Send,
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
    /// From a topic to a handler that answers at once; needs --kafka-brokers
    Kafka,
}

/// One request and what it should be answered with.
#[derive(Debug, PartialEq)]
pub(super) struct Exchange {
    pub(super) path: String,
    pub(super) body: Option<String>,
    pub(super) answer: Answer,
}

#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Exactly(String),
    /// That an invocation was accepted, under an id of its own.
    Accepted,
}

impl Answer {
    pub(super) fn is(&self, body: &[u8]) -> bool {
        const ACCEPTED: &[u8] = br#""status":"Accepted""#;
        match self {
            Answer::Exactly(answer) => body == answer.as_bytes(),
            Answer::Accepted => body.windows(ACCEPTED.len()).any(|it| it == ACCEPTED),
        }
    }
}

impl Shape {
    /// Those that are measured unless the command line says otherwise.
    pub(crate) const USUAL: [Shape; 7] =
        [Shape::Greet, Shape::Step1, Shape::Steps, Shape::Sleep, Shape::Counter, Shape::SagaSvc, Shape::Saga];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Greet => "greet",
            Shape::Send => "send",
            Shape::Kafka => "kafka",
            Shape::Step1 => "step1",
            Shape::Steps => "steps",
            Shape::Sleep => "sleep",
            Shape::Counter => "counter",
            Shape::SagaSvc => "saga-svc",
            Shape::Saga => "saga",
        }
    }

    /// The request number `number`, from 1, of a connection whose keys begin with `prefix`; `None` for a shape that is
    /// not measured with requests.
    pub(super) fn exchange(self, prefix: &str, number: u64) -> Option<Exchange> {
        let exchange = |path: &str, body: Option<String>, answer: &str| Exchange {
            path: path.to_owned(),
            body,
            answer: Answer::Exactly(answer.to_owned()),
        };
        Some(match self {
            Shape::Greet => exchange("/Bench/greet", Some(r#""Ann""#.to_owned()), r#""Hello, Ann!""#),
            Shape::Send => Exchange {
                answer: Answer::Accepted,
                ..exchange("/Bench/greet/send", Some(r#""Ann""#.to_owned()), "")
            },
            Shape::Kafka => return None,
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
        })
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
        for shape in Shape::USUAL.into_iter().chain([Shape::Send, Shape::Kafka]) {
            assert_eq!(Shape::from_str(shape.name(), false), Ok(shape));
        }
    }

    #[test]
    fn a_counter_counts_its_own_requests() {
        let exchange = Shape::Counter.exchange("k", 7).expect("a request");
        assert_eq!(exchange.path, "/Counter/k/add");
        assert!(exchange.answer.is(b"7") && !exchange.answer.is(b"8"));
    }
}
