//! The holiday with DynamoDB and SNS.

use serde_json::json;

use crate::cloud::{Cloud, Verdict};

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_is_there() {
    let Some(cloud) = Cloud::start(|_| Verdict::Forward).await else { return };
    let printed =
        cloud.python("print(json.dumps(boto3.client('dynamodb').list_tables()['TableNames']))").await;
    assert_eq!(printed, json!([]));
}
