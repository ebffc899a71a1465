//! Records that fail: what becomes of them, and of those behind.

use expect_test::expect;

use crate::check;

#[test]
fn a_failed_record_is_parked_and_the_key_goes_on() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c
            s:0:0 ends !409 sold out
            parked s
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c
                start s:0:0#1
                start s:0:2#1
                s:0:0 is running
                s:0:2 is running
            s:0:0 ends !409 sold out
                s:0:0 failed and is parked as 0: !409 sold out
                start s:0:1#1
                answer s:0:0: !409 sold out
                s:0:0 has ended
                s:0:1 is running
            parked s
                0: s:0:0~1 ann=a !409 sold out, of s:0:0
            lanes s
                ann: busy with s:0:1 0 waiting
                bob: busy with s:0:2 0 waiting
            progress s
                active, 2 running, 1 parked, 17 bytes parked
                3 taken, 1 failed
        "#]],
    );
}

#[test]
fn a_failed_record_is_parked_and_the_key_waits() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c
            s:0:0 ends !409 sold out
            take s:0 3:ann=d 4:bob=e
            s:0:2 ends ok
            parked s
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c
                start s:0:0#1
                start s:0:2#1
                s:0:0 is running
                s:0:2 is running
            s:0:0 ends !409 sold out
                s:0:0 failed and is parked as 0: !409 sold out
                answer s:0:0: !409 sold out
                s:0:0 has ended
            take s:0 3:ann=d 4:bob=e
            s:0:2 ends ok
                start s:0:4#1
                answer s:0:2: ok
                s:0:2 has ended
                s:0:4 is running
            parked s
                0: s:0:0~1 ann=a !409 sold out, of s:0:0
            lanes s
                ann: blocked by 0 2 waiting
                bob: busy with s:0:4 0 waiting
            progress s
                active, 1 running, 2 waiting, 34 bytes waiting, 1 parked, 17 bytes parked
                5 taken, 1 succeeded, 1 failed
        "#]],
    );
}

#[test]
fn a_failed_record_is_skipped() {
    check(
        "
            subscribe s cart/add on-failure skip order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=!c
            s:0:0 ends !409 sold out
            s:0:1 ends ok
            parked s
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add on-failure skip order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=!c
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !409 sold out
                s:0:0 failed and is skipped: !409 sold out
                start s:0:1#1
                answer s:0:0: !409 sold out
                s:0:0 has ended
                s:0:1 is running
            s:0:1 ends ok
                s:0:2 failed and is skipped: !400 HH0004: it does not fit
                answer s:0:1: ok
                s:0:1 has ended
            parked s
            lanes s
            progress s
                active
                3 taken, 1 succeeded, 2 failed, 2 skipped
        "#]],
    );
}

/// The others that run go on; nothing new begins.
#[test]
fn a_failed_record_pauses_the_subscription() {
    check(
        "
            subscribe s cart/add on-failure pause
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c 3:bob=d
            s:0:0 ends !409 sold out
            s:0:2 ends !409 sold out
            take s:0 4:cid=e
            positions s
            lanes s
            progress s
            resume s
            advance s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add on-failure pause
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c 3:bob=d
                start s:0:0#1
                start s:0:2#1
                s:0:0 is running
                s:0:2 is running
            s:0:0 ends !409 sold out
                s:0:0 failed and is parked as 0: !409 sold out
                answer s:0:0: !409 sold out
                s:0:0 has ended
            s:0:2 ends !409 sold out
                s:0:2 failed and is parked as 1: !409 sold out
                answer s:0:2: !409 sold out
                s:0:2 has ended
            take s:0 4:cid=e
            positions s
                0: at 4, generation 0
            lanes s
                ann: stalled 1 waiting
                bob: stalled 1 waiting
            progress s
                paused a record failed and is parked with number 0, 2 waiting, 34 bytes waiting, 2 parked, 34 bytes parked, 2 stalled
                4 taken, 2 failed
            resume s
                advance s
            advance s
                start s:0:1#1
                start s:0:3#1
                s:0:1 is running
                s:0:3 is running
            progress s
                active, 2 running, 2 parked, 34 bytes parked
                4 taken, 2 failed
        "#]],
    );
}

#[test]
fn a_failed_record_pauses_the_subscription_and_its_key_waits() {
    check(
        "
            subscribe s cart/add on-failure pause order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c 3:bob=d
            s:0:0 ends !409 sold out
            s:0:2 ends ok
            resume s
            advance s
            lanes s
            discard s 0
            progress s
        ",
        expect![[r#"
            subscribe s cart/add on-failure pause order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c 3:bob=d
                start s:0:0#1
                start s:0:2#1
                s:0:0 is running
                s:0:2 is running
            s:0:0 ends !409 sold out
                s:0:0 failed and is parked as 0: !409 sold out
                answer s:0:0: !409 sold out
                s:0:0 has ended
            s:0:2 ends ok
                answer s:0:2: ok
                s:0:2 has ended
            resume s
                advance s
            advance s
                start s:0:3#1
                s:0:3 is running
            lanes s
                ann: blocked by 0 1 waiting
                bob: busy with s:0:3 0 waiting
            discard s 0
                start s:0:1#1
                s:0:1 is running
            progress s
                active, 2 running
                4 taken, 1 succeeded, 1 failed, 1 discarded
        "#]],
    );
}
