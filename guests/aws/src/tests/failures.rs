//! What becomes of answers that are none, refusals in all protocols, and wrong times.

use std::time::{Duration, SystemTime};

use expect_test::expect;
use holiday_sdk::Error;

use super::{Script, answer, aws_of, aws_with, now, scripted};
use crate::AwsError;
use crate::exchange::{Answer, Call, MESSAGE_CHARACTERS_MAX};

/// 2026-02-03 10:00:00 UTC.
fn standing_clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_112_800)
}

fn call() -> Call<'static> {
    let headers = vec![("content-type", "application/x-amz-json-1.0".to_owned())];
    Call {
        service: "dynamodb",
        operation: "PutItem",
        method: "POST",
        path: "/",
        headers,
        body: b"{}".to_vec(),
    }
}

fn failure(of: Result<Answer, Error>) -> AwsError {
    let aws = aws_of(&Script::of([of]));
    now(aws.exchange_at(&call(), standing_clock())).expect_err("it is refused")
}

#[test]
fn refusals_are_read_in_every_protocol() {
    let json_1_0 =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no table"}"#;
    let json_1_1 = r#"{"__type":"ResourceAlreadyExistsException","Message":"it is there"}"#;
    let rest_header = ("x-amzn-ErrorType", "ResourceConflictException:http://internal.amazon.com/");
    let rest = r#"{"Type":"User","message":"the function exists"}"#;
    let xml = r#"<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
        <Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no role &amp; no name</Message></Error>
        <RequestId>7a62c49f</RequestId></ErrorResponse>"#;
    let throttled = r#"{"__type":"ProvisionedThroughputExceededException","message":"slow down"}"#;
    let answers = [
        answer(400, &[], json_1_0),
        answer(400, &[], json_1_1),
        answer(409, &[rest_header], rest),
        answer(404, &[], xml),
        answer(400, &[], throttled),
        answer(429, &[("x-amzn-errortype", "TooManyRequestsException")], "{}"),
        answer(500, &[], r#"{"__type":"InternalServerError"}"#),
        answer(503, &[], "<html>try later</html>"),
        answer(302, &[], ""),
    ];
    let lines: Vec<String> = answers
        .map(|answer| {
            let error = failure(Ok(answer));
            let becomes = if Error::from(error.clone()).is_terminal() { "terminal" } else { "retryable" };
            format!("{becomes}: {error}\n")
        })
        .into();
    expect![[r#"
        terminal: dynamodb PutItem: ResourceNotFoundException: no table (status 400)
        terminal: dynamodb PutItem: ResourceAlreadyExistsException: it is there (status 400)
        terminal: dynamodb PutItem: ResourceConflictException: the function exists (status 409)
        terminal: dynamodb PutItem: NoSuchEntity: no role & no name (status 404)
        retryable: dynamodb PutItem: ProvisionedThroughputExceededException: slow down (status 400)
        retryable: dynamodb PutItem: TooManyRequestsException: {} (status 429)
        retryable: dynamodb PutItem: InternalServerError: {"__type":"InternalServerError"} (status 500)
        retryable: dynamodb PutItem: <html>try later</html> (status 503)
        terminal: dynamodb PutItem: no reason is given (status 302)
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn an_answer_that_does_not_come_is_as_bad_as_the_host_says() {
    let error = failure(Err(Error::retryable("POST http://127.0.0.1:1/: ConnectionRefused")));
    assert_eq!(error.to_string(), "dynamodb PutItem: POST http://127.0.0.1:1/: ConnectionRefused");
    assert_eq!((error.status, error.code.as_str(), error.is_retryable()), (None, "", true));
    assert!(!failure(Err(Error::terminal("HH0018: not allowed"))).is_retryable());
}

#[test]
fn an_answer_of_another_shape_is_terminal() {
    let script =
        Script::of([Ok(answer(200, &[], r#"{"QueryExecutionId":7}"#)), Ok(answer(200, &[], "<a/>"))]);
    let aws = aws_of(&script);
    let athena = now(aws.athena().start_query_execution(&Default::default())).expect_err("a number");
    let iam = now(aws.iam().get_role("x")).expect_err("another element");
    for error in [athena, iam] {
        assert!(error.message.starts_with("the answer has another shape: "), "{error}");
        assert!(!error.is_retryable());
    }
}

#[test]
fn a_refusal_that_repeats_what_was_signed_shows_no_credentials() {
    let body =
        r#"{"__type":"InvalidSignatureException","message":"'x-amz-security-token:tok.en/1=', AKIDEXAMPLE"}"#;
    let script = Script::of([Ok(answer(403, &[], body))]);
    let aws = scripted(aws_with(&[("AWS_SESSION_TOKEN", "tok.en/1=")]), &script);
    let error = now(aws.exchange_at(&call(), standing_clock())).expect_err("it is refused");
    assert_eq!(
        error.to_string(),
        "dynamodb PutItem: InvalidSignatureException: 'x-amz-security-token:…', … (status 403)"
    );
}

#[test]
fn a_credential_does_not_escape_by_being_cut() {
    // It begins just before the place where a long answer ends.
    let body = format!("{}AKIDEXAMPLE", " ".repeat(MESSAGE_CHARACTERS_MAX - 4));
    let script = Script::of([Ok(answer(403, &[], &body))]);
    let error = now(aws_of(&script).exchange_at(&call(), standing_clock())).expect_err("it is refused");
    assert!(!error.message.contains("AKID") && error.message.ends_with('…'), "{error}");
}

/// With which times a call is signed when its first answer is this one, sent at 10:20 if not said otherwise.
fn signed_at(status: u16, code: &str, message: &str, date: Option<&str>) -> Vec<String> {
    let body = format!(r#"{{"__type":"{code}","message":"{message}"}}"#);
    let headers: Vec<(&str, &str)> = date.map(|date| ("Date", date)).into_iter().collect();
    let script = Script::of([Ok(answer(status, &headers, &body)), Ok(answer(200, &[], "{}"))]);
    let ended = now(aws_of(&script).exchange_at(&call(), standing_clock()));
    let times = script.signed_at();
    assert_eq!(ended.is_ok(), times.len() == 2, "the second answer counts, if it was asked for");
    times
}

const AT_10_20: Option<&str> = Some("Tue, 03 Feb 2026 10:20:00 GMT");
const AT_10_03: Option<&str> = Some("Tue, 03 Feb 2026 10:03:00 GMT");
const AT_09_40: Option<&str> = Some("Tue, 03 Feb 2026 09:40:00 GMT");

#[test]
fn a_wrong_time_is_corrected_once() {
    let twice = |time: &str| vec!["20260203T100000Z".to_owned(), format!("20260203T{time}Z")];
    let expired = "Signature expired: 20260203T100000Z is now earlier than 20260203T101500Z";
    let early = "Signature not yet current: 20260203T100000Z is still later than 20260203T094500Z";
    for (status, code, message) in [
        (403, "RequestTimeTooSkewed", ""),
        (400, "RequestExpired", ""),
        (403, "RequestInTheFuture", ""),
        (400, "InvalidSignatureException", expired),
        (403, "SignatureDoesNotMatch", expired),
        (403, "AccessDenied", "the clock may be wrong"),
    ] {
        assert_eq!(signed_at(status, code, message, AT_10_20), twice("102000"), "{code}");
    }
    assert_eq!(signed_at(403, "SignatureDoesNotMatch", early, AT_09_40), twice("094000"));
    assert_eq!(signed_at(403, "SignatureDoesNotMatch", expired, AT_10_03), twice("100300"));
}

#[test]
fn other_refusals_are_not_sent_again() {
    let once = ["20260203T100000Z"];
    assert_eq!(signed_at(403, "AccessDenied", "", AT_10_03), once);
    assert_eq!(signed_at(403, "SignatureDoesNotMatch", "another key", AT_10_03), once);
    assert_eq!(signed_at(400, "ValidationException", "", AT_10_20), once);
    assert_eq!(signed_at(500, "RequestTimeTooSkewed", "", AT_10_20), once);
    assert_eq!(signed_at(403, "RequestTimeTooSkewed", "", None), once);
    assert_eq!(signed_at(403, "RequestTimeTooSkewed", "", Some("yesterday")), once);
}

#[test]
fn a_time_that_stays_wrong_is_an_error() {
    let skewed = || {
        let date = ("date", "Tue, 03 Feb 2026 10:20:00 GMT");
        Ok(answer(403, &[date], r#"{"__type":"RequestTimeTooSkewed","message":"it is late"}"#))
    };
    let script = Script::of([skewed(), skewed()]);
    let error = now(aws_of(&script).exchange_at(&call(), standing_clock())).expect_err("it is refused");
    assert_eq!(error.to_string(), "dynamodb PutItem: RequestTimeTooSkewed: it is late (status 403)");
    assert_eq!(script.signed_at().len(), 2);
}
