//! The object `notifications`: who wants to know how fares have ended finds it here, in two queues.

use std::collections::VecDeque;

use effects::Subject;
use holiday_sdk::{Error, ObjectContext};
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
    /// Under which it is in the state.
    fn name(self) -> &'static str {
        match self {
            Queue::Success => "success",
            Queue::Failure => "failure",
        }
    }
}

pub(crate) struct Notifications;

/// Two queues of notifications, `success` and `failure`; the key is what they are about, such as `fares`.
#[holiday_sdk::object(name = "notifications")]
impl Notifications {
    /// Puts a notification at the end of its queue.
    #[handler(private)]
    pub(crate) async fn publish(ctx: ObjectContext, notification: Notification) -> Result<(), Error> {
        let (queue, effect) = match notification.fare_status {
            FareStatus::Completed => (Queue::Success, "fares.notify_success"),
            FareStatus::Registered | FareStatus::Failed => (Queue::Failure, "fares.notify_failure"),
        };
        let fare_id = &notification.fare.fare_id;
        effects::apply(**ctx, effect, Subject { about: fare_id, id: fare_id }).await?;
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
