//! What a function is, and what may be asked of one.

use holiday_sdk::TerminalError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Made of the name of its function, and 64 characters at most.
const ROLE_SUFFIX: &str = "-role";
const ROLE_NAME_CHARACTERS_MAX: usize = 64;

/// Larger code would have to be uploaded to S3 first.
const CODE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// For how many days CloudWatch Logs can keep lines.
const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// What Lambda gives a function for which nothing is said.
const MEMORY_MEGABYTES: u32 = 128;
const TIMEOUT_SECONDS: u32 = 3;

/// A function as somebody asks for it; what is missing is left to AWS, or in an update as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wanted {
    /// May be left out; otherwise the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_name: Option<String>,
    /// An ES module that exports `handler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_megabytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_retention_days: Option<u32>,
}

/// The full configuration of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Function {
    pub(crate) function_name: String,
    pub(crate) code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_megabytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_retention_days: Option<u32>,
}

impl Function {
    /// The function of this name as it is wanted.
    pub(crate) fn new(name: &str, wanted: Wanted) -> Result<Self, TerminalError> {
        wanted.check(name)?;
        let Wanted { code, memory_megabytes, timeout_seconds, log_retention_days, .. } = wanted;
        Ok(Self {
            function_name: name.to_owned(),
            code: code.ok_or_else(|| invalid("code is missing: an ES module that exports 'handler'"))?,
            memory_megabytes,
            timeout_seconds,
            log_retention_days,
        })
    }

    /// The same function with changes; what they do not name stays.
    pub(crate) fn with(&self, changes: Wanted) -> Result<Self, TerminalError> {
        changes.check(&self.function_name)?;
        let Wanted { code, memory_megabytes, timeout_seconds, log_retention_days, .. } = changes;
        Ok(Self {
            function_name: self.function_name.clone(),
            code: code.unwrap_or_else(|| self.code.clone()),
            memory_megabytes: memory_megabytes.or(self.memory_megabytes),
            timeout_seconds: timeout_seconds.or(self.timeout_seconds),
            log_retention_days: log_retention_days.or(self.log_retention_days),
        })
    }

    pub(crate) fn memory(&self) -> u32 {
        self.memory_megabytes.unwrap_or(MEMORY_MEGABYTES)
    }

    pub(crate) fn timeout(&self) -> u32 {
        self.timeout_seconds.unwrap_or(TIMEOUT_SECONDS)
    }

    pub(crate) fn role_name(&self) -> String {
        format!("{}{ROLE_SUFFIX}", self.function_name)
    }

    pub(crate) fn log_group(&self) -> String {
        format!("/aws/lambda/{}", self.function_name)
    }
}

impl Wanted {
    fn check(&self, name: &str) -> Result<(), TerminalError> {
        check_name(name)?;
        if let Some(other) = self.function_name.as_ref().filter(|other| *other != name) {
            return Err(invalid(&format!("functionName '{other}' is not '{name}', the key; leave it out")));
        }
        if let Some(code) = &self.code {
            if code.trim().is_empty() {
                return Err(invalid("code is empty: it must be an ES module that exports 'handler'"));
            }
            if code.len() > CODE_BYTES_MAX {
                return Err(invalid(&format!("code has {} bytes, {CODE_BYTES_MAX} at most", code.len())));
            }
        }
        within("memoryMegabytes", self.memory_megabytes, 128, 10_240)?;
        within("timeoutSeconds", self.timeout_seconds, 1, 900)?;
        match self.log_retention_days {
            Some(days) if !RETENTION_DAYS.contains(&days) => {
                Err(invalid(&format!("logRetentionDays {days} is none of {RETENTION_DAYS:?}")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn check_name(name: &str) -> Result<(), TerminalError> {
    let characters_max = ROLE_NAME_CHARACTERS_MAX - ROLE_SUFFIX.len();
    if name.is_empty() || name.len() > characters_max {
        return Err(invalid(&format!(
            "functionName '{name}' has {} characters; it must have 1 to {characters_max}",
            name.len()
        )));
    }
    match name.chars().find(|it| !it.is_ascii_alphanumeric() && !matches!(it, '-' | '_')) {
        Some(other) => Err(invalid(&format!(
            "functionName '{name}' has a '{other}'; it may have letters, digits, '-' and '_'"
        ))),
        None => Ok(()),
    }
}

fn within(field: &str, value: Option<u32>, least: u32, most: u32) -> Result<(), TerminalError> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(invalid(&format!("{field} {value} is not within {least} to {most}")))
        }
        Some(_) | None => Ok(()),
    }
}

fn invalid(why: &str) -> TerminalError {
    TerminalError::new(format!("Validation error: {why}")).with_code(400)
}
