//! One call and its answer: signed, sent, and signed anew when the time was wrong.
//!
//! The clock of a handler stands at the last entry of its journal, so a step that is tried again for a quarter of an
//! hour would sign with a time that AWS no longer takes. The answer to that says what time it is.

use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use holiday_sdk::Error;
use holiday_sdk::http::Request;

use crate::error::Fault;
use crate::signing::{Signable, signature_headers};
use crate::{Aws, AwsError};

/// How long the connection, the first byte or any next byte of an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// AWS takes signatures for at least five minutes.
const SKEW_TOLERATED: Duration = Duration::from_secs(4 * 60);

/// What errors show of an answer's words.
pub(crate) const MESSAGE_CHARACTERS_MAX: usize = 500;

/// A call before it is signed.
pub(crate) struct Call<'a> {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) method: &'static str,
    /// With the query, encoded.
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }
}

/// A request as it is sent.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
}

/// What carries requests.
#[derive(Clone)]
pub(crate) enum Transport {
    Host,
    #[cfg(test)]
    Script(crate::tests::Script),
}

impl Transport {
    async fn send(&self, signed: Signed<'_>) -> Result<Answer, Error> {
        match self {
            Transport::Host => send(signed).await,
            #[cfg(test)]
            Transport::Script(script) => script.answer(&signed),
        }
    }
}

async fn send(signed: Signed<'_>) -> Result<Answer, Error> {
    let mut request = Request::new(signed.method, signed.url).bytes(signed.body).timeout(PATIENCE);
    for (name, value) in signed.headers {
        request = request.header(name, value);
    }
    let response = request.send().await?;
    Ok(Answer { status: response.status(), headers: response.headers().to_vec(), body: response.bytes() })
}

impl Aws {
    /// Makes a call and returns the answer to it; a refusal is an error.
    pub(crate) async fn exchange(&self, call: &Call<'_>) -> Result<Answer, AwsError> {
        self.exchange_at(call, SystemTime::now()).await
    }

    pub(crate) async fn exchange_at(&self, call: &Call<'_>, now: SystemTime) -> Result<Answer, AwsError> {
        let answer = self.send_at(call, now).await?;
        let answer = match right_time(&answer, now) {
            Some(time) => self.send_at(call, time).await?,
            None => answer,
        };
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let Fault { code, message } = Fault::of(&answer);
        // Cut only now: half a credential would not be recognised.
        let message = self.without_credentials(message).chars().take(MESSAGE_CHARACTERS_MAX).collect();
        Err(AwsError::refused(call, answer.status, code, message))
    }

    async fn send_at(&self, call: &Call<'_>, time: SystemTime) -> Result<Answer, AwsError> {
        let Call { service, method, path, headers, body, .. } = call;
        let place = self.place(service);
        let url = format!("{}{path}", place.url);
        let signable = Signable { service, region: place.region, method, url: &url, headers, body };
        let signature = signature_headers(&signable, &self.credentials, time)
            .map_err(|why| AwsError::unsent(call, Error::terminal(why)))?;
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let headers = headers.chain(signature).collect();
        let sent = self.transport.send(Signed { method, url, headers, body });
        sent.await.map_err(|error| AwsError::unsent(call, error))
    }

    /// Some refusals repeat what was signed, and a session token is among it.
    fn without_credentials(&self, message: String) -> String {
        let credentials = &self.credentials;
        let all = [
            Some(credentials.access_key_id()),
            Some(credentials.secret_access_key()),
            credentials.session_token(),
        ];
        all.into_iter().flatten().fold(message, |text, secret| text.replace(secret, "…"))
    }
}

/// The time by the server's clock, when it has refused a request for its time.
fn right_time(answer: &Answer, signed_at: SystemTime) -> Option<SystemTime> {
    if !matches!(answer.status, 400 | 401 | 403) {
        return None;
    }
    let date = DateTime::from_str(answer.header("date")?, Format::HttpDate).ok()?;
    let date = SystemTime::try_from(date).ok()?;
    let is_far =
        date.duration_since(signed_at).or_else(|_| signed_at.duration_since(date)).ok()? > SKEW_TOLERATED;
    (says_time_is_wrong(&Fault::of(answer)) || is_far && answer.status == 403).then_some(date)
}

fn says_time_is_wrong(fault: &Fault) -> bool {
    let Fault { code, message } = fault;
    match code.as_str() {
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => true,
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            message.contains("expired") || message.contains("not yet current")
        }
        _ => false,
    }
}
