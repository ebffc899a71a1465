//! DynamoDB: items by key.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::protocol::Nothing;
use crate::{Aws, AwsError, JsonService};

const DYNAMODB: JsonService = JsonService { name: "dynamodb", target: "DynamoDB_20120810", protocol: "1.0" };

/// An item or a key: attributes by name.
pub type Item = BTreeMap<String, AttributeValue>;

/// The value of an attribute, as DynamoDB writes it: `{"S": "hello"}`. Bytes are base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AttributeValue {
    S(String),
    N(String),
    B(String),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "NULL")]
    Null(bool),
    M(Item),
    L(Vec<AttributeValue>),
    #[serde(rename = "SS")]
    Strings(Vec<String>),
    #[serde(rename = "NS")]
    Numbers(Vec<String>),
    #[serde(rename = "BS")]
    Bytes(Vec<String>),
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::S(text.to_owned())
    }
}

/// Writes a whole item in place of one with the same key.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutItem<'a> {
    pub table_name: &'a str,
    pub item: Item,
    #[serde(flatten)]
    pub condition: Condition<'a>,
}

/// Changes attributes of an item, and makes it if there is none.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateItem<'a> {
    pub table_name: &'a str,
    pub key: Item,
    pub update_expression: &'a str,
    /// What the names and values stand for, those of the update included.
    #[serde(flatten)]
    pub condition: Condition<'a>,
}

/// Removes an item, if it is there.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteItem<'a> {
    pub table_name: &'a str,
    pub key: Item,
    #[serde(flatten)]
    pub condition: Condition<'a>,
}

/// What must hold of the item that is there, if anything. Otherwise the code is `ConditionalCheckFailedException`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Condition<'a> {
    #[serde(rename = "ConditionExpression", skip_serializing_if = "Option::is_none")]
    pub expression: Option<&'a str>,
    /// What stands for a name in the expression, such as `#status`, and the name.
    #[serde(rename = "ExpressionAttributeNames", skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<&'a str, &'a str>,
    /// What stands for a value in the expression, such as `:confirmed`, and the value.
    #[serde(rename = "ExpressionAttributeValues", skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<&'a str, AttributeValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetItem<'a> {
    table_name: &'a str,
    key: &'a Item,
    consistent_read: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetItemOutput {
    item: Option<Item>,
}

/// DynamoDB by its operations.
#[derive(Clone, Copy, Debug)]
pub struct DynamoDb<'a>(&'a Aws);

impl Aws {
    /// Calls DynamoDB.
    pub fn dynamodb(&self) -> DynamoDb<'_> {
        DynamoDb(self)
    }
}

impl DynamoDb<'_> {
    pub async fn put_item(self, input: &PutItem<'_>) -> Result<(), AwsError> {
        self.0.json::<_, Nothing>(&DYNAMODB, "PutItem", input).await.map(drop)
    }

    /// Reads an item as the last write left it.
    pub async fn get_item(self, table_name: &str, key: &Item) -> Result<Option<Item>, AwsError> {
        let input = GetItem { table_name, key, consistent_read: true };
        let GetItemOutput { item } = self.0.json(&DYNAMODB, "GetItem", &input).await?;
        Ok(item)
    }

    pub async fn update_item(self, input: &UpdateItem<'_>) -> Result<(), AwsError> {
        self.0.json::<_, Nothing>(&DYNAMODB, "UpdateItem", input).await.map(drop)
    }

    pub async fn delete_item(self, input: &DeleteItem<'_>) -> Result<(), AwsError> {
        self.0.json::<_, Nothing>(&DYNAMODB, "DeleteItem", input).await.map(drop)
    }
}

/// Makes an item of what is an object in JSON.
///
/// # Errors
///
/// When it is no object in JSON.
pub fn to_item<T: Serialize>(value: &T) -> Result<Item, serde_json::Error> {
    let fields: Map<String, Value> = serde_json::from_value(serde_json::to_value(value)?)?;
    Ok(fields.into_iter().map(|(name, value)| (name, to_attribute(value))).collect())
}

/// Makes a value of an item; attributes that it does not know it passes over.
///
/// # Errors
///
/// When an attribute is missing or has another type.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, serde_json::Error> {
    serde_json::from_value(to_json(AttributeValue::M(item)))
}

fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(it) => AttributeValue::Bool(it),
        Value::Number(it) => AttributeValue::N(it.to_string()),
        Value::String(it) => AttributeValue::S(it),
        Value::Array(all) => AttributeValue::L(all.into_iter().map(to_attribute).collect()),
        Value::Object(all) => {
            AttributeValue::M(all.into_iter().map(|(name, value)| (name, to_attribute(value))).collect())
        }
    }
}

/// A number that JSON cannot hold stays text.
fn to_json(value: AttributeValue) -> Value {
    let number = |text: String| text.parse::<Number>().map_or(Value::String(text), Value::Number);
    match value {
        AttributeValue::S(text) | AttributeValue::B(text) => Value::String(text),
        AttributeValue::N(text) => number(text),
        AttributeValue::Bool(it) => Value::Bool(it),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::M(all) => {
            Value::Object(all.into_iter().map(|(name, value)| (name, to_json(value))).collect())
        }
        AttributeValue::L(all) => all.into_iter().map(to_json).collect(),
        AttributeValue::Strings(all) | AttributeValue::Bytes(all) => {
            all.into_iter().map(Value::String).collect()
        }
        AttributeValue::Numbers(all) => all.into_iter().map(number).collect(),
    }
}
