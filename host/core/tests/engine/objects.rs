//! The lock and inbox of an object's key, and its state.

use expect_test::expect;

use crate::check;

#[test]
fn one_at_a_time_in_order_of_arrival() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/ann/add
            invoke c cart/ann/add
            invoke other cart/bob/add
            a ends 1
            b ends 2
            c ends 3
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
            invoke other cart/bob/add
                start other#1
                accept other
                other is running
            a ends 1
                start b#1
                answer a: 1
                a has ended
                b is running
            b ends 2
                start c#1
                answer b: 2
                b has ended
                c is running
            c ends 3
                answer c: 3
                c has ended
        "#]],
    );
}

#[test]
fn shared_handlers_run_beside_the_holder() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/ann/look
            b ends 0
            a ends 1
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/ann/look
                start b#1
                accept b
                b is running
            b ends 0
                answer b: 0
                b has ended
            a ends 1
                answer a: 1
                a has ended
        "#]],
    );
}

/// Whether it sleeps, backs off or is paused.
#[test]
fn the_key_stays_locked_while_its_holder_waits() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/ann/add
            a asks sleep 10
            a suspends 0
            pass 10
            a breaks a bug
            pass 100
            pause a
            resume a
            a ends 1
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/ann/add
                accept b
                b is inboxed with ticket 0
            a asks sleep 10
            a suspends 0
                a is suspended on 0
            pass 10
                start a#2
                a is running
            a breaks a bug
                a is backing off until 110 ms
            pass 100
                start a#3
                a is running
            pause a
                stop a#3
                a is paused: by an operator
            resume a
                start a#4
                a is running
            a ends 1
                start b#1
                answer a: 1
                a has ended
                b is running
        "#]],
    );
}

#[test]
fn one_that_leaves_the_line_does_not_disturb_it() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/ann/add
            invoke c cart/ann/add
            cancel b
            invoke d cart/ann/add
            a ends 1
            c ends 1
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
            cancel b
                answer b: !409 cancelled
                b has ended
            invoke d cart/ann/add
                accept d
                d is inboxed with ticket 2
            a ends 1
                start c#1
                answer a: 1
                a has ended
                c is running
            c ends 1
                start d#1
                answer c: 1
                c has ended
                d is running
        "#]],
    );
}

#[test]
fn state_is_written_when_the_command_is_recorded() {
    check(
        "
            invoke a cart/ann/add
            a asks get apples, set apples 3, set pears 1, clear pears, set plums 7
            state cart/ann
            a breaks a bug
            state cart/ann
            pass 100
            a asks clear-all, set apples 4, keys
            a ends ok
            state cart/ann
            state cart/bob
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks get apples, set apples 3, set pears 1, clear pears, set plums 7
            state cart/ann
                plums = 7
                apples = 3
            a breaks a bug
                a is backing off until 100 ms
            state cart/ann
                plums = 7
                apples = 3
            pass 100
                start a#2
                a is running
            a asks clear-all, set apples 4, keys
            a ends ok
                answer a: ok
                a has ended
            state cart/ann
                apples = 4
            state cart/bob
        "#]],
    );
}

#[test]
fn a_delayed_invocation_takes_its_place_in_line_when_it_is_due() {
    check(
        "
            invoke a cart/ann/add after 50
            invoke b cart/ann/add
            pass 50
            b ends 1
        ",
        expect![[r#"
            invoke a cart/ann/add after 50
                accept a
                a is scheduled for 50 ms
            invoke b cart/ann/add
                start b#1
                accept b
                b is running
            pass 50
                a is inboxed with ticket 0
            b ends 1
                start a#1
                answer b: 1
                a is running
                b has ended
        "#]],
    );
}
