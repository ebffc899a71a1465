//! Operator requests that are refused.

use expect_test::expect;

use crate::check;

#[test]
fn a_subscription_that_could_never_work_is_refused() {
    check(
        "
            subscribe s none/add
            subscribe s cart/none
            subscribe s frail/brief
            configure operator cart/add private yes
            subscribe s cart/add
            configure operator cart/add private no
            subscribe s cart/add
        ",
        expect![[r#"
            subscribe s none/add
                refused: 404 HH0001: there is no service 'none'
            subscribe s cart/none
                refused: 404 HH0002: service 'cart' has no handler 'none'
            subscribe s frail/brief
                refused: 400 HH0085: service://frail/brief takes no input, so it cannot receive records; choose a handler with an input
            configure operator cart/add private yes
            subscribe s cart/add
                refused: 400 HH0050: cart/add is private: only other handlers may call it
            configure operator cart/add private no
            subscribe s cart/add
        "#]],
    );
}

#[test]
fn a_subscription_that_is_not_there_is_not_changed() {
    check(
        "
            subscribe s cart/none
            pause s
            resume s
            pause s key ann
            resume s key ann
            seek s:0 to 0
            seek s:0 to 0 key ann
            retry s 0
            discard s 0
            delete s
        ",
        expect![[r#"
            subscribe s cart/none
                refused: 404 HH0002: service 'cart' has no handler 'none'
            pause s
                refused: 404 HH0086: there is no subscription s
            resume s
                refused: 404 HH0086: there is no subscription s
            pause s key ann
                refused: 404 HH0086: there is no subscription s
            resume s key ann
                refused: 404 HH0086: there is no subscription s
            seek s:0 to 0
                refused: 404 HH0086: there is no subscription s
            seek s:0 to 0 key ann
                refused: 404 HH0086: there is no subscription s
            retry s 0
                refused: 404 HH0086: there is no subscription s
            discard s 0
                refused: 404 HH0086: there is no subscription s
            delete s
                refused: 404 HH0086: there is no subscription s
        "#]],
    );
}

#[test]
fn a_partition_that_is_not_read_is_not_sought() {
    check(
        "
            subscribe s cart/add
            seek s:0 to 0
            seek s:0 to 0 key ann
            assign s 0:0
            seek s:0 to 0
            seek s:0 to 0 key ann
            seek s:1 to 0
        ",
        expect![[r#"
            subscribe s cart/add
            seek s:0 to 0
                refused: 404 HH0092: s does not read partition 0; describe it to see those that it reads
            seek s:0 to 0 key ann
                refused: 404 HH0092: s does not read partition 0; describe it to see those that it reads
            assign s 0:0
            seek s:0 to 0
            seek s:0 to 0 key ann
            seek s:1 to 0
                refused: 404 HH0092: s does not read partition 1; describe it to see those that it reads
        "#]],
    );
}

#[test]
fn a_record_that_is_not_parked_is_neither_retried_nor_discarded() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=!a 1:ann=?b
            retry s 2
            discard s 2
            retry s 0 with !a
            retry s 1 with b
            discard s 1
            discard s 1
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=!a 1:ann=?b
                s:0:0 failed and is parked as 0: !400 HH0004: it does not fit
                s:0:1 failed and is parked as 1: !400 HH0004: it does not fit
            retry s 2
                refused: 404 HH0091: s has no parked record 2; list those that it has
            discard s 2
                refused: 404 HH0091: s has no parked record 2; list those that it has
            retry s 0 with !a
                refused: 409 HH0087: parked record 0 still cannot become an invocation: HH0004: it does not fit
            retry s 1 with b
                refused: 409 HH0087: the value of parked record 1 was not kept; read it from the topic, or discard the record
            discard s 1
            discard s 1
                refused: 404 HH0091: s has no parked record 1; list those that it has
        "#]],
    );
}
