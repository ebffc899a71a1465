//! Taking deployments away: no new invocation goes there, and the component is freed in the end.

use expect_test::expect;

use crate::check;

#[test]
fn one_that_nobody_uses_is_freed_at_once() {
    check(
        "
            deploy v2
            remove v1
            remove v1
        ",
        expect![[r#"
            deploy v2
            remove v1
                free v1
            remove v1
                refused: 404 HH0046: there is no deployment dp_8QcpRTetSkV1gAcMwfd6QR
        "#]],
    );
}

#[test]
fn what_runs_on_it_ends_there() {
    check(
        "
            invoke a echo/hi
            invoke b cart/ann/add
            a asks sleep 10
            a suspends 0
            remove v1
            invoke c echo/hi
            a asks call echo/hi
            pass 10
            a ends done
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            invoke b cart/ann/add
                start b#1
                accept b
                b is running
            a asks sleep 10
            a suspends 0
                a is suspended on 0
            remove v1
            invoke c echo/hi
                refused: 404 HH0001: there is no service 'echo'
            a asks call echo/hi
            pass 10
                start a#2
                a is running
            a ends done
                answer a: done
                a has ended
            b ends done
                free v1
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn what_has_not_begun_goes_elsewhere() {
    check(
        "
            invoke h cart/ann/add
            invoke a cart/ann/add
            invoke b echo/hi after 100
            deploy v2
            remove v1
            h ends done
            load a
            a ends done
            pass 100
            load b
            b ends done
        ",
        expect![[r#"
            invoke h cart/ann/add
                start h#1
                accept h
                h is running
            invoke a cart/ann/add
                accept a
                a is inboxed with ticket 0
            invoke b echo/hi after 100
                accept b
                b is scheduled for 100 ms
            deploy v2
            remove v1
            h ends done
                start a#1
                free v1
                answer h: done
                a is running
                h has ended
            load a
                on v2, from 0 ms on, 0 commands, 0 notifications, 0 seen
            a ends done
                answer a: done
                a has ended
            pass 100
                start b#1
                b is running
            load b
                on v2, from 0 ms on, 0 commands, 0 notifications, 0 seen
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

/// It keeps its place, and its key.
#[test]
fn or_waits_for_a_deployment_that_has_its_service() {
    check(
        "
            invoke h cart/ann/add
            invoke a cart/ann/add
            invoke b echo/hi after 100
            remove v1
            h ends done
            pass 100
            resume b
            deploy v2
            invoke c cart/ann/add
            resume a
            load a
            a ends done
            resume b
            b ends done
            c ends done
        ",
        expect![[r#"
            invoke h cart/ann/add
                start h#1
                accept h
                h is running
            invoke a cart/ann/add
                accept a
                a is inboxed with ticket 0
            invoke b echo/hi after 100
                accept b
                b is scheduled for 100 ms
            remove v1
            h ends done
                free v1
                answer h: done
                a is paused: HH0070: no deployment has the service 'cart'
                h has ended
            pass 100
                b is paused: HH0070: no deployment has the service 'echo'
            resume b
                refused: 404 HH0001: there is no service 'echo'
            deploy v2
            invoke c cart/ann/add
                accept c
                c is inboxed with ticket 1
            resume a
                start a#1
                a is running
            load a
                on v2, from 0 ms on, 0 commands, 0 notifications, 0 seen
            a ends done
                start c#1
                answer a: done
                a has ended
                c is running
            resume b
                start b#1
                b is running
            b ends done
                answer b: done
                b has ended
            c ends done
                answer c: done
                c has ended
        "#]],
    );
}

#[test]
fn one_that_waits_for_a_deployment_can_be_cancelled() {
    check(
        "
            invoke b echo/hi after 100
            remove v1
            pass 100
            cancel b
        ",
        expect![[r#"
            invoke b echo/hi after 100
                accept b
                b is scheduled for 100 ms
            remove v1
                free v1
            pass 100
                b is paused: HH0070: no deployment has the service 'echo'
            cancel b
                answer b: !409 cancelled
                b has ended
        "#]],
    );
}

#[test]
fn by_force_its_invocations_are_paused() {
    check(
        "
            invoke a echo/hi
            invoke b echo/hi
            b asks sleep 10
            b suspends 0
            invoke c echo/hi
            c breaks a bug
            remove v1 by force
            pass 200
            resume a
            deploy v2
            resume a
            resume a v1
            resume a v2
            load a
            a ends done
            resume b v2
            b ends done
            resume c v2
            c ends done
            remove v2
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
            invoke c echo/hi
                start c#1
                accept c
                c is running
            c breaks a bug
                c is backing off until 100 ms
            remove v1 by force
                stop a#1
                free v1
                a is paused: deployment dp_8QcpRTetSkV1gAcMwfd6QR was removed
                b is paused: deployment dp_8QcpRTetSkV1gAcMwfd6QR was removed
                c is paused: deployment dp_8QcpRTetSkV1gAcMwfd6QR was removed
            pass 200
            resume a
                refused: 409 HH0070: deployment dp_8QcpRTetSkV1gAcMwfd6QR, on which a began, was removed; resume it on another
            deploy v2
            resume a
                refused: 409 HH0070: deployment dp_8QcpRTetSkV1gAcMwfd6QR, on which a began, was removed; resume it on another
            resume a v1
                refused: 404 HH0046: there is no deployment dp_8QcpRTetSkV1gAcMwfd6QR
            resume a v2
                start a#2
                a is running
            load a
                on v2, from 0 ms on, 0 commands, 0 notifications, 0 seen
            a ends done
                answer a: done
                a has ended
            resume b v2
                start b#2
                b is running
            b ends done
                answer b: done
                b has ended
            resume c v2
                start c#2
                c is running
            c ends done
                answer c: done
                c has ended
            remove v2
                free v2
        "#]],
    );
}

/// There is nothing that it could run on.
#[test]
fn a_cancellation_does_not_end_such_a_pause() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10
            a suspends 0
            remove v1 by force
            cancel a
            journal a
            deploy v2
            resume a v2
            load a
            a ends !409 cancelled
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10
            a suspends 0
                a is suspended on 0
            remove v1 by force
                free v1
                a is paused: deployment dp_8QcpRTetSkV1gAcMwfd6QR was removed
            cancel a
            journal a
                0 sleep 10 ms
                at 0: cancelled since 0 having 1
            deploy v2
            resume a v2
                start a#2
                a is running
            load a
                on v2, from 0 ms on, 1 commands, 1 notifications, 0 seen
                cancelled at 0
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
        "#]],
    );
}

#[test]
fn one_that_is_being_removed_may_stay() {
    check(
        "
            invoke a echo/hi
            remove v1
            deploy v1
            a ends done
            invoke b echo/hi
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            remove v1
            deploy v1
            a ends done
                answer a: done
                a has ended
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn an_invocation_that_is_resumed_elsewhere_leaves() {
    check(
        "
            invoke a echo/hi
            deploy v2
            remove v1
            pause a
            resume a v2
            a ends done
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            deploy v2
            remove v1
            pause a
                stop a#1
                a is paused: by an operator
            resume a v2
                start a#2
                free v1
                a is running
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

#[test]
fn no_invocation_is_resumed_onto_one_that_is_being_removed() {
    check(
        "
            invoke a echo/hi
            deploy v2
            invoke b echo/hi
            remove v1
            pause b
            resume b v1
            resume b
            pause a
            resume a v1
            a ends done
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            deploy v2
            invoke b echo/hi
                start b#1
                accept b
                b is running
            remove v1
            pause b
                stop b#1
                b is paused: by an operator
            resume b v1
                refused: 409 HH0073: deployment dp_8QcpRTetSkV1gAcMwfd6QR is being removed, and takes no further invocation; register it again to have it stay
            resume b
                start b#2
                b is running
            pause a
                stop a#1
                a is paused: by an operator
            resume a v1
                start a#2
                a is running
            a ends done
                free v1
                answer a: done
                a has ended
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn only_onto_one_that_has_the_handler() {
    check(
        "
            invoke a cart/ann/add
            deploy slim
            pause a
            resume a slim
            resume a odd
            resume a
            a ends done
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            deploy slim
            pause a
                stop a#1
                a is paused: by an operator
            resume a slim
                refused: 409 HH0070: deployment dp_W8ULg9TWaytNqESvuY6RgU has no handler cart/ann/add of the same kind; resume it on one that has
            resume a odd
                refused: 404 HH0046: there is no deployment dp_KuA1NjWZw8tCXqC7mbSTnq
            resume a
                start a#2
                a is running
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}

#[test]
fn one_that_is_not_there() {
    check(
        "
            remove odd
        ",
        expect![[r#"
            remove odd
                refused: 404 HH0046: there is no deployment dp_KuA1NjWZw8tCXqC7mbSTnq
        "#]],
    );
}

/// A restart counts as any other.
#[test]
fn restarted_ones_go_to_the_latest() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10
            a ends !500 no
            deploy v2
            remove v1
            restart a as b keeping 1
            load b
            b ends done
            remove v2 by force
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
            deploy v2
            remove v1
                free v1
            restart a as b keeping 1
                accept b
                start b#1
                b is running
            load b
                on v2, from 0 ms on, 1 commands, 0 notifications, 0 seen
            b ends done
                answer b: done
                b has ended
            remove v2 by force
                free v2
        "#]],
    );
}
