//! What a restarted invocation carries out again: the commands it has kept that have no answer.

use expect_test::expect;

use crate::check;

#[test]
fn what_had_no_answer_is_carried_out_again() {
    check(
        "
            invoke a trip/t1/ask
            a asks sleep 100, run charge, promise paid, call echo/hi, attach a.3, signal go
            a ends !500 no
            a.3 ends lost
            restart a as b keeping 6
            load b
            b suspends 0 2 3 4 5
            invoke w trip/t1/run
            w asks resolve paid in full
            pass 100
            signal b go 1
            invoke c echo/hi
            c asks output a.3
            b.3 ends done
            journal b
        ",
        expect![[r#"
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks sleep 100, run charge, promise paid, call echo/hi, attach a.3, signal go
                permit a#1 to enter 1
                start a.3#1
                a.3 is running
            a ends !500 no
                answer a: !500 no
                a has ended
            a.3 ends lost
                answer a.3: lost
                a.3 has ended
            restart a as b keeping 6
                accept b
                start b#1
                start b.3#1
                b is running
                b.3 is running
            load b
                on v1, from 0 ms on, 6 commands, 0 notifications, 0 seen
                permit b#1 to enter 1
            b suspends 0 2 3 4 5
                b is suspended on 0 2 3 4 5
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks resolve paid in full
                start b#2
                tell w#1 at 0: 0 is complete: 
                b is running
            pass 100
                tell b#2 at 1: 0 is complete: 
            signal b go 1
                tell b#2 at 2: 5 is complete: 1
            invoke c echo/hi
                start c#1
                accept c
                c is running
            c asks output a.3
                tell c#1 at 0: 0 is not ready
            b.3 ends done
                tell b#2 at 3: 3 is complete: done
                tell b#2 at 4: 4 is complete: done
                answer b.3: done
                b.3 has ended
            journal b
                0 sleep 100 ms
                1 run 'charge'
                2 get promise 'paid'
                3 call echo/hi (5 bytes)
                4 attach to a.3
                5 signal 'go'
                at 0: 2 is complete: in full
                at 1: 0 is complete: 
                at 2: 5 is complete: 1
                at 3: 3 is complete: done
                at 4: 4 is complete: done
        "#]],
    );
}

/// It is the same invocation, with the id that the handler has seen.
#[test]
fn a_callee_that_lives_is_joined() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a ends !500 no
            restart a as b keeping 1
            b suspends 0
            a.0 ends done
            journal b
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a ends !500 no
                answer a: !500 no
                a has ended
            restart a as b keeping 1
                accept b
                start b#1
                b is running
            b suspends 0
                b is suspended on 0
            a.0 ends done
                start b#2
                answer a.0: done
                a.0 has ended
                b is running
            journal b
                0 call echo/hi (5 bytes)
                at 0: 0 is complete: done
        "#]],
    );
}

