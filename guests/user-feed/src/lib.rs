//! The object `UserFeed`: takes in the posts of one user, each of which is moderated before it is in the feed.

mod moderation;

use effects::Subject;
use holiday_sdk::{Error, ObjectContext, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use moderation::Verdict;

holiday_sdk::export!(UserFeed);

/// A post as its user has sent it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Post {
    content: String,
    metadata: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Posted {
    post_id: String,
}

struct UserFeed;

/// The posts of one user, one after the other; the key is the user's id.
#[holiday_sdk::object]
impl UserFeed {
    /// Creates a post, waits until it is moderated, and puts it into the feed.
    #[handler(name = "ProcessPost")]
    async fn process_post(ctx: ObjectContext, post: Post) -> Result<Posted, Error> {
        let user = ctx.key();
        let post_id = create_post(ctx, &user).await?;
        println!("Created post {post_id} for user {user} with content: {}", post.content);

        while let Verdict::Pending { ask_again_ms } = moderation::ask(**ctx, &post_id).await? {
            moderation::wait(**ctx, &post_id, ask_again_ms).await?;
        }
        println!("Content moderation for post {post_id} is done");

        println!("Updating the user feed for user {user} with post {post_id}");
        effects::apply(**ctx, "feeds.update", Subject { about: &user, id: &post_id }).await?;
        Ok(Posted { post_id })
    }
}

/// Creates the post in the world and answers with its id, which is the same however often that is tried.
async fn create_post(ctx: ObjectContext, user: &str) -> Result<String, TerminalError> {
    let id = ctx.uuid();
    let create = async || {
        let subject = Subject { about: user, id: &id };
        effects::tell_ledger(ctx.info().invocation_id, "posts.create", subject).await?;
        Ok(id.clone())
    };
    ctx.run("create post", create).await
}
