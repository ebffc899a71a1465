//! SNS: messages to topics.

use serde::Deserialize;

use crate::{Aws, AwsError, QueryService};

const SNS: QueryService = QueryService { name: "sns", version: "2010-03-31" };

/// A message for all who subscribe to a topic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publish<'a> {
    pub topic_arn: &'a str,
    pub message: &'a str,
    /// The subject of mails.
    pub subject: Option<&'a str>,
    /// For a topic of the kind FIFO: the messages that keep their order.
    pub message_group_id: Option<&'a str>,
    /// For a topic of the kind FIFO: what makes a repeated message the same.
    pub message_deduplication_id: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishResponse {
    publish_result: PublishResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishResult {
    message_id: String,
}

/// SNS by its operations.
#[derive(Clone, Copy, Debug)]
pub struct Sns<'a>(&'a Aws);

impl Aws {
    /// Calls SNS.
    pub fn sns(&self) -> Sns<'_> {
        Sns(self)
    }
}

impl Sns<'_> {
    /// Publishes a message and returns its id. A repeated call is another message, unless the topic is a FIFO one.
    pub async fn publish(self, input: &Publish<'_>) -> Result<String, AwsError> {
        let optional = [
            ("Subject", input.subject),
            ("MessageGroupId", input.message_group_id),
            ("MessageDeduplicationId", input.message_deduplication_id),
        ];
        let mut parameters = vec![("TopicArn", input.topic_arn), ("Message", input.message)];
        parameters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let response: PublishResponse = self.0.query(&SNS, "Publish", &parameters).await?;
        Ok(response.publish_result.message_id)
    }
}
