//! Timeouts of whole invocations: they are cancelled, and told why.

use expect_test::expect;

use crate::check;

#[test]
fn a_handler_is_told_that_its_time_is_over() {
    check(
        "
            configure operator echo/hi timeout 100
            invoke a echo/hi
            a asks sleep 1000
            a suspends 0
            pass 99
            pass 1
            journal a
            a ends !504 too late
        ",
        expect![[r#"
            configure operator echo/hi timeout 100
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 1000
            a suspends 0
                a is suspended on 0
            pass 99
            pass 1
                start a#2
                a is running
            journal a
                0 sleep 1000 ms
                at 0: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
            a ends !504 too late
                answer a: !504 too late
                a has ended
        "#]],
    );
}

/// Time in line, or before the delay has passed, does not count.
#[test]
fn it_counts_from_the_first_attempt() {
    check(
        "
            configure operator cart/add timeout 100
            invoke h cart/ann/add
            invoke a cart/ann/add
            invoke b cart/bob/add after 500
            pass 50
            h ends done
            pass 99
            pass 1
            a ends !504 too late
            pass 350
            pass 100
            b ends !504 too late
        ",
        expect![[r#"
            configure operator cart/add timeout 100
            invoke h cart/ann/add
                start h#1
                accept h
                h is running
            invoke a cart/ann/add
                accept a
                a is inboxed with ticket 0
            invoke b cart/bob/add after 500
                accept b
                b is scheduled for 500 ms
            pass 50
            h ends done
                start a#1
                answer h: done
                a is running
                h has ended
            pass 99
            pass 1
                tell a#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 100 ms
            a ends !504 too late
                answer a: !504 too late
                a has ended
            pass 350
                start b#1
                b is running
            pass 100
                tell b#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 100 ms
            b ends !504 too late
                answer b: !504 too late
                b has ended
        "#]],
    );
}

#[test]
fn who_ends_in_time_hears_nothing() {
    check(
        "
            configure operator echo/hi timeout 100
            invoke a echo/hi
            pass 99
            a ends done
            pass 100
        ",
        expect![[r#"
            configure operator echo/hi timeout 100
            invoke a echo/hi
                start a#1
                accept a
                a is running
            pass 99
            a ends done
                answer a: done
                a has ended
            pass 100
        "#]],
    );
}

/// Its callees are cancelled, and it is told when they have ended.
#[test]
fn callees_are_cancelled() {
    check(
        "
            configure operator frail/go timeout 100
            invoke a frail/go
            a asks call echo/hi, call echo/hi shielded yes
            a suspends 0 1
            a.0 asks sleep 1000
            a.0 suspends 0
            pass 100
            journal a.0
            a.0 ends !409 cancelled
            journal a
            a.1 ends done
            a ends !504 too late
        ",
        expect![[r#"
            configure operator frail/go timeout 100
            invoke a frail/go
                start a#1
                accept a
                a is running
            a asks call echo/hi, call echo/hi shielded yes
                start a.0#1
                start a.1#1
                a.0 is running
                a.1 is running
            a suspends 0 1
                a is suspended on 0 1
            a.0 asks sleep 1000
            a.0 suspends 0
                a.0 is suspended on 0
            pass 100
                start a.0#2
                a.0 is running
            journal a.0
                0 sleep 1000 ms
                at 0: cancelled since 0 having 1
            a.0 ends !409 cancelled
                start a#2
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                at 0: 0 is interrupted: [504] HH0065: not done after 100 ms
                at 1: cancelled since 0 having 2: [504] HH0065: not done after 100 ms
            a.1 ends done
                tell a#2 at 2: 1 is complete: done
                answer a.1: done
                a.1 has ended
            a ends !504 too late
                answer a: !504 too late
                a has ended
        "#]],
    );
}

#[test]
fn a_pause_and_a_back_off_end() {
    check(
        "
            configure operator echo/hi timeout 50
            invoke a echo/hi
            a breaks a bug
            invoke b echo/hi
            pause b
            pass 50
            a ends !504 too late
            b ends !504 too late
        ",
        expect![[r#"
            configure operator echo/hi timeout 50
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a breaks a bug
                a is backing off until 100 ms
            invoke b echo/hi
                start b#1
                accept b
                b is running
            pause b
                stop b#1
                b is paused: by an operator
            pass 50
                start b#2
                start a#2
                a is running
                b is running
            a ends !504 too late
                answer a: !504 too late
                a has ended
            b ends !504 too late
                answer b: !504 too late
                b has ended
        "#]],
    );
}

#[test]
fn after_a_cancellation_it_changes_nothing() {
    check(
        "
            configure operator echo/hi timeout 100
            invoke a echo/hi
            a asks sleep 1000
            a suspends 0
            cancel a
            a asks sleep 500
            a suspends 1
            pass 500
            a ends !409 cancelled
        ",
        expect![[r#"
            configure operator echo/hi timeout 100
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 1000
            a suspends 0
                a is suspended on 0
            cancel a
                start a#2
                a is running
            a asks sleep 500
            a suspends 1
                a is suspended on 1
            pass 500
                start a#3
                a is running
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
        "#]],
    );
}

#[test]
fn and_a_cancellation_after_it_changes_nothing() {
    check(
        "
            configure operator echo/hi timeout 100
            invoke a echo/hi
            a asks sleep 1000
            a suspends 0
            pass 100
            cancel a
            a asks sleep 500
            a suspends 1
            pass 500
            journal a
            a ends !504 too late
        ",
        expect![[r#"
            configure operator echo/hi timeout 100
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 1000
            a suspends 0
                a is suspended on 0
            pass 100
                start a#2
                a is running
            cancel a
            a asks sleep 500
            a suspends 1
                a is suspended on 1
            pass 500
                start a#3
                a is running
            journal a
                0 sleep 1000 ms
                1 sleep 500 ms
                at 0: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
                at 1: 1 is complete: 
            a ends !504 too late
                answer a: !504 too late
                a has ended
        "#]],
    );
}

/// A callee backs off until the very moment in which its caller's time is over; either may come first.
#[test]
fn both_timers_at_once() {
    check(
        "
            configure operator echo/hi timeout 100
            invoke b echo/hi
            b asks call frail/go
            b.0 breaks a bug
            invoke m echo/hi
            m asks call frail/go
            m.0 breaks a bug
            pass 100
            b.0 ends !409 cancelled
            b ends !504 too late
            m.0 ends !409 cancelled
            m ends !504 too late
        ",
        expect![[r#"
            configure operator echo/hi timeout 100
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks call frail/go
                start b.0#1
                b.0 is running
            b.0 breaks a bug
                b.0 is backing off until 100 ms
            invoke m echo/hi
                start m#1
                accept m
                m is running
            m asks call frail/go
                start m.0#1
                m.0 is running
            m.0 breaks a bug
                m.0 is backing off until 100 ms
            pass 100
                start m.0#2
                start b.0#2
                tell m.0#2 at 0: cancelled since 0 having 0
                b.0 is running
                m.0 is running
            b.0 ends !409 cancelled
                tell b#1 at 0: 0 is interrupted: [504] HH0065: not done after 100 ms
                tell b#1 at 1: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
                answer b.0: !409 cancelled
                b.0 has ended
            b ends !504 too late
                answer b: !504 too late
                b has ended
            m.0 ends !409 cancelled
                tell m#1 at 0: 0 is interrupted: [504] HH0065: not done after 100 ms
                tell m#1 at 1: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
                answer m.0: !409 cancelled
                m.0 has ended
            m ends !504 too late
                answer m: !504 too late
                m has ended
        "#]],
    );
}

#[test]
fn zero_is_no_bound() {
    check(
        "
            configure config echo timeout 100
            configure operator echo/hi timeout 0
            invoke a echo/hi
            a asks sleep 1000
            a suspends 0
            pass 999
        ",
        expect![[r#"
            configure config echo timeout 100
            configure operator echo/hi timeout 0
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 1000
            a suspends 0
                a is suspended on 0
            pass 999
        "#]],
    );
}

#[test]
fn what_was_accepted_before_keeps_its_own() {
    check(
        "
            invoke a echo/hi
            configure operator echo/hi timeout 100
            invoke b echo/hi
            pass 100
            a ends done
            b ends !504 too late
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            configure operator echo/hi timeout 100
            invoke b echo/hi
                start b#1
                accept b
                b is running
            pass 100
                tell b#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 100 ms
            a ends done
                answer a: done
                a has ended
            b ends !504 too late
                answer b: !504 too late
                b has ended
        "#]],
    );
}

/// Each is told why it is cancelled itself, not why its callee was.
#[test]
fn the_callees_of_callees_are_cancelled() {
    check(
        "
            configure operator frail/go timeout 100
            invoke a frail/go
            a asks call echo/hi
            a suspends 0
            a.0 asks call echo/hi
            a.0 suspends 0
            pass 100
            a.0.0 ends !409 cancelled
            journal a.0
            a.0 ends !409 cancelled
            journal a
            a ends !504 HH0065: not done after 100 ms
        ",
        expect![[r#"
            configure operator frail/go timeout 100
            invoke a frail/go
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a suspends 0
                a is suspended on 0
            a.0 asks call echo/hi
                start a.0.0#1
                a.0.0 is running
            a.0 suspends 0
                a.0 is suspended on 0
            pass 100
                tell a.0.0#1 at 0: cancelled since 0 having 0
            a.0.0 ends !409 cancelled
                start a.0#2
                answer a.0.0: !409 cancelled
                a.0 is running
                a.0.0 has ended
            journal a.0
                0 call echo/hi (5 bytes)
                at 0: 0 is interrupted
                at 1: cancelled since 0 having 1
            a.0 ends !409 cancelled
                start a#2
                answer a.0: !409 cancelled
                a is running
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                at 0: 0 is interrupted: [504] HH0065: not done after 100 ms
                at 1: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
            a ends !504 HH0065: not done after 100 ms
                answer a: !504 HH0065: not done after 100 ms
                a has ended
        "#]],
    );
}

/// It may have something to say of what it could not undo.
#[test]
fn what_a_callee_says_in_its_own_words_stays() {
    check(
        "
            configure operator frail/go timeout 100
            invoke a frail/go
            a asks call echo/hi, call echo/hi
            pass 100
            a.0 ends !409 the hotel keeps the deposit
            a.1 ends just in time
        ",
        expect![[r#"
            configure operator frail/go timeout 100
            invoke a frail/go
                start a#1
                accept a
                a is running
            a asks call echo/hi, call echo/hi
                start a.0#1
                start a.1#1
                a.0 is running
                a.1 is running
            pass 100
                tell a.1#1 at 0: cancelled since 0 having 0
                tell a.0#1 at 0: cancelled since 0 having 0
            a.0 ends !409 the hotel keeps the deposit
                tell a#1 at 0: 0 is complete: !409 the hotel keeps the deposit
                answer a.0: !409 the hotel keeps the deposit
                a.0 has ended
            a.1 ends just in time
                tell a#1 at 1: 1 is complete: just in time
                tell a#1 at 2: cancelled since 0 having 2: [504] HH0065: not done after 100 ms
                answer a.1: just in time
                a.1 has ended
        "#]],
    );
}

/// The callee is told by its own timeout before its caller's is over, and ends with that.
#[test]
fn nor_is_the_timeout_of_a_callee_taken_for_the_callers() {
    check(
        "
            configure config frail/go timeout 100
            configure operator echo/hi timeout 50
            invoke a frail/go
            a asks call echo/hi
            pass 50
            pass 50
            a.0 ends !504 HH0065: not done after 50 ms
        ",
        expect![[r#"
            configure config frail/go timeout 100
            configure operator echo/hi timeout 50
            invoke a frail/go
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            pass 50
                tell a.0#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 50 ms
            pass 50
            a.0 ends !504 HH0065: not done after 50 ms
                tell a#1 at 0: 0 is complete: !504 HH0065: not done after 50 ms
                tell a#1 at 1: cancelled since 0 having 1: [504] HH0065: not done after 100 ms
                answer a.0: !504 HH0065: not done after 50 ms
                a.0 has ended
        "#]],
    );
}
