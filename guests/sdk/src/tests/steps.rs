//! The steps of a saga that nobody has waited for to their end.

use super::*;
use crate::TerminalError;

async fn reserve<'a>(ctx: Context, saga: &mut Saga<'a>) -> Result<u32, TerminalError> {
    saga.step(call(ctx, "a"), async move |_| Ok(call(ctx, "undo-a").await.map(drop)?)).await
}

/// The host leaves a call alone that joined somebody else's invocation.
#[test]
fn a_call_that_goes_on_past_the_cancellation_is_waited_for_and_undone() {
    check(
        "cancel | call s/a: 1 | call s/undo-a: 0",
        async |ctx| {
            let mut saga = Saga::new();
            let reserved = reserve(ctx, &mut saga).await;
            saga.settle(reserved.map_err(Error::from)).await.map_err(|error| error.is_cancelled())
        },
        expect![[r#"
            call s/a
            wait [call s/a] -> cancelled
            wait [call s/a] -> call s/a
            call s/undo-a shielded
            wait [call s/undo-a] -> call s/undo-a
            = Err(true)
        "#]],
    );
}

#[test]
fn a_step_that_the_handler_gave_up_is_cancelled_and_undone_if_it_was_done_after_all() {
    for (answer, applied) in [("1", 1), ("! 409 cancelled", 0)] {
        let undo = if applied == 1 { " | call s/undo-a: 0" } else { "" };
        fake::begin(&format!("sleep 50 | call s/a: {answer}{undo}"));
        let (trace, result) = attempt(&async |ctx: Context| {
            let mut saga = Saga::new();
            let late = reserve(ctx, &mut saga).timeout(ms(50)).await.expect_err("nobody answered in time");
            assert!(late.is_timeout());
            Ok::<_, Error>(saga.undo(late.into()).await?.applied)
        });
        assert_eq!(result, format!("Ok({applied})"), "{trace:#?}");
        assert!(trace.contains(&"cancel inv_a".to_owned()), "{trace:#?}");
        assert_eq!(trace.contains(&"call s/undo-a shielded".to_owned()), applied == 1, "{trace:#?}");
    }
}

#[test]
fn a_step_that_failed_is_forgotten() {
    check(
        "call s/a: ! 500 no",
        async |ctx| {
            let mut saga = Saga::new();
            let failed = reserve(ctx, &mut saga).await.is_err();
            (failed, format!("{saga:?}"))
        },
        expect![[r#"
            call s/a
            wait [call s/a] -> call s/a
            = (true, "Saga(0 compensations)")
        "#]],
    );
}

/// The cancellation is told when the handler has compensated and goes on.
#[test]
fn a_cancellation_during_the_compensation_is_not_lost() {
    check(
        "call s/a: 1 | cancel | call s/undo-a: 0",
        async |ctx| {
            let mut saga = Saga::new();
            reserve(ctx, &mut saga).await?;
            let undone = saga.undo(Error::terminal("sold out")).await?;
            let elsewhere = call(ctx, "elsewhere").await.map_err(|error| error.is_cancelled());
            Ok::<_, Error>((undone.applied, elsewhere))
        },
        expect![[r#"
            call s/a
            wait [call s/a] -> call s/a
            call s/undo-a shielded
            wait [call s/undo-a] -> cancelled
            wait [call s/undo-a] -> call s/undo-a
            = Ok((1, Err(true)))
        "#]],
    );
}
