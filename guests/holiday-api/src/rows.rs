//! The rows of a trip: one per booking, by booking id, in the state of their object or in a table of DynamoDB.

use aws::Aws;
use aws::dynamodb::{DeleteItem, Item, PutItem, from_item, to_item};
use holiday_sdk::{Error, ObjectContext, TerminalError, config};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where a service has its rows.
#[derive(Clone, Debug)]
pub struct Rows {
    ctx: ObjectContext,
    table: Option<String>,
}

impl Rows {
    /// The rows are in the table that this variable of the deployment names, or else in the state of the object.
    pub fn of(ctx: ObjectContext, table_variable: &str) -> Self {
        Self { ctx, table: config(table_variable).filter(|name| !name.is_empty()) }
    }

    /// Writes a row, in place of one with this id, and logs it under a headline such as `inserted flight reservation`.
    pub async fn put<Row: Serialize>(&self, id: &str, row: &Row, headline: &str) -> Result<(), Error> {
        match &self.table {
            None => self.ctx.set(id, row)?,
            Some(table_name) => {
                let mut item = self.key(id);
                item.extend(to_item(row).map_err(|error| Error::terminal(error.to_string()))?);
                let input = PutItem { table_name, item, ..PutItem::default() };
                let put = async || Ok(Aws::from_config()?.dynamodb().put_item(&input).await?);
                self.ctx.run("put row", put).await?;
            }
        }
        log(headline, row);
        Ok(())
    }

    /// Reads a row that must be there.
    pub async fn get<Row: Serialize + DeserializeOwned>(&self, id: &str) -> Result<Row, Error> {
        let row = match &self.table {
            None => self.ctx.get(id)?,
            Some(table) => self.ctx.run("get row", async || read(table, &self.key(id)).await).await?,
        };
        row.ok_or_else(|| {
            let text = format!("trip '{}' has no booking '{id}'", self.ctx.key());
            TerminalError::new(text).with_code(404).into()
        })
    }

    /// Removes a row, if it is there, and logs that under a headline.
    ///
    /// Nothing can be done instead, so whatever is wrong is tried again and in the end shown to an operator.
    pub async fn delete(&self, id: &str, headline: &str) -> Result<(), Error> {
        match &self.table {
            None => self.ctx.clear(id),
            Some(table_name) => {
                let input = DeleteItem { table_name, key: self.key(id), ..DeleteItem::default() };
                let delete = async || Ok(Aws::from_config()?.dynamodb().delete_item(&input).await?);
                self.ctx.run("delete row", delete).insist().await?;
            }
        }
        log(headline, id);
        Ok(())
    }

    fn key(&self, id: &str) -> Item {
        Item::from([("pk".to_owned(), self.ctx.key().as_str().into()), ("sk".to_owned(), id.into())])
    }
}

async fn read<Row: DeserializeOwned>(table: &str, key: &Item) -> Result<Option<Row>, Error> {
    let item = Aws::from_config()?.dynamodb().get_item(table, key).await?;
    let row = item.map(from_item).transpose();
    row.map_err(|error| Error::terminal(format!("a row of table '{table}' has another shape: {error}")))
}

/// Logs `headline: value`.
pub fn log<T: Serialize + ?Sized>(headline: &str, value: &T) {
    match serde_json::to_string(value) {
        Ok(json) => println!("{headline}: {json}"),
        Err(error) => println!("{headline}: {error}"),
    }
}
