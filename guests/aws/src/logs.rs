//! CloudWatch Logs: groups of logs and how long they are kept.

use serde::{Deserialize, Serialize};

use crate::protocol::Nothing;
use crate::{Aws, AwsError, JsonService};

const LOGS: JsonService = JsonService { name: "logs", target: "Logs_20140328", protocol: "1.1" };

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogGroup<'a> {
    log_group_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeLogGroups<'a> {
    log_group_name_prefix: &'a str,
    limit: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogGroups {
    log_groups: Vec<FoundLogGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundLogGroup {
    log_group_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RetentionPolicy<'a> {
    log_group_name: &'a str,
    retention_in_days: u32,
}

/// CloudWatch Logs by its operations.
#[derive(Clone, Copy, Debug)]
pub struct Logs<'a>(&'a Aws);

impl Aws {
    /// Calls CloudWatch Logs.
    pub fn logs(&self) -> Logs<'_> {
        Logs(self)
    }
}

impl Logs<'_> {
    /// Makes a group; if there is one of this name, the code is `ResourceAlreadyExistsException`.
    pub async fn create_log_group(self, log_group_name: &str) -> Result<(), AwsError> {
        let input = LogGroup { log_group_name };
        self.0.json::<_, Nothing>(&LOGS, "CreateLogGroup", &input).await.map(drop)
    }

    /// Tells whether there is a group of this name.
    pub async fn has_log_group(self, log_group_name: &str) -> Result<bool, AwsError> {
        // In the order of their names, so that this one would come first.
        let input = DescribeLogGroups { log_group_name_prefix: log_group_name, limit: 1 };
        let page: LogGroups = self.0.json(&LOGS, "DescribeLogGroups", &input).await?;
        Ok(page.log_groups.iter().any(|group| group.log_group_name == log_group_name))
    }

    /// Says for how many days a group keeps its logs. AWS takes certain numbers only, such as 1, 3, 5, 7, 14 and 30.
    pub async fn put_retention_policy(self, log_group_name: &str, days: u32) -> Result<(), AwsError> {
        let input = RetentionPolicy { log_group_name, retention_in_days: days };
        self.0.json::<_, Nothing>(&LOGS, "PutRetentionPolicy", &input).await.map(drop)
    }

    /// Deletes a group; without one the code is `ResourceNotFoundException`.
    pub async fn delete_log_group(self, log_group_name: &str) -> Result<(), AwsError> {
        let input = LogGroup { log_group_name };
        self.0.json::<_, Nothing>(&LOGS, "DeleteLogGroup", &input).await.map(drop)
    }
}
