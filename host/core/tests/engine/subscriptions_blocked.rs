//! Keys that wait for a parked record.

use expect_test::expect;

use crate::check;

#[test]
fn a_blocked_key_goes_on_after_the_retry_has_succeeded() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c
            s:0:0 ends !500 no
            retry s 0
            lanes s
            take s:0 3:ann=d
            s:0:0~1 ends !500 still no
            lanes s
            parked s
            retry s 0
            s:0:0~2 ends ok
            s:0:1 ends ok
            s:0:2 ends ok
            s:0:3 ends ok
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            retry s 0
                start s:0:0~1#1
                s:0:0~1 is running
            lanes s
                ann: busy with s:0:0~1 blocked by 0 2 waiting
            take s:0 3:ann=d
            s:0:0~1 ends !500 still no
                s:0:0~1 failed and is parked as 0: !500 still no
                answer s:0:0~1: !500 still no
                s:0:0~1 has ended
            lanes s
                ann: blocked by 0 3 waiting
            parked s
                0: s:0:0~2 ann=a !500 still no, of s:0:0~1
            retry s 0
                start s:0:0~2#1
                s:0:0~2 is running
            s:0:0~2 ends ok
                start s:0:1#1
                answer s:0:0~2: ok
                s:0:0~2 has ended
                s:0:1 is running
            s:0:1 ends ok
                start s:0:2#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:2 is running
            s:0:2 ends ok
                start s:0:3#1
                answer s:0:2: ok
                s:0:2 has ended
                s:0:3 is running
            s:0:3 ends ok
                answer s:0:3: ok
                s:0:3 has ended
            lanes s
            progress s
                active
                4 taken, 4 succeeded, 2 failed
        "#]],
    );
}

#[test]
fn a_blocked_key_goes_on_after_the_record_is_discarded() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=!b 2:ann=c
            s:0:0 ends !500 no
            discard s 0
            lanes s
            discard s 1
            s:0:2 ends ok
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=!b 2:ann=c
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            discard s 0
                s:0:1 failed and is parked as 1: !400 HH0004: it does not fit
            lanes s
                ann: blocked by 1 1 waiting
            discard s 1
                start s:0:2#1
                s:0:2 is running
            s:0:2 ends ok
                answer s:0:2: ok
                s:0:2 has ended
            lanes s
            progress s
                active
                3 taken, 1 succeeded, 2 failed, 2 discarded
        "#]],
    );
}

#[test]
fn a_retried_record_fails_at_once_and_keeps_its_number() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            s:0:0 ends !500 no
            deploy slim
            remove v1
            retry s 0
            parked s
            lanes s
            deploy v1
            retry s 0
            s:0:0~2 ends ok
            s:0:1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            deploy slim
            remove v1
                free v1
            retry s 0
                s:0:0~1 failed and is parked as 0: !404 HH0001: there is no service 'cart'
            parked s
                0: s:0:0~2 ann=a !404 HH0001: there is no service 'cart'
            lanes s
                ann: blocked by 0 1 waiting
            deploy v1
            retry s 0
                start s:0:0~2#1
                s:0:0~2 is running
            s:0:0~2 ends ok
                start s:0:1#1
                answer s:0:0~2: ok
                s:0:0~2 has ended
                s:0:1 is running
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            progress s
                active
                2 taken, 2 succeeded, 2 failed
        "#]],
    );
}

/// Another caller has started the workflow meanwhile. The record joins that run, which counts as success.
#[test]
fn a_retried_record_joins_a_run() {
    check(
        "
            subscribe s trip/run order wait
            assign s 0:0
            take s:0 0:t1=!a 1:t1=b
            invoke x trip/t1/run
            retry s 0 with a
            lanes s
            x ends ok
            progress s
        ",
        expect![[r#"
            subscribe s trip/run order wait
            assign s 0:0
            take s:0 0:t1=!a 1:t1=b
                s:0:0 failed and is parked as 0: !400 HH0004: it does not fit
            invoke x trip/t1/run
                start x#1
                accept x
                x is running
            retry s 0 with a
            lanes s
            x ends ok
                answer x: ok
                x has ended
            progress s
                active
                2 taken, 2 succeeded, 1 failed
        "#]],
    );
}

#[test]
fn retries_of_a_paused_subscription_begin() {
    check(
        "
            subscribe s cart/add on-failure pause order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            s:0:0 ends !500 no
            retry s 0
            s:0:0~1 ends ok
            lanes s
            progress s
            resume s
            advance s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add on-failure pause order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            retry s 0
                start s:0:0~1#1
                s:0:0~1 is running
            s:0:0~1 ends ok
                answer s:0:0~1: ok
                s:0:0~1 has ended
            lanes s
                ann: stalled 1 waiting
            progress s
                paused a record failed and is parked with number 0, 1 waiting, 17 bytes waiting, 1 stalled
                2 taken, 1 succeeded, 1 failed
            resume s
                advance s
            advance s
                start s:0:1#1
                s:0:1 is running
            progress s
                active, 1 running
                2 taken, 1 succeeded, 1 failed
        "#]],
    );
}

/// The others of the key wait for it, so it goes before them when the key is resumed.
#[test]
fn a_retry_that_a_paused_key_waits_for_is_the_first_to_go_on() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            s:0:0 ends !500 no
            pause s key ann
            retry s 0
            lanes s
            take s:0 2:ann=c
            resume s key ann
            lanes s
            pause s key ann
            s:0:0~1 ends !500 no
            retry s 0
            resume s key ann
            s:0:0~2 ends ok
            s:0:1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            pause s key ann
            retry s 0
            lanes s
                ann: paused 2 waiting
            take s:0 2:ann=c
            resume s key ann
                start s:0:0~1#1
                s:0:0~1 is running
            lanes s
                ann: busy with s:0:0~1 2 waiting
            pause s key ann
            s:0:0~1 ends !500 no
                s:0:0~1 failed and is parked as 0: !500 no
                answer s:0:0~1: !500 no
                s:0:0~1 has ended
            retry s 0
            resume s key ann
                start s:0:0~2#1
                s:0:0~2 is running
            s:0:0~2 ends ok
                start s:0:1#1
                answer s:0:0~2: ok
                s:0:0~2 has ended
                s:0:1 is running
            s:0:1 ends ok
                start s:0:2#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:2 is running
            progress s
                active, 1 running
                3 taken, 2 succeeded, 2 failed
        "#]],
    );
}
