//! The options of a subscription, as operators write them: texts by their names.

use std::collections::BTreeMap;

use holiday_core::id::SubscriptionId;
use holiday_core::subscription::{OnFailure, OrderOnFailure, StartFrom, SubscriptionOptions};
use serde_json::Value;

use super::{Error, malformed};
use crate::events;
use crate::nearest::nearest;

/// Options that are not settings of the client library. The names of those have dots and no hyphens.
const NAMES: [&str; 4] = ["auto.offset.reset", "group.id", "on-failure", "order-on-failure"];

const STARTS: [(&str, StartFrom); 2] = [("latest", StartFrom::Latest), ("earliest", StartFrom::Earliest)];

const REACTIONS: [(&str, OnFailure); 3] =
    [("park", OnFailure::Park), ("skip", OnFailure::Skip), ("pause", OnFailure::Pause)];

const ORDERS: [(&str, OrderOnFailure); 2] =
    [("continue", OrderOnFailure::Continue), ("wait", OrderOnFailure::Wait)];

/// Reads the options of a new subscription; those that are not given have the first value of their table.
pub(super) fn read(
    given: BTreeMap<String, Value>,
    id: &SubscriptionId,
) -> Result<SubscriptionOptions, Error> {
    let mut options = SubscriptionOptions {
        start: STARTS[0].1,
        group_id: id.to_string(),
        on_failure: REACTIONS[0].1,
        order_on_failure: ORDERS[0].1,
        client: BTreeMap::new(),
    };
    for (name, value) in given {
        let text = text(&name, value)?;
        match name.as_str() {
            "auto.offset.reset" => options.start = one_of(&name, &text, &STARTS)?,
            "on-failure" => options.on_failure = one_of(&name, &text, &REACTIONS)?,
            "order-on-failure" => options.order_on_failure = one_of(&name, &text, &ORDERS)?,
            "group.id" if text.is_empty() => {
                return Err(malformed("the option 'group.id' is empty; name a group, or leave it out"));
            }
            "group.id" => options.group_id = text,
            _ => {
                check_client(&name)?;
                options.client.insert(name, text);
            }
        }
    }
    Ok(options)
}

/// Shows all options, those included that were not given.
pub(super) fn show(options: &SubscriptionOptions) -> BTreeMap<String, String> {
    let own = [
        ("auto.offset.reset", name_of(options.start, &STARTS)),
        ("group.id", options.group_id.as_str()),
        ("on-failure", name_of(options.on_failure, &REACTIONS)),
        ("order-on-failure", name_of(options.order_on_failure, &ORDERS)),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.chain(options.client.clone()).collect()
}

/// Numbers and booleans are the texts they are written as.
fn text(name: &str, value: Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(malformed(format!("the option '{name}' is {value}, but should be a text")))
        }
    }
}

fn one_of<T: Copy>(name: &str, text: &str, values: &[(&str, T)]) -> Result<T, Error> {
    let found = values.iter().find(|(known, _)| *known == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<String> = values.iter().map(|(known, _)| format!("'{known}'")).collect();
        malformed(format!("the option '{name}' is '{text}', but should be {}", known.join(" or ")))
    })
}

fn name_of<T: PartialEq>(value: T, values: &[(&'static str, T)]) -> &'static str {
    values.iter().find(|(_, it)| *it == value).map_or("", |(name, _)| name)
}

/// Refuses settings of the client library that are not up to a subscription.
fn check_client(name: &str) -> Result<(), Error> {
    if let Some(why) = events::why_owned(name) {
        return Err(malformed(format!("the option '{name}' cannot be set: {why}")));
    }
    if events::is_of_cluster(name) {
        return Err(malformed(format!(
            "the option '{name}' belongs to the cluster; set it in ingress.kafka-clusters of the configuration"
        )));
    }
    if name.contains('-') || !name.contains('.') {
        let guess = match nearest(NAMES, name) {
            Some(nearest) => format!("did you mean '{nearest}'?"),
            None => format!("there are {}, and the settings of librdkafka", NAMES.join(", ")),
        };
        return Err(malformed(format!("there is no option '{name}'; {guess}")));
    }
    Ok(())
}
