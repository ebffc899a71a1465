//! The three ways in which the services take a call: JSON, REST with JSON, and a form answered with XML.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::exchange::{Answer, Call};
use crate::{Aws, AwsError};

/// A service whose operations are named in a header, and take and give JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonService {
    /// As in its host name, such as `dynamodb`.
    pub name: &'static str,
    /// What stands before an operation in the header `x-amz-target`.
    pub target: &'static str,
    /// Of the protocol, such as `1.0`.
    pub protocol: &'static str,
}

/// A service whose operations take a form and give XML.
#[derive(Clone, Copy, Debug)]
pub struct QueryService {
    /// As in its host name, such as `sns`.
    pub name: &'static str,
    /// Of its interface, such as `2010-03-31`.
    pub version: &'static str,
}

/// An operation that is a method on a path.
#[derive(Clone, Copy, Debug)]
pub struct RestRequest<'a> {
    /// As in its host name, such as `lambda`.
    pub service: &'static str,
    /// What errors call it.
    pub operation: &'static str,
    pub method: &'static str,
    /// With its query, encoded.
    pub path: &'a str,
}

impl Aws {
    /// Calls an operation of a JSON service.
    pub async fn json<I: Serialize, O: DeserializeOwned>(
        &self,
        service: &JsonService,
        operation: &'static str,
        input: &I,
    ) -> Result<O, AwsError> {
        let JsonService { name, target, protocol } = service;
        let headers = vec![
            ("content-type", format!("application/x-amz-json-{protocol}")),
            ("x-amz-target", format!("{target}.{operation}")),
        ];
        let call =
            Call { service: name, operation, method: "POST", path: "/", headers, body: encoded(input) };
        let answer = self.exchange(&call).await?;
        decoded(&call, &answer)
    }

    /// Calls an operation of a REST service; one without input has no body.
    pub async fn rest<I: Serialize, O: DeserializeOwned>(
        &self,
        request: RestRequest<'_>,
        input: Option<&I>,
    ) -> Result<O, AwsError> {
        let RestRequest { service, operation, method, path } = request;
        let headers = match input {
            Some(_) => vec![("content-type", "application/json".to_owned())],
            None => Vec::new(),
        };
        let body = input.map(encoded).unwrap_or_default();
        let call = Call { service, operation, method, path, headers, body };
        let answer = self.exchange(&call).await?;
        decoded(&call, &answer)
    }

    /// Calls an operation of a query service. The parameters are those beside `Action` and `Version`.
    pub async fn query<O: DeserializeOwned>(
        &self,
        service: &QueryService,
        operation: &'static str,
        parameters: &[(&str, &str)],
    ) -> Result<O, AwsError> {
        let QueryService { name, version } = service;
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("Action", operation), ("Version", version)])
            .extend_pairs(parameters)
            .finish();
        let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        let call =
            Call { service: name, operation, method: "POST", path: "/", headers, body: body.into_bytes() };
        let answer = self.exchange(&call).await?;
        let text = String::from_utf8_lossy(&answer.body);
        quick_xml::de::from_str(&text).map_err(|error| AwsError::unreadable(&call, &answer, error))
    }
}

/// An answer of which nothing is wanted.
pub(crate) type Nothing = IgnoredAny;

fn encoded<I: Serialize>(input: &I) -> Vec<u8> {
    serde_json::to_vec(input).expect("inputs are plain structures, whose keys are text")
}

/// Some answers have no body at all.
fn decoded<O: DeserializeOwned>(call: &Call<'_>, answer: &Answer) -> Result<O, AwsError> {
    let body = if answer.body.is_empty() { b"{}" } else { answer.body.as_slice() };
    serde_json::from_slice(body).map_err(|error| AwsError::unreadable(call, answer, error))
}
