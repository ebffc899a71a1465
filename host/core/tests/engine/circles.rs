//! Circles of waiting: the call or attachment that would close one fails, and names it.

use expect_test::expect;

use crate::check;

#[test]
fn a_call_to_the_key_it_holds_is_refused() {
    check(
        "
            invoke a cart/ann/add
            a asks call cart/ann/add
            a ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks call cart/ann/add
                tell a#1 at 0: 0 is complete: !409 HH0064: the call to cart/ann/add would wait for itself: cart/ann/add (a) waits for cart/ann/add (a); send it instead, or do not call back
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

/// A shared handler needs no key, and a send does not wait.
#[test]
fn what_does_not_wait_for_the_key_is_not() {
    check(
        "
            invoke a cart/ann/add
            a asks call cart/ann/look, send cart/ann/add
            a suspends 0
            a.0 ends 3
            a ends done
            a.1 ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks call cart/ann/look, send cart/ann/add
                start a.0#1
                a.0 is running
                a.1 is inboxed with ticket 0
            a suspends 0
                a is suspended on 0
            a.0 ends 3
                start a#2
                answer a.0: 3
                a is running
                a.0 has ended
            a ends done
                start a.1#1
                answer a: done
                a has ended
                a.1 is running
            a.1 ends done
                answer a.1: done
                a.1 has ended
        "#]],
    );
}

#[test]
fn a_call_that_comes_back_is_refused() {
    check(
        "
            invoke a cart/ann/add
            a asks call echo/hi
            a suspends 0
            a.0 asks call cart/bob/add
            a.0 suspends 0
            a.0.0 asks call cart/ann/add, call cart/ann/look
            a.0.0.1 ends 3
            a.0.0 ends no way
            a.0 ends no way
            a ends no way
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a suspends 0
                a is suspended on 0
            a.0 asks call cart/bob/add
                start a.0.0#1
                a.0.0 is running
            a.0 suspends 0
                a.0 is suspended on 0
            a.0.0 asks call cart/ann/add, call cart/ann/look
                tell a.0.0#1 at 0: 0 is complete: !409 HH0064: the call to cart/ann/add would wait for itself: cart/ann/add (a) waits for echo/hi (a.0) waits for cart/bob/add (a.0.0) waits for cart/ann/add (a); send it instead, or do not call back
                start a.0.0.1#1
                a.0.0.1 is running
            a.0.0.1 ends 3
                tell a.0.0#1 at 1: 1 is complete: 3
                answer a.0.0.1: 3
                a.0.0.1 has ended
            a.0.0 ends no way
                start a.0#2
                answer a.0.0: no way
                a.0 is running
                a.0.0 has ended
            a.0 ends no way
                start a#2
                answer a.0: no way
                a is running
                a.0 has ended
            a ends no way
                answer a: no way
                a has ended
        "#]],
    );
}

/// One waits in line for the key of the other, who calls back then.
#[test]
fn two_that_call_each_others_key() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/bob/add
            a asks call cart/bob/add
            a suspends 0
            b asks call cart/ann/add
            b ends no way
            a.0 ends done
            a ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/bob/add
                start b#1
                accept b
                b is running
            a asks call cart/bob/add
                a.0 is inboxed with ticket 0
            a suspends 0
                a is suspended on 0
            b asks call cart/ann/add
                tell b#1 at 0: 0 is complete: !409 HH0064: the call to cart/ann/add would wait for itself: cart/ann/add (a) waits for cart/bob/add (a.0) waits for cart/bob/add (b) waits for cart/ann/add (a); send it instead, or do not call back
            b ends no way
                start a.0#1
                answer b: no way
                a.0 is running
                b has ended
            a.0 ends done
                start a#2
                answer a.0: done
                a is running
                a.0 has ended
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

#[test]
fn by_way_of_others_in_line() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/bob/add
            invoke c cart/cat/add
            a asks call cart/bob/add
            b asks call cart/cat/add
            c asks call cart/ann/add
            c ends no way
            b.0 ends done
            b ends done
            a.0 ends done
            a ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/bob/add
                start b#1
                accept b
                b is running
            invoke c cart/cat/add
                start c#1
                accept c
                c is running
            a asks call cart/bob/add
                a.0 is inboxed with ticket 0
            b asks call cart/cat/add
                b.0 is inboxed with ticket 0
            c asks call cart/ann/add
                tell c#1 at 0: 0 is complete: !409 HH0064: the call to cart/ann/add would wait for itself: cart/ann/add (a) waits for cart/bob/add (a.0) waits for cart/bob/add (b) waits for cart/cat/add (b.0) waits for cart/cat/add (c) waits for cart/ann/add (a); send it instead, or do not call back
            c ends no way
                start b.0#1
                answer c: no way
                b.0 is running
                c has ended
            b.0 ends done
                tell b#1 at 0: 0 is complete: done
                answer b.0: done
                b.0 has ended
            b ends done
                start a.0#1
                answer b: done
                a.0 is running
                b has ended
            a.0 ends done
                tell a#1 at 0: 0 is complete: done
                answer a.0: done
                a.0 has ended
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

/// Somebody who stands in line has called nobody.
#[test]
fn one_who_stands_in_line_is_no_circle() {
    check(
        "
            invoke a cart/ann/add
            invoke b cart/ann/add
            invoke c cart/bob/add
            c asks call cart/ann/add
            a asks call cart/cat/add
            a.0 ends done
            a ends done
            b asks call cart/bob/add
            b ends no way
            c.0 ends done
            c ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/ann/add
                accept b
                b is inboxed with ticket 0
            invoke c cart/bob/add
                start c#1
                accept c
                c is running
            c asks call cart/ann/add
                c.0 is inboxed with ticket 1
            a asks call cart/cat/add
                start a.0#1
                a.0 is running
            a.0 ends done
                tell a#1 at 0: 0 is complete: done
                answer a.0: done
                a.0 has ended
            a ends done
                start b#1
                answer a: done
                a has ended
                b is running
            b asks call cart/bob/add
                tell b#1 at 0: 0 is complete: !409 HH0064: the call to cart/bob/add would wait for itself: cart/bob/add (c) waits for cart/ann/add (c.0) waits for cart/ann/add (b) waits for cart/bob/add (c); send it instead, or do not call back
            b ends no way
                start c.0#1
                answer b: no way
                b has ended
                c.0 is running
            c.0 ends done
                tell c#1 at 0: 0 is complete: done
                answer c.0: done
                c.0 has ended
            c ends done
                answer c: done
                c has ended
        "#]],
    );
}

#[test]
fn a_handler_that_calls_itself_by_its_own_key_is_refused() {
    check(
        "
            invoke a echo/hi key k
            a asks call echo/hi key k
            a ends no way
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a asks call echo/hi key k
                tell a#1 at 0: 0 is complete: !409 HH0064: the call to echo/hi would wait for itself: echo/hi (a) waits for echo/hi (a); send it instead, or do not call back
            a ends no way
                answer a: no way
                a has ended
        "#]],
    );
}

#[test]
fn a_workflow_that_calls_itself_is_refused() {
    check(
        "
            invoke w trip/t1/run
            w asks call echo/hi
            w suspends 0
            w.0 asks call trip/t1/run, attach trip/t1
            w.0 ends no way
            w ends no way
        ",
        expect![[r#"
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks call echo/hi
                start w.0#1
                w.0 is running
            w suspends 0
                w is suspended on 0
            w.0 asks call trip/t1/run, attach trip/t1
                tell w.0#1 at 0: 0 is complete: !409 HH0064: the call to trip/t1/run would wait for itself: trip/t1/run (w) waits for echo/hi (w.0) waits for trip/t1/run (w); send it instead, or do not call back
                tell w.0#1 at 1: 1 is complete: !409 HH0064: attaching to the workflow trip/t1 would wait for itself: trip/t1/run (w) waits for echo/hi (w.0) waits for trip/t1/run (w); send it instead, or do not call back
            w.0 ends no way
                start w#2
                answer w.0: no way
                w is running
                w.0 has ended
            w ends no way
                answer w: no way
                w has ended
        "#]],
    );
}

#[test]
fn attaching_to_itself_or_its_caller_is_refused() {
    check(
        "
            invoke a echo/hi
            a asks attach a, call echo/hi
            a suspends 1
            a.1 asks attach a, output a
            a.1 ends done
            a ends done
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks attach a, call echo/hi
                tell a#1 at 0: 0 is complete: !409 HH0064: attaching to a would wait for itself: echo/hi (a) waits for echo/hi (a); send it instead, or do not call back
                start a.1#1
                a.1 is running
            a suspends 1
                a is suspended on 1
            a.1 asks attach a, output a
                tell a.1#1 at 0: 0 is complete: !409 HH0064: attaching to a would wait for itself: echo/hi (a) waits for echo/hi (a.1) waits for echo/hi (a); send it instead, or do not call back
                tell a.1#1 at 1: 1 is not ready
            a.1 ends done
                start a#2
                answer a.1: done
                a is running
                a.1 has ended
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

#[test]
fn two_that_attach_to_each_other() {
    check(
        "
            invoke a echo/hi
            invoke b echo/hi
            a asks attach b
            a suspends 0
            b asks attach a
            b ends no way
            a ends done
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
            a asks attach b
            a suspends 0
                a is suspended on 0
            b asks attach a
                tell b#1 at 0: 0 is complete: !409 HH0064: attaching to a would wait for itself: echo/hi (a) waits for echo/hi (b) waits for echo/hi (a); send it instead, or do not call back
            b ends no way
                start a#2
                answer b: no way
                a is running
                b has ended
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

/// The id of a joined call leads into the circle as well.
#[test]
fn by_another_id() {
    check(
        "
            invoke a echo/hi key k
            invoke b echo/hi
            b asks call echo/hi key k
            b suspends 0
            invoke c echo/hi
            c asks call echo/hi
            c suspends 0
            a asks call echo/hi
            a suspends 0
            a.0 asks attach b
            a.0 ends no way
            a ends done
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
            invoke c echo/hi
                start c#1
                accept c
                c is running
            c asks call echo/hi
                start c.0#1
                c.0 is running
            c suspends 0
                c is suspended on 0
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a suspends 0
                a is suspended on 0
            a.0 asks attach b
                tell a.0#1 at 0: 0 is complete: !409 HH0064: attaching to b would wait for itself: echo/hi (b) waits for echo/hi (a) waits for echo/hi (a.0) waits for echo/hi (b); send it instead, or do not call back
            a.0 ends no way
                start a#2
                answer a.0: no way
                a is running
                a.0 has ended
            a ends done
                start b#2
                answer a: done
                a has ended
                b is running
        "#]],
    );
}

/// It waits for nobody any more.
#[test]
fn what_was_answered_is_no_edge() {
    check(
        "
            invoke a cart/ann/add
            a asks call cart/bob/add
            a.0 ends done
            invoke b cart/bob/add
            b asks call cart/ann/add
            b suspends 0
            a ends done
            b.0 ends done
            b ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks call cart/bob/add
                start a.0#1
                a.0 is running
            a.0 ends done
                tell a#1 at 0: 0 is complete: done
                answer a.0: done
                a.0 has ended
            invoke b cart/bob/add
                start b#1
                accept b
                b is running
            b asks call cart/ann/add
                b.0 is inboxed with ticket 0
            b suspends 0
                b is suspended on 0
            a ends done
                start b.0#1
                answer a: done
                a has ended
                b.0 is running
            b.0 ends done
                start b#2
                answer b.0: done
                b is running
                b.0 has ended
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn a_compensating_call_is_an_edge_too() {
    check(
        "
            invoke a cart/ann/add
            a asks call cart/bob/add shielded yes
            a suspends 0
            a.0 asks call cart/ann/add
            a.0 ends no way
            a ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks call cart/bob/add shielded yes
                start a.0#1
                a.0 is running
            a suspends 0
                a is suspended on 0
            a.0 asks call cart/ann/add
                tell a.0#1 at 0: 0 is complete: !409 HH0064: the call to cart/ann/add would wait for itself: cart/ann/add (a) waits for cart/bob/add (a.0) waits for cart/ann/add (a); send it instead, or do not call back
            a.0 ends no way
                start a#2
                answer a.0: no way
                a is running
                a.0 has ended
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}
