//! Parked records: handled again, or dropped, while their key goes on.

use expect_test::expect;

use crate::check;

#[test]
fn a_retried_record_succeeds() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a
            s:0:0 ends !404 package not found
            retry s 0
            parked s
            s:0:0~1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !404 package not found
                s:0:0 failed and is parked as 0: !404 package not found
                answer s:0:0: !404 package not found
                s:0:0 has ended
            retry s 0
                start s:0:0~1#1
                s:0:0~1 is running
            parked s
            s:0:0~1 ends ok
                answer s:0:0~1: ok
                s:0:0~1 has ended
            progress s
                active
                1 taken, 1 succeeded, 1 failed
        "#]],
    );
}

#[test]
fn a_record_that_fails_again_keeps_its_number() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b
            s:0:0 ends !404 package not found
            s:0:1 ends !404 package not found
            retry s 0
            retry s 0
            s:0:0~1 ends !404 still not found
            parked s
            retry s 0
            s:0:0~2 ends ok
            retry s 0
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b
                start s:0:0#1
                start s:0:1#1
                s:0:0 is running
                s:0:1 is running
            s:0:0 ends !404 package not found
                s:0:0 failed and is parked as 0: !404 package not found
                answer s:0:0: !404 package not found
                s:0:0 has ended
            s:0:1 ends !404 package not found
                s:0:1 failed and is parked as 1: !404 package not found
                answer s:0:1: !404 package not found
                s:0:1 has ended
            retry s 0
                start s:0:0~1#1
                s:0:0~1 is running
            retry s 0
                refused: 404 HH0091: s has no parked record 0; list those that it has
            s:0:0~1 ends !404 still not found
                s:0:0~1 failed and is parked as 0: !404 still not found
                answer s:0:0~1: !404 still not found
                s:0:0~1 has ended
            parked s
                0: s:0:0~2 ann=a !404 still not found, of s:0:0~1
                1: s:0:1~1 bob=b !404 package not found, of s:0:1
            retry s 0
                start s:0:0~2#1
                s:0:0~2 is running
            s:0:0~2 ends ok
                answer s:0:0~2: ok
                s:0:0~2 has ended
            retry s 0
                refused: 404 HH0091: s has no parked record 0; list those that it has
            progress s
                active, 1 parked, 17 bytes parked
                2 taken, 1 succeeded, 3 failed
        "#]],
    );
}

/// Where the key goes on without it, it is the last in line.
#[test]
fn a_retried_record_waits_for_those_of_its_key() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c
            s:0:0 ends !500 no
            retry s 0
            take s:0 3:ann=d
            s:0:1 ends ok
            s:0:2 ends ok
            s:0:0~1 ends !500 no
            parked s
            s:0:3 ends ok
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                start s:0:1#1
                answer s:0:0: !500 no
                s:0:0 has ended
                s:0:1 is running
            retry s 0
            take s:0 3:ann=d
            s:0:1 ends ok
                start s:0:2#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:2 is running
            s:0:2 ends ok
                start s:0:0~1#1
                answer s:0:2: ok
                s:0:0~1 is running
                s:0:2 has ended
            s:0:0~1 ends !500 no
                s:0:0~1 failed and is parked as 0: !500 no
                start s:0:3#1
                answer s:0:0~1: !500 no
                s:0:0~1 has ended
                s:0:3 is running
            parked s
                0: s:0:0~2 ann=a !500 no, of s:0:0~1
            s:0:3 ends ok
                answer s:0:3: ok
                s:0:3 has ended
            lanes s
            progress s
                active, 1 parked, 17 bytes parked
                4 taken, 3 succeeded, 2 failed
        "#]],
    );
}

#[test]
fn a_record_that_blocks_nothing_is_discarded() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:-=b
            s:0:0 ends !500 no
            discard s 1
            discard s 0
            discard s 0
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:-=b
                start s:0:0#1
                s:0:1 failed and is parked as 0: !400 HH0087: the record has no key, and the service is keyed; produce records with keys
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 1: !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            discard s 1
            discard s 0
            discard s 0
                refused: 404 HH0091: s has no parked record 0; list those that it has
            progress s
                active
                2 taken, 2 failed, 2 discarded
        "#]],
    );
}

#[test]
fn a_record_that_was_no_input_is_retried_with_another_verdict() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=!a 1:ann=b 2:bob=?c
            retry s 0 with !a
            retry s 1 with c
            retry s 0 with fits
            s:0:0~1 ends ok
            s:0:1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=!a 1:ann=b 2:bob=?c
                s:0:0 failed and is parked as 0: !400 HH0004: it does not fit
                s:0:2 failed and is parked as 1: !400 HH0004: it does not fit
            retry s 0 with !a
                refused: 409 HH0087: parked record 0 still cannot become an invocation: HH0004: it does not fit
            retry s 1 with c
                refused: 409 HH0087: the value of parked record 1 was not kept; read it from the topic, or discard the record
            retry s 0 with fits
                start s:0:0~1#1
                s:0:0~1 is running
            s:0:0~1 ends ok
                start s:0:1#1
                answer s:0:0~1: ok
                s:0:0~1 has ended
                s:0:1 is running
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            progress s
                active, 1 parked, 16 bytes parked
                3 taken, 2 succeeded, 2 failed
        "#]],
    );
}

#[test]
fn a_retry_of_a_paused_key_waits_with_the_others() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            s:0:0 ends !500 no
            s:0:1 ends ok
            pause s key ann
            retry s 0
            lanes s
            resume s key ann
            s:0:0~1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                start s:0:1#1
                answer s:0:0: !500 no
                s:0:0 has ended
                s:0:1 is running
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            pause s key ann
            retry s 0
            lanes s
                ann: paused 1 waiting
            resume s key ann
                start s:0:0~1#1
                s:0:0~1 is running
            s:0:0~1 ends ok
                answer s:0:0~1: ok
                s:0:0~1 has ended
            progress s
                active
                2 taken, 2 succeeded, 1 failed
        "#]],
    );
}
