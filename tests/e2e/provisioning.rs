//! Functions on AWS: the page's commands as they stand there, and what is made, changed and taken back, also across crashes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::cloud::{ACCESS_KEY_ID, Call, Cloud, REGION, SECRET_ACCESS_KEY, Verdict};
use crate::crashes::{self, Crashes};
use crate::final_states::{FinalState, Table};
use crate::harness::{PATIENCE, Setup, TestHost};
use crate::http::Answer;
use crate::page::{Reader, START, examples};
use crate::secrets::assert_nowhere;

const PAGE: &str = "examples/provisioning/README.md";

const CODE: &str = "export const handler = async () => 42;";
/// Of another length, so that AWS tells which of the two it has.
const OTHER_CODE: &str = "export const handler = async () => 1_000_000;";

/// What AWS says while it is at work on a function.
const PENDING: &str =
    r#"{"FunctionName":"f","FunctionArn":"arn:aws:lambda:eu-central-1:1:function:f","State":"Pending"}"#;
const IN_PROGRESS: &str = r#"{"FunctionName":"f","FunctionArn":"arn:aws:lambda:eu-central-1:1:function:f","State":"Active","LastUpdateStatus":"InProgress"}"#;
const UPDATE_FAILED: &str = r#"{"FunctionName":"f","FunctionArn":"arn:aws:lambda:eu-central-1:1:function:f","State":"Active","LastUpdateStatus":"Failed","LastUpdateStatusReason":"out of subnets"}"#;
const SOMEBODY_ELSES: &str = r#"{"FunctionName":"f","FunctionArn":"arn:aws:lambda:eu-central-1:1:function:f","State":"Active","Description":"theirs"}"#;

/// What AWS says of a change while another one is under way.
const BUSY: Verdict = Verdict::Refuse {
    status: 409,
    code: "ResourceConflictException",
    message: "The operation cannot be performed at this time. An update is in progress.",
};

/// What AWS says to those who may not.
const DENIED: Verdict =
    Verdict::Refuse { status: 403, code: "AccessDeniedException", message: "you are not authorized" };

/// The guest with a cloud to itself.
struct World {
    cloud: Cloud,
    host: TestHost,
}

impl World {
    /// None where the cloud cannot be had.
    async fn start(policy: impl Fn(&Call) -> Verdict + Send + Sync + 'static) -> Option<World> {
        let cloud = Cloud::start(policy).await?;
        let host = TestHost::start(Setup::guests(&["provisioning"]).cloud(&cloud)).await;
        Some(World { cloud, host })
    }

    async fn ask(&self, name: &str, verb: &str, body: &Value) -> Answer {
        self.host.ingress().post(&format!("/functions/{name}/{verb}Function"), body).await
    }

    async fn create(&self, name: &str) -> Answer {
        self.ask(name, "create", &json!({ "code": CODE })).await
    }

    async fn delete(&self, name: &str) -> Answer {
        self.host.ingress().post_empty(&format!("/functions/{name}/deleteFunction")).await
    }

    async fn describe(&self, name: &str) -> Answer {
        self.host.ingress().post_empty(&format!("/functions/{name}/describeFunction")).await
    }

    async fn status(&self, name: &str) -> Value {
        self.describe(name).await.ok()["status"].clone()
    }

