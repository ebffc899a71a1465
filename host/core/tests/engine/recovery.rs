//! What a host does that begins from stored state.

use expect_test::expect;

use crate::check;

#[test]
fn running_attempts_are_started_again() {
    check(
        "
            invoke a echo/hi
            invoke b echo/hi
            b asks sleep 10
            b suspends 0
            invoke c cart/ann/add
            invoke d cart/ann/add
            invoke e echo/hi
            e breaks a bug
            invoke f echo/hi after 10
            recover
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks sleep 10
            b suspends 0
                b is suspended on 0
            invoke c cart/ann/add
                start c#1
                accept c
                c is running
            invoke d cart/ann/add
                accept d
                d is inboxed with ticket 0
            invoke e echo/hi
                start e#1
                accept e
                e is running
            e breaks a bug
                e is backing off until 100 ms
            invoke f echo/hi after 10
                accept f
                f is scheduled for 10 ms
            recover
                start c#1
                start a#1
        "#]],
    );
}

#[test]
fn an_attempt_begins_with_its_journal_and_its_open_steps() {
    check(
        "
            invoke a echo/hi
            a asks run one, run two, sleep 10, run three
            a completes 0 1
            a fails 1 no answer
            load a
            a#7 ends never
            load a#7
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run one, run two, sleep 10, run three
                permit a#1 to enter 0
                permit a#1 to enter 1
                permit a#1 to enter 3
            a completes 0 1
                tell a#1 at 0: 0 is complete: 1
            a fails 1 no answer
            load a
                on v1, from 0 ms on, 4 commands, 1 notifications, 0 seen
                postponed 1
                permit a#1 to enter 3
            a#7 ends never
            load a#7
                (not current)
        "#]],
    );
}
