//! Journals of invocations that have ended: kept for operators, apart from names and outcomes.

use expect_test::expect;

use crate::check;

#[test]
fn that_of_a_failed_one_is_kept_for_a_day() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10
            a ends !500 no
            journal a
            pass 86399999
            journal a
            pass 1
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10
            a ends !500 no
                answer a: !500 no
                a has ended
            journal a
                0 sleep 10 ms
            pass 86399999
            journal a
                0 sleep 10 ms
            pass 1
            journal a
                (none)
        "#]],
    );
}

#[test]
fn that_of_a_successful_one_is_not() {
    check(
        "
            invoke a echo/hi key k
            a asks sleep 10
            a ends done
            journal a
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a asks sleep 10
            a ends done
                answer a: done
                a has ended
            journal a
                (none)
        "#]],
    );
}

#[test]
fn a_policy_keeps_both() {
    check(
        "
            configure operator echo journal 1000
            invoke a echo/hi
            a asks sleep 10
            a ends done
            invoke b echo/hi
            b ends !500 no
            journal a
            pass 1000
            journal a
            purge b
        ",
        expect![[r#"
            configure operator echo journal 1000
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10
            a ends done
                answer a: done
                a has ended
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b ends !500 no
                answer b: !500 no
                b has ended
            journal a
                0 sleep 10 ms
            pass 1000
            journal a
                (none)
            purge b
                refused: 404 HH0018: there is no invocation b: it never was, or its retention has ended
        "#]],
    );
}

#[test]
fn or_neither() {
    check(
        "
            configure operator echo journal 0
            invoke a echo/hi
            a ends !500 no
            purge a
        ",
        expect![[r#"
            configure operator echo journal 0
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a ends !500 no
                answer a: !500 no
                a has ended
            purge a
                refused: 404 HH0018: there is no invocation a: it never was, or its retention has ended
        "#]],
    );
}

/// The name is free, and the outcome can still be had by the id.
#[test]
fn it_may_outlive_the_names() {
    check(
        "
            configure operator echo names 100 journal 1000
            invoke a echo/hi key k
            a asks sleep 10
            a ends done
            pass 100
            invoke b echo/hi key k
            b asks output a, attach echo/hi key k
            journal a
            pass 900
            journal a
            b asks output a
            b ends done
        ",
        expect![[r#"
            configure operator echo names 100 journal 1000
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a asks sleep 10
            a ends done
                answer a: done
                a has ended
            pass 100
            invoke b echo/hi key k
                start b#1
                accept b
                b is running
            b asks output a, attach echo/hi key k
                tell b#1 at 0: 0 is complete: done
                tell b#1 at 1: 1 is complete: !409 HH0064: attaching to echo/hi with the idempotency key 'k' would wait for itself: echo/hi (b) waits for echo/hi (b); send it instead, or do not call back
            journal a
                0 sleep 10 ms
            pass 900
            journal a
                (none)
            b asks output a
                tell b#1 at 2: 2 is complete: !404 HH0018: nothing is known of a: it never was, or its retention has ended
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn the_names_may_outlive_it() {
    check(
        "
            configure operator echo names 1000 journal 100
            invoke a echo/hi key k
            a asks sleep 10
            a ends done
            pass 100
            journal a
            invoke b echo/hi key k
            pass 900
            invoke c echo/hi key k
            c ends done
        ",
        expect![[r#"
            configure operator echo names 1000 journal 100
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a asks sleep 10
            a ends done
                answer a: done
                a has ended
            pass 100
            journal a
                (none)
            invoke b echo/hi key k
                a stands for b
                answer a: done
            pass 900
            invoke c echo/hi key k
                start c#1
                accept c
                c is running
            c ends done
                answer c: done
                c has ended
        "#]],
    );
}

#[test]
fn both_end_at_the_same_moment() {
    check(
        "
            configure operator echo names 100 journal 100
            invoke a echo/hi key k
            a asks sleep 10
            a ends done
            pass 100
            invoke b echo/hi key k
            b ends done
        ",
        expect![[r#"
            configure operator echo names 100 journal 100
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a asks sleep 10
            a ends done
                answer a: done
                a has ended
            pass 100
            invoke b echo/hi key k
                start b#1
                accept b
                b is running
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

/// Also in the moment in which it would have been forgotten.
#[test]
fn purging_forgets_all_at_once() {
    check(
        "
            configure operator echo names 1000 journal 100
            invoke a echo/hi key k
            a asks sleep 10
            a ends done
            purge a
            invoke b echo/hi key k
            b ends done
            pass 100
            purge b
            invoke c echo/hi key k
            c ends !500 no
            purge c
            purge c
        ",
        expect![[r#"
            configure operator echo names 1000 journal 100
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a asks sleep 10
            a ends done
                answer a: done
                a has ended
            purge a
            invoke b echo/hi key k
                start b#1
                accept b
                b is running
            b ends done
                answer b: done
                b has ended
            pass 100
            purge b
            invoke c echo/hi key k
                start c#1
                accept c
                c is running
            c ends !500 no
                answer c: !500 no
                c has ended
            purge c
            purge c
                refused: 404 HH0018: there is no invocation c: it never was, or its retention has ended
        "#]],
    );
}

#[test]
fn of_one_that_never_began() {
    check(
        "
            invoke a echo/hi after 100
            cancel a
            journal a
            purge a
        ",
        expect![[r#"
            invoke a echo/hi after 100
                accept a
                a is scheduled for 100 ms
            cancel a
                answer a: !409 cancelled
                a has ended
            journal a
            purge a
        "#]],
    );
}

#[test]
fn killed_ones_are_kept_too() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi, awakeable, signal go
            a suspends 0 1 2
            kill a
            journal a
            complete a.1 late
            signal a go late
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi, awakeable, signal go
                start a.0#1
                a.0 is running
            a suspends 0 1 2
                a is suspended on 0 1 2
            kill a
                answer a: !409 killed
                stop a.0#1
                answer a.0: !409 killed
                a has ended
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 awakeable
                2 signal 'go'
            complete a.1 late
                refused: 404 HH0039: there is no awakeable awk_2uwXUYaU3koqBS6RtbdVEJawqbQvPwZKU289SG8 to complete: it never was, or is completed already
            signal a go late
                refused: 409 HH0047: invocation a is completed, it cannot be signalled
        "#]],
    );
}
