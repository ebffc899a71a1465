//! Signals: each for one wait, in the order in which they were sent.

use expect_test::expect;

use crate::check;

#[test]
fn the_first_to_wait_gets_the_first_sent() {
    check(
        "
            invoke a echo/hi
            a asks signal go, signal go, signal stop
            a suspends 0 1 2
            signal a go 1
            signal a stop now
            signal a go 2
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks signal go, signal go, signal stop
            a suspends 0 1 2
                a is suspended on 0 1 2
            signal a go 1
                start a#2
                a is running
            signal a stop now
                tell a#2 at 1: 2 is complete: now
            signal a go 2
                tell a#2 at 2: 1 is complete: 2
            journal a
                0 signal 'go'
                1 signal 'go'
                2 signal 'stop'
                at 0: 0 is complete: 1
                at 1: 2 is complete: now
                at 2: 1 is complete: 2
        "#]],
    );
}

#[test]
fn one_that_came_early_is_kept() {
    check(
        "
            invoke a echo/hi
            signal a go 1
            signal a stop now
            signal a go 2
            a asks signal go
            a asks signal go, signal go
            a suspends 2
            signal a go 3
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            signal a go 1
            signal a stop now
            signal a go 2
            a asks signal go
                tell a#1 at 0: 0 is complete: 1
            a asks signal go, signal go
                tell a#1 at 1: 1 is complete: 2
            a suspends 2
                a is suspended on 2
            signal a go 3
                start a#2
                a is running
        "#]],
    );
}

#[test]
fn a_handler_sends_one_and_is_told() {
    check(
        "
            invoke a echo/hi
            a asks signal go
            a suspends 0
            invoke b echo/hi
            b asks send-signal a go !500 from b, send-signal a more kept
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks signal go
            a suspends 0
                a is suspended on 0
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks send-signal a go !500 from b, send-signal a more kept
                start a#2
                tell b#1 at 0: 0 is complete: 
                tell b#1 at 1: 1 is complete: 
                a is running
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn to_itself() {
    check(
        "
            invoke a echo/hi
            a asks send-signal a go 1, signal go, signal go, send-signal a go 2
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks send-signal a go 1, signal go, signal go, send-signal a go 2
                tell a#1 at 0: 1 is complete: 1
                tell a#1 at 1: 0 is complete: 
                tell a#1 at 2: 2 is complete: 2
                tell a#1 at 3: 3 is complete: 
            journal a
                0 send signal 'go' to a with success (1 bytes)
                1 signal 'go'
                2 signal 'go'
                3 send signal 'go' to a with success (1 bytes)
                at 0: 1 is complete: 1
                at 1: 0 is complete: 
                at 2: 2 is complete: 2
                at 3: 3 is complete: 
        "#]],
    );
}

/// Whoever waits for its key, or for its time, gets them when it begins.
#[test]
fn they_are_kept_before_the_first_attempt() {
    check(
        "
            invoke h cart/ann/add
            invoke a cart/ann/add
            invoke b echo/hi after 100
            signal a go 1
            signal b go 2
            h ends done
            a asks signal go
            a ends done
            pass 100
            b asks signal go
            b ends done
        ",
        expect![[r#"
            invoke h cart/ann/add
                start h#1
                accept h
                h is running
            invoke a cart/ann/add
                accept a
                a is inboxed with ticket 0
            invoke b echo/hi after 100
                accept b
                b is scheduled for 100 ms
            signal a go 1
            signal b go 2
            h ends done
                start a#1
                answer h: done
                a is running
                h has ended
            a asks signal go
                tell a#1 at 0: 0 is complete: 1
            a ends done
                answer a: done
                a has ended
            pass 100
                start b#1
                b is running
            b asks signal go
                tell b#1 at 0: 0 is complete: 2
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

/// From outside it is refused, a handler is told.
#[test]
fn an_invocation_that_has_ended_takes_none() {
    check(
        "
            invoke a echo/hi keep 1000
            a ends done
            signal a go 1
            invoke b echo/hi
            b asks send-signal a go 1
            pass 1000
            signal a go 1
            b asks send-signal a go 1
        ",
        expect![[r#"
            invoke a echo/hi keep 1000
                start a#1
                accept a
                a is running
            a ends done
                answer a: done
                a has ended
            signal a go 1
                refused: 409 HH0047: invocation a is completed, it cannot be signalled
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks send-signal a go 1
                tell b#1 at 0: 0 is complete: !409 HH0047: invocation a is completed, it cannot be signalled
            pass 1000
            signal a go 1
                refused: 404 HH0018: there is no invocation a: it never was, or its retention has ended
            b asks send-signal a go 1
                tell b#1 at 1: 1 is complete: !404 HH0018: there is no invocation a: it never was, or its retention has ended
        "#]],
    );
}

#[test]
fn a_paused_or_backing_off_invocation_takes_them() {
    check(
        "
            invoke a echo/hi
            a asks signal go
            a suspends 0
            pause a
            signal a go 1
            resume a
            invoke b echo/hi
            b breaks a bug
            signal b go 1
            pass 100
            b asks signal go
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks signal go
            a suspends 0
                a is suspended on 0
            pause a
                a is paused: by an operator
            signal a go 1
            resume a
                start a#2
                a is running
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b breaks a bug
                b is backing off until 100 ms
            signal b go 1
            pass 100
                start b#2
                b is running
            b asks signal go
                tell b#2 at 0: 0 is complete: 1
        "#]],
    );
}

#[test]
fn what_nobody_waited_for_goes_with_the_invocation() {
    check(
        "
            invoke a echo/hi keep 1000
            signal a go 1
            signal a go 2
            a ends done
        ",
        expect![[r#"
            invoke a echo/hi keep 1000
                start a#1
                accept a
                a is running
            signal a go 1
            signal a go 2
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

#[test]
fn a_handler_that_is_cancelled_while_it_waits_can_get_it_later() {
    check(
        "
            invoke a echo/hi
            a asks signal go
            a suspends 0
            cancel a
            a suspends 0
            signal a go 1
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks signal go
            a suspends 0
                a is suspended on 0
            cancel a
                start a#2
                a is running
            a suspends 0
                a is suspended on 0
            signal a go 1
                start a#3
                a is running
        "#]],
    );
}
