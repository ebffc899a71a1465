//! Operators have the records of one key read again, or passed over.

use expect_test::expect;

use crate::check;

#[test]
fn a_key_is_read_again_by_a_reader_of_its_own() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b 2:ann=c
            s:0:0 ends ok
            s:0:2 ends ok
            seek s:0 to 0 key ann
            positions s
            take s:0 3:ann=d 4:bob=e
            positions s
            take s:0 0:ann=a next 2 of ann
            positions s
            take s:0 2:ann=c 3:ann=d of ann
            positions s
            take s:0 5:ann=f
            s:0:0@1 ends ok
            s:0:2@1 ends ok
            s:0:3@1 ends ok
            s:0:5 ends ok
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b 2:ann=c
                start s:0:0#1
                start s:0:1#1
                s:0:0 is running
                s:0:1 is running
            s:0:0 ends ok
                start s:0:2#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:2 is running
            s:0:2 ends ok
                answer s:0:2: ok
                s:0:2 has ended
            seek s:0 to 0 key ann
            positions s
                0: at 3, generation 0
                0, ann: from 0 until 3, generation 1
            take s:0 3:ann=d 4:bob=e
            positions s
                0: at 5, generation 0
                0, ann: from 0 until 4, generation 1
            take s:0 0:ann=a next 2 of ann
                start s:0:0@1#1
                s:0:0@1 is running
            positions s
                0: at 5, generation 0
                0, ann: from 2 until 4, generation 1
            take s:0 2:ann=c 3:ann=d of ann
            positions s
                0: at 5, generation 0
            take s:0 5:ann=f
            s:0:0@1 ends ok
                start s:0:2@1#1
                answer s:0:0@1: ok
                s:0:0@1 has ended
                s:0:2@1 is running
            s:0:2@1 ends ok
                start s:0:3@1#1
                answer s:0:2@1: ok
                s:0:2@1 has ended
                s:0:3@1 is running
            s:0:3@1 ends ok
                start s:0:5#1
                answer s:0:3@1: ok
                s:0:3@1 has ended
                s:0:5 is running
            s:0:5 ends ok
                answer s:0:5: ok
                s:0:5 has ended
            lanes s
                bob: busy with s:0:1 1 waiting
            progress s
                active, 1 running, 1 waiting, 17 bytes waiting
                8 taken, 6 succeeded
        "#]],
    );
}

/// It may see records of others, of before its position, and of behind its end.
#[test]
fn the_reader_of_a_key_takes_nothing_else() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b 2:ann=c
            seek s:0 to 1 key ann
            take s:0 0:ann=a 1:bob=b 2:ann=c 3:ann=d of ann from 0
            positions s
            take s:0 3:ann=d
            lanes s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b 2:ann=c
                start s:0:0#1
                start s:0:1#1
                s:0:0 is running
                s:0:1 is running
            seek s:0 to 1 key ann
            take s:0 0:ann=a 1:bob=b 2:ann=c 3:ann=d of ann from 0
            positions s
                0: at 3, generation 0
            take s:0 3:ann=d
            lanes s
                ann: busy with s:0:0 3 waiting
                bob: busy with s:0:1 0 waiting
        "#]],
    );
}

/// Delivered again, with a gap before it, of another seek, or after the end.
#[test]
fn what_the_reader_of_a_key_repeats_changes_nothing() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c 3:bob=d
            seek s:0 to 0 key ann
            take s:0 0:ann=a of ann
            take s:0 0:ann=a of ann from 0
            take s:0 2:ann=c of ann from 2
            take s:0 1:ann=b gen 0 of ann
            take s:0 from 1 next 9 of ann
            take s:0 1:ann=b gen 1 of ann from 1
            positions s
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c 3:bob=d
                start s:0:0#1
                start s:0:3#1
                s:0:0 is running
                s:0:3 is running
            seek s:0 to 0 key ann
            take s:0 0:ann=a of ann
            take s:0 0:ann=a of ann from 0
            take s:0 2:ann=c of ann from 2
            take s:0 1:ann=b gen 0 of ann
            take s:0 from 1 next 9 of ann
            take s:0 1:ann=b gen 1 of ann from 1
            positions s
                0: at 4, generation 0
            lanes s
                ann: busy with s:0:0 3 waiting
                bob: busy with s:0:3 0 waiting
            progress s
                active, 2 running, 3 waiting, 51 bytes waiting
                5 taken
        "#]],
    );
}

