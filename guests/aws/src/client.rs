//! Where AWS is for this deployment, and as whom it is called.

use std::fmt;

use aws_credential_types::Credentials;
use holiday_sdk::TerminalError;
use http::Uri;

use crate::exchange::Transport;

/// A way to AWS, as the variables of the deployment describe it.
#[derive(Clone)]
pub struct Aws {
    region: String,
    /// Instead of Amazon's own hosts, without a slash at its end.
    endpoint: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) transport: Transport,
}

/// What differs between the parts of AWS that know nothing of each other.
struct Partition {
    name: &'static str,
    domain: &'static str,
    iam_host: &'static str,
    iam_region: &'static str,
}

const COMMERCIAL: Partition = Partition {
    name: "aws",
    domain: "amazonaws.com",
    iam_host: "iam.amazonaws.com",
    iam_region: "us-east-1",
};

const CHINA: Partition = Partition {
    name: "aws-cn",
    domain: "amazonaws.com.cn",
    iam_host: "iam.cn-north-1.amazonaws.com.cn",
    iam_region: "cn-north-1",
};

const US_GOVERNMENT: Partition = Partition {
    name: "aws-us-gov",
    domain: "amazonaws.com",
    iam_host: "iam.us-gov.amazonaws.com",
    iam_region: "us-gov-west-1",
};

/// Where a service is, and for which region its requests are signed.
pub(crate) struct Place<'a> {
    pub(crate) url: String,
    pub(crate) region: &'a str,
}

impl Aws {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and where they are set `AWS_SESSION_TOKEN` and
    /// `AWS_ENDPOINT` or `AWS_ENDPOINT_URL`. One that is empty is not set.
    ///
    /// # Errors
    ///
    /// When one is missing or wrong; the error names it and says what to do.
    pub fn from_config() -> Result<Self, TerminalError> {
        Self::from_variables(holiday_sdk::config)
    }

    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, TerminalError> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let secret =
            |name: &str| given(name).ok_or_else(|| missing(name, &format!("{{ secret-env = \"{name}\" }}")));
        let region = given("AWS_REGION").ok_or_else(|| missing("AWS_REGION", "\"eu-central-1\""))?;
        if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(TerminalError::new(format!(
                "AWS_REGION is '{region}'; set it to the name of a region, such as eu-central-1"
            )));
        }
        let endpoint = ["AWS_ENDPOINT", "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|name| Some(checked_endpoint(name, given(name)?)))
            .transpose()?;
        let credentials = Credentials::from_keys(
            secret("AWS_ACCESS_KEY_ID")?,
            secret("AWS_SECRET_ACCESS_KEY")?,
            given("AWS_SESSION_TOKEN"),
        );
        Ok(Self { region, endpoint, credentials, transport: Transport::Host })
    }

    /// Returns the region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the second part of every ARN here: `aws`, or what it is in China and for the government of the US.
    pub fn partition(&self) -> &'static str {
        self.part().name
    }

    fn part(&self) -> &'static Partition {
        match self.region.as_str() {
            region if region.starts_with("cn-") => &CHINA,
            region if region.starts_with("us-gov-") => &US_GOVERNMENT,
            _ => &COMMERCIAL,
        }
    }

    /// Looks up a service. IAM has one place for all regions.
    pub(crate) fn place(&self, service: &str) -> Place<'_> {
        let Partition { domain, iam_host, iam_region, .. } = self.part();
        let (host, region) = match service {
            "iam" => ((*iam_host).to_owned(), *iam_region),
            _ => (format!("{service}.{}.{domain}", self.region), self.region.as_str()),
        };
        Place { url: self.endpoint.clone().unwrap_or_else(|| format!("https://{host}")), region }
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, endpoint, .. } = self;
        f.debug_struct("Aws").field("region", region).field("endpoint", endpoint).finish_non_exhaustive()
    }
}

fn missing(name: &str, example: &str) -> TerminalError {
    TerminalError::new(format!(
        "{name} is not set for this component; set it in holiday.toml under [env], as in {name} = {example}"
    ))
}

fn checked_endpoint(name: &str, value: String) -> Result<String, TerminalError> {
    let is_right = value.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && matches!(uri.path_and_query().map(|it| it.as_str()), None | Some("/"))
    });
    if !is_right {
        // What stands before an @ may be a password.
        let shown = value.rsplit('@').next().unwrap_or_default();
        return Err(TerminalError::new(format!(
            "{name} is '{shown}'; set it to a scheme and a host, such as http://127.0.0.1:5000"
        )));
    }
    Ok(value.trim_end_matches('/').to_owned())
}