#[test]
fn a_call_that_had_joined_joins_again() {
    check(
        "
            invoke h echo/hi key k
            invoke a echo/hi
            a asks call echo/hi key k
            a ends !500 no
            restart a as b keeping 1
            b suspends 0
            h ends done
            journal b
        ",
        expect![[r#"
            invoke h echo/hi key k
                start h#1
                accept h
                h is running
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi key k
            a ends !500 no
                answer a: !500 no
                a has ended
            restart a as b keeping 1
                accept b
                start b#1
                b is running
            b suspends 0
                b is suspended on 0
            h ends done
                start b#2
                answer h: done
                b is running
                h has ended
            journal b
                0 call echo/hi (5 bytes)
                at 0: 0 is complete: done
        "#]],
    );
}

/// It calls when it gets the key, not before: who stands in line waits for nobody else.
#[test]
fn one_that_has_to_wait_for_its_key() {
    check(
        "
            invoke a cart/ann/add
            a asks call cart/bob/add, sleep 50, awakeable
            a ends !500 no
            a.0 ends lost
            invoke h cart/bob/add
            invoke b cart/ann/add
            restart a as c keeping 3
            complete a.2 early
            h asks call cart/ann/add
            pass 50
            b ends done
            c ends no way
            h.0 ends done
            h ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks call cart/bob/add, sleep 50, awakeable
                start a.0#1
                a.0 is running
            a ends !500 no
                answer a: !500 no
                a has ended
            a.0 ends lost
                answer a.0: lost
                a.0 has ended
            invoke h cart/bob/add
                start h#1
                accept h
                h is running
            invoke b cart/ann/add
                start b#1
                accept b
                b is running
            restart a as c keeping 3
                accept c
                c is inboxed with ticket 0
            complete a.2 early
            h asks call cart/ann/add
                h.0 is inboxed with ticket 1
            pass 50
            b ends done
                start c#1
                tell c#1 at 2: 0 is complete: !409 HH0064: the call to cart/bob/add would wait for itself: cart/bob/add (h) waits for cart/ann/add (h.0) waits for cart/ann/add (c) waits for cart/bob/add (h); send it instead, or do not call back
                answer b: done
                b has ended
                c is running
            c ends no way
                start h.0#1
                answer c: no way
                c has ended
                h.0 is running
            h.0 ends done
                tell h#1 at 0: 0 is complete: done
                answer h.0: done
                h.0 has ended
            h ends done
                answer h: done
                h has ended
        "#]],
    );
}

#[test]
fn one_that_is_cancelled_in_line_can_compensate() {
    check(
        "
            invoke a cart/ann/add
            a asks sleep 10, call echo/hi
            pass 10
            a ends !500 no
            a.1 asks awakeable
            invoke b cart/ann/add
            restart a as c keeping 2
            restart a as d
            cancel c
            cancel d
            b ends done
            journal c
            a.1 ends done after all
            c ends !409 cancelled
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks sleep 10, call echo/hi
                start a.1#1
                a.1 is running
            pass 10
                tell a#1 at 0: 0 is complete: 
            a ends !500 no
                answer a: !500 no
                a has ended
            a.1 asks awakeable
            invoke b cart/ann/add
                start b#1
                accept b
                b is running
            restart a as c keeping 2
                accept c
                c is inboxed with ticket 0
            restart a as d
                accept d
                d is inboxed with ticket 1
            cancel c
                tell a.1#1 at 0: cancelled since 0 having 1
            cancel d
                answer d: !409 cancelled
                d has ended
            b ends done
                start c#1
                tell c#1 at 1: cancelled since 1 having 2
                answer b: done
                b has ended
                c is running
            journal c
                0 sleep 10 ms
                1 call echo/hi (5 bytes)
                at 0: 0 is complete: 
                at 1: cancelled since 1 having 2
            a.1 ends done after all
                tell c#1 at 2: 1 is complete: done after all
                answer a.1: done after all
                a.1 has ended
            c ends !409 cancelled
                answer c: !409 cancelled
                c has ended
        "#]],
    );
}

/// The next one in line would wait for the restarted one, which waits for the next one in line.
#[test]
fn a_callee_that_would_wait_for_it_is_not_joined() {
    check(
        "
            invoke a cart/ann/add
            a asks call echo/hi
            a ends !500 no
            restart a as b
            restart a as c keeping 1
            a.0 asks call cart/ann/add
            b ends done
            c ends no way
            a.0.0 ends done
            a.0 ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a ends !500 no
                answer a: !500 no
                a has ended
            restart a as b
                accept b
                start b#1
                b is running
            restart a as c keeping 1
                accept c
                c is inboxed with ticket 0
            a.0 asks call cart/ann/add
                a.0.0 is inboxed with ticket 1
            b ends done
                start c#1
                tell c#1 at 0: 0 is complete: !409 HH0064: the call to echo/hi would wait for itself: echo/hi (a.0) waits for cart/ann/add (a.0.0) waits for cart/ann/add (c) waits for echo/hi (a.0); send it instead, or do not call back
                answer b: done
                b has ended
                c is running
            c ends no way
                start a.0.0#1
                answer c: no way
                a.0.0 is running
                c has ended
            a.0.0 ends done
                tell a.0#1 at 0: 0 is complete: done
                answer a.0.0: done
                a.0.0 has ended
            a.0 ends done
                answer a.0: done
                a.0 has ended
        "#]],
    );
}
