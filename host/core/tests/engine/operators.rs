//! Pausing, resuming and purging.

use expect_test::expect;

use crate::check;

#[test]
fn a_running_attempt_is_stopped_and_another_goes_on() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10
            pause a
            a#1 ends too late
            pass 10
            resume a
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10
            pause a
                stop a#1
                a is paused: by an operator
            a#1 ends too late
            pass 10
            resume a
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 0 seen
        "#]],
    );
}

#[test]
fn answers_gather_while_it_is_paused() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi, sleep 10, awakeable
            a suspends 0
            pause a
            a.0 ends hello
            pass 10
            complete a.2 yes
            journal a
            resume a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi, sleep 10, awakeable
                start a.0#1
                a.0 is running
            a suspends 0
                a is suspended on 0
            pause a
                a is paused: by an operator
            a.0 ends hello
                answer a.0: hello
                a.0 has ended
            pass 10
            complete a.2 yes
            journal a
                0 call echo/hi (5 bytes)
                1 sleep 10 ms
                2 awakeable
                at 0: 0 is complete: hello
                at 1: 1 is complete: 
                at 2: 2 is complete: yes
            resume a
                start a#2
                a is running
        "#]],
    );
}

#[test]
fn a_paused_step_is_executed_at_once_after_resuming() {
    check(
        "
            invoke a echo/hi
            a asks run charge
            a fails 0 no answer
            a suspends 0
            pause a
            resume a
            load a
            a fails 0 no answer
            a suspends 0
            pass 100
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run charge
                permit a#1 to enter 0
            a fails 0 no answer
            a suspends 0
                a is suspended on 0
            pause a
                a is paused: by an operator
            resume a
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 1 commands, 0 notifications, 0 seen
                permit a#2 to enter 0
            a fails 0 no answer
            a suspends 0
                a is suspended on 0
            pass 100
                start a#3
                a is running
        "#]],
    );
}

#[test]
fn a_step_that_becomes_due_during_a_pause_waits_for_the_operator() {
    check(
        "
            invoke a echo/hi
            a asks run charge
            a fails 0 no answer
            a suspends 0
            pause a
            pass 100
            resume a
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run charge
                permit a#1 to enter 0
            a fails 0 no answer
            a suspends 0
                a is suspended on 0
            pause a
                a is paused: by an operator
            pass 100
            resume a
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 1 commands, 0 notifications, 0 seen
                permit a#2 to enter 0
        "#]],
    );
}

#[test]
fn resuming_ends_a_back_off() {
    check(
        "
            invoke a echo/hi
            a breaks a bug
            resume a
            a breaks a bug
            pass 100
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a breaks a bug
                a is backing off until 100 ms
            resume a
                start a#2
                a is running
            a breaks a bug
                a is backing off until 100 ms
            pass 100
                start a#3
                a is running
        "#]],
    );
}

/// Its holder fails again and again: whatever an operator does about it, those in line go on in order.
#[test]
fn a_blocked_key_is_freed() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/ann/add
            invoke c cart/ann/add
            invoke d cart/ann/add
            a breaks a bug
            pause a
            pass 1000
            resume a
            a ends done
            b breaks a bug
            pause b
            kill b
            c asks sleep 10
            c breaks a bug
            cancel c
            c ends !409 cancelled
            d ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/ann/add
                accept b
                b is inboxed with ticket 0
            invoke c cart/ann/add
                accept c
                c is inboxed with ticket 1
            invoke d cart/ann/add
                accept d
                d is inboxed with ticket 2
            a breaks a bug
                a is backing off until 100 ms
            pause a
                a is paused: by an operator
            pass 1000
            resume a
                start a#2
                a is running
            a ends done
                start b#1
                answer a: done
                a has ended
                b is running
            b breaks a bug
                b is backing off until 1100 ms
            pause b
                b is paused: by an operator
            kill b
                start c#1
                answer b: !409 killed
                b has ended
                c is running
            c asks sleep 10
            c breaks a bug
                c is backing off until 1100 ms
            cancel c
                start c#2
                c is running
            c ends !409 cancelled
                start d#1
                answer c: !409 cancelled
                c has ended
                d is running
            d ends done
                answer d: done
                d has ended
        "#]],
    );
}

#[test]
fn only_what_has_begun_and_not_ended_is_paused() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/ann/add
            invoke c echo/hi after 10
            pause b
            pause c
            pause a
            pause a
            resume b
            resume a
            resume a
            a ends 1
            pause a
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/ann/add
                accept b
                b is inboxed with ticket 0
            invoke c echo/hi after 10
                accept c
                c is scheduled for 10 ms
            pause b
                refused: 409 HH0047: invocation b is inboxed, it cannot be paused
            pause c
                refused: 409 HH0047: invocation c is scheduled, it cannot be paused
            pause a
                stop a#1
                a is paused: by an operator
            pause a
                refused: 409 HH0047: invocation a is paused, it cannot be paused
            resume b
                refused: 409 HH0047: invocation b is inboxed, it cannot be resumed
            resume a
                start a#2
                a is running
            resume a
                refused: 409 HH0047: invocation a is running, it cannot be resumed
            a ends 1
                start b#1
                answer a: 1
                a has ended
                b is running
            pause a
                refused: 404 HH0018: there is no invocation a: it never was, or its retention has ended
        "#]],
    );
}

#[test]
fn only_an_outcome_is_purged() {
    check(
        "
            invoke a echo/hi key k
            purge a
            a ends hello
            purge a
            purge a
            invoke b echo/hi key k
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            purge a
                refused: 409 HH0047: invocation a is running, it cannot be purged
            a ends hello
                answer a: hello
                a has ended
            purge a
            purge a
                refused: 404 HH0018: there is no invocation a: it never was, or its retention has ended
            invoke b echo/hi key k
                start b#1
                accept b
                b is running
        "#]],
    );
}

#[test]
fn a_workflow_id_is_free_after_a_purge() {
    check(
        "
            invoke a trip/t1/run
            a ends booked
            purge a
            call b trip/t1/run
        ",
        expect![[r#"
            invoke a trip/t1/run
                start a#1
                accept a
                a is running
            a ends booked
                answer a: booked
                a has ended
            purge a
            call b trip/t1/run
                start b#1
                accept b
                b is running
        "#]],
    );
}
