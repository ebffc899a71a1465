//! A client for the host's two doors, which speaks to 127.0.0.1 only.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) invocation_id: Option<String>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Status, code and message of an error.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned();
        (self.status, text("error_code"), text("message"))
    }

    /// What is the same however often one asks: the answer without the id of the request.
    pub(crate) fn outcome(&self) -> (u16, String) {
        match self.status {
            200..300 => (self.status, self.body.clone()),
            _ => (self.status, self.error().2),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    client: reqwest::Client,
}

impl Door {
    pub(crate) fn new(address: SocketAddr) -> Self {
        assert_eq!(address.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST), "tests stay on this machine");
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Door { address, client }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await.expect("the host answers")
    }

    pub(crate) async fn patch(&self, path: &str) -> Answer {
        send(self.request(Method::PATCH, path)).await.expect("the host answers")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await.expect("the host answers")
    }

    pub(crate) async fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", content_type).body(body);
        send(request).await.expect("the host answers")
    }

    /// A call whose handler takes no body.
    pub(crate) async fn post_empty(&self, path: &str) -> Answer {
        send(self.request(Method::POST, path)).await.expect("the host answers")
    }

    /// Sends one-way and returns the invocation's id.
    pub(crate) async fn send(&self, path: &str, body: &Value) -> String {
        let accepted = self.post(&format!("{path}/send"), body).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        accepted.json()["invocationId"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn send_empty(&self, path: &str) -> String {
        let accepted = self.post_empty(&format!("{path}/send")).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        accepted.json()["invocationId"].as_str().expect("an id").to_owned()
    }

    /// Waits for the outcome of an invocation, however often the host dies meanwhile.
    pub(crate) async fn attach(&self, invocation: &str) -> Answer {
        let path = format!("/restate/invocation/{invocation}/attach");
        self.insist(|| self.request(Method::GET, &path)).await
    }

    /// Repeats a request until it is answered by more than "the host is not there just now".
    pub(crate) async fn insist(&self, request: impl Fn() -> reqwest::RequestBuilder) -> Answer {
        loop {
            match send(request()).await {
                Ok(answer) if !is_passing(&answer) => return answer,
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// The host is shutting down or overloaded: the same request may succeed later.
fn is_passing(answer: &Answer) -> bool {
    matches!(
        StatusCode::from_u16(answer.status),
        Ok(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
    )
}

/// Sends a request once.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let invocation_id = headers.get("x-restate-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    Ok(Answer { status, headers, invocation_id, body: response.text().await? })
}
