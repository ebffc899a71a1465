//! Waiting for somebody else's invocation, by each of its names, or looking at it.

use expect_test::expect;

use crate::check;

#[test]
fn by_id_by_key_and_by_workflow() {
    check(
        "
            invoke a echo/hi key k
            invoke w trip/t1/run
            invoke b echo/hi
            b asks attach a, attach echo/hi key k, attach trip/t1
            b suspends 0 1 2
            a ends hello
            w ends !500 no trip
            journal b
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a, attach echo/hi key k, attach trip/t1
            b suspends 0 1 2
                b is suspended on 0 1 2
            a ends hello
                start b#2
                tell b#2 at 1: 1 is complete: hello
                answer a: hello
                a has ended
                b is running
            w ends !500 no trip
                tell b#2 at 2: 2 is complete: !500 no trip
                answer w: !500 no trip
                w has ended
            journal b
                0 attach to a
                1 attach to echo/hi with the idempotency key 'k'
                2 attach to the workflow trip/t1
                at 0: 0 is complete: hello
                at 1: 1 is complete: hello
                at 2: 2 is complete: !500 no trip
        "#]],
    );
}

#[test]
fn one_that_has_ended_answers_at_once() {
    check(
        "
            invoke a echo/hi keep 1000
            a ends hello
            invoke b echo/hi
            b asks attach a, output a
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi keep 1000
                start a#1
                accept a
                a is running
            a ends hello
                answer a: hello
                a has ended
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a, output a
                tell b#1 at 0: 0 is complete: hello
                tell b#1 at 1: 1 is complete: hello
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn looking_does_not_wait() {
    check(
        "
            invoke a echo/hi
            invoke b echo/hi
            b asks output a
            a ends !418 no
            b asks output a
            journal b
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
            b asks output a
                tell b#1 at 0: 0 is not ready
            a ends !418 no
                answer a: !418 no
                a has ended
            b asks output a
                tell b#1 at 1: 1 is complete: !418 no
            journal b
                0 output of a
                1 output of a
                at 0: 0 is not ready
                at 1: 1 is complete: !418 no
        "#]],
    );
}

#[test]
fn what_is_not_there_is_a_failure() {
    check(
        "
            invoke a echo/hi
            a ends hello
            invoke b echo/hi
            b asks attach a, output a, attach echo/hi key no, attach trip/no
            journal b
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a ends hello
                answer a: hello
                a has ended
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a, output a, attach echo/hi key no, attach trip/no
                tell b#1 at 0: 0 is complete: !404 HH0018: nothing is known of a: it never was, or its retention has ended
                tell b#1 at 1: 1 is complete: !404 HH0018: nothing is known of a: it never was, or its retention has ended
                tell b#1 at 2: 2 is complete: !404 HH0018: nothing is known of echo/hi with the idempotency key 'no': it never was, or its retention has ended
                tell b#1 at 3: 3 is complete: !404 HH0018: nothing is known of the workflow trip/no: it never was, or its retention has ended
            journal b
                0 attach to a
                1 output of a
                2 attach to echo/hi with the idempotency key 'no'
                3 attach to the workflow trip/no
                at 0: 0 is complete: !404 HH0018: nothing is known of a: it never was, or its retention has ended
                at 1: 1 is complete: !404 HH0018: nothing is known of a: it never was, or its retention has ended
                at 2: 2 is complete: !404 HH0018: nothing is known of echo/hi with the idempotency key 'no': it never was, or its retention has ended
                at 3: 3 is complete: !404 HH0018: nothing is known of the workflow trip/no: it never was, or its retention has ended
        "#]],
    );
}

/// A failed one can be asked as long as its journal is kept.
#[test]
fn a_failure_is_there_for_a_while() {
    check(
        "
            invoke a echo/hi
            a ends !500 no
            invoke b echo/hi
            b asks attach a
            pass 86400000
            b asks attach a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a ends !500 no
                answer a: !500 no
                a has ended
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a
                tell b#1 at 0: 0 is complete: !500 no
            pass 86400000
            b asks attach a
                tell b#1 at 1: 1 is complete: !404 HH0018: nothing is known of a: it never was, or its retention has ended
        "#]],
    );
}

#[test]
fn who_attaches_is_not_cancelled_with_it_nor_the_other_way_round() {
    check(
        "
            invoke a echo/hi
            a asks awakeable
            a suspends 0
            invoke b echo/hi
            b asks attach a
            b suspends 0
            cancel b
            b ends !409 cancelled
            invoke c echo/hi
            c asks attach a
            c suspends 0
            cancel a
            a ends !409 cancelled
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks awakeable
            a suspends 0
                a is suspended on 0
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a
            b suspends 0
                b is suspended on 0
            cancel b
                start b#2
                b is running
            b ends !409 cancelled
                answer b: !409 cancelled
                b has ended
            invoke c echo/hi
                start c#1
                accept c
                c is running
            c asks attach a
            c suspends 0
                c is suspended on 0
            cancel a
                start a#2
                a is running
            a ends !409 cancelled
                start c#2
                answer a: !409 cancelled
                a has ended
                c is running
        "#]],
    );
}

/// It may have gone on without waiting any more.
#[test]
fn who_attached_and_ended_is_not_told() {
    check(
        "
            invoke a echo/hi
            invoke b echo/hi
            b asks attach a
            b ends done
            invoke c echo/hi
            c asks attach a
            c suspends 0
            kill c
            a ends hello
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
            b asks attach a
            b ends done
                answer b: done
                b has ended
            invoke c echo/hi
                start c#1
                accept c
                c is running
            c asks attach a
            c suspends 0
                c is suspended on 0
            kill c
                answer c: !409 killed
                c has ended
            a ends hello
                answer a: hello
                a has ended
        "#]],
    );
}

#[test]
fn the_callee_of_another_goes_on_when_its_caller_is_cancelled() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a suspends 0
            invoke b echo/hi
            b asks attach a.0
            b suspends 0
            cancel a
            a.0 ends hello
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
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a.0
            b suspends 0
                b is suspended on 0
            cancel a
                start a#2
                a is running
            a.0 ends hello
                tell a#2 at 1: 0 is complete: hello
                start b#2
                answer a.0: hello
                a.0 has ended
                b is running
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
        "#]],
    );
}

