//! What happens to a handler that goes on past a cancellation, to compensate.

use expect_test::expect;

use crate::check;

#[test]
fn a_second_cancellation_does_not_reach_the_compensation() {
    check(
        "
            invoke a echo/hi
            a asks sleep 1000
            a suspends 0
            cancel a
            a asks call echo/hi
            a suspends 1
            cancel a
            a.1 ends undone
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 1000
            a suspends 0
                a is suspended on 0
            cancel a
                start a#2
                a is running
            a asks call echo/hi
                start a.1#1
                a.1 is running
            a suspends 1
                a is suspended on 1
            cancel a
            a.1 ends undone
                start a#3
                answer a.1: undone
                a is running
                a.1 has ended
        "#]],
    );
}

/// One of its calls has told it already, while the other has not ended.
#[test]
fn a_second_cancellation_does_not_reach_what_a_caller_compensates_before_it_is_told() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi, call echo/hi
            a suspends 0 1
            cancel a
            a.0 ends !409 cancelled
            a asks-told 0 call echo/hi
            a suspends 2
            cancel a
            a.1 ends !409 cancelled
            a.2 ends undone
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi, call echo/hi
                start a.0#1
                start a.1#1
                a.0 is running
                a.1 is running
            a suspends 0 1
                a is suspended on 0 1
            cancel a
                tell a.1#1 at 0: cancelled since 0 having 0
                tell a.0#1 at 0: cancelled since 0 having 0
            a.0 ends !409 cancelled
                start a#2
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            a asks-told 0 call echo/hi
                start a.2#1
                a.2 is running
            a suspends 2
                a is suspended on 2
            cancel a
            a.1 ends !409 cancelled
                answer a.1: !409 cancelled
                a.1 has ended
            a.2 ends undone
                start a#3
                answer a.2: undone
                a is running
                a.2 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                2 call echo/hi (5 bytes)
                at 0: 0 is interrupted
                at 1: 1 is interrupted
                at 2: 2 is complete: undone
                at 3: cancelled since 0 having 3
        "#]],
    );
}

#[test]
fn it_ends_a_pause_and_a_back_off() {
    check(
        "
            invoke a echo/hi
            a asks sleep 1000
            pause a
            cancel a
            a breaks a bug
            pause a
            cancel a
            invoke b echo/hi
            b breaks a bug
            cancel b
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 1000
            pause a
                stop a#1
                a is paused: by an operator
            cancel a
                start a#2
                a is running
            a breaks a bug
                a is backing off until 100 ms
            pause a
                a is paused: by an operator
            cancel a
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b breaks a bug
                b is backing off until 100 ms
            cancel b
                start b#2
                b is running
        "#]],
    );
}

/// A handler that compensates for an error of its own goes on past a cancellation: the attempt passed the
/// step over, told the cancellation, and then had nobody to execute the step.
#[test]
fn a_step_that_was_passed_over_and_is_waited_for_is_executed() {
    check(
        "
            invoke a echo/hi
            a asks run refund
            cancel a
            a suspends 0 having 1
            load a
            a completes 0 refunded
            a ends !500 sold out
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run refund
                permit a#1 to enter 0
            cancel a
                tell a#1 at 0: cancelled since 0 having 1
            a suspends 0 having 1
                start a#2
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 1 seen
                cancelled at 0
                outliving 0
                permit a#2 to enter 0
            a completes 0 refunded
                tell a#2 at 1: 0 is complete: refunded
            a ends !500 sold out
                answer a: !500 sold out
                a has ended
        "#]],
    );
}

#[test]
fn so_is_one_that_had_failed() {
    check(
        "
            invoke a echo/hi
            a asks run refund
            a fails 0 no answer
            a suspends 0
            cancel a
            load a
            a suspends 0
            pass 100
            load a
            a suspends 0
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run refund
                permit a#1 to enter 0
            a fails 0 no answer
            a suspends 0
                a is suspended on 0
            cancel a
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 0 seen
                cancelled at 0
                postponed 0
            a suspends 0
                a is suspended on 0
            pass 100
                start a#3
                a is running
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 1 seen
                cancelled at 0
                permit a#3 to enter 0
            a suspends 0
                start a#4
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 1 seen
                cancelled at 0
                outliving 0
                permit a#4 to enter 0
        "#]],
    );
}