/// The end of the seek has moved since the reader looked.
#[test]
fn a_reader_of_a_key_that_knows_an_older_end_goes_on() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b
            seek s:0 to 0 key ann
            take s:0 2:ann=c 3:bob=d 4:ann=e
            take s:0 0:ann=a next 2 of ann
            positions s
            take s:0 2:ann=c 4:ann=e of ann
            positions s
            lanes s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b
                start s:0:0#1
                start s:0:1#1
                s:0:0 is running
                s:0:1 is running
            seek s:0 to 0 key ann
            take s:0 2:ann=c 3:bob=d 4:ann=e
            take s:0 0:ann=a next 2 of ann
            positions s
                0: at 5, generation 0
                0, ann: from 2 until 5, generation 1
            take s:0 2:ann=c 4:ann=e of ann
            positions s
                0: at 5, generation 0
            lanes s
                ann: busy with s:0:0 3 waiting
                bob: busy with s:0:1 1 waiting
        "#]],
    );
}

#[test]
fn a_key_is_sent_ahead() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            seek s:0 to 4 key ann
            take s:0 2:ann=c 3:bob=d
            positions s
            take s:0 4:ann=e 5:ann=f
            positions s
            s:0:0 ends ok
            s:0:1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            seek s:0 to 4 key ann
            take s:0 2:ann=c 3:bob=d
                start s:0:3#1
                s:0:3 is running
            positions s
                0: at 4, generation 0
            take s:0 4:ann=e 5:ann=f
            positions s
                0: at 6, generation 0
            s:0:0 ends ok
                start s:0:1#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:1 is running
            s:0:1 ends ok
                start s:0:4#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:4 is running
            progress s
                active, 2 running, 1 waiting, 17 bytes waiting
                5 taken, 2 succeeded, 1 passed over
        "#]],
    );
}

#[test]
fn a_key_is_not_read_again_while_the_subscription_is_paused() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            seek s:0 to 0 key ann
            pause s
            take s:0 0:ann=a 1:ann=b of ann
            positions s
            resume s
            take s:0 0:ann=a 1:ann=b of ann
            positions s
            lanes s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            seek s:0 to 0 key ann
            pause s
            take s:0 0:ann=a 1:ann=b of ann
            positions s
                0: at 2, generation 0
                0, ann: from 0 until 2, generation 1
            resume s
            take s:0 0:ann=a 1:ann=b of ann
            positions s
                0: at 2, generation 0
            lanes s
                ann: busy with s:0:0 3 waiting
        "#]],
    );
}

/// A topic that was created anew is not read for a key either.
#[test]
fn a_key_of_a_halted_partition_is_not_read() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b
            seek s:0 to 0 key ann
            halt s:0 ahead 2 1
            take s:0 0:ann=x of ann
            positions s
            seek s:0 to 0
            take s:0 0:ann=x
            positions s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b
                start s:0:0#1
                start s:0:1#1
                s:0:0 is running
                s:0:1 is running
            seek s:0 to 0 key ann
            halt s:0 ahead 2 1
            take s:0 0:ann=x of ann
            positions s
                0: at 2, generation 0, halted: HH0090: the position is 2, but the partition ends at 1: it was truncated or created anew; seek to where to go on
                0, ann: from 0 until 2, generation 1
            seek s:0 to 0
            take s:0 0:ann=x
            positions s
                0: at 1, generation 2
        "#]],
    );
}

/// A key that has no record any more does not keep its position for ever.
#[test]
fn a_key_that_was_sent_ahead_follows_the_partition_when_that_has_caught_up() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            seek s:0 to 4 key ann
            take s:0 0:bob=a next 3
            positions s
            take s:0 3:bob=b next 9
            positions s
            progress s
            seek s:0 to 9 key ann
            positions s
            seek s:0 to 0 key ann
            seek s:0 to 9 key ann
            positions s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            seek s:0 to 4 key ann
            take s:0 0:bob=a next 3
                start s:0:0#1
                s:0:0 is running
            positions s
                0: at 3, generation 0
                0, ann: from 4 until 4, generation 1
            take s:0 3:bob=b next 9
            positions s
                0: at 9, generation 0
            progress s
                active, 1 running, 1 waiting, 17 bytes waiting
                2 taken
            seek s:0 to 9 key ann
            positions s
                0: at 9, generation 0
            seek s:0 to 0 key ann
            seek s:0 to 9 key ann
            positions s
                0: at 9, generation 0
        "#]],
    );
}
