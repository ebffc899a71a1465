//! Cancellation: the leaves of the call tree first, then who called them.

use expect_test::expect;

use crate::check;

#[test]
fn one_that_waits_is_told_and_may_compensate() {
    check(
        "
            invoke a echo/hi
            a asks sleep 1000
            a suspends 0
            cancel a
            a asks call echo/hi
            a suspends 1
            a.1 ends undone
            a ends !409 cancelled
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
            a.1 ends undone
                start a#3
                answer a.1: undone
                a is running
                a.1 has ended
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
        "#]],
    );
}

#[test]
fn one_that_has_not_begun_ends_at_once() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/ann/add
            invoke c echo/hi after 100
            cancel b
            cancel c
            cancel c
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/ann/add
                accept b
                b is inboxed with ticket 0
            invoke c echo/hi after 100
                accept c
                c is scheduled for 100 ms
            cancel b
                answer b: !409 cancelled
                b has ended
            cancel c
                answer c: !409 cancelled
                c has ended
            cancel c
                refused: 409 HH0047: invocation c is completed, it cannot be cancelled
        "#]],
    );
}

#[test]
fn a_caller_is_told_after_its_calls_have_ended() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi, call echo/hi
            a suspends 0 1
            a.0 asks call echo/hi
            a.0 suspends 0
            cancel a
            a.0.0 ends !409 cancelled
            a.1 ends just in time
            a suspends 0
            a.0 ends !409 cancelled
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
            a.0 asks call echo/hi
                start a.0.0#1
                a.0.0 is running
            a.0 suspends 0
                a.0 is suspended on 0
            cancel a
                tell a.0.0#1 at 0: cancelled since 0 having 0
                tell a.1#1 at 0: cancelled since 0 having 0
            a.0.0 ends !409 cancelled
                start a.0#2
                answer a.0.0: !409 cancelled
                a.0 is running
                a.0.0 has ended
            a.1 ends just in time
                start a#2
                answer a.1: just in time
                a is running
                a.1 has ended
            a suspends 0
                a is suspended on 0
            a.0 ends !409 cancelled
                start a#3
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                at 0: 1 is complete: just in time
                at 1: 0 is interrupted
                at 2: cancelled since 0 having 2
        "#]],
    );
}

#[test]
fn a_scheduled_or_inboxed_callee_ends_at_once() {
    check(
        "
            invoke h cart/bob/add
            invoke a cart/ann/add
            a asks call cart/bob/add, call cart/ann/look
            a suspends 0 1
            cancel a
            a.1 ends !409 cancelled
            journal a
        ",
        expect![[r#"
            invoke h cart/bob/add
                start h#1
                accept h
                h is running
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks call cart/bob/add, call cart/ann/look
                start a.1#1
                a.0 is inboxed with ticket 0
                a.1 is running
            a suspends 0 1
                a is suspended on 0 1
            cancel a
                tell a.1#1 at 0: cancelled since 0 having 0
                start a#2
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            a.1 ends !409 cancelled
                tell a#2 at 1: 1 is interrupted
                tell a#2 at 2: cancelled since 0 having 2
                answer a.1: !409 cancelled
                a.1 has ended
            journal a
                0 call cart/bob/add (5 bytes)
                1 call cart/ann/look (5 bytes)
                at 0: 0 is interrupted
                at 1: 1 is interrupted
                at 2: cancelled since 0 having 2
        "#]],
    );
}

#[test]
fn a_call_that_joined_somebody_elses_is_left_alone() {
    check(
        "
            invoke a echo/hi key k
            invoke b echo/hi
            b asks call echo/hi key k
            b suspends 0
            cancel b
            b ends !409 cancelled
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
            b suspends 0
                b is suspended on 0
            cancel b
                start b#2
                b is running
            b ends !409 cancelled
                answer b: !409 cancelled
                b has ended
            a ends hello
                answer a: hello
                a has ended
        "#]],
    );
}

#[test]
fn a_cancellation_that_arrives_while_the_attempt_leaves_is_not_lost() {
    check(
        "
            invoke a echo/hi
            a asks sleep 1000
            cancel a
            a suspends 0 having 0
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 1000
            cancel a
                tell a#1 at 0: cancelled since 0 having 1
            a suspends 0 having 0
                start a#2
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 0 seen
                cancelled at 0
        "#]],
    );
}

#[test]
fn a_handler_cancels_itself_its_callee_and_its_caller() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi, call echo/hi
            a.0 asks cancel a
            journal a
            a.0 ends !409 cancelled
            a.1 ends !409 cancelled
            a ends !409 cancelled
            invoke b echo/hi
            b asks call echo/hi, cancel b.0, cancel b
            b.0 ends !409 cancelled
            journal b
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
            a.0 asks cancel a
                tell a.1#1 at 0: cancelled since 0 having 0
                tell a.0#1 at 0: cancelled since 0 having 1
            journal a
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
            a.0 ends !409 cancelled
                tell a#1 at 0: 0 is interrupted
                answer a.0: !409 cancelled
                a.0 has ended
            a.1 ends !409 cancelled
                tell a#1 at 1: 1 is interrupted
                tell a#1 at 2: cancelled since 0 having 2
                answer a.1: !409 cancelled
                a.1 has ended
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks call echo/hi, cancel b.0, cancel b
                start b.0#1
                tell b.0#1 at 0: cancelled since 0 having 0
                b.0 is running
            b.0 ends !409 cancelled
                tell b#1 at 0: 0 is interrupted
                tell b#1 at 1: cancelled since 0 having 3
                answer b.0: !409 cancelled
                b.0 has ended
            journal b
                0 call echo/hi (5 bytes)
                1 cancel b.0
                2 cancel b
                at 0: 0 is interrupted
                at 1: cancelled since 0 having 3
        "#]],
    );
}

