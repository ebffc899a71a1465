//! Operators replace the state of an object or workflow.

use expect_test::expect;

use crate::check;

#[test]
fn all_values_at_once() {
    check(
        "
            invoke a cart/ann/add
            a asks set apples 1, set pears 2
            a ends done
            replace cart/ann apples=3 plums=4
            state cart/ann
            replace cart/ann
            state cart/ann
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a asks set apples 1, set pears 2
            a ends done
                answer a: done
                a has ended
            replace cart/ann apples=3 plums=4
            state cart/ann
                plums = 4
                apples = 3
            replace cart/ann
            state cart/ann
        "#]],
    );
}

#[test]
fn an_object_nobody_has_used() {
    check(
        "
            replace cart/bob apples=3
            invoke a cart/bob/look
            state cart/bob
        ",
        expect![[r#"
            replace cart/bob apples=3
            invoke a cart/bob/look
                start a#1
                accept a
                a is running
            state cart/bob
                apples = 3
        "#]],
    );
}

#[test]
fn not_what_somebody_else_has_changed() {
    check(
        "
            replace cart/ann apples=3
            version cart/ann
            replace cart/ann apples=4 version 0000000000000000
            replace cart/ann apples=4 version 4eca01759db6aad4
            state cart/ann
        ",
        expect![[r#"
            replace cart/ann apples=3
            version cart/ann
                4eca01759db6aad4
            replace cart/ann apples=4 version 0000000000000000
                refused: 409 HH0069: the state of cart/ann has version 4eca01759db6aad4, not 0000000000000000; read it again
            replace cart/ann apples=4 version 4eca01759db6aad4
            state cart/ann
                apples = 4
        "#]],
    );
}

/// It has read the state already. One that is suspended will read it anew.
#[test]
fn not_while_a_handler_works_with_it() {
    check(
        "
            invoke a cart/ann/add
            replace cart/ann apples=3
            a asks sleep 10
            a suspends 0
            replace cart/ann apples=3
            pass 10
            replace cart/ann apples=4
            pause a
            replace cart/ann apples=5
            resume a
            a ends done
            invoke b cart/ann/look
            replace cart/ann apples=6
            state cart/ann
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            replace cart/ann apples=3
                refused: 409 HH0068: a is working with the state of cart/ann right now; pause it, or wait until it has ended
            a asks sleep 10
            a suspends 0
                a is suspended on 0
            replace cart/ann apples=3
            pass 10
                start a#2
                a is running
            replace cart/ann apples=4
                refused: 409 HH0068: a is working with the state of cart/ann right now; pause it, or wait until it has ended
            pause a
                stop a#2
                a is paused: by an operator
            replace cart/ann apples=5
            resume a
                start a#3
                a is running
            a ends done
                answer a: done
                a has ended
            invoke b cart/ann/look
                start b#1
                accept b
                b is running
            replace cart/ann apples=6
            state cart/ann
                apples = 6
        "#]],
    );
}

#[test]
fn not_while_a_workflow_runs() {
    check(
        "
            invoke w trip/t1/run
            replace trip/t1 apples=3
            w ends done
            replace trip/t1 apples=3
            state trip/t1
        ",
        expect![[r#"
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            replace trip/t1 apples=3
                refused: 409 HH0068: w is working with the state of trip/t1 right now; pause it, or wait until it has ended
            w ends done
                answer w: done
                w has ended
            replace trip/t1 apples=3
            state trip/t1
                apples = 3
        "#]],
    );
}

#[test]
fn only_what_has_state() {
    check(
        "
            replace echo/x apples=3
            replace no/x apples=3
        ",
        expect![[r#"
            replace echo/x apples=3
                refused: 400 HH0071: echo is a plain service and has no state; only objects and workflows do
            replace no/x apples=3
                refused: 404 HH0001: there is no service 'no'
        "#]],
    );
}