    /// Waits until a function has this status.
    async fn until(&self, name: &str, status: &str) {
        let began = Instant::now();
        loop {
            let state = self.host.state("functions", name).await;
            if state["status"] == status {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "it stays like this: {state:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The operations that changed something on AWS since so many calls.
    fn changes_since(&self, calls: usize) -> Vec<String> {
        changes(&self.cloud.calls()[calls..])
    }
}

/// The name of the operation of a call.
fn operation(call: &Call) -> &str {
    let Some((method, path)) = call.operation.split_once(' ') else { return &call.operation };
    match (method, path.rsplit('/').next().unwrap_or_default()) {
        ("POST", "functions") => "CreateFunction",
        ("GET", "functions") => "ListFunctions",
        ("GET", "configuration") => "GetFunctionConfiguration",
        ("PUT", "configuration") => "UpdateFunctionConfiguration",
        ("PUT", "code") => "UpdateFunctionCode",
        ("DELETE", _) => "DeleteFunction",
        _ => panic!("{} is no operation that the guest knows", call.operation),
    }
}

/// What was changed, each once, in the order in which it was first asked for.
fn changes(calls: &[Call]) -> Vec<String> {
    let mut changes: Vec<String> = Vec::new();
    for operation in calls.iter().map(operation) {
        let only_reads = ["Get", "List", "Describe"].iter().any(|verb| operation.starts_with(verb));
        if !only_reads && !changes.iter().any(|it| it == operation) {
            changes.push(operation.to_owned());
        }
    }
    changes
}

/// Asks AWS past the guest. Moto looks at the scope of a signature only.
async fn ask(service: &str, request: reqwest::RequestBuilder) -> Answer {
    let scope = format!("somebody/20260101/{REGION}/{service}/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let answer = crate::http::send(request.header("authorization", signed)).await.expect("moto answers");
    assert!(matches!(answer.status, 200 | 404), "{answer:?}");
    answer
}

fn get_function(cloud: &Cloud, name: &str) -> reqwest::RequestBuilder {
    cloud.moto().request(Method::GET, &format!("/2015-03-31/functions/{name}"))
}

/// What AWS has of a function.
async fn left(cloud: &Cloud, name: &str) -> Vec<&'static str> {
    let moto = cloud.moto();
    let role = moto.request(Method::POST, "/").header("content-type", "application/x-www-form-urlencoded");
    let role = role.body(format!("Action=GetRole&Version=2010-05-08&RoleName={name}-role"));
    let logs = moto.request(Method::POST, "/").header("content-type", "application/x-amz-json-1.1");
    let logs = logs.header("x-amz-target", "Logs_20140328.DescribeLogGroups");
    let logs = logs.body(json!({ "logGroupNamePrefix": format!("/aws/lambda/{name}") }).to_string());
    let groups = ask("logs", logs).await.ok()["logGroups"].as_array().expect("a list").len();
    let has = [
        ("function", ask("lambda", get_function(cloud, name)).await.status == 200),
        ("role", ask("iam", role).await.status == 200),
        ("log group", groups > 0),
    ];
    has.into_iter().filter(|(_, has)| *has).map(|(what, _)| what).collect()
}

/// The bytes of the code that AWS has, and the memory.
async fn as_aws_has_it(cloud: &Cloud, name: &str) -> (u64, u64) {
    let configuration = ask("lambda", get_function(cloud, name)).await.ok()["Configuration"].take();
    let number = |name: &str| configuration[name].as_u64().expect("a number");
    (number("CodeSize"), number("MemorySize"))
}

/// The bytes of an archive with this code: what it takes beside is the same for each.
fn archived(code: &str) -> u64 {
    const BESIDE: u64 = 116;
    BESIDE + u64::try_from(code.len()).expect("it is short")
}

const ALL: [&str; 3] = ["function", "role", "log group"];

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let Some(world) = World::start(|_| Verdict::Forward).await else { return };
    let mut reader = Reader::new(&world.host);
    let mut installed = false;
    for example in examples(PAGE) {
        if example.commands.starts_with("python3 -m venv") {
            // The cloud of the test is there already; the page has to start the same.
            assert!(example.commands.contains("moto_server -H 127.0.0.1"), "{}", example.commands);
            installed = true;
        } else if !example.commands.contains(START) {
            reader.try_out(&example).await;
        }
    }
    assert!(installed, "{PAGE} says how to have a cloud");
    assert_eq!(left(&world.cloud, "fn-name").await, [""; 0], "all is deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_made_changed_and_deleted() {
    let Some(world) = World::start(|_| Verdict::Forward).await else { return };
    let made = world.create("f").await.ok();
    let arn = made["reason"].as_str().expect("an ARN").to_owned();
    assert_eq!(made, json!({ "success": true, "reason": arn }));
    assert!(arn.starts_with(&format!("arn:aws:lambda:{REGION}:")) && arn.ends_with(":function:f"), "{arn}");
    let made = ["CreateRole", "AttachRolePolicy", "CreateFunction", "CreateLogGroup"];
    assert_eq!(world.changes_since(0), made);
    let again = "This function is already in a stable state. Please use update instead.";
    assert_eq!(world.create("f").await.ok(), json!({ "success": false, "reason": again }));

    // Only what is named is changed, by the operation that it takes.
    for (change, operations) in [
        (json!({ "memoryMegabytes": 512 }), vec!["UpdateFunctionConfiguration"]),
        (json!({ "timeoutSeconds": 30 }), vec!["UpdateFunctionConfiguration"]),
        (json!({ "code": OTHER_CODE }), vec!["UpdateFunctionCode"]),
        (json!({ "logRetentionDays": 7 }), vec!["PutRetentionPolicy"]),
        (json!({ "code": OTHER_CODE, "memoryMegabytes": 512 }), vec![]),
        (json!({}), vec![]),
    ] {
        let calls = world.cloud.calls().len();
        assert_eq!(world.ask("f", "update", &change).await.ok(), json!({ "success": true }), "{change}");
        assert_eq!(world.changes_since(calls), operations, "{change}");
    }
    let configuration = json!({
        "functionName": "f", "code": OTHER_CODE, "memoryMegabytes": 512, "timeoutSeconds": 30, "logRetentionDays": 7
    });
    let described = world.describe("f").await.ok();
    let expected = json!({ "success": true, "status": "AVAILABLE", "configuration": configuration });
    assert_eq!(described, expected, "what an update does not name is kept");

    let sent =
        world.cloud.calls().into_iter().rfind(|call| operation(call) == "UpdateFunctionCode").expect("one");
    let seen = world.cloud.python(&format!("sent = {}{SEEN_BY_ANOTHER_CLIENT}", sent.body)).await;
    let expected = json!({
        "memory": 512, "timeout": 30, "runtime": "nodejs22.x", "handler": "index.handler", "retention": 7,
        "files": { "index.mjs": OTHER_CODE },
        "trusted": "lambda.amazonaws.com", "policies": ["AWSLambdaBasicExecutionRole"], "runs as": "f-role",
    });
    assert_eq!(seen, expected);
    let listed = world.host.ingress().post_empty("/provisioning/listFunctions").await.ok();
    let expected = json!({
        "functionName": "f", "status": "AVAILABLE", "codeBytes": OTHER_CODE.len(), "memoryMegabytes": 512,
        "timeoutSeconds": 30, "logRetentionDays": 7, "arn": arn,
    });
    assert_eq!(listed, json!([expected]));

    assert_eq!(world.delete("f").await.ok(), json!({ "success": true }));
    assert_eq!(left(&world.cloud, "f").await, [""; 0]);
    assert_eq!(world.host.state("functions", "f").await, json!({}));
    assert_eq!(world.host.ingress().post_empty("/provisioning/listFunctions").await.ok(), json!([]));
    assert_nowhere(&world.host, &[ACCESS_KEY_ID, SECRET_ACCESS_KEY]).await;
}

const SEEN_BY_ANOTHER_CLIENT: &str = r#"
import base64, hashlib, io, zipfile
functions, logs, iam = boto3.client("lambda"), boto3.client("logs"), boto3.client("iam")
found = functions.get_function_configuration(FunctionName="f")
role = iam.get_role(RoleName="f-role")["Role"]
group = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/f")["logGroups"][0]
archive = base64.b64decode(sent["ZipFile"])
assert base64.b64encode(hashlib.sha256(archive).digest()).decode() == found["CodeSha256"], "it has what was sent"
archive = zipfile.ZipFile(io.BytesIO(archive))
print(json.dumps({
    "memory": found["MemorySize"], "timeout": found["Timeout"], "runtime": found["Runtime"], "handler": found["Handler"],
    "retention": group["retentionInDays"],
    "files": {name: archive.read(name).decode() for name in archive.namelist()},
    "trusted": role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"],
    "policies": [it["PolicyName"] for it in iam.list_attached_role_policies(RoleName="f-role")["AttachedPolicies"]],
    "runs as": found["Role"].split("/")[-1],
}))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_or_not_there_is_said_before_anything_is_asked_of_aws() {
    let Some(world) = World::start(|_| Verdict::Forward).await else { return };
    for (name, body, message) in [
        ("f", json!({}), "code is missing"),
        ("f", json!({ "code": " " }), "code is empty"),
        ("f", json!({ "code": CODE, "functionName": "g" }), "functionName 'g' is not 'f'"),
        (
            "f",
            json!({ "code": CODE, "memoryMegabytes": 127 }),
            "memoryMegabytes 127 is not within 128 to 10240",
        ),
        ("f", json!({ "code": CODE, "timeoutSeconds": 901 }), "timeoutSeconds 901 is not within 1 to 900"),
        // Moto takes it, AWS does not.
        ("f", json!({ "code": CODE, "logRetentionDays": 15 }), "logRetentionDays 15 is none of"),
        ("a.b", json!({ "code": CODE }), "functionName 'a.b' has a '.'"),
        (&"f".repeat(60), json!({ "code": CODE }), "has 60 characters; it must have 1 to 59"),
    ] {
        let (status, code, text) = world.ask(name, "create", &body).await.error();
        assert_eq!((status, code.as_str()), (400, "HH0015"), "{text}");
        assert!(text.starts_with("Validation error: ") && text.contains(message), "{text}");
        assert_eq!(world.host.state("functions", name).await, json!({}));
    }
    let (status, _, text) = world.describe("f").await.error();
    assert_eq!((status, text.as_str()), (404, "No such function: f"));
    let not_found = json!({ "success": false, "reason": "Not found: f" });
    assert_eq!(world.ask("f", "update", &json!({ "memoryMegabytes": 256 })).await.ok(), not_found);
    assert_eq!(world.delete("f").await.ok(), not_found);
    assert_eq!(world.cloud.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_being_made_is_busy() {
    let Some(world) = World::start(|call| match (operation(call), call.nth) {
        ("CreateFunction", 1) => Verdict::ForwardAndHold,
        _ => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    let door = world.host.ingress();
    let making =
        tokio::spawn(async move { door.post("/functions/f/createFunction", &json!({ "code": CODE })).await });
    world.until("f", "PROVISIONING").await;
    let busy =
        json!({ "success": false, "reason": "This function is busy updating. Please try again later." });
    assert_eq!(world.create("f").await.ok(), busy);
    assert_eq!(world.delete("f").await.ok(), busy);
    let refused = json!({ "success": false, "reason": "Cannot update function in status: PROVISIONING" });
    assert_eq!(world.ask("f", "update", &json!({ "memoryMegabytes": 256 })).await.ok(), refused);
    // The other name is the same object.
    let formation = world.host.ingress().post_empty("/formation/f/describeFunction").await.ok();
    assert_eq!(formation["status"], "PROVISIONING");
    // It may not hold anything yet.
    let released = tokio::time::timeout(PATIENCE, async {
        while !making.is_finished() {
            world.cloud.release();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    released.await.expect("it ends when it is released");
    making.await.expect("no client panics").ok();
    assert_eq!(world.status("f").await, "AVAILABLE");
    let formation = world.host.ingress();
    let changed = formation.post("/formation/f/updateFunction", &json!({ "memoryMegabytes": 256 })).await;
    assert_eq!(changed.ok(), json!({ "success": true }));
    assert_eq!(formation.post_empty("/formation/f/deleteFunction").await.ok(), json!({ "success": true }));
    assert_eq!(
        formation.post("/formation/f/createFunction", &json!({ "code": CODE })).await.ok()["success"],
        true
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_does_not_know_everywhere_yet_is_waited_for() {
    const TOO_EARLY: Verdict = Verdict::Refuse {
        status: 400,
        code: "InvalidParameterValueException",
        message: "The role defined for the function cannot be assumed by Lambda.",
    };
    const THROTTLED: Verdict =
        Verdict::Refuse { status: 429, code: "TooManyRequestsException", message: "slow down" };
    let Some(world) = World::start(|call| match (operation(call), call.nth) {
        ("CreateFunction", 1 | 2) => TOO_EARLY,
        ("CreateLogGroup", 1) => THROTTLED,
        // Each was done before; the second execution finds it so.
        ("CreateRole" | "DeleteRole" | "DeleteFunction", 1) | ("CreateFunction", 3) => {
            Verdict::ForwardAndDeny
        }
        ("UpdateFunctionConfiguration", 1) => BUSY,
        _ => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    assert_eq!(world.create("f").await.ok()["success"], true);
    assert_eq!(left(&world.cloud, "f").await, ALL);
    assert_eq!(
        world.ask("f", "update", &json!({ "memoryMegabytes": 256 })).await.ok(),
        json!({ "success": true })
    );
    assert_eq!(world.delete("f").await.ok(), json!({ "success": true }));
    assert_eq!(left(&world.cloud, "f").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_waited_for_until_aws_knows_it_everywhere() {
    const UNKNOWN: Verdict = Verdict::Refuse { status: 404, code: "NoSuchEntity", message: "no such role" };
    let Some(world) = World::start(|call| match (operation(call), call.nth) {
        ("AttachRolePolicy", 1) | ("GetRole", 2 | 3) => UNKNOWN,
        _ => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    assert_eq!(world.create("f").await.ok()["success"], true);
    let asked = |name: &str| world.cloud.calls().iter().filter(|call| operation(call) == name).count();
    assert_eq!((asked("AttachRolePolicy"), asked("GetRole"), asked("CreateFunction")), (2, 4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_aws_cannot_bring_into_force_is_undone() {
    let Some(world) = World::start(|call| match (operation(call), call.nth) {
        ("GetFunctionConfiguration", 2) => Verdict::Answer(PENDING),
        ("GetFunctionConfiguration", 4 | 6) => Verdict::Answer(IN_PROGRESS),
        ("GetFunctionConfiguration", 9) => Verdict::Answer(UPDATE_FAILED),
        _ => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    assert_eq!(world.create("f").await.ok()["success"], true);
    assert_eq!(
        world.ask("f", "update", &json!({ "memoryMegabytes": 256 })).await.ok(),
        json!({ "success": true })
    );
    let calls = world.cloud.calls().len();
    let change = json!({ "code": OTHER_CODE, "memoryMegabytes": 512 });
    let (_, _, text) = world.ask("f", "update", &change).await.error();
    assert!(text.contains("AWS could not make the function 'f': out of subnets"), "{text}");
    let codes =
        world.cloud.calls()[calls..].iter().filter(|it| operation(it) == "UpdateFunctionCode").count();
    assert_eq!(codes, 2, "there and back");
    assert_eq!(as_aws_has_it(&world.cloud, "f").await, (archived(CODE), 256));
    let described = world.describe("f").await.ok();
    assert_eq!(
        (&described["status"], &described["configuration"]["code"]),
        (&json!("AVAILABLE"), &json!(CODE))
    );
    assert_eq!(world.delete("f").await.ok(), json!({ "success": true }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_is_insisted_on() {
    let Some(world) = World::start(|call| match (operation(call), call.nth) {
        ("CreateFunction", _) | ("DeleteRole", 1..=3) => DENIED,
        _ => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    let (_, _, text) = world.create("f").await.error();
    assert!(text.contains("lambda CreateFunction: AccessDeniedException"), "{text}");
    assert_eq!(world.status("f").await, "FAILED");
    assert_eq!(left(&world.cloud, "f").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_somebody_else_makes_meanwhile_is_left_alone() {
    let Some(world) = World::start(|call| match (operation(call), call.nth) {
        ("CreateFunction", 1) => BUSY,
        ("GetFunctionConfiguration", 2 | 3) => Verdict::Answer(SOMEBODY_ELSES),
        _ => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    let (status, _, text) = world.create("f").await.error();
    assert!(status == 409 && text.contains("AWS has a function 'f' that was not made here"), "{text}");
    let changes = world.changes_since(0);
    assert_eq!(
        changes,
        ["CreateRole", "AttachRolePolicy", "CreateFunction", "DetachRolePolicy", "DeleteRole"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_another_region_is_not_taken_for_this_one() {
    let Some(mut world) = World::start(|_| Verdict::Forward).await else { return };
    assert_eq!(world.create("f").await.ok()["success"], true);
    world.host.kill();
    world.host.setup = world.host.setup.clone().env("AWS_REGION", "us-east-1");
    world.host.start_again().await;
    let calls = world.cloud.calls().len();
    for answer in
        [world.delete("f").await, world.ask("f", "update", &json!({ "memoryMegabytes": 256 })).await]
    {
        let (status, _, text) = answer.error();
        assert!(
            status == 409 && text.contains("was made in eu-central-1, and AWS_REGION is us-east-1"),
            "{text}"
        );
    }
    assert_eq!(world.cloud.calls().len(), calls);
    assert_eq!(left(&world.cloud, "f").await, ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_elses_is_left_alone() {
    let Some(world) = World::start(|_| Verdict::Forward).await else { return };
    let before = r#"
iam = boto3.client("iam")
for name in ["theirs", "shared"]:
    role = iam.create_role(RoleName=name + "-role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
boto3.client("logs").create_log_group(logGroupName="/aws/lambda/shared")
import io, zipfile
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as file: file.writestr("index.mjs", "x")
boto3.client("lambda").create_function(
    FunctionName="theirs", Runtime="nodejs22.x", Role=role, Handler="index.handler", Code={"ZipFile": archive.getvalue()})
print("null")
"#;
    world.cloud.python(before).await;
    let (status, _, text) = world.create("theirs").await.error();
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("AWS has a function 'theirs' that was not made here"), "{text}");
    assert_eq!(left(&world.cloud, "theirs").await, ["function", "role"]);
    assert_eq!(world.status("theirs").await, "FAILED");
    assert_eq!(world.delete("theirs").await.ok(), json!({ "success": true }));
    assert_eq!(left(&world.cloud, "theirs").await, ["function", "role"]);

    let made = world.ask("shared", "create", &json!({ "code": CODE, "logRetentionDays": 1 })).await;
    assert_eq!(made.ok()["success"], true);
    assert!(!world.cloud.names().iter().any(|it| it == "logs PutRetentionPolicy"), "their logs are kept");
    assert_eq!(world.delete("shared").await.ok(), json!({ "success": true }));
    assert_eq!(left(&world.cloud, "shared").await, ["role", "log group"]);
    // What is gone already counts as deleted.
    assert_eq!(world.create("gone").await.ok()["success"], true);
    world.cloud.python("boto3.client('lambda').delete_function(FunctionName='gone'); print('null')").await;
    let listed = world.host.ingress().post_empty("/provisioning/listFunctions").await.ok();
    assert_eq!((listed[0]["functionName"].as_str(), listed[0].get("arn")), (Some("gone"), None));
    assert_eq!(world.delete("gone").await.ok(), json!({ "success": true }));
    assert_eq!(left(&world.cloud, "gone").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_could_not_be_deleted_is_deleted_later() {
    let Some(world) = World::start(|call| match (operation(call), call.nth) {
        ("DeleteRole", 1) => DENIED,
        _ => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    assert_eq!(world.create("f").await.ok()["success"], true);
    let (_, _, text) = world.delete("f").await.error();
    assert!(text.contains("iam DeleteRole: AccessDeniedException: you are not authorized"), "{text}");
    assert_eq!(world.status("f").await, "FAILED");
    let half = json!({ "success": false, "reason": "This function is deleted by half. Please delete it once more first." });
    assert_eq!(world.create("f").await.ok(), half);
    let refused = json!({ "success": false, "reason": "Cannot update function in status: FAILED" });
    assert_eq!(world.ask("f", "update", &json!({ "memoryMegabytes": 256 })).await.ok(), refused);
    assert_eq!(world.delete("f").await.ok(), json!({ "success": true }));
    assert_eq!(left(&world.cloud, "f").await, [""; 0]);
    assert_eq!(world.create("f").await.ok()["success"], true);
}

/// The steps of which each may fail.
const STEPS: [&str; 7] = [
    "nothing",
    "CreateRole",
    "AttachRolePolicy",
    "CreateFunction",
    "CreateLogGroup",
    "PutRetentionPolicy",
    "UpdateFunctionConfiguration",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_function_ends_the_same_wherever_the_host_dies() {
    // The name of a function says which operation on it is denied.
    let denied = |call: &Call| if named(call) == Some(operation(call)) { DENIED } else { Verdict::Forward };
    let Some(cloud) = Cloud::start(denied).await.map(Arc::new) else { return };
    let mut host = Crashes::start(Setup::guests(&["provisioning"]).cloud(&cloud)).await;
    let mut table = Table::of("provisioning");
    for step in STEPS {
        let name = move |telling| format!("{step}-{telling}-z");
        let told = host.at_every_record(
            |door, telling| async move {
                let (name, key) = (name(telling), |verb| format!("{verb}-{}", name(telling)));
                let body = json!({ "code": CODE, "logRetentionDays": 7 });
                let create = format!("/functions/{name}/createFunction");
                let created = crashes::call(door.clone(), create, key("create"), body).await;
                if !step.starts_with("Update") {
                    return created;
                }
                let body = json!({ "code": OTHER_CODE, "memoryMegabytes": 512 });
                crashes::call(door, format!("/functions/{name}/updateFunction"), key("update"), body).await
            },
            async |host, telling, answer| final_state(&cloud, host, step, &name(telling), &answer).await,
        );
        table.push(told.await);
    }
    table.check();
}

/// The step that is to fail for the function that a call is about.
fn named(call: &Call) -> Option<&str> {
    let text = format!("{}{}", call.operation, call.body);
    let step = STEPS.iter().find(|step| text.contains(&format!("{step}-")))?;
    Some(step)
}

async fn final_state(cloud: &Cloud, host: &TestHost, step: &str, name: &str, answer: &Answer) -> FinalState {
    let is_about = |call: &Call| call.operation.contains(name) || call.body.contains(name);
    let calls: Vec<Call> = cloud.calls().into_iter().filter(is_about).collect();
    let is_undoing = |operation: &String| operation.starts_with("De");
    let mut undone: Vec<String> = changes(&calls).into_iter().filter(is_undoing).collect();
    let codes = calls.iter().filter(|call| operation(call) == "UpdateFunctionCode");
    let mut codes: Vec<&str> = codes.map(|call| call.body.as_str()).collect();
    codes.dedup();
    if codes.len() > 1 {
        undone.push("UpdateFunctionCode".to_owned());
    }
    let state = host.state("functions", name).await;
    let configuration = &state["state"];
    let is_old = configuration["code"] == CODE && configuration["memoryMegabytes"].is_null();
    assert!(is_old, "{name}: {configuration}");
    if step.starts_with("Update") {
        assert_eq!(as_aws_has_it(cloud, name).await, (archived(CODE), 128), "{name}");
    }
    let left = match left(cloud, name).await.as_slice() {
        [] => "nothing on AWS".to_owned(),
        some => some.join(", "),
    };
    FinalState {
        fails: step.to_owned(),
        undone,
        answer: match answer.status {
            200 => "success".to_owned(),
            status => format!("{status} {}", answer.error().2),
        },
        left: format!("{}; {left}", state["status"].as_str().unwrap_or("no status")),
    }
}
