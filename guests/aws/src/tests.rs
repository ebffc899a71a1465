//! The crate against a script in place of AWS.

mod configuration;
mod failures;
mod operations;
mod signatures;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use holiday_sdk::Error;

use crate::Aws;
use crate::exchange::{Answer, Signed, Transport};

pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// What is answered, in order, and what was asked.
#[derive(Clone, Default)]
pub(crate) struct Script(Rc<RefCell<Exchanges>>);

#[derive(Default)]
struct Exchanges {
    answers: VecDeque<Result<Answer, Error>>,
    requests: Vec<Asked>,
}

/// A request without its signature.
struct Asked {
    /// Its `x-amz-date`.
    signed_at: String,
    text: String,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Result<Answer, Error>>) -> Self {
        let answers = answers.into_iter().collect();
        Self(Rc::new(RefCell::new(Exchanges { answers, requests: Vec::new() })))
    }

    pub(crate) fn answer(&self, request: &Signed<'_>) -> Result<Answer, Error> {
        let mut exchanges = self.0.borrow_mut();
        exchanges.requests.push(asked(request));
        exchanges.answers.pop_front().expect("the script has an answer for each request")
    }

    /// The requests as text.
    fn requests(&self) -> String {
        self.0.borrow().requests.iter().map(|request| request.text.as_str()).collect()
    }

    /// With which times the requests were signed.
    fn signed_at(&self) -> Vec<String> {
        self.0.borrow().requests.iter().map(|request| request.signed_at.clone()).collect()
    }
}

fn asked(request: &Signed<'_>) -> Asked {
    let Signed { method, url, headers, body } = request;
    let header =
        |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let authorization = header("authorization").expect("each request is signed");
    assert!(authorization.starts_with(&format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/")));
    let mut text = format!("{method} {url}\n");
    let is_signature = |name: &str| matches!(name, "authorization" | "x-amz-date" | "x-amz-security-token");
    for (name, value) in headers.iter().filter(|(name, _)| !is_signature(name)) {
        text += &format!("  {name}: {value}\n");
    }
    if !body.is_empty() {
        text += &format!("  {}\n", String::from_utf8_lossy(body));
    }
    Asked { signed_at: header("x-amz-date").expect("and says when").to_owned(), text }
}

/// A deployment in which these variables are set too.
fn aws_with(variables: &[(&str, &str)]) -> Aws {
    let defaults = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ];
    let all = [variables, &defaults].concat();
    let value =
        |name: &str| all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Aws::from_variables(value).expect("all is set")
}

/// A deployment for which the script is AWS.
fn aws_of(script: &Script) -> Aws {
    scripted(aws_with(&[]), script)
}

fn scripted(mut aws: Aws, script: &Script) -> Aws {
    aws.transport = Transport::Script(script.clone());
    aws
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer { status, headers, body: body.as_bytes().to_vec() }
}

/// Runs what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a script answers at once"),
    }
}
