//! What authors, configuration and operators may set, as it bears on invocations.

use expect_test::expect;

use crate::check;

#[test]
fn attempts_may_end_in_a_failure() {
    check(
        "
            configure operator echo/hi attempts 2 then fail
            invoke a echo/hi
            a breaks a bug
            pass 100
            a breaks a bug
        ",
        expect![[r#"
            configure operator echo/hi attempts 2 then fail
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a breaks a bug
                a is backing off until 100 ms
            pass 100
                start a#2
                a is running
            a breaks a bug
                answer a: !500 HH0051: failed 2 times, last with: a bug
                a has ended
        "#]],
    );
}

#[test]
fn or_in_a_pause() {
    check(
        "
            configure operator echo/hi attempts 1 then pause
            invoke a echo/hi
            a breaks a bug
        ",
        expect![[r#"
            configure operator echo/hi attempts 1 then pause
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a breaks a bug
                a is paused: attempt failed 1 times, last with: a bug
        "#]],
    );
}

/// A step has the policy of its invocation, if it has none of its own.
#[test]
fn steps_may_fail_too() {
    check(
        "
            configure operator echo/hi attempts 1 then fail
            invoke a echo/hi
            a asks run charge
            a fails 0 no answer
            a ends !500 no answer
        ",
        expect![[r#"
            configure operator echo/hi attempts 1 then fail
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks run charge
                permit a#1 to enter 0
            a fails 0 no answer
                tell a#1 at 0: 0 is complete: !500 HH0026: failed 1 times, last with: no answer
            a ends !500 no answer
                answer a: !500 no answer
                a has ended
        "#]],
    );
}

#[test]
fn a_private_handler_is_for_other_handlers_only() {
    check(
        "
            configure operator cart/add private yes
            invoke a cart/ann/add
            invoke b echo/hi
            b asks call cart/ann/add, send cart/ann/add
            b.0 ends done
            b.1 ends done
            b ends done
            configure operator cart/look private yes
            invoke a cart/ann/add
        ",
        expect![[r#"
            configure operator cart/add private yes
            invoke a cart/ann/add
                refused: 400 HH0050: cart/ann/add is private: only other handlers may call it
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks call cart/ann/add, send cart/ann/add
                start b.0#1
                b.0 is running
                b.1 is inboxed with ticket 0
            b.0 ends done
                start b.1#1
                tell b#1 at 0: 0 is complete: done
                answer b.0: done
                b.0 has ended
                b.1 is running
            b.1 ends done
                answer b.1: done
                b.1 has ended
            b ends done
                answer b: done
                b has ended
            configure operator cart/look private yes
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
        "#]],
    );
}

/// Later layers override earlier ones; the author's own word comes last.
#[test]
fn layers_override_each_other() {
    check(
        "
            configure config echo timeout 100
            configure operator host timeout 50
            invoke a echo/hi
            pass 100
            a ends !504 too late
            configure operator echo timeout 10
            invoke b echo/hi
            pass 10
            b ends !504 too late
        ",
        expect![[r#"
            configure config echo timeout 100
            configure operator host timeout 50
            invoke a echo/hi
                start a#1
                accept a
                a is running
            pass 100
                tell a#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 100 ms
            a ends !504 too late
                answer a: !504 too late
                a has ended
            configure operator echo timeout 10
            invoke b echo/hi
                start b#1
                accept b
                b is running
            pass 10
                tell b#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 10 ms
            b ends !504 too late
                answer b: !504 too late
                b has ended
        "#]],
    );
}
