//! Steps: their permits, outcomes and failures.

use expect_test::expect;

use crate::check;

#[test]
fn a_step_is_entered_with_a_permit_and_answered_once() {
    check(
        "
            invoke a echo/hi
            a asks run charge
            a completes 0 paid
            a completes 0 paid twice
            a fails 0 too late
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run charge
                permit a#1 to enter 0
            a completes 0 paid
                tell a#1 at 0: 0 is complete: paid
            a completes 0 paid twice
            a fails 0 too late
            journal a
                0 run 'charge'
                at 0: 0 is complete: paid
        "#]],
    );
}

#[test]
fn a_failing_step_is_executed_again_when_it_is_due() {
    check(
        "
            invoke a echo/hi
            a asks run charge
            a fails 0 no answer
            a suspends 0
            pass 99
            pass 1
            load a
            a fails 0 no answer
            a suspends 0
            pass 200
            a completes 0 paid
            journal a
            a ends done
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
            pass 99
            pass 1
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 1 commands, 0 notifications, 0 seen
                permit a#2 to enter 0
            a fails 0 no answer
            a suspends 0
                a is suspended on 0
            pass 200
                start a#3
                a is running
            a completes 0 paid
                tell a#3 at 0: 0 is complete: paid
            journal a
                0 run 'charge'
                at 0: 0 is complete: paid
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

/// What wakes the handler meanwhile does not have a step executed before its time.
#[test]
fn steps_back_off_independently() {
    check(
        "
            invoke a echo/hi
            a asks run charge retry 5 1000, sleep 10
            a fails 0 no answer
            a suspends 0 1
            pass 10
            load a
            a suspends 0
            pass 989
            pass 1
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run charge retry 5 1000, sleep 10
                permit a#1 to enter 0
            a fails 0 no answer
            a suspends 0 1
                a is suspended on 0 1
            pass 10
                start a#2
                a is running
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 0 seen
                postponed 0
            a suspends 0
                a is suspended on 0
            pass 989
            pass 1
                start a#3
                a is running
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 1 seen
                permit a#3 to enter 0
        "#]],
    );
}

#[test]
fn a_step_that_becomes_due_while_the_attempt_leaves_is_not_forgotten() {
    check(
        "
            invoke a echo/hi
            a asks run charge, sleep 100
            a fails 0 no answer
            pass 100
            load a
            a suspends 0
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run charge, sleep 100
                permit a#1 to enter 0
            a fails 0 no answer
            pass 100
                tell a#1 at 0: 1 is complete: 
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 0 seen
                permit a#1 to enter 0
            a suspends 0
                start a#2
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 1 seen
                permit a#2 to enter 0
        "#]],
    );
}

#[test]
fn a_policy_of_its_own_ends_in_a_failure_the_handler_sees() {
    check(
        "
            invoke a echo/hi
            a asks run charge retry 2 40
            a fails 0 no answer
            a suspends 0
            pass 40
            a fails 0 still no answer
            a suspends 0 having 0
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run charge retry 2 40
                permit a#1 to enter 0
            a fails 0 no answer
            a suspends 0
                a is suspended on 0
            pass 40
                start a#2
                a is running
            a fails 0 still no answer
                tell a#2 at 0: 0 is complete: !500 HH0026: failed 2 times, last with: still no answer
            a suspends 0 having 0
                start a#3
            journal a
                0 run 'charge'
                at 0: 0 is complete: !500 HH0026: failed 2 times, last with: still no answer
        "#]],
    );
}

/// An operator lets it go on, counted anew.
#[test]
fn the_policy_of_the_handler_ends_in_a_pause() {
    check(
        "
            invoke a frail/go
            a asks run charge, sleep 10000
            a fails 0 one
            a suspends 0 1
            pass 100
            a fails 0 two
            a suspends 0 1
            pass 200
            a fails 0 three
            a suspends 0 1
            pass 20000
            resume a
            load a
            a fails 0 four
            a suspends 0
        ",
        expect![[r#"
            invoke a frail/go
                start a#1
                accept a
                a is running
            a asks run charge, sleep 10000
                permit a#1 to enter 0
            a fails 0 one
            a suspends 0 1
                a is suspended on 0 1
            pass 100
                start a#2
                a is running
            a fails 0 two
            a suspends 0 1
                a is suspended on 0 1
            pass 200
                start a#3
                a is running
            a fails 0 three
            a suspends 0 1
                a is paused: HH0026: a run step failed 3 times, last with: three
            pass 20000
            resume a
                start a#4
                a is running
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 0 seen
                permit a#4 to enter 0
            a fails 0 four
            a suspends 0
                a is suspended on 0
        "#]],
    );
}

#[test]
fn an_exhausted_step_is_not_executed_when_something_else_wakes_the_handler() {
    check(
        "
            invoke a frail/go
            a asks run charge, awakeable
            a fails 0 one
            a fails 0 two
            a fails 0 three
            complete a.1 go on
            a suspends 0 1 having 0
            load a
            a suspends 0
        ",
        expect![[r#"
            invoke a frail/go
                start a#1
                accept a
                a is running
            a asks run charge, awakeable
                permit a#1 to enter 0
            a fails 0 one
            a fails 0 two
            a fails 0 three
            complete a.1 go on
                tell a#1 at 0: 1 is complete: go on
            a suspends 0 1 having 0
                start a#2
            load a
                on v1, from 0 ms on, 2 commands, 1 notifications, 0 seen
                postponed 0
            a suspends 0
                a is paused: HH0026: a run step failed 3 times, last with: three
        "#]],
    );
}

#[test]
fn an_invocation_that_ends_takes_the_timers_of_its_steps_along() {
    check(
        "
            invoke a echo/hi
            a asks run charge, run ship, sleep 500
            a fails 0 no answer
            a fails 1 no answer
            a ends done
            pass 1000
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run charge, run ship, sleep 500
                permit a#1 to enter 0
                permit a#1 to enter 1
            a fails 0 no answer
            a fails 1 no answer
            a ends done
                answer a: done
                a has ended
            pass 1000
        "#]],
    );
}
