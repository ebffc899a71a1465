//! The object `notifications`: who wants to know how fares have ended finds it here, in two queues. The object `topics` has
//! them in topics of Amazon SNS as well, if `SUCCESS_TOPIC` and `FAILURE_TOPIC` name them.

use std::collections::VecDeque;
use std::time::Duration;

use aws::Aws;
use aws::sns::Publish;
use effects::Subject;
use holiday_sdk::{Context, Error, ObjectContext, RetryPolicy, TerminalError, config};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fares::{Fare, FareStatus};

/// Notifications that a queue keeps; of more, the oldest lapse.
const QUEUE_LENGTH_MAX: usize = 1000;

/// How a fare has ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    #[serde(flatten)]
    pub(crate) fare: Fare,
    pub(crate) fare_status: FareStatus,
    /// Why it was not collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Queue {
    Success,
    Failure,
}

impl Queue {
    /// Which one takes what is said of a fare with this status.
    fn of(fare_status: FareStatus) -> Self {
        match fare_status {
            FareStatus::Completed => Queue::Success,
            FareStatus::Registered | FareStatus::Failed => Queue::Failure,
        }
    }

    /// Under which it is in the state.
    fn name(self) -> &'static str {
        match self {
            Queue::Success => "success",
            Queue::Failure => "failure",
        }
    }

    fn effect(self) -> &'static str {
        match self {
            Queue::Success => "fares.notify_success",
            Queue::Failure => "fares.notify_failure",
        }
    }

    /// Which variable names its topic.
    fn topic_variable(self) -> &'static str {
        match self {
            Queue::Success => "SUCCESS_TOPIC",
            Queue::Failure => "FAILURE_TOPIC",
        }
    }
}

pub(crate) struct Notifications;

/// Two queues of notifications, `success` and `failure`; the key is what they are about, such as `fares`.
#[holiday_sdk::object(name = "notifications")]
impl Notifications {
    /// Puts a notification at the end of its queue, and has it published without waiting for that.
    #[handler(private)]
    pub(crate) async fn publish(ctx: ObjectContext, notification: Notification) -> Result<(), Error> {
        let queue = Queue::of(notification.fare_status);
        let fare_id = &notification.fare.fare_id;
        effects::apply(**ctx, queue.effect(), Subject { about: fare_id, id: fare_id }).await?;
        TopicsClient::new(&ctx, queue.name()).publish(&notification).send()?;
        let mut waiting: VecDeque<Notification> = ctx.get(queue.name())?.unwrap_or_default();
        waiting.push_back(notification);
        while waiting.len() > QUEUE_LENGTH_MAX
            && let Some(oldest) = waiting.pop_front()
        {
            eprintln!("Nobody has taken the notification about {}", oldest.fare.fare_id);
        }
        Ok(ctx.set(queue.name(), &waiting)?)
    }

    /// Hands over what is in a queue, and empties it.
    async fn take(ctx: ObjectContext, queue: Queue) -> Result<Vec<Notification>, Error> {
        let waiting = ctx.get(queue.name())?.unwrap_or_default();
        ctx.clear(queue.name());
        Ok(waiting)
    }
}

pub(crate) struct Topics;

/// The topics of the queues; the key is the queue's name. A topic gets its notifications in the order of the queue.
#[holiday_sdk::object(name = "topics")]
impl Topics {
    /// Publishes a notification to the topic of its queue, if it has one. It is in the queue already, so one that cannot be
    /// published is given up after ten times: what waits behind it is for the same topic, and no fare waits for it.
    #[handler(private)]
    async fn publish(ctx: ObjectContext, notification: Notification) -> Result<(), Error> {
        let queue = Queue::of(notification.fare_status);
        Ok(publish(**ctx, queue, &notification).await?)
    }
}

async fn publish(ctx: Context, queue: Queue, notification: &Notification) -> Result<(), TerminalError> {
    let step = ctx.run("sns.publish", async || {
        let topic = config(queue.topic_variable()).filter(|topic| !topic.is_empty());
        let Some(topic) = topic else { return Ok(()) };
        let message = serde_json::to_string(notification)?;
        let is_ordered = topic.ends_with(".fifo");
        let message = Publish {
            topic_arn: &topic,
            message: &message,
            // A repeated message is the same one.
            message_group_id: is_ordered.then_some("fares"),
            message_deduplication_id: is_ordered.then_some(notification.fare.fare_id.as_str()),
            ..Publish::default()
        };
        Aws::from_config()?.sns().publish(&message).await?;
        Ok(())
    });
    let policy =
        RetryPolicy::exponential(Duration::from_millis(100), 2.0).max_interval(Duration::from_secs(5));
    match step.retry(policy.max_attempts(10)).await {
        Err(error) if !error.is_cancelled() => {
            let fare_id = &notification.fare.fare_id;
            eprintln!("The notification about {fare_id} was not published: {error}");
            Ok(())
        }
        published => published,
    }
}
