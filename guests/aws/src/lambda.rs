//! Lambda: functions and their configuration.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize, Serializer};

use crate::protocol::Nothing;
use crate::{Aws, AwsError, RestRequest};

/// What is encoded in paths and queries: all that does not stand for itself there.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A function to be made.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateFunction<'a> {
    pub function_name: &'a str,
    /// Such as `nodejs22.x`.
    pub runtime: &'a str,
    /// The ARN of its role.
    pub role: &'a str,
    /// Such as `index.handler`.
    pub handler: &'a str,
    pub code: FunctionCode<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// In MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_size: Option<u32>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

/// The code of a function.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FunctionCode<'a> {
    /// The bytes of a zip file.
    #[serde(serialize_with = "base64")]
    pub zip_file: &'a [u8],
}

/// What is to change in a configuration; what is not said stays as it is.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateFunctionConfiguration<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

/// A function as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FunctionConfiguration {
    pub function_name: String,
    pub function_arn: String,
    pub runtime: Option<String>,
    pub role: Option<String>,
    pub handler: Option<String>,
    pub description: Option<String>,
    pub memory_size: Option<u32>,
    pub timeout: Option<u32>,
    pub code_size: Option<u64>,
    pub code_sha256: Option<String>,
    pub last_modified: Option<String>,
    pub revision_id: Option<String>,
    /// `Pending`, `Active`, `Inactive` or `Failed`.
    pub state: Option<String>,
    pub state_reason: Option<String>,
    /// `Successful`, `Failed` or `InProgress`.
    pub last_update_status: Option<String>,
    pub last_update_status_reason: Option<String>,
}

/// A function with the place of its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetFunction {
    pub configuration: FunctionConfiguration,
    pub code: Option<CodeLocation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CodeLocation {
    pub repository_type: Option<String>,
    pub location: Option<String>,
}

/// A page of functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListFunctions {
    pub functions: Vec<FunctionConfiguration>,
    /// Where the next page begins, if there is one.
    #[serde(default)]
    pub next_marker: Option<String>,
}

/// Lambda by its operations.
#[derive(Clone, Copy, Debug)]
pub struct Lambda<'a>(&'a Aws);

impl Aws {
    /// Calls Lambda.
    pub fn lambda(&self) -> Lambda<'_> {
        Lambda(self)
    }
}

impl Lambda<'_> {
    /// Makes a function; if there is one of this name, the code is `ResourceConflictException`. While the role cannot
    /// be assumed yet, it is `InvalidParameterValueException`.
    pub async fn create_function(
        self,
        input: &CreateFunction<'_>,
    ) -> Result<FunctionConfiguration, AwsError> {
        let request = request("CreateFunction", "POST", "/2015-03-31/functions");
        self.0.rest(request, Some(input)).await
    }

    /// Reads a function; without one the code is `ResourceNotFoundException`, as with all below.
    pub async fn get_function(self, name: &str) -> Result<GetFunction, AwsError> {
        let path = function_path(name, "");
        self.0.rest::<(), _>(request("GetFunction", "GET", &path), None).await
    }

    pub async fn get_function_configuration(self, name: &str) -> Result<FunctionConfiguration, AwsError> {
        let path = function_path(name, "/configuration");
        self.0.rest::<(), _>(request("GetFunctionConfiguration", "GET", &path), None).await
    }

    /// Replaces the code. While another change is under way, the code is `ResourceConflictException`.
    pub async fn update_function_code(
        self,
        name: &str,
        code: FunctionCode<'_>,
    ) -> Result<FunctionConfiguration, AwsError> {
        let path = function_path(name, "/code");
        self.0.rest(request("UpdateFunctionCode", "PUT", &path), Some(&code)).await
    }

    /// Changes the configuration. While another change is under way, the code is `ResourceConflictException`.
    pub async fn update_function_configuration(
        self,
        name: &str,
        input: &UpdateFunctionConfiguration<'_>,
    ) -> Result<FunctionConfiguration, AwsError> {
        let path = function_path(name, "/configuration");
        self.0.rest(request("UpdateFunctionConfiguration", "PUT", &path), Some(input)).await
    }

    pub async fn delete_function(self, name: &str) -> Result<(), AwsError> {
        let path = function_path(name, "");
        self.0.rest::<(), Nothing>(request("DeleteFunction", "DELETE", &path), None).await.map(drop)
    }

    /// Reads the page of functions that begins at a marker, or the first one.
    pub async fn list_functions(self, marker: Option<&str>) -> Result<ListFunctions, AwsError> {
        let marker = marker.map(|marker| format!("?Marker={}", encode(marker))).unwrap_or_default();
        let path = format!("/2015-03-31/functions{marker}");
        self.0.rest::<(), _>(request("ListFunctions", "GET", &path), None).await
    }
}

fn request<'a>(operation: &'static str, method: &'static str, path: &'a str) -> RestRequest<'a> {
    RestRequest { service: "lambda", operation, method, path }
}

fn function_path(name: &str, rest: &str) -> String {
    format!("/2015-03-31/functions/{}{rest}", encode(name))
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn base64<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&aws_smithy_types::base64::encode(bytes))
}
