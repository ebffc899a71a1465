//! Operators have records read again, or passed over.

use expect_test::expect;

use crate::check;

#[test]
fn a_seek_back_repeats_records_with_fresh_ids() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:bob=b
            s:0:0 ends ok
            seek s:0 to 0
            take s:0 0:ann=a 1:bob=b 2:bob=c
            lanes s
            s:0:1 ends ok
            s:0:1@1 ends ok
            positions s
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
            s:0:0 ends ok
                answer s:0:0: ok
                s:0:0 has ended
            seek s:0 to 0
            take s:0 0:ann=a 1:bob=b 2:bob=c
                start s:0:0@1#1
                s:0:0@1 is running
            lanes s
                ann: busy with s:0:0@1 0 waiting
                bob: busy with s:0:1 2 waiting
            s:0:1 ends ok
                start s:0:1@1#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:1@1 is running
            s:0:1@1 ends ok
                start s:0:2@1#1
                answer s:0:1@1: ok
                s:0:1@1 has ended
                s:0:2@1 is running
            positions s
                0: at 3, generation 1
            progress s
                active, 2 running
                5 taken, 3 succeeded
        "#]],
    );
}

#[test]
fn a_seek_forward_passes_records_over() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            seek s:0 to 5
            take s:0 5:ann=f
            s:0:0 ends ok
            s:0:1 ends ok
            s:0:5@1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            seek s:0 to 5
            take s:0 5:ann=f
            s:0:0 ends ok
                start s:0:1#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:1 is running
            s:0:1 ends ok
                start s:0:5@1#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:5@1 is running
            s:0:5@1 ends ok
                answer s:0:5@1: ok
                s:0:5@1 has ended
            progress s
                active
                3 taken, 3 succeeded
        "#]],
    );
}

#[test]
fn what_was_read_before_a_seek_is_not_taken_after_it() {
    check(
        "
            subscribe s cart/add
            assign s 0:0 1:0
            take s:0 0:ann=a
            seek s:0 to 0
            take s:0 1:ann=b 2:ann=c gen 0 from 1
            take s:0 0:ann=a gen 0 from 0
            seek s:0 to 1
            take s:0 0:ann=a gen 1 from 0
            take s:1 0:bob=b
            positions s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0 1:0
            take s:0 0:ann=a
                start s:0:0#1
                s:0:0 is running
            seek s:0 to 0
            take s:0 1:ann=b 2:ann=c gen 0 from 1
            take s:0 0:ann=a gen 0 from 0
            seek s:0 to 1
            take s:0 0:ann=a gen 1 from 0
            take s:1 0:bob=b
                start s:1:0#1
                s:1:0 is running
            positions s
                0: at 1, generation 2
                1: at 1, generation 0
            progress s
                active, 2 running
                2 taken
        "#]],
    );
}

/// A second seek of the key, to elsewhere, and one of the whole partition.
#[test]
fn the_last_seek_counts() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c
            seek s:0 to 0 key ann
            take s:0 0:ann=a of ann
            take s:0 3:ann=d
            seek s:0 to 2 key ann
            take s:0 1:ann=b gen 1 of ann from 1
            positions s
            seek s:0 to 9 key ann
            positions s
            seek s:0 to 1 key ann
            seek s:0 to 2
            take s:0 1:ann=b gen 4 of ann from 1
            positions s
            take s:0 2:ann=c
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c
                start s:0:0#1
                s:0:0 is running
            seek s:0 to 0 key ann
            take s:0 0:ann=a of ann
            take s:0 3:ann=d
            seek s:0 to 2 key ann
            take s:0 1:ann=b gen 1 of ann from 1
            positions s
                0: at 4, generation 0
                0, ann: from 2 until 4, generation 2
            seek s:0 to 9 key ann
            positions s
                0: at 4, generation 0
                0, ann: from 9 until 9, generation 3
            seek s:0 to 1 key ann
            seek s:0 to 2
            take s:0 1:ann=b gen 4 of ann from 1
            positions s
                0: at 2, generation 5
            take s:0 2:ann=c
            lanes s
                ann: busy with s:0:0 4 waiting
            progress s
                active, 1 running, 4 waiting, 68 bytes waiting
                5 taken
        "#]],
    );
}

#[test]
fn a_seek_of_one_partition_leaves_keys_in_others_alone() {
    check(
        "
            subscribe s cart/add
            assign s 0:0 1:0
            take s:0 0:ann=a
            take s:1 0:ann=b
            seek s:0 to 0 key ann
            seek s:1 to 0 key ann
            seek s:0 to 0
            positions s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0 1:0
            take s:0 0:ann=a
                start s:0:0#1
                s:0:0 is running
            take s:1 0:ann=b
            seek s:0 to 0 key ann
            seek s:1 to 0 key ann
            seek s:0 to 0
            positions s
                0: at 0, generation 3
                1: at 1, generation 0
                1, ann: from 0 until 1, generation 2
            progress s
                active, 1 running, 1 waiting, 17 bytes waiting, 1 key seeks
                2 taken
        "#]],
    );
}
