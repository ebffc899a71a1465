//! The part of the admin's OpenAPI document about subscriptions and their parked records.

use serde_json::{Value, json};

use super::{Paths, content, list, one, shape};
use crate::admin::subscriptions::parked;

pub(super) fn describe(paths: &mut Paths) {
    let text = || json!({ "type": "string" });
    paths
        .on("get /subscriptions", "Lists all subscriptions, the oldest first.")
        .json("All subscriptions.", one("subscriptions", list("Subscription")))
        .errors(&["400"]);
    paths
        .on(
            "post /subscriptions",
            "Creates a subscription: records of a topic become invocations of a handler.",
        )
        .body(content(creation()))
        .answer("201", "The new subscription.", content(shape("Subscription")))
        .errors(&["400", "404", "413", "429"]);
    paths
        .on("get /subscriptions/{id}", "Shows a subscription with its partitions and held keys.")
        .json("The subscription.", shape("Subscription"))
        .errors(&["400", "404"]);
    paths
        .on("patch /subscriptions/{id}", "Pauses, resumes or seeks a subscription, or one of its keys.")
        .body(content(change()))
        .json(
            "The subscription; of a seek, its effect.",
            json!({ "oneOf": [shape("Subscription"), shape("Sought")] }),
        )
        .errors(&["400", "404", "409", "413", "429"]);
    paths
        .on("delete /subscriptions/{id}", "Deletes a subscription. Its running invocations go on.")
        .query("force", "Also deletes records that wait or are parked.", json!({ "type": "boolean" }))
        .json("The subscription is deleted.", shape("Deleted"))
        .errors(&["400", "404", "409"]);

    let listing =
        paths.on("get /subscriptions/{id}/parked", "Lists parked records in the order of their numbers.");
    let listing = parked::FILTERS.iter().fold(listing, |it, (name, about)| it.query(name, about, text()));
    listing.json("A page of parked records.", shape("ParkedRecords")).errors(&["400", "404"]);
    paths
        .on(
            "get /subscriptions/{id}/parked/{number}",
            "Shows a parked record with its headers and its value.",
        )
        .json("The record.", shape("ParkedRecord"))
        .errors(&["400", "404"]);
    for (verb, about) in [("retry", "Handles"), ("discard", "Drops")] {
        let again = if verb == "retry" { " again" } else { "" };
        paths
            .on(
                &format!("post /subscriptions/{{id}}/parked/{{number}}/{verb}"),
                &format!("{about} a parked record{again}."),
            )
            .json("The record.", shape("SettledRecord"))
            .errors(&["400", "404", "409"]);
        paths
            .on(
                &format!("post /subscriptions/{{id}}/parked/{verb}"),
                &format!("{about} parked records{again}, a bounded number per request."),
            )
            .body(content(selection()))
            .json("The number of records, and where to go on.", shape("Settled"))
            .errors(&["400", "404", "413"]);
    }
}

fn creation() -> Value {
    json!({
        "type": "object",
        "properties": {
            "source": { "type": "string", "description": "`kafka://CLUSTER/TOPIC`." },
            "sink": { "type": "string", "description": "`service://SERVICE/HANDLER`." },
            "options": {
                "type": "object",
                "description": "These options, and settings of librdkafka.",
                "properties": {
                    "auto.offset.reset": { "enum": ["latest", "earliest"] },
                    "group.id": { "type": "string" },
                    "on-failure": { "enum": ["park", "skip", "pause"] },
                    "order-on-failure": { "enum": ["continue", "wait"] },
                },
                "additionalProperties": { "type": ["string", "number", "boolean"] },
            },
        },
        "required": ["source", "sink"],
        "additionalProperties": false,
    })
}

fn change() -> Value {
    let mut change = with_key(json!({
        "action": { "enum": ["pause", "resume", "seek"] },
        "to": {
            "oneOf": [
                { "enum": ["earliest", "latest"] },
                one("offset", json!({ "type": "integer", "minimum": 0 })),
                one("timestamp", json!({ "type": "string", "format": "date-time" })),
            ],
        },
        "partition": { "type": "integer", "minimum": 0 },
        "dry_run": { "type": "boolean", "description": "Says what the seek would do, and changes nothing." },
    }));
    change["required"] = json!(["action"]);
    change
}

fn selection() -> Value {
    with_key(json!({
        "partition": { "type": "integer", "minimum": 0 },
        "code": { "type": "string", "description": "An error code such as `HH0004`, or a status." },
        "all": { "type": "boolean", "description": "Means every record, in place of a filter." },
        "limit": { "type": "integer", "minimum": 1 },
        "cursor": { "type": "integer", "minimum": 0 },
    }))
}

/// An object that may name the key of records.
fn with_key(mut properties: Value) -> Value {
    properties["key"] = json!({ "type": "string" });
    properties["key_base64"] = json!({ "type": "string", "description": "A key that is not UTF-8." });
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}
