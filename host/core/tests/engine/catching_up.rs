//! Calls of a handler that is cancelled and does not know of it yet.

use expect_test::expect;

use crate::check;

/// The notification before it does not count any more.
#[test]
fn a_call_after_the_notification_is_cancelled_as_well() {
    check(
        "
            invoke a echo/hi
            cancel a
            a asks-unaware call echo/hi
            a suspends 0
            load a.0
            a.0 ends !409 cancelled
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware call echo/hi
                start a.0#1
                tell a.0#1 at 0: cancelled since 0 having 0
                a.0 is running
            a suspends 0
                a is suspended on 0
            load a.0
                on v1, from 0 ms on, 0 commands, 1 notifications, 0 seen
                cancelled at 0
            a.0 ends !409 cancelled
                start a#2
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                at 0: cancelled since 0 having 0
                at 1: 0 is interrupted
                at 2: cancelled since 0 having 1
        "#]],
    );
}

#[test]
fn one_that_is_answered_at_once() {
    check(
        "
            invoke a echo/hi
            cancel a
            a asks-unaware call no/such
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware call no/such
                tell a#1 at 1: 0 is complete: !404 HH0001: there is no service 'no'
                tell a#1 at 2: cancelled since 0 having 1
            journal a
                0 call no/such (5 bytes)
                at 0: cancelled since 0 having 0
                at 1: 0 is complete: !404 HH0001: there is no service 'no'
                at 2: cancelled since 0 having 1
        "#]],
    );
}

#[test]
fn one_that_joins() {
    check(
        "
            invoke b echo/hi key k
            invoke a echo/hi
            cancel a
            a asks-unaware call echo/hi key k
            a ends !409 cancelled
            b ends hello
        ",
        expect![[r#"
            invoke b echo/hi key k
                start b#1
                accept b
                b is running
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware call echo/hi key k
                tell a#1 at 1: cancelled since 0 having 1
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
            b ends hello
                answer b: hello
                b has ended
        "#]],
    );
}

/// The first one has ended before the second one is asked for.
#[test]
fn one_after_the_other() {
    check(
        "
            invoke a echo/hi
            cancel a
            a asks-unaware call echo/hi
            a.0 ends just in time
            a asks-unaware call echo/hi
            a.1 ends !409 cancelled
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware call echo/hi
                start a.0#1
                tell a.0#1 at 0: cancelled since 0 having 0
                a.0 is running
            a.0 ends just in time
                tell a#1 at 1: 0 is complete: just in time
                tell a#1 at 2: cancelled since 0 having 1
                answer a.0: just in time
                a.0 has ended
            a asks-unaware call echo/hi
                start a.1#1
                tell a.1#1 at 0: cancelled since 0 having 0
                a.1 is running
            a.1 ends !409 cancelled
                tell a#1 at 3: 1 is interrupted
                tell a#1 at 4: cancelled since 0 having 2
                answer a.1: !409 cancelled
                a.1 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                at 0: cancelled since 0 having 0
                at 1: 0 is complete: just in time
                at 2: cancelled since 0 having 1
                at 3: 1 is interrupted
                at 4: cancelled since 0 having 2
        "#]],
    );
}

#[test]
fn several_at_once() {
    check(
        "
            invoke a echo/hi
            cancel a
            a asks-unaware call echo/hi, sleep 100, call echo/hi
            a.0 ends !409 cancelled
            a.2 ends !409 cancelled
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware call echo/hi, sleep 100, call echo/hi
                start a.0#1
                start a.2#1
                tell a.2#1 at 0: cancelled since 0 having 0
                tell a.0#1 at 0: cancelled since 0 having 0
                a.0 is running
                a.2 is running
            a.0 ends !409 cancelled
                tell a#1 at 1: 0 is interrupted
                answer a.0: !409 cancelled
                a.0 has ended
            a.2 ends !409 cancelled
                tell a#1 at 2: 2 is interrupted
                tell a#1 at 3: cancelled since 0 having 3
                answer a.2: !409 cancelled
                a.2 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 sleep 100 ms
                2 call echo/hi (5 bytes)
                at 0: cancelled since 0 having 0
                at 1: 0 is interrupted
                at 2: 2 is interrupted
                at 3: cancelled since 0 having 3
        "#]],
    );
}

#[test]
fn its_callees_are_reached() {
    check(
        "
            invoke a echo/hi
            cancel a
            a asks-unaware call echo/hi
            a.0 asks call echo/hi
            a.0 suspends 0
            a.0.0 ends !409 cancelled
            a.0 ends !409 cancelled
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware call echo/hi
                start a.0#1
                tell a.0#1 at 0: cancelled since 0 having 0
                a.0 is running
            a.0 asks call echo/hi
                start a.0.0#1
                a.0.0 is running
            a.0 suspends 0
                a.0 is suspended on 0
            a.0.0 ends !409 cancelled
                start a.0#2
                answer a.0.0: !409 cancelled
                a.0 is running
                a.0.0 has ended
            a.0 ends !409 cancelled
                tell a#1 at 1: 0 is interrupted
                tell a#1 at 2: cancelled since 0 having 1
                answer a.0: !409 cancelled
                a.0 has ended
        "#]],
    );
}

/// The cancellation is not notified, as the first call is open.
#[test]
fn a_call_while_others_are_being_cancelled() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            cancel a
            a asks-unaware call echo/hi
            a.1 ends !409 cancelled
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
            cancel a
                tell a.0#1 at 0: cancelled since 0 having 0
            a asks-unaware call echo/hi
                start a.1#1
                tell a.1#1 at 0: cancelled since 0 having 0
                a.1 is running
            a.1 ends !409 cancelled
                tell a#1 at 0: 1 is interrupted
                answer a.1: !409 cancelled
                a.1 has ended
            a.0 ends !409 cancelled
                tell a#1 at 1: 0 is interrupted
                tell a#1 at 2: cancelled since 0 having 2
                answer a.0: !409 cancelled
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                at 0: 1 is interrupted
                at 1: 0 is interrupted
                at 2: cancelled since 0 having 2
        "#]],
    );
}

