//! Idempotency keys and workflow ids: one name, one invocation.

use expect_test::expect;

use crate::check;

#[test]
fn a_second_submission_joins_the_first() {
    check(
        "
            invoke a echo/hi key k
            invoke b echo/hi key k
            a ends hello
            invoke c echo/hi key k
            invoke other echo/hi key l
            invoke another cart/ann/add key k
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            invoke b echo/hi key k
                a stands for b
            a ends hello
                answer a: hello
                a has ended
            invoke c echo/hi key k
                a stands for c
                answer a: hello
            invoke other echo/hi key l
                start other#1
                accept other
                other is running
            invoke another cart/ann/add key k
                start another#1
                accept another
                another is running
        "#]],
    );
}

#[test]
fn a_call_joins_what_was_submitted_from_outside() {
    check(
        "
            invoke a echo/hi key k
            invoke b echo/hi
            b asks call echo/hi key k, call echo/hi key k
            b suspends 0
            a ends hello
            journal b
            b asks call echo/hi key k
            journal b
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks call echo/hi key k, call echo/hi key k
            b suspends 0
                b is suspended on 0
            a ends hello
                start b#2
                tell b#2 at 1: 1 is complete: hello
                answer a: hello
                a has ended
                b is running
            journal b
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                at 0: 0 is complete: hello
                at 1: 1 is complete: hello
            b asks call echo/hi key k
                tell b#2 at 2: 2 is complete: hello
            journal b
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                2 call echo/hi (5 bytes)
                at 0: 0 is complete: hello
                at 1: 1 is complete: hello
                at 2: 2 is complete: hello
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn from_outside_joins_what_a_handler_called() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi key k
            invoke b echo/hi key k
            a suspends 0
            a.0 ends hello
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi key k
                start a.0#1
                a.0 is running
            invoke b echo/hi key k
                a.0 stands for b
            a suspends 0
                a is suspended on 0
            a.0 ends hello
                start a#2
                answer a.0: hello
                a is running
                a.0 has ended
        "#]],
    );
}

#[test]
fn a_send_joins_silently() {
    check(
        "
            invoke a echo/hi
            a asks send echo/hi key k, send echo/hi key k after 10, call echo/hi key k
            a suspends 2
            a.0 ends hello
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks send echo/hi key k, send echo/hi key k after 10, call echo/hi key k
                start a.0#1
                a.0 is running
            a suspends 2
                a is suspended on 2
            a.0 ends hello
                start a#2
                answer a.0: hello
                a is running
                a.0 has ended
        "#]],
    );
}

#[test]
fn who_joined_and_ended_is_not_told() {
    check(
        "
            invoke a echo/hi key k
            invoke b echo/hi
            b asks call echo/hi key k
            b ends done
            a ends hello
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks call echo/hi key k
            b ends done
                answer b: done
                b has ended
            a ends hello
                answer a: hello
                a has ended
        "#]],
    );
}

#[test]
fn a_workflow_runs_once() {
    check(
        "
            call a trip/t1/run
            call b trip/t1/run
            invoke c trip/t1/run
            invoke d trip/t1/ask
            invoke e trip/t2/run
            call f trip/t3/run key k
            a asks set seats 2
            a ends booked
            invoke g trip/t1/run
            state trip/t1
        ",
        expect![[r#"
            call a trip/t1/run
                start a#1
                accept a
                a is running
            call b trip/t1/run
                refused: 409 HH0037: workflow trip/t1/run has started already; attach to it to get its outcome
            invoke c trip/t1/run
                a stands for c
            invoke d trip/t1/ask
                start d#1
                accept d
                d is running
            invoke e trip/t2/run
                start e#1
                accept e
                e is running
            call f trip/t3/run key k
                refused: 400 HH0029: trip/t3/run takes no idempotency key: a workflow id starts once by itself
            a asks set seats 2
            a ends booked
                answer a: booked
                a has ended
            invoke g trip/t1/run
                a stands for g
                answer a: booked
            state trip/t1
                seats = 2
        "#]],
    );
}

#[test]
fn a_workflow_that_handlers_call_runs_once() {
    check(
        "
            invoke a echo/hi
            a asks call trip/t1/run, call trip/t1/run
            a suspends 1
            a.0 ends booked
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call trip/t1/run, call trip/t1/run
                start a.0#1
                a.0 is running
            a suspends 1
                a is suspended on 1
            a.0 ends booked
                start a#2
                answer a.0: booked
                a is running
                a.0 has ended
            journal a
                0 call trip/t1/run (5 bytes)
                1 call trip/t1/run (5 bytes)
                at 0: 0 is complete: booked
                at 1: 1 is complete: booked
        "#]],
    );
}

/// The next run under the id is another workflow.
#[test]
fn the_state_of_a_workflow_goes_with_its_id() {
    check(
        "
            invoke a trip/t1/run
            a asks set seats 2
            a ends booked
            state trip/t1
            purge a
            state trip/t1
        ",
        expect![[r#"
            invoke a trip/t1/run
                start a#1
                accept a
                a is running
            a asks set seats 2
            a ends booked
                answer a: booked
                a has ended
            state trip/t1
                seats = 2
            purge a
            state trip/t1
        "#]],
    );
}
