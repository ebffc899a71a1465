//! What the attribute macros make of a block.

use expect_test::{Expect, expect};
use holiday_sdk::{
    Context, Durable, Error, ObjectContext, Service, SharedContext, SharedWorkflowContext, WorkflowContext,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Seat {
    /// Counted from the front.
    row: u8,
    window: Option<bool>,
}

struct Flights;

/// The flights of one trip.
#[holiday_sdk::object(name = "flights", timeout = "60s", keep_headers = ["Authorization", "x-tenant"])]
impl Flights {
    /// Reserves a seat.
    ///
    /// And answers with its number.
    async fn reserve(ctx: ObjectContext, seat: Seat) -> Result<String, Error> {
        Ok(format!("{}{}", ctx.key(), seat.row))
    }

    #[handler(
        name = "Status",
        shared,
        private,
        retry(
            initial_interval = "40ms",
            factor = 1.5,
            max_interval_ms = 90,
            max_attempts = 0,
            max_duration = "1m 30s",
            then = "fail"
        ),
        timeout_ms = 1000,
        cpu = "2s"
    )]
    async fn status(_: &SharedContext) -> Result<(), Error> {
        Ok(())
    }

    #[allow(dead_code, reason = "shows that plain functions stay")]
    fn helper() {}
}

struct Signup;

#[holiday_sdk::workflow(workflow_retention = "7d", idempotency_retention = "1h", journal_retention_ms = 5)]
impl Signup {
    #[handler(run, name = "Run")]
    async fn sign_up(_: WorkflowContext, mail: String) -> Result<usize, Error> {
        Ok(mail.len())
    }

    async fn status(_: SharedWorkflowContext) -> Result<(), Error> {
        Ok(())
    }

    #[handler(private = false)]
    async fn older(_: &SharedContext) -> Result<(), Error> {
        Ok(())
    }
}

/// A workflow may answer with what it cannot read back; then nobody attaches to it with its type.
#[derive(Serialize, JsonSchema)]
struct Receipt<'a> {
    text: &'a str,
}

struct Crowded;

/// It has a handler of a name that a workflow's client has for its run.
#[holiday_sdk::workflow]
impl Crowded {
    async fn run(_: ObjectContext) -> Result<Receipt<'static>, Error> {
        Ok(Receipt { text: "paid" })
    }

    async fn attach(_: Context, input: u8) -> Result<u8, Error> {
        Ok(input)
    }
}

struct Greeter;

#[holiday_sdk::service]
impl Greeter {
    async fn greet(_: Context, name: Option<String>) -> Result<String, Error> {
        Ok(name.unwrap_or_default())
    }
}

#[holiday_sdk::service(name = "audit")]
pub trait Audit {
    async fn note(text: String);
    #[handler(name = "Last")]
    async fn last() -> Result<String, Error>;
}

fn check<S: Service>(expected: Expect) {
    expected.assert_eq(&format!("{:#?}\n", S::describe()));
}

