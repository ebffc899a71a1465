//! The documents of real services are what OpenAPI 3.1 says they are, and name what can be asked.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Setup, TestHost};
use crate::http::send;

/// Fails with all that is wrong with a document.
fn assert_valid(name: &str, document: &Value) {
    let meta_schema = include_str!("../openapi/openapi-3.1.json");
    let meta_schema = serde_json::from_str(meta_schema).expect("JSON");
    let validator = jsonschema::options().offline().build(&meta_schema).expect("a schema");
    let wrong: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
    let operations = operations(document);
    let ids: BTreeSet<&str> = operations.iter().filter_map(|(.., it)| it["operationId"].as_str()).collect();
    assert_eq!(ids.len(), operations.len(), "{name}: each has an id of its own: {ids:#?}");
}

/// All operations of a document, each with its path and its method.
fn operations(document: &Value) -> Vec<(&str, Method, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let fields = item.as_object().expect("an object").iter().filter(|(name, _)| *name != "parameters");
        fields.map(|(name, it)| (path.as_str(), name.to_uppercase().parse().expect("a method"), it))
    });
    operations.collect()
}

async fn printed(host: &TestHost, args: &[&str]) -> Value {
    let output = host.run(args).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_asked_is_described() {
    let guests = ["probe", "flights", "cars", "payments", "trips", "approvals", "durable-promise"];
    let host = TestHost::start(Setup::guests(&guests)).await;
    let all = printed(&host, &["services", "openapi"]).await;
    assert_valid("all services", &all);
    assert_eq!(all, host.admin().get("/services/openapi").await.ok());
    assert_eq!(all["servers"][0]["url"], format!("http://{}", host.ingress_address()));
    assert_valid("the admin door", &host.admin().get("/openapi.json").await.ok());

    let services = host.admin().get("/services").await.ok();
    for service in services["services"].as_array().expect("services") {
        let name = service["name"].as_str().expect("a name");
        let document = printed(&host, &["svc", "openapi", name]).await;
        assert_valid(name, &document);
        let described: BTreeSet<&str> =
            document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
        let key = if service["ty"] == "Service" { "" } else { "/{key}" };
        let service = host.admin().get(&format!("/services/{name}")).await.ok();
        for handler in service["handlers"].as_array().expect("handlers") {
            let path = format!("/{name}{key}/{}", handler["name"].as_str().expect("a name"));
            if handler["policy"]["private"] == true {
                assert!(!described.contains(path.as_str()), "{path} is for handlers only");
                continue;
            }
            assert!(described.contains(path.as_str()), "{path} is not described");
            assert!(described.contains(format!("{path}/send").as_str()), "{path}/send is not described");
            assert!(all["paths"].get(&path).is_some(), "{path} is not described with all others");
        }
    }
    for (path, method, operation) in
        operations(&all).into_iter().filter(|(it, ..)| it.starts_with("/restate/"))
    {
        let request = host.ingress().request(method, &path.replace(['{', '}'], ""));
        let answer = send(request).await.expect("an answer");
        assert!(!answer.body.contains("HH0048"), "there is nothing at {path}");
        let is_described = operation["responses"].get(answer.status.to_string()).is_some();
        assert!(is_described && answer.status != 405, "{path}: {answer:?}");
    }
    let unknown = host.run(&["services", "openapi", "nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_described_in_the_words_of_its_author() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let document = printed(&host, &["services", "openapi", "Probe"]).await;
    let echo = &document["paths"]["/Probe/echo"]["post"];
    assert_eq!(echo["summary"], "Answers with its input.");
    let call = &document["paths"]["/Probe/call"]["post"];
    let input = &call["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(input, &json!({ "$ref": "#/components/schemas/Outgoing" }));
    let schemas = &document["components"]["schemas"];
    let target = &schemas["Outgoing"]["properties"]["target"];
    assert_eq!(target, &json!({ "$ref": "#/components/schemas/Address" }));
    assert_eq!(schemas["Address"]["required"], json!(["service", "handler"]));
    assert!(document["paths"]["/Probe/nothing"].get("get").is_some(), "it takes no body");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_of_several_forms_is_described_with_each_of_them() {
    let host = TestHost::start(Setup::guests(&["durable-promise"])).await;
    let document = printed(&host, &["services", "openapi", "query"]).await;
    assert_valid("query", &document);
    for path in ["/query/query", "/query/query/send"] {
        let body = &document["paths"][path]["post"]["requestBody"];
        assert_eq!(body["required"], false, "{path}: a query may be absent");
        let schema = &body["content"]["application/json"]["schema"];
        assert_eq!(schema, &json!({ "$ref": "#/components/schemas/QueryInput" }), "{path}");
    }
    let schemas = &document["components"]["schemas"];
    let forms = schemas["QueryInput"]["anyOf"].as_array().expect("alternatives");
    let forms: Vec<[&Value; 2]> = forms.iter().map(|it| [&it["type"], &it["$ref"]]).collect();
    let object = json!("#/components/schemas/Query");
    assert_eq!(
        forms,
        [[&json!("string"), &Value::Null], [&Value::Null, &object], [&json!("null"), &Value::Null]]
    );
    assert_eq!(schemas["Query"]["additionalProperties"], false);
    assert_eq!(schemas["Query"]["properties"]["query"]["type"], json!(["string", "null"]));
}
