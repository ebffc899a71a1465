//! Calls, sends and timers: what handlers ask of others.

use expect_test::expect;

use crate::check;

#[test]
fn a_callee_answers_its_caller() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a suspends 0
            a.0 ends hello
            a ends done
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
            a.0 ends hello
                start a#2
                answer a.0: hello
                a is running
                a.0 has ended
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

#[test]
fn an_answer_reaches_a_running_caller_as_news() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi, sleep 30
            a.0 ends !500 broken
            journal a
            pass 30
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi, sleep 30
                start a.0#1
                a.0 is running
            a.0 ends !500 broken
                tell a#1 at 0: 0 is complete: !500 broken
                answer a.0: !500 broken
                a.0 has ended
            journal a
                0 call echo/hi (5 bytes)
                1 sleep 30 ms
                at 0: 0 is complete: !500 broken
            pass 30
                tell a#1 at 1: 1 is complete: 
            journal a
                0 call echo/hi (5 bytes)
                1 sleep 30 ms
                at 0: 0 is complete: !500 broken
                at 1: 1 is complete: 
        "#]],
    );
}

/// The attempt had received nothing when it gave its instance back.
#[test]
fn an_answer_that_overtakes_the_suspension_is_not_lost() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a.0 ends hello
            a suspends 0 having 0
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
            a.0 ends hello
                tell a#1 at 0: 0 is complete: hello
                answer a.0: hello
                a.0 has ended
            a suspends 0 having 0
                start a#2
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 0 seen
        "#]],
    );
}

#[test]
fn only_what_it_waits_for_starts_it_again() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi, sleep 10
            a suspends 0
            pass 10
            a.0 ends hello
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi, sleep 10
                start a.0#1
                a.0 is running
            a suspends 0
                a is suspended on 0
            pass 10
            a.0 ends hello
                start a#2
                answer a.0: hello
                a is running
                a.0 has ended
        "#]],
    );
}

#[test]
fn a_call_that_nothing_can_take_fails() {
    check(
        "
            invoke a echo/hi
            a asks call nobody/hi, call echo/nothing, call cart/add, call echo/key/hi
            a suspends 0 having 0
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call nobody/hi, call echo/nothing, call cart/add, call echo/key/hi
                tell a#1 at 0: 0 is complete: !404 HH0001: there is no service 'nobody'
                tell a#1 at 1: 1 is complete: !404 HH0002: service 'echo' has no handler 'nothing'
                tell a#1 at 2: 2 is complete: !400 HH0003: 'cart' is keyed; name the key: cart/<key>/add
                tell a#1 at 3: 3 is complete: !400 HH0003: 'echo' is a plain service and takes no key, but got 'key'; call echo/hi
            a suspends 0 having 0
                start a#2
        "#]],
    );
}

/// One that cannot be delivered is dropped.
#[test]
fn a_send_has_no_answer_and_outlives_its_sender() {
    check(
        "
            invoke a echo/hi
            a asks send echo/hi, send nobody/hi, send echo/hi after 20
            a ends done
            pass 20
            a.0 ends unheard
            a.2 ends unheard
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks send echo/hi, send nobody/hi, send echo/hi after 20
                start a.0#1
                a.0 is running
                a.2 is scheduled for 20 ms
            a ends done
                answer a: done
                a has ended
            pass 20
                start a.2#1
                a.2 is running
            a.0 ends unheard
                answer a.0: unheard
                a.0 has ended
            a.2 ends unheard
                answer a.2: unheard
                a.2 has ended
        "#]],
    );
}

#[test]
fn a_call_goes_on_when_its_caller_has_ended() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a ends done
            a.0 ends unheard
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a ends done
                answer a: done
                a has ended
            a.0 ends unheard
                answer a.0: unheard
                a.0 has ended
        "#]],
    );
}

#[test]
fn an_attempt_that_is_no_longer_current_changes_nothing() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10
            a suspends 0
            pass 10
            a#1 asks call echo/hi
            a#1 ends stale
            a#1 suspends 0
            a#1 breaks stale
            a#2 ends done
            a#2 ends again
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10
            a suspends 0
                a is suspended on 0
            pass 10
                start a#2
                a is running
            a#1 asks call echo/hi
            a#1 ends stale
            a#1 suspends 0
            a#1 breaks stale
            a#2 ends done
                answer a: done
                a has ended
            a#2 ends again
        "#]],
    );
}

#[test]
fn timers_fire_in_the_order_in_which_they_are_due() {
    check(
        "
            invoke a echo/hi
            a asks sleep 30, sleep 10, sleep 20, sleep 0
            pass 100
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 30, sleep 10, sleep 20, sleep 0
            pass 100
                tell a#1 at 0: 3 is complete: 
                tell a#1 at 1: 1 is complete: 
                tell a#1 at 2: 2 is complete: 
                tell a#1 at 3: 0 is complete: 
            journal a
                0 sleep 30 ms
                1 sleep 10 ms
                2 sleep 20 ms
                3 sleep 0 ms
                at 0: 3 is complete: 
                at 1: 1 is complete: 
                at 2: 2 is complete: 
                at 3: 0 is complete: 
        "#]],
    );
}