#[test]
fn an_object() {
    check::<Flights>(expect![[r#"
        Service {
            name: "flights",
            kind: ServiceKind::Object,
            handlers: [
                Handler {
                    name: "reserve",
                    mode: HandlerMode::Exclusive,
                    input: Some(
                        Media {
                            content-type: "application/json",
                            schema: Some(
                                "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"properties\":{\"row\":{\"description\":\"Counted from the front.\",\"format\":\"uint8\",\"maximum\":255,\"minimum\":0,\"type\":\"integer\"},\"window\":{\"type\":[\"boolean\",\"null\"]}},\"required\":[\"row\"],\"title\":\"Seat\",\"type\":\"object\"}",
                            ),
                        },
                    ),
                    output: Some(
                        Media {
                            content-type: "application/json",
                            schema: Some(
                                "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"string\",\"type\":\"string\"}",
                            ),
                        },
                    ),
                    documentation: Some(
                        "Reserves a seat.\n\nAnd answers with its number.",
                    ),
                    settings: [],
                },
                Handler {
                    name: "Status",
                    mode: HandlerMode::Shared,
                    input: None,
                    output: None,
                    documentation: None,
                    settings: [
                        Setting {
                            name: "private",
                            value: "true",
                        },
                        Setting {
                            name: "retry",
                            value: "{\"initialIntervalMs\":40,\"factor\":1.5,\"maxIntervalMs\":90,\"maxAttempts\":0,\"maxDurationMs\":90000,\"then\":\"fail\"}",
                        },
                        Setting {
                            name: "timeout-ms",
                            value: "1000",
                        },
                        Setting {
                            name: "cpu-ms",
                            value: "2000",
                        },
                    ],
                },
            ],
            documentation: Some(
                "The flights of one trip.",
            ),
            settings: [
                Setting {
                    name: "timeout-ms",
                    value: "60000",
                },
                Setting {
                    name: "keep-headers",
                    value: "[\"authorization\",\"x-tenant\"]",
                },
            ],
        }
    "#]]);
}

#[test]
fn a_workflow() {
    check::<Signup>(expect![[r#"
        Service {
            name: "Signup",
            kind: ServiceKind::Workflow,
            handlers: [
                Handler {
                    name: "Run",
                    mode: HandlerMode::WorkflowRun,
                    input: Some(
                        Media {
                            content-type: "application/json",
                            schema: Some(
                                "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"string\",\"type\":\"string\"}",
                            ),
                        },
                    ),
                    output: Some(
                        Media {
                            content-type: "application/json",
                            schema: Some(
                                "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"format\":\"uint\",\"minimum\":0,\"title\":\"uint\",\"type\":\"integer\"}",
                            ),
                        },
                    ),
                    documentation: None,
                    settings: [],
                },
                Handler {
                    name: "status",
                    mode: HandlerMode::Shared,
                    input: None,
                    output: None,
                    documentation: None,
                    settings: [],
                },
                Handler {
                    name: "older",
                    mode: HandlerMode::Shared,
                    input: None,
                    output: None,
                    documentation: None,
                    settings: [
                        Setting {
                            name: "private",
                            value: "false",
                        },
                    ],
                },
            ],
            documentation: None,
            settings: [
                Setting {
                    name: "workflow-retention-ms",
                    value: "604800000",
                },
                Setting {
                    name: "idempotency-retention-ms",
                    value: "3600000",
                },
                Setting {
                    name: "journal-retention-ms",
                    value: "5",
                },
            ],
        }
    "#]]);
}

#[test]
fn a_service() {
    check::<Greeter>(expect![[r#"
        Service {
            name: "Greeter",
            kind: ServiceKind::Service,
            handlers: [
                Handler {
                    name: "greet",
                    mode: HandlerMode::Exclusive,
                    input: Some(
                        Media {
                            content-type: "application/json",
                            schema: Some(
                                "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"Nullable_string\",\"type\":[\"string\",\"null\"]}",
                            ),
                        },
                    ),
                    output: Some(
                        Media {
                            content-type: "application/json",
                            schema: Some(
                                "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"string\",\"type\":\"string\"}",
                            ),
                        },
                    ),
                    documentation: None,
                    settings: [],
                },
            ],
            documentation: None,
            settings: [],
        }
    "#]]);
}

#[test]
fn clients_know_the_names_on_the_wire() {
    use holiday_sdk::__private::{ContextOf, mode};
    let ctx = <Context as ContextOf<mode::Service>>::enter();
    let calls = [
        format!("{:?}", FlightsClient::new(&ctx, "trip-1").reserve(&Seat { row: 1, window: None })),
        format!("{:?}", FlightsClient::new(&ctx, "trip-1").status()),
        format!("{:?}", SignupClient::new(&ctx, "wf-1").sign_up("a@b.c")),
        format!("{:?}", CrowdedClient::new(&ctx, "wf-1").attach(&1)),
        format!("{:?}", AuditClient::new(&ctx).note("hello")),
        format!("{:?}", AuditClient::new(&ctx).last()),
    ];
    expect![[r#"
        Call(flights/trip-1/reserve)
        Call(flights/trip-1/Status)
        Call(Signup/wf-1/Run)
        Call(Crowded/wf-1/attach)
        Call(audit/note)
        Call(audit/Last)
    "#]]
    .assert_eq(&format!("{}\n", calls.join("\n")));
}

#[test]
fn a_workflow_is_attached_to_with_its_type() {
    use holiday_sdk::__private::{ContextOf, mode};
    let ctx = <Context as ContextOf<mode::Service>>::enter();
    let attached: Durable<usize> = SignupClient::new(&ctx, "wf-1").attach();
    let looked: Durable<Option<usize>> = SignupClient::new(&ctx, "wf-1").output();
    drop((attached, looked));
}

#[test]
fn unknown_handlers_are_not_found() {
    assert!(Greeter::handle("Greet", Vec::new()).is_none());
    assert!(Greeter::handle("greet", Vec::new()).is_some());
    assert!(Crowded::handle("attach", b"1".to_vec()).is_some());
}
