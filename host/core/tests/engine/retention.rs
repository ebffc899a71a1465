//! How long outcomes are kept.

use expect_test::expect;

use crate::check;

#[test]
fn a_plain_outcome_is_forgotten_at_once_unless_asked_otherwise() {
    check(
        "
            invoke a echo/hi
            a ends hello
            purge a
            invoke b echo/hi keep 50
            b ends hello
            pass 49
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a ends hello
                answer a: hello
                a has ended
            purge a
                refused: 404 HH0018: there is no invocation a: it never was, or its retention has ended
            invoke b echo/hi keep 50
                start b#1
                accept b
                b is running
            b ends hello
                answer b: hello
                b has ended
            pass 49
        "#]],
    );
}

#[test]
fn an_outcome_with_a_key_is_kept_for_a_day() {
    check(
        "
            invoke a echo/hi key k
            a ends hello
            pass 86399999
            invoke b echo/hi key k
            pass 1
            invoke c echo/hi key k
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a ends hello
                answer a: hello
                a has ended
            pass 86399999
            invoke b echo/hi key k
                a stands for b
                answer a: hello
            pass 1
            invoke c echo/hi key k
                start c#1
                accept c
                c is running
        "#]],
    );
}

#[test]
fn a_handler_may_set_another_time() {
    check(
        "
            invoke a frail/brief key k
            a ends hello
            pass 49
            invoke b frail/brief key k
            pass 1
            invoke c frail/brief key k
        ",
        expect![[r#"
            invoke a frail/brief key k
                start a#1
                accept a
                a is running
            a ends hello
                answer a: hello
                a has ended
            pass 49
            invoke b frail/brief key k
                a stands for b
                answer a: hello
            pass 1
            invoke c frail/brief key k
                start c#1
                accept c
                c is running
        "#]],
    );
}

#[test]
fn a_workflow_id_is_free_again_after_a_day() {
    check(
        "
            invoke a trip/t1/run
            a ends booked
            pass 86399999
            call b trip/t1/run
            pass 1
            call c trip/t1/run
        ",
        expect![[r#"
            invoke a trip/t1/run
                start a#1
                accept a
                a is running
            a ends booked
                answer a: booked
                a has ended
            pass 86399999
            call b trip/t1/run
                refused: 409 HH0037: workflow trip/t1/run has started already; attach to it to get its outcome
            pass 1
            call c trip/t1/run
                start c#1
                accept c
                c is running
        "#]],
    );
}