/// Whoever attached to it and has ended does not count.
#[test]
fn nobody_else_waits_any_more() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a suspends 0
            invoke b echo/hi
            b asks attach a.0
            b suspends 0
            kill b
            cancel a
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
            a suspends 0
                a is suspended on 0
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a.0
            b suspends 0
                b is suspended on 0
            kill b
                answer b: !409 killed
                b has ended
            cancel a
                tell a.0#1 at 0: cancelled since 0 having 0
            a.0 ends !409 cancelled
                start a#2
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
        "#]],
    );
}

#[test]
fn a_callee_that_others_wait_for_is_not_killed_with_its_caller() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a suspends 0
            invoke b echo/hi
            b asks attach a.0
            b suspends 0
            kill a
            a.0 ends hello
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
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks attach a.0
            b suspends 0
                b is suspended on 0
            kill a
                answer a: !409 killed
                a has ended
            a.0 ends hello
                start b#2
                answer a.0: hello
                a.0 has ended
                b is running
        "#]],
    );
}

#[test]
fn it_attaches_to_its_own_callee() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi, attach a.0
            a suspends 0 1
            a.0 asks awakeable
            a.0 suspends 0
            cancel a
            a.0 ends !409 cancelled
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi, attach a.0
                start a.0#1
                a.0 is running
            a suspends 0 1
                a is suspended on 0 1
            a.0 asks awakeable
            a.0 suspends 0
                a.0 is suspended on 0
            cancel a
                start a.0#2
                a.0 is running
            a.0 ends !409 cancelled
                start a#2
                tell a#2 at 2: 1 is complete: !409 cancelled
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 attach to a.0
                at 0: 0 is interrupted
                at 1: cancelled since 0 having 2
                at 2: 1 is complete: !409 cancelled
        "#]],
    );
}

/// The id that the handler got for its call leads to the invocation that it joined.
#[test]
fn by_the_id_of_a_call_that_joined() {
    check(
        "
            invoke a echo/hi key k
            invoke b echo/hi
            b asks call echo/hi key k, send echo/hi key k
            invoke c echo/hi
            c asks attach b.0, attach b.1, send-signal b.0 go 1, output b.1
            c suspends 0 1
            signal b.1 go 2
            a asks signal go, signal go
            a ends hello
            c ends done
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
            b asks call echo/hi key k, send echo/hi key k
            invoke c echo/hi
                start c#1
                accept c
                c is running
            c asks attach b.0, attach b.1, send-signal b.0 go 1, output b.1
                tell c#1 at 0: 2 is complete: 
                tell c#1 at 1: 3 is not ready
            c suspends 0 1
                c is suspended on 0 1
            signal b.1 go 2
            a asks signal go, signal go
                tell a#1 at 0: 0 is complete: 1
                tell a#1 at 1: 1 is complete: 2
            a ends hello
                tell b#1 at 0: 0 is complete: hello
                start c#2
                tell c#2 at 3: 1 is complete: hello
                answer a: hello
                a has ended
                c is running
            c ends done
                answer c: done
                c has ended
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

/// As long as the invocation, and no longer.
#[test]
fn such_an_id_is_forgotten_with_the_invocation() {
    check(
        "
            invoke a echo/hi key k
            a ends hello
            invoke b echo/hi
            b asks call echo/hi key k
            pass 86400000
            b asks attach b.0
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a ends hello
                answer a: hello
                a has ended
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks call echo/hi key k
                tell b#1 at 0: 0 is complete: hello
            pass 86400000
            b asks attach b.0
                tell b#1 at 1: 1 is complete: !404 HH0018: nothing is known of b.0: it never was, or its retention has ended
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}
