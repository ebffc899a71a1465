//! What each operation sends, and what it makes of the answer.

use std::collections::BTreeMap;
use std::fmt::Debug;

use expect_test::{Expect, expect};
use serde::{Deserialize, Serialize};

use super::{Script, answer, aws_of, now};
use crate::athena::StartQueryExecution;
use crate::dynamodb::{AttributeValue, Condition, DeleteItem, Item, PutItem, UpdateItem, from_item, to_item};
use crate::iam::CreateRole;
use crate::lambda::{CreateFunction, FunctionCode, UpdateFunctionConfiguration};
use crate::sns::Publish;
use crate::{Aws, AwsError};

/// Has an operation answered and compares what was sent and what came of it.
fn check<T: Debug>(body: &str, operation: impl AsyncFn(&Aws) -> Result<T, AwsError>, expected: &Expect) {
    let script = Script::of([Ok(answer(200, &[], body))]);
    let result = now(operation(&aws_of(&script))).expect("it is answered");
    expected.assert_eq(&format!("{}=> {result:?}\n", script.requests()));
}

fn key() -> Item {
    Item::from([("pk".to_owned(), "foo".into())])
}

#[test]
fn dynamodb() {
    let item = to_item(&Row::example()).expect("a row is an object");
    let condition = Condition { expression: Some("attribute_not_exists(pk)"), ..Condition::default() };
    let put = PutItem { table_name: "flights", item, condition };
    check(
        "{}",
        async |aws| aws.dynamodb().put_item(&put).await,
        &expect![[r#"
        POST https://dynamodb.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.0
          x-amz-target: DynamoDB_20120810.PutItem
          {"TableName":"flights","Item":{"id":{"S":"1"},"note":{"NULL":true},"paid":{"BOOL":true},"price":{"N":"0.5"},"seats":{"N":"2"},"tags":{"L":[{"S":"x"}]}},"ConditionExpression":"attribute_not_exists(pk)"}
        => ()
    "#]],
    );

    let found = r#"{"Item":{"id":{"S":"1"},"seats":{"N":"2"},"price":{"N":"0.5"},"paid":{"BOOL":true},
        "note":{"NULL":true},"tags":{"L":[{"S":"x"}]},"other":{"SS":["y"]}}}"#;
    check(
        found,
        async |aws| {
            let item = aws.dynamodb().get_item("flights", &key()).await?;
            Ok(from_item::<Row>(item.expect("it is there")).expect("it is a row"))
        },
        &expect![[r#"
            POST https://dynamodb.eu-central-1.amazonaws.com/
              content-type: application/x-amz-json-1.0
              x-amz-target: DynamoDB_20120810.GetItem
              {"TableName":"flights","Key":{"pk":{"S":"foo"}},"ConsistentRead":true}
            => Row { id: "1", seats: 2, price: 0.5, paid: true, note: None, tags: ["x"] }
        "#]],
    );
    check(
        "{}",
        async |aws| aws.dynamodb().get_item("flights", &key()).await,
        &expect![[r#"
        POST https://dynamodb.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.0
          x-amz-target: DynamoDB_20120810.GetItem
          {"TableName":"flights","Key":{"pk":{"S":"foo"}},"ConsistentRead":true}
        => None
    "#]],
    );

    let condition = Condition {
        expression: Some("attribute_exists(pk)"),
        names: BTreeMap::from([("#status", "transaction_status")]),
        values: BTreeMap::from([(":confirmed", AttributeValue::from("confirmed"))]),
    };
    let update_expression = "SET #status = :confirmed";
    let update = UpdateItem { table_name: "flights", key: key(), update_expression, condition };
    check(
        "{}",
        async |aws| aws.dynamodb().update_item(&update).await,
        &expect![[r##"
        POST https://dynamodb.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.0
          x-amz-target: DynamoDB_20120810.UpdateItem
          {"TableName":"flights","Key":{"pk":{"S":"foo"}},"UpdateExpression":"SET #status = :confirmed","ConditionExpression":"attribute_exists(pk)","ExpressionAttributeNames":{"#status":"transaction_status"},"ExpressionAttributeValues":{":confirmed":{"S":"confirmed"}}}
        => ()
    "##]],
    );

    let delete = DeleteItem { table_name: "flights", key: key(), ..DeleteItem::default() };
    check(
        "{}",
        async |aws| aws.dynamodb().delete_item(&delete).await,
        &expect![[r#"
        POST https://dynamodb.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.0
          x-amz-target: DynamoDB_20120810.DeleteItem
          {"TableName":"flights","Key":{"pk":{"S":"foo"}}}
        => ()
    "#]],
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    id: String,
    seats: u32,
    price: f64,
    paid: bool,
    note: Option<String>,
    tags: Vec<String>,
}

impl Row {
    fn example() -> Self {
        let tags = vec!["x".to_owned()];
        Row { id: "1".into(), seats: 2, price: 0.5, paid: true, note: None, tags }
    }
}

#[test]
fn a_row_comes_back_as_it_went() {
    let item = to_item(&Row::example()).expect("a row is an object");
    assert_eq!(from_item::<Row>(item).expect("it is a row"), Row::example());
    assert!(to_item(&7).is_err(), "a number has no attributes");
}

#[test]
fn sns() {
    let published = "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult>
        <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></PublishResponse>";
    let message = Publish {
        topic_arn: "arn:aws:sns:eu-central-1:1:topic",
        message: "ä & b",
        subject: Some("hello"),
        ..Publish::default()
    };
    check(
        published,
        async |aws| aws.sns().publish(&message).await,
        &expect![[r#"
        POST https://sns.eu-central-1.amazonaws.com/
          content-type: application/x-www-form-urlencoded; charset=utf-8
          Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A1%3Atopic&Message=%C3%A4+%26+b&Subject=hello
        => "m-1"
    "#]],
    );
}

#[test]
fn iam() {
    let role = "<Role><Path>/</Path><Arn>arn:aws:iam::1:role/x</Arn><RoleName>x</RoleName>
        <AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument><RoleId>AROA1</RoleId>
        <Description>hello</Description></Role>";
    let got =
        format!(r#"<GetRoleResponse xmlns="x"><GetRoleResult>{role}</GetRoleResult></GetRoleResponse>"#);
    check(
        &got,
        async |aws| aws.iam().get_role("x").await,
        &expect![[r#"
            POST https://iam.amazonaws.com/
              content-type: application/x-www-form-urlencoded; charset=utf-8
              Action=GetRole&Version=2010-05-08&RoleName=x
            => Role { role_name: "x", role_id: "AROA1", arn: "arn:aws:iam::1:role/x", path: "/", description: Some("hello") }
        "#]],
    );

    let made =
        format!("<CreateRoleResponse><CreateRoleResult>{role}</CreateRoleResult></CreateRoleResponse>");
    let create = CreateRole { role_name: "x", assume_role_policy_document: "{}", description: None };
    check(
        &made,
        async |aws| aws.iam().create_role(&create).await,
        &expect![[r#"
            POST https://iam.amazonaws.com/
              content-type: application/x-www-form-urlencoded; charset=utf-8
              Action=CreateRole&Version=2010-05-08&RoleName=x&AssumeRolePolicyDocument=%7B%7D
            => Role { role_name: "x", role_id: "AROA1", arn: "arn:aws:iam::1:role/x", path: "/", description: Some("hello") }
        "#]],
    );

    let policy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    let done = "<AnyResponse><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AnyResponse>";
    check(
        done,
        async |aws| aws.iam().attach_role_policy("x", policy).await,
        &expect![[r#"
        POST https://iam.amazonaws.com/
          content-type: application/x-www-form-urlencoded; charset=utf-8
          Action=AttachRolePolicy&Version=2010-05-08&RoleName=x&PolicyArn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2Fservice-role%2FAWSLambdaBasicExecutionRole
        => ()
    "#]],
    );
    check(
        done,
        async |aws| aws.iam().detach_role_policy("x", policy).await,
        &expect![[r#"
        POST https://iam.amazonaws.com/
          content-type: application/x-www-form-urlencoded; charset=utf-8
          Action=DetachRolePolicy&Version=2010-05-08&RoleName=x&PolicyArn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2Fservice-role%2FAWSLambdaBasicExecutionRole
        => ()
    "#]],
    );
    check(
        done,
        async |aws| aws.iam().delete_role("x").await,
        &expect![[r#"
        POST https://iam.amazonaws.com/
          content-type: application/x-www-form-urlencoded; charset=utf-8
          Action=DeleteRole&Version=2010-05-08&RoleName=x
        => ()
    "#]],
    );
}

#[test]
fn lambda() {
    let function = r#"{"FunctionName":"f","FunctionArn":"arn:f","Timeout":3,"State":"Active"}"#;
    let create = CreateFunction {
        function_name: "f",
        runtime: "nodejs22.x",
        role: "arn:role",
        handler: "index.handler",
        code: FunctionCode { zip_file: b"a zip" },
        memory_size: Some(256),
        ..CreateFunction::default()
    };
    check(
        function,
        async |aws| Ok(aws.lambda().create_function(&create).await?.state),
        &expect![[r#"
            POST https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions
              content-type: application/json
              {"FunctionName":"f","Runtime":"nodejs22.x","Role":"arn:role","Handler":"index.handler","Code":{"ZipFile":"YSB6aXA="},"MemorySize":256}
            => Some("Active")
        "#]],
    );

    let got = format!(r#"{{"Configuration":{function},"Code":{{"Location":"https://x"}}}}"#);
    check(
        &got,
        async |aws| Ok(aws.lambda().get_function("a/b c").await?.code),
        &expect![[r#"
            GET https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/a%2Fb%20c
            => Some(CodeLocation { repository_type: None, location: Some("https://x") })
        "#]],
    );
    check(
        function,
        async |aws| Ok(aws.lambda().get_function_configuration("f").await?.state),
        &expect![[r#"
            GET https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/f/configuration
            => Some("Active")
        "#]],
    );

    let code = FunctionCode { zip_file: b"b" };
    check(
        function,
        async |aws| Ok(aws.lambda().update_function_code("f", code).await?.state),
        &expect![[r#"
            PUT https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/f/code
              content-type: application/json
              {"ZipFile":"Yg=="}
            => Some("Active")
        "#]],
    );

    let update = UpdateFunctionConfiguration { timeout: Some(9), ..Default::default() };
    check(
        function,
        async |aws| Ok(aws.lambda().update_function_configuration("f", &update).await?.state),
        &expect![[r#"
            PUT https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/f/configuration
              content-type: application/json
              {"Timeout":9}
            => Some("Active")
        "#]],
    );
    check(
        "",
        async |aws| aws.lambda().delete_function("f").await,
        &expect![[r#"
        DELETE https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/f
        => ()
    "#]],
    );
    let page = r#"{"Functions":[],"NextMarker":"2"}"#;
    check(
        page,
        async |aws| aws.lambda().list_functions(None).await,
        &expect![[r#"
        GET https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions
        => ListFunctions { functions: [], next_marker: Some("2") }
    "#]],
    );
    check(
        r#"{"Functions":[]}"#,
        async |aws| aws.lambda().list_functions(Some("a+b=")).await,
        &expect![[r#"
            GET https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions?Marker=a%2Bb%3D
            => ListFunctions { functions: [], next_marker: None }
        "#]],
    );
}

#[test]
fn logs() {
    check(
        "",
        async |aws| aws.logs().create_log_group("/aws/lambda/f").await,
        &expect![[r#"
        POST https://logs.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.1
          x-amz-target: Logs_20140328.CreateLogGroup
          {"logGroupName":"/aws/lambda/f"}
        => ()
    "#]],
    );
    let found = r#"{"logGroups":[{"logGroupName":"/aws/lambda/f2"}]}"#;
    check(
        found,
        async |aws| aws.logs().has_log_group("/aws/lambda/f").await,
        &expect![[r#"
        POST https://logs.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.1
          x-amz-target: Logs_20140328.DescribeLogGroups
          {"logGroupNamePrefix":"/aws/lambda/f","limit":1}
        => false
    "#]],
    );
    check(
        "",
        async |aws| aws.logs().put_retention_policy("/aws/lambda/f", 14).await,
        &expect![[r#"
        POST https://logs.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.1
          x-amz-target: Logs_20140328.PutRetentionPolicy
          {"logGroupName":"/aws/lambda/f","retentionInDays":14}
        => ()
    "#]],
    );
    check(
        "",
        async |aws| aws.logs().delete_log_group("/aws/lambda/f").await,
        &expect![[r#"
        POST https://logs.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.1
          x-amz-target: Logs_20140328.DeleteLogGroup
          {"logGroupName":"/aws/lambda/f"}
        => ()
    "#]],
    );
}

#[test]
fn athena() {
    let start = StartQueryExecution {
        query_string: "SELECT 1",
        client_request_token: Some("0b1c8a3e-0000-0000-0000-000000000000"),
        ..StartQueryExecution::default()
    };
    let started = r#"{"QueryExecutionId":"q"}"#;
    check(
        started,
        async |aws| aws.athena().start_query_execution(&start).await,
        &expect![[r#"
        POST https://athena.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.1
          x-amz-target: AmazonAthena.StartQueryExecution
          {"QueryString":"SELECT 1","ClientRequestToken":"0b1c8a3e-0000-0000-0000-000000000000"}
        => "q"
    "#]],
    );

    let execution = r#"{"QueryExecution":{"QueryExecutionId":"q","Status":{"State":"QUEUED"}}}"#;
    check(
        execution,
        async |aws| aws.athena().get_query_execution("q").await,
        &expect![[r#"
        POST https://athena.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.1
          x-amz-target: AmazonAthena.GetQueryExecution
          {"QueryExecutionId":"q"}
        => QueryExecution { query_execution_id: "q", status: QueryStatus { state: Queued, state_change_reason: None } }
    "#]],
    );

    let page = r#"{"ResultSet":{"Rows":[{"Data":[{"VarCharValue":"1"},{}]}],
        "ResultSetMetadata":{"ColumnInfo":[{"Name":"_col0","Type":"integer"}]}},"NextToken":"n"}"#;
    check(
        page,
        async |aws| aws.athena().get_query_results("q", None).await,
        &expect![[r#"
        POST https://athena.eu-central-1.amazonaws.com/
          content-type: application/x-amz-json-1.1
          x-amz-target: AmazonAthena.GetQueryResults
          {"QueryExecutionId":"q"}
        => QueryResults { result_set: ResultSet { rows: [Row { data: [Datum { var_char_value: Some("1") }, Datum { var_char_value: None }] }], result_set_metadata: ResultSetMetadata { column_info: [ColumnInfo { name: "_col0", kind: "integer" }] } }, next_token: Some("n") }
    "#]],
    );
    check(
        r#"{"ResultSet":{}}"#,
        async |aws| aws.athena().get_query_results("q", Some("n")).await,
        &expect![[r#"
            POST https://athena.eu-central-1.amazonaws.com/
              content-type: application/x-amz-json-1.1
              x-amz-target: AmazonAthena.GetQueryResults
              {"QueryExecutionId":"q","NextToken":"n"}
            => QueryResults { result_set: ResultSet { rows: [], result_set_metadata: ResultSetMetadata { column_info: [] } }, next_token: None }
        "#]],
    );
}