/// Its caller is not cancelled, and hears no news.
#[test]
fn a_callee_that_somebody_cancels() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            cancel a.0
            a.0 ends !409 cancelled
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            cancel a.0
                tell a.0#1 at 0: cancelled since 0 having 0
            a.0 ends !409 cancelled
                tell a#1 at 0: 0 is complete: !409 cancelled
                answer a.0: !409 cancelled
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                at 0: 0 is complete: !409 cancelled
        "#]],
    );
}

/// The caller is cancelled meanwhile: also that callee ends with it.
#[test]
fn a_callee_that_somebody_has_cancelled_before() {
    check(
        "
            configure operator frail/go timeout 100
            invoke a frail/go
            a asks call echo/hi
            cancel a.0
            pass 100
            a.0 ends !409 cancelled
        ",
        expect![[r#"
            configure operator frail/go timeout 100
            invoke a frail/go
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            cancel a.0
                tell a.0#1 at 0: cancelled since 0 having 0
            pass 100
            a.0 ends !409 cancelled
                tell a#1 at 0: 0 is interrupted: [504] HH0065: not done after 100 ms
                tell a#1 at 1: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
                answer a.0: !409 cancelled
                a.0 has ended
        "#]],
    );
}

/// By that the caller compensates.
#[test]
fn a_callee_of_one_that_knows_which_somebody_cancels() {
    check(
        "
            configure operator frail/go timeout 100
            invoke a frail/go
            pass 100
            a asks-told 0 call echo/hi
            cancel a.0
            a.0 ends !409 cancelled
        ",
        expect![[r#"
            configure operator frail/go timeout 100
            invoke a frail/go
                start a#1
                accept a
                a is running
            pass 100
                tell a#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 100 ms
            a asks-told 0 call echo/hi
                start a.0#1
                a.0 is running
            cancel a.0
                tell a.0#1 at 0: cancelled since 0 having 0
            a.0 ends !409 cancelled
                tell a#1 at 1: 0 is complete: !409 cancelled
                answer a.0: !409 cancelled
                a.0 has ended
        "#]],
    );
}

/// The caller does not wait for it any more when it is cancelled itself.
#[test]
fn a_callee_of_several_which_somebody_cancels() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            invoke b echo/hi
            b asks attach a.0
            cancel a
            cancel a.0
            a.0 ends !409 cancelled
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a.0
            cancel a
                tell a#1 at 0: cancelled since 0 having 1
            cancel a.0
                tell a.0#1 at 0: cancelled since 0 having 0
            a.0 ends !409 cancelled
                tell a#1 at 1: 0 is complete: !409 cancelled
                tell b#1 at 0: 0 is complete: !409 cancelled
                answer a.0: !409 cancelled
                a.0 has ended
        "#]],
    );
}
