//! Sends requests through `wasi:http`, waiting on its pollables beside everything else.

use std::time::Duration;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::{OutputStream, StreamError};

use super::{Request, Response, append, parse_url, shown};
use crate::operations::IoReady;
use crate::{Error, TerminalError};

/// How much of a body is asked for at a time.
const CHUNK_BYTES: u64 = 64 * 1024;

pub(super) async fn send(request: Request) -> Result<Response, Error> {
    let Request { method, url, headers, body, timeout } = request;
    let failed = |code| failure(&method, &shown(&url), code);
    let body = body?;
    let outgoing = outgoing_request(&method, &url, headers, body.len())?;
    let outgoing_body = outgoing.body().expect("the body is taken once");
    // The host must have the request before the body is written, so that it takes the body off.
    let response = outgoing_handler::handle(outgoing, options(timeout)).map_err(&failed)?;
    write_body(outgoing_body, &body).await?;
    let response = receive_head(&response).await.map_err(&failed)?;
    let status = response.status();
    let headers = response
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    Ok(Response { status, headers, body: receive_body(&response).await? })
}

fn outgoing_request(
    method: &str,
    url: &str,
    mut headers: Vec<(String, String)>,
    body_bytes: usize,
) -> Result<OutgoingRequest, TerminalError> {
    let parts = parse_url(url)?;
    if body_bytes > 0 || !matches!(method, "GET" | "HEAD") {
        headers.push(("content-length".into(), body_bytes.to_string()));
    }
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    let wrong = |what: &str| TerminalError::new(format!("{method} {}: {what} is not allowed", shown(url)));
    let headers = Fields::from_list(&headers).map_err(|error| wrong(&format!("a header ({error:?})")))?;
    let request = OutgoingRequest::new(headers);
    let scheme = if parts.https { Scheme::Https } else { Scheme::Http };
    request.set_method(&method_of(method)).map_err(|()| wrong("the method"))?;
    request.set_scheme(Some(&scheme)).map_err(|()| wrong("the scheme"))?;
    request.set_authority(Some(parts.authority)).map_err(|()| wrong("the host"))?;
    request.set_path_with_query(Some(&parts.path_with_query)).map_err(|()| wrong("the path"))?;
    Ok(request)
}

fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.into()),
    }
}

fn options(timeout: Option<Duration>) -> Option<RequestOptions> {
    let nanos = u64::try_from(timeout?.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    // A host that knows none of these timeouts refuses to set them; then its own hold.
    let _ = options.set_connect_timeout(Some(nanos));
    let _ = options.set_first_byte_timeout(Some(nanos));
    let _ = options.set_between_bytes_timeout(Some(nanos));
    Some(options)
}

/// Writes the body as far as the server takes it; a server that stops reading may still answer.
async fn write_body(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    {
        let stream = body.write().expect("the stream is taken once");
        if write_all(&stream, bytes).await.is_err() {
            return Ok(());
        }
    }
    // What is wrong with the body, such as too few bytes, the response tells as well.
    let _ = OutgoingBody::finish(body, None);
    Ok(())
}

async fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX).min(bytes.len());
        if room == 0 {
            IoReady::new(stream.subscribe()).await;
            continue;
        }
        let (now, later) = bytes.split_at(room);
        stream.write(now)?;
        bytes = later;
    }
    stream.flush()
}

async fn receive_head(response: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    loop {
        match response.get() {
            Some(response) => return response.expect("the response is taken once"),
            None => IoReady::new(response.subscribe()).await,
        }
    }
}

async fn receive_body(response: &IncomingResponse) -> Result<Vec<u8>, Error> {
    let body: IncomingBody = response.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut bytes = Vec::new();
    loop {
        match stream.read(CHUNK_BYTES) {
            Ok(chunk) if chunk.is_empty() => IoReady::new(stream.subscribe()).await,
            Ok(chunk) => append(&mut bytes, &chunk)?,
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(Error::retryable(format!("the response broke off: {}", error.to_debug_string())));
            }
        }
    }
}

/// Sorts what went wrong: what the host refuses, it refuses again; a connection may come back.
fn failure(method: &str, url: &str, code: ErrorCode) -> Error {
    match code {
        ErrorCode::InternalError(Some(text)) if is_host_refusal(&text) => Error::terminal(text),
        ErrorCode::InternalError(Some(text)) => Error::retryable(format!("{method} {url}: {text}")),
        code @ (ErrorCode::HttpRequestDenied | ErrorCode::HttpRequestUriInvalid) => {
            Error::terminal(format!("{method} {url}: {code:?}"))
        }
        code => Error::retryable(format!("{method} {url}: {code:?}")),
    }
}

/// Recognises the host's own errors, `HH` and four digits.
fn is_host_refusal(text: &str) -> bool {
    text.strip_prefix("HH")
        .is_some_and(|rest| rest.len() >= 4 && rest.bytes().take(4).all(|digit| digit.is_ascii_digit()))
}