/// Somebody waits in line for a key when it is cancelled: it ends at once.
#[test]
fn a_callee_that_has_not_begun() {
    check(
        "
            invoke h cart/ann/add
            invoke a echo/hi
            cancel a
            a asks-unaware call cart/ann/add
            journal a
        ",
        expect![[r#"
            invoke h cart/ann/add
                start h#1
                accept h
                h is running
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware call cart/ann/add
                tell a#1 at 1: 0 is interrupted
                tell a#1 at 2: cancelled since 0 having 1
                answer a.0: !409 cancelled
            journal a
                0 call cart/ann/add (5 bytes)
                at 0: cancelled since 0 having 0
                at 1: 0 is interrupted
                at 2: cancelled since 0 having 1
        "#]],
    );
}

#[test]
fn a_shielded_call_is_left_alone() {
    check(
        "
            invoke a echo/hi
            cancel a
            a asks-unaware call echo/hi shielded yes
            a.0 ends done
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware call echo/hi shielded yes
                start a.0#1
                a.0 is running
            a.0 ends done
                tell a#1 at 1: 0 is complete: done
                answer a.0: done
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                at 0: cancelled since 0 having 0
                at 1: 0 is complete: done
        "#]],
    );
}

#[test]
fn other_commands_are_left_alone() {
    check(
        "
            invoke a echo/hi
            cancel a
            a asks-unaware sleep 10, send echo/hi, awakeable, signal go, attach a.1
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            a asks-unaware sleep 10, send echo/hi, awakeable, signal go, attach a.1
                start a.1#1
                a.1 is running
            journal a
                0 sleep 10 ms
                1 send echo/hi (5 bytes)
                2 awakeable
                3 signal 'go'
                4 attach to a.1
                at 0: cancelled since 0 having 0
        "#]],
    );
}

#[test]
fn a_handler_that_knows_compensates_by_calls() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a suspends 0
            cancel a
            a.0 ends !409 cancelled
            a asks-told 0 call echo/hi
            a.1 ends undone
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
            a suspends 0
                a is suspended on 0
            cancel a
                tell a.0#1 at 0: cancelled since 0 having 0
            a.0 ends !409 cancelled
                start a#2
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            a asks-told 0 call echo/hi
                start a.1#1
                a.1 is running
            a.1 ends undone
                tell a#2 at 2: 1 is complete: undone
                answer a.1: undone
                a.1 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                at 0: 0 is interrupted
                at 1: cancelled since 0 having 1
                at 2: 1 is complete: undone
        "#]],
    );
}

/// What it was told before it was cancelled is something else.
#[test]
fn an_older_cancellation_of_a_call_is_no_news() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a.0 ends !409 cancelled
            cancel a
            a asks-told 0 call echo/hi
            a.1 ends !409 cancelled
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
            a.0 ends !409 cancelled
                tell a#1 at 0: 0 is complete: !409 cancelled
                answer a.0: !409 cancelled
                a.0 has ended
            cancel a
                tell a#1 at 1: cancelled since 1 having 1
            a asks-told 0 call echo/hi
                start a.1#1
                tell a.1#1 at 0: cancelled since 0 having 0
                a.1 is running
            a.1 ends !409 cancelled
                tell a#1 at 2: 1 is interrupted
                tell a#1 at 3: cancelled since 1 having 2
                answer a.1: !409 cancelled
                a.1 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                at 0: 0 is complete: !409 cancelled
                at 1: cancelled since 1 having 1
                at 2: 1 is interrupted
                at 3: cancelled since 1 having 2
        "#]],
    );
}

