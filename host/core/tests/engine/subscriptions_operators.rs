//! Operators restart, purge and pause invocations that records have become, and remove their deployments.

use expect_test::expect;

use crate::check;

/// A key waits while the invocation of its record is paused, and goes on when that has ended.
#[test]
fn an_invocation_that_is_paused_keeps_its_key_busy() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            pause s:0:0
            take s:0 2:bob=c
            resume s:0:0
            s:0:0 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            pause s:0:0
                stop s:0:0#1
                s:0:0 is paused: by an operator
            take s:0 2:bob=c
                start s:0:2#1
                s:0:2 is running
            resume s:0:0
                start s:0:0#2
                s:0:0 is running
            s:0:0 ends ok
                start s:0:1#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:1 is running
            progress s
                active, 2 running
                3 taken, 1 succeeded
        "#]],
    );
}

/// The new invocation is not that of the record: the record stays parked, and can be retried.
#[test]
fn an_invocation_that_is_restarted_leaves_its_record_parked() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            s:0:0 ends !500 no
            restart s:0:0 as again
            again ends ok
            lanes s
            parked s
            purge s:0:0
            discard s 0
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
            restart s:0:0 as again
                accept again
                start again#1
                again is running
            again ends ok
                answer again: ok
                again has ended
            lanes s
                ann: blocked by 0 1 waiting
            parked s
                0: s:0:0~1 ann=a !500 no, of s:0:0
            purge s:0:0
            discard s 0
                start s:0:1#1
                s:0:1 is running
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            progress s
                active
                2 taken, 1 succeeded, 1 failed, 1 discarded
        "#]],
    );
}

#[test]
fn the_journal_of_a_parked_record_is_purged_and_the_record_stays() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a
            s:0:0 ends !500 no
            purge s:0:0
            retry s 0
            s:0:0~1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            purge s:0:0
            retry s 0
                start s:0:0~1#1
                s:0:0~1 is running
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
fn removing_the_deployment_by_force_keeps_the_key_busy() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            deploy v2
            remove v1 by force
            lanes s
            resume s:0:0 v2
            s:0:0 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            deploy v2
            remove v1 by force
                stop s:0:0#1
                free v1
                s:0:0 is paused: deployment dp_8QcpRTetSkV1gAcMwfd6QR was removed
            lanes s
                ann: busy with s:0:0 1 waiting
            resume s:0:0 v2
                start s:0:0#2
                s:0:0 is running
            s:0:0 ends ok
                start s:0:1#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:1 is running
            progress s
                active, 1 running
                2 taken, 1 succeeded
        "#]],
    );
}
