//! Signature version 4 of one request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::Uri;

/// What is signed.
pub(crate) struct Signable<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) method: &'a str,
    /// As it is sent, encoded.
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) body: &'a [u8],
}

/// Returns the headers that show who sends a request and when.
pub(crate) fn signature_headers(
    request: &Signable<'_>,
    credentials: &Credentials,
    time: SystemTime,
) -> Result<Vec<(String, String)>, String> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(request.region)
        .name(request.service)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .expect("all of them are set")
        .into();
    let uri: Uri = request.url.parse().map_err(|error| format!("'{}' is no URL: {error}", request.url))?;
    // Sent is the host as the URL has it, also with a port that need not be said.
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let headers = headers.chain([("host", host)]);
    let body = SignableBody::Bytes(request.body);
    let signed = SignableRequest::new(request.method, request.url, headers, body)
        .and_then(|signable| sign(signable, &params))
        .map_err(|error| format!("the request cannot be signed: {error}"))?;
    let (instructions, _) = signed.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