#[test]
fn the_handler_cancels_itself_and_calls() {
    check(
        "
            invoke a echo/hi
            a asks-unaware call no/such, cancel a
            a ends !409 cancelled
            invoke b echo/hi
            b asks-unaware cancel b, call echo/hi
            b.1 ends !409 cancelled
            journal b
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks-unaware call no/such, cancel a
                tell a#1 at 0: 0 is complete: !404 HH0001: there is no service 'no'
                tell a#1 at 1: cancelled since 1 having 2
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks-unaware cancel b, call echo/hi
                start b.1#1
                tell b.1#1 at 0: cancelled since 0 having 0
                b.1 is running
            b.1 ends !409 cancelled
                tell b#1 at 0: 1 is interrupted
                tell b#1 at 1: cancelled since 0 having 2
                answer b.1: !409 cancelled
                b.1 has ended
            journal b
                0 cancel b
                1 call echo/hi (5 bytes)
                at 0: 1 is interrupted
                at 1: cancelled since 0 having 2
        "#]],
    );
}

/// Its caller is cancelled by the very commands by which it calls.
#[test]
fn the_handler_cancels_its_caller_and_calls() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a suspends 0
            a.0 asks-unaware cancel a, call echo/hi
            a.0.1 ends !409 cancelled
            a.0 ends !409 cancelled
            a ends !409 cancelled
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a suspends 0
                a is suspended on 0
            a.0 asks-unaware cancel a, call echo/hi
                start a.0.1#1
                tell a.0.1#1 at 0: cancelled since 0 having 0
                a.0.1 is running
            a.0.1 ends !409 cancelled
                tell a.0#1 at 0: 1 is interrupted
                tell a.0#1 at 1: cancelled since 0 having 2
                answer a.0.1: !409 cancelled
                a.0.1 has ended
            a.0 ends !409 cancelled
                start a#2
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
        "#]],
    );
}

#[test]
fn a_timeout_is_caught_up_with_too() {
    check(
        "
            configure operator frail/go timeout 100
            invoke a frail/go
            pass 100
            a asks-unaware call echo/hi
            a.0 ends !409 cancelled
            journal a
        ",
        expect![[r#"
            configure operator frail/go timeout 100
            invoke a frail/go
                start a#1
                accept a
                a is running
            pass 100
                tell a#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 100 ms
            a asks-unaware call echo/hi
                start a.0#1
                tell a.0#1 at 0: cancelled since 0 having 0
                a.0 is running
            a.0 ends !409 cancelled
                tell a#1 at 1: 0 is interrupted: [504] HH0065: not done after 100 ms
                tell a#1 at 2: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
                answer a.0: !409 cancelled
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                at 0: cancelled since 0 having 0: [504] HH0065: not done after 100 ms
                at 1: 0 is interrupted: [504] HH0065: not done after 100 ms
                at 2: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
        "#]],
    );
}

/// An attempt that begins in between is told of none.
#[test]
fn no_cancellation_is_in_force_in_between() {
    check(
        "
            invoke a echo/hi
            cancel a
            load a
            a asks-unaware run charge, call echo/hi
            load a
            a breaks a bug
            pass 100
            load a
            a suspends 0
            load a
            a.1 ends !409 cancelled
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            cancel a
                tell a#1 at 0: cancelled since 0 having 0
            load a
                on v1, from 0 ms on, 0 commands, 1 notifications, 0 seen
                cancelled at 0
            a asks-unaware run charge, call echo/hi
                permit a#1 to enter 0
                start a.1#1
                tell a.1#1 at 0: cancelled since 0 having 0
                a.1 is running
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 0 seen
                permit a#1 to enter 0
            a breaks a bug
                a is backing off until 100 ms
            pass 100
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 0 seen
                permit a#2 to enter 0
            a suspends 0
                start a#3
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 1 seen
                permit a#3 to enter 0
            a.1 ends !409 cancelled
                tell a#3 at 1: 1 is interrupted
                tell a#3 at 2: cancelled since 0 having 2
                answer a.1: !409 cancelled
                a.1 has ended
            load a
                on v1, from 0 ms on, 2 commands, 3 notifications, 1 seen
                cancelled at 2
                permit a#3 to enter 0
        "#]],
    );
}
