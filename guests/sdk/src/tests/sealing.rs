//! Secrets: who is told, what others see, and what the host is told of them.

use std::task::Poll;

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::*;
use crate::Sealed;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Payment {
    card: Sealed,
    pin: Option<Sealed>,
}

fn payment(card: &str) -> Payment {
    serde_json::from_value(serde_json::json!({ "card": card })).expect("a payment")
}

#[test]
fn a_step_is_told_and_nobody_else() {
    check(
        "sleep 10",
        async |ctx| {
            let payment = payment("sealed:v1:4111");
            let length = ctx.run("charge", async || Ok(payment.card.reveal()?.len())).await?;
            ctx.sleep(ms(10)).await?;
            let outside = payment.card.reveal().expect_err("it is no step");
            Ok::<_, Error>((length, outside.is_terminal(), outside.to_string()))
        },
        expect![[r#"
            run charge
            wait [run charge] -> run charge
            sleep 10
            wait [sleep 10] -> sleep 10
            = Ok((4, true, "HH0081: a sealed text is revealed only inside run(...), and it was asked for outside"))
        "#]],
    );
}

/// In a replay, the step is not executed, and whoever is beside it must learn the same.
#[test]
fn who_is_beside_a_step_is_not_told() {
    check(
        "",
        async |ctx| {
            let card = payment("sealed:v1:4111").card;
            let step = ctx.run("charge", async || {
                let once = card.reveal()?;
                let mut polls = 0;
                std::future::poll_fn(|cx| {
                    polls += 1;
                    cx.waker().wake_by_ref();
                    if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
                Ok((once.len(), card.reveal()?.len()))
            });
            let beside = async { card.reveal().map_err(|error| error.to_string()) };
            let (in_step, beside) = crate::join!(step, beside);
            Ok::<_, Error>((in_step?, beside))
        },
        expect![[r#"
            run charge
            wait [run charge] -> run charge
            = Ok(((4, 4), Err("HH0081: a sealed text is revealed only inside run(...), and it was asked for outside")))
        "#]],
    );
}

#[test]
fn a_text_that_was_changed_fails_the_step() {
    check(
        "",
        async |ctx| {
            let card = payment("sealed:v1:broken").card;
            ctx.run("charge", async || card.reveal()).await.map_err(|error| error.message().to_owned())
        },
        expect![[r#"
            run charge
            wait [run charge] -> run charge
            = Err("HH0083: broken")
        "#]],
    );
}

#[test]
fn it_is_passed_on_as_it_is_and_shown_to_nobody() {
    check(
        "call s/pay: 1",
        async |ctx| {
            let payment = payment("sealed:v1:4111");
            let paid: u32 = ctx.call(Target::service("s", "pay"), &payment).await?;
            Ok::<_, Error>((paid, format!("{payment:?} {}", payment.card)))
        },
        expect![[r#"
            call s/pay {"card":"sealed:v1:4111","pin":null}
            wait [call s/pay] -> call s/pay
            = Ok((1, "Payment { card: <sealed>, pin: None } <sealed>"))
        "#]],
    );
}

#[test]
fn the_host_is_told_what_to_seal() {
    let schema = serde_json::to_string_pretty(&schema_for!(Payment)).expect("JSON");
    expect![[r#"
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "Payment",
          "type": "object",
          "properties": {
            "card": {
              "type": "string",
              "format": "password",
              "writeOnly": true,
              "x-holiday-sealed": true
            },
            "pin": {
              "type": [
                "string",
                "null"
              ],
              "format": "password",
              "writeOnly": true,
              "x-holiday-sealed": true
            }
          },
          "required": [
            "card"
          ]
        }"#]]
    .assert_eq(&schema);
}
