//! Hot swaps: an invocation finishes on the component it began on.

use expect_test::expect;

use crate::check;

#[test]
fn what_has_begun_stays_and_what_begins_goes_to_the_latest() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10
            a suspends 0
            invoke b cart/ann/add
            invoke c cart/ann/add
            invoke d echo/hi after 10
            deploy v2
            pass 10
            load a
            load d
            b ends 1
            load c
            invoke e echo/hi
            load e
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10
            a suspends 0
                a is suspended on 0
            invoke b cart/ann/add
                start b#1
                accept b
                b is running
            invoke c cart/ann/add
                accept c
                c is inboxed with ticket 0
            invoke d echo/hi after 10
                accept d
                d is scheduled for 10 ms
            deploy v2
            pass 10
                start a#2
                start d#1
                a is running
                d is running
            load a
                on v1, from 0 ms on, 1 commands, 1 notifications, 0 seen
            load d
                on v2, from 0 ms on, 0 commands, 0 notifications, 0 seen
            b ends 1
                start c#1
                answer b: 1
                b has ended
                c is running
            load c
                on v2, from 0 ms on, 0 commands, 0 notifications, 0 seen
            invoke e echo/hi
                start e#1
                accept e
                e is running
            load e
                on v2, from 10 ms on, 0 commands, 0 notifications, 0 seen
        "#]],
    );
}

#[test]
fn an_operator_moves_a_paused_one() {
    check(
        "
            invoke a echo/hi
            deploy v2
            pause a
            resume a v3
            resume a v2
            load a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            deploy v2
            pause a
                stop a#1
                a is paused: by an operator
            resume a v3
                refused: 404 HH0046: there is no deployment dp_UmCLREB4iwZmkT3bWepqcs
            resume a v2
                start a#2
                a is running
            load a
                on v2, from 0 ms on, 0 commands, 0 notifications, 0 seen
        "#]],
    );
}

#[test]
fn deploying_again_goes_back() {
    check(
        "
            deploy v2
            deploy v1
            invoke a echo/hi
            load a
            deploy v1
        ",
        expect![[r#"
            deploy v2
            deploy v1
            invoke a echo/hi
                start a#1
                accept a
                a is running
            load a
                on v1, from 0 ms on, 0 commands, 0 notifications, 0 seen
            deploy v1
        "#]],
    );
}

#[test]
fn a_service_does_not_change_its_kind() {
    check(
        "
            deploy odd
            invoke a cart/ann/add
        ",
        expect![[r#"
            deploy odd
                refused: 409 HH0036: service 'cart' is an object in the latest deployment, and would become a workflow; its keys and state would be lost: give it another name
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
        "#]],
    );
}

#[test]
fn what_does_not_exist_is_refused() {
    check(
        "
            invoke a nobody/hi
            invoke b echo/nothing
            invoke c cart/add
            invoke d echo/key/hi
            invoke e trip/t1/run key k
        ",
        expect![[r#"
            invoke a nobody/hi
                refused: 404 HH0001: there is no service 'nobody'
            invoke b echo/nothing
                refused: 404 HH0002: service 'echo' has no handler 'nothing'
            invoke c cart/add
                refused: 400 HH0003: 'cart' is keyed; name the key: cart/<key>/add
            invoke d echo/key/hi
                refused: 400 HH0003: 'echo' is a plain service and takes no key, but got 'key'; call echo/hi
            invoke e trip/t1/run key k
                refused: 400 HH0029: trip/t1/run takes no idempotency key: a workflow id starts once by itself
        "#]],
    );
}
