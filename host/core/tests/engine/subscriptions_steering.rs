//! Operators pause, resume and delete subscriptions and keys.

use expect_test::expect;

use crate::check;

#[test]
fn a_paused_subscription_takes_nothing_and_begins_nothing() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            pause s
            take s:0 2:bob=c
            s:0:0 ends ok
            lanes s
            positions s
            pause s
            resume s
            advance s
            take s:0 2:bob=c
            resume s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            pause s
            take s:0 2:bob=c
            s:0:0 ends ok
                answer s:0:0: ok
                s:0:0 has ended
            lanes s
                ann: stalled 1 waiting
            positions s
                0: at 2, generation 0
            pause s
            resume s
                advance s
            advance s
                start s:0:1#1
                s:0:1 is running
            take s:0 2:bob=c
                start s:0:2#1
                s:0:2 is running
            resume s
            progress s
                active, 2 running
                3 taken, 1 succeeded
        "#]],
    );
}

#[test]
fn a_paused_key_waits_and_others_go_on() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            pause s key ann
            pause s key bob
            s:0:0 ends ok
            take s:0 2:ann=c 3:bob=d 4:cid=e
            lanes s
            progress s
            resume s key ann
            resume s key bob
            resume s key nobody
            s:0:1 ends ok
            s:0:2 ends ok
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            pause s key ann
            pause s key bob
            s:0:0 ends ok
                answer s:0:0: ok
                s:0:0 has ended
            take s:0 2:ann=c 3:bob=d 4:cid=e
                start s:0:4#1
                s:0:4 is running
            lanes s
                ann: paused 2 waiting
                bob: paused 1 waiting
                cid: busy with s:0:4 0 waiting
            progress s
                active, 1 running, 3 waiting, 51 bytes waiting, 2 keys paused
                5 taken, 1 succeeded
            resume s key ann
                start s:0:1#1
                s:0:1 is running
            resume s key bob
                start s:0:3#1
                s:0:3 is running
            resume s key nobody
            s:0:1 ends ok
                start s:0:2#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:2 is running
            s:0:2 ends ok
                answer s:0:2: ok
                s:0:2 has ended
            lanes s
                bob: busy with s:0:3 0 waiting
                cid: busy with s:0:4 0 waiting
            progress s
                active, 2 running
                5 taken, 3 succeeded
        "#]],
    );
}

/// Two keys to hold it, and both have to let go.
#[test]
fn a_key_that_is_paused_and_blocked_goes_on_when_neither_is_left() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            pause s key ann
            s:0:0 ends !500 no
            lanes s
            discard s 0
            lanes s
            resume s key ann
            lanes s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            pause s key ann
            s:0:0 ends !500 no
                s:0:0 failed and is parked as 0: !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            lanes s
                ann: blocked by 0 paused 1 waiting
            discard s 0
            lanes s
                ann: paused 1 waiting
            resume s key ann
                start s:0:1#1
                s:0:1 is running
            lanes s
                ann: busy with s:0:1 0 waiting
        "#]],
    );
}

#[test]
fn a_key_that_is_resumed_in_a_paused_subscription_goes_on_with_it() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            pause s key ann
            take s:0 0:ann=a
            pause s
            resume s key ann
            lanes s
            resume s
            advance s
            lanes s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            pause s key ann
            take s:0 0:ann=a
            pause s
            resume s key ann
            lanes s
                ann: stalled 1 waiting
            resume s
                advance s
            advance s
                start s:0:0#1
                s:0:0 is running
            lanes s
                ann: busy with s:0:0 0 waiting
        "#]],
    );
}

#[test]
fn a_subscription_without_records_is_deleted() {
    check(
        "
            subscribe s cart/add
            assign s 0:0 1:0
            take s:0 0:ann=a
            pause s key bob
            seek s:0 to 5 key ann
            delete s
            advance s
            progress s
            s:0:0 ends ok
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0 1:0
            take s:0 0:ann=a
                start s:0:0#1
                s:0:0 is running
            pause s key bob
            seek s:0 to 5 key ann
            delete s
                advance s
            advance s
            progress s
                (none)
            s:0:0 ends ok
                answer s:0:0: ok
                s:0:0 has ended
        "#]],
    );
}

#[test]
fn a_subscription_that_holds_records_is_deleted_by_force() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=!c 3:bob=d 4:cid=e
            delete s
            delete s by force
            delete s by force
            s:0:0 ends ok
            s:0:4 ends !500 no
            retry s 0
            resume s
            advance s
            progress s
            advance s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=!c 3:bob=d 4:cid=e
                start s:0:0#1
                s:0:2 failed and is parked as 0: !400 HH0004: it does not fit
                start s:0:4#1
                s:0:0 is running
                s:0:4 is running
            delete s
                refused: 409 HH0089: 2 records wait and 1 are parked in s; deleting it loses them: handle them first, or delete it with force
            delete s by force
                advance s
            delete s by force
                refused: 404 HH0086: there is no subscription s
            s:0:0 ends ok
                answer s:0:0: ok
                s:0:0 has ended
            s:0:4 ends !500 no
                answer s:0:4: !500 no
                s:0:4 has ended
            retry s 0
                refused: 404 HH0086: there is no subscription s
            resume s
                refused: 404 HH0086: there is no subscription s
            advance s
            progress s
                (none)
            advance s
        "#]],
    );
}

#[test]
fn a_deleted_subscription_leaves_no_rows_when_it_is_advanced_in_between() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            delete s by force
            advance s
            s:0:0 ends !500 no
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            delete s by force
                advance s
            advance s
            s:0:0 ends !500 no
                answer s:0:0: !500 no
                s:0:0 has ended
            progress s
                (none)
        "#]],
    );
}
