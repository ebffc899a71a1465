//! The examples that AWS has published for those who sign.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;

use super::{ACCESS_KEY, SECRET_KEY};
use crate::signing::{Signable, signature_headers};

/// 2015-08-30 12:36:00 UTC, the time of all examples.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn headers_of(request: &Signable<'_>, session_token: Option<&str>) -> Vec<(String, String)> {
    let credentials = Credentials::from_keys(ACCESS_KEY, SECRET_KEY, session_token.map(str::to_owned));
    signature_headers(request, &credentials, then()).expect("it can be signed")
}

#[track_caller]
fn check(request: &Signable<'_>, signed_headers: &str, signature: &str) {
    let Signable { service, .. } = request;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    );
    let expected = [("x-amz-date", "20150830T123600Z"), ("authorization", &authorization)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers_of(request, None), expected);
}

#[test]
fn the_example_of_the_manual() {
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
    let request = Signable {
        service: "iam",
        region: "us-east-1",
        method: "GET",
        url: "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
        headers: &form,
        body: b"",
    };
    let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    check(&request, "content-type;host;x-amz-date", signature);
}

#[test]
fn the_first_example_of_the_test_suite() {
    let request = Signable {
        service: "service",
        region: "us-east-1",
        method: "GET",
        url: "https://example.amazonaws.com/",
        headers: &[],
        body: b"",
    };
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    check(&request, "host;x-amz-date", signature);
}

#[test]
fn the_example_with_a_form() {
    let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
    let request = Signable {
        service: "service",
        region: "us-east-1",
        method: "POST",
        url: "https://example.amazonaws.com/",
        headers: &form,
        body: b"Param1=value1",
    };
    let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
    check(&request, "content-type;host;x-amz-date", signature);
}

#[test]
fn a_session_token_is_sent_and_signed() {
    let request = Signable {
        service: "service",
        region: "us-east-1",
        method: "GET",
        url: "https://example.amazonaws.com/",
        headers: &[],
        body: b"",
    };
    let headers = headers_of(&request, Some("a token"));
    assert!(headers.contains(&("x-amz-security-token".into(), "a token".into())), "{headers:?}");
    let (_, authorization) = headers.iter().find(|(name, _)| name == "authorization").expect("it is signed");
    assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"), "{authorization}");
}
