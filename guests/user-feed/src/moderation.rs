//! The moderation: somebody looks at each post, and until that is done is asked again and again.
//!
//! Who is asked is at `MODERATION_URL`. Without one, a stand-in draws lots.

use std::num::NonZeroU64;
use std::time::Duration;

use holiday_sdk::rand_core::RngCore as _;
use holiday_sdk::{Context, Error, RetryableError, TerminalError, config, http};
use serde::{Deserialize, Serialize};

/// The setting with the milliseconds between two questions.
const INTERVAL: &str = "MODERATION_INTERVAL_MS";

/// Where nothing is set.
const INTERVAL_MS: u64 = 5_000;

/// What is recorded of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Also says when to ask again: who has begun to wait waits as long, also when the setting is changed.
    Pending {
        ask_again_ms: u64,
    },
    Done,
}

/// What the moderation answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    Done,
}

#[derive(Debug, Deserialize)]
struct Answer {
    status: Status,
}

/// Asks about a post.
pub(crate) async fn ask(ctx: Context, post_id: &str) -> Result<Verdict, TerminalError> {
    let lot = if ctx.random().next_u32().is_multiple_of(2) { Status::Pending } else { Status::Done };
    let check = async || match status(post_id, lot).await? {
        Status::Pending => Ok(Verdict::Pending { ask_again_ms: interval_ms()? }),
        Status::Done => Ok(Verdict::Done),
    };
    ctx.run("check moderation", check).await
}

/// Waits before the next question.
pub(crate) async fn wait(ctx: Context, post_id: &str, ms: u64) -> Result<(), TerminalError> {
    let pause = Duration::from_millis(ms);
    let seconds = pause.as_secs_f64();
    println!(
        "Content moderation for post {post_id} is still pending... Will check again in {seconds} seconds"
    );
    ctx.sleep_named("until moderation is asked again", pause).await
}

/// What the moderation says; or the lot, if there is none. The post is created by then, so whatever else it answers with is
/// asked for again, until an operator has mended that.
async fn status(post_id: &str, lot: Status) -> Result<Status, RetryableError> {
    let Some(url) = config("MODERATION_URL") else { return Ok(lot) };
    let answer = look_up(&url, post_id).await;
    answer.map(|answer| answer.status).map_err(|error| {
        RetryableError::new(format!("the moderation at MODERATION_URL said nothing of the post: {error}"))
    })
}

async fn look_up(url: &str, post_id: &str) -> Result<Answer, Error> {
    let response = http::get(format!("{}/{post_id}", url.trim_end_matches('/'))).send().await?;
    response.error_for_status()?.json()
}

fn interval_ms() -> Result<u64, RetryableError> {
    let Some(text) = config(INTERVAL) else { return Ok(INTERVAL_MS) };
    text.parse().map(NonZeroU64::get).map_err(|_| {
        RetryableError::new(format!("{INTERVAL} is '{text}'; set it to a number of milliseconds, 1 or more"))
    })
}
