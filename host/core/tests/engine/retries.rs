//! Attempts that fail.

use expect_test::expect;

use crate::check;

#[test]
fn they_back_off_and_pause_when_the_policy_is_exhausted() {
    check(
        "
            invoke a frail/go
            a breaks one
            pass 99
            pass 1
            a breaks two
            pass 200
            a breaks three
            pass 100000
            resume a
            a breaks four
        ",
        expect![[r#"
            invoke a frail/go
                start a#1
                accept a
                a is running
            a breaks one
                a is backing off until 100 ms
            pass 99
            pass 1
                start a#2
                a is running
            a breaks two
                a is backing off until 300 ms
            pass 200
                start a#3
                a is running
            a breaks three
                a is paused: attempt failed 3 times, last with: three
            pass 100000
            resume a
                start a#4
                a is running
            a breaks four
                a is backing off until 100400 ms
        "#]],
    );
}

#[test]
fn failures_are_counted_since_the_journal_last_grew() {
    check(
        "
            invoke a frail/go
            a breaks one
            pass 100
            a breaks two
            pass 200
            a asks sleep 10
            a breaks three
            pass 100
            a breaks four
            pass 1000
            a breaks five
        ",
        expect![[r#"
            invoke a frail/go
                start a#1
                accept a
                a is running
            a breaks one
                a is backing off until 100 ms
            pass 100
                start a#2
                a is running
            a breaks two
                a is backing off until 300 ms
            pass 200
                start a#3
                a is running
            a asks sleep 10
            a breaks three
                a is backing off until 400 ms
            pass 100
                start a#4
                a is running
            a breaks four
                a is backing off until 500 ms
            pass 1000
                start a#5
                a is running
            a breaks five
                a is backing off until 1600 ms
        "#]],
    );
}

#[test]
fn an_answer_does_not_end_a_back_off() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a breaks a bug
            a.0 ends hello
            pass 100
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a breaks a bug
                a is backing off until 100 ms
            a.0 ends hello
                answer a.0: hello
                a.0 has ended
            pass 100
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 0 seen
        "#]],
    );
}

#[test]
fn what_was_printed_before_a_suspension_is_not_printed_again() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10, sleep 20
            a suspends 0
            pass 10
            load a
            a suspends 1
            pass 10
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10, sleep 20
            a suspends 0
                a is suspended on 0
            pass 10
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 0 seen
            a suspends 1
                a is suspended on 1
            pass 10
                start a#3
                a is running
            load a
                on v1, from 0 ms on, 2 commands, 2 notifications, 1 seen
        "#]],
    );
}

/// Whatever its policy allows: nothing but an operator can help.
#[test]
fn one_that_awaits_an_operator_is_paused_at_once() {
    check(
        "
            invoke a frail/go
            a breaks HH0082: no such key
            pass 100000
            resume a
            a breaks HH0022: a trap
        ",
        expect![[r#"
            invoke a frail/go
                start a#1
                accept a
                a is running
            a breaks HH0082: no such key
                a is paused: attempt failed 1 times, last with: HH0082: no such key
            pass 100000
            resume a
                start a#2
                a is running
            a breaks HH0022: a trap
                a is backing off until 100100 ms
        "#]],
    );
}
