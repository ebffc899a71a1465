//! Records are taken from a partition, each of them once.

use expect_test::expect;

use crate::check;

#[test]
fn a_record_becomes_an_invocation_and_moves_the_position() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0 1:5
            take s:0 0:-=a 1:-=b
            take s:1 5:-=c
            positions s
            s:0:1 ends ok
            progress s
            load s:0:0
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0 1:5
            take s:0 0:-=a 1:-=b
                start s:0:0#1
                start s:0:1#1
                s:0:0 is running
                s:0:1 is running
            take s:1 5:-=c
                start s:1:5#1
                s:1:5 is running
            positions s
                0: at 2, generation 0
                1: at 6, generation 0
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            progress s
                active, 2 running
                3 taken, 1 succeeded
            load s:0:0
                on v1, from 0 ms on, 0 commands, 0 notifications, 0 seen
        "#]],
    );
}

#[test]
fn a_partition_without_a_position_gives_nothing() {
    check(
        "
            subscribe s echo/hi
            take s:0 0:-=a
            assign s 0:3
            assign s 0:7 1:7
            positions s
            progress s
        ",
        expect![[r#"
            subscribe s echo/hi
            take s:0 0:-=a
            assign s 0:3
            assign s 0:7 1:7
            positions s
                0: at 3, generation 0
                1: at 7, generation 0
            progress s
                active
                0 taken
        "#]],
    );
}

/// All of it, its beginning, or a part that ends with something new.
#[test]
fn a_record_that_is_delivered_again_changes_nothing() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0
            take s:0 0:-=a 1:-=b from 0
            take s:0 0:-=a 1:-=b from 0
            take s:0 0:-=a from 0
            take s:0 1:-=b 2:-=c from 1
            positions s
            progress s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0
            take s:0 0:-=a 1:-=b from 0
                start s:0:0#1
                start s:0:1#1
                s:0:0 is running
                s:0:1 is running
            take s:0 0:-=a 1:-=b from 0
            take s:0 0:-=a from 0
            take s:0 1:-=b 2:-=c from 1
                start s:0:2#1
                s:0:2 is running
            positions s
                0: at 3, generation 0
            progress s
                active, 3 running
                3 taken
        "#]],
    );
}

#[test]
fn a_gap_in_the_topic_is_passed() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0
            take s:0 2:-=a 9:-=b next 12
            take s:0 from 12 next 20
            positions s
            take s:0 15:-=late from 12
            positions s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0
            take s:0 2:-=a 9:-=b next 12
                start s:0:2#1
                start s:0:9#1
                s:0:2 is running
                s:0:9 is running
            take s:0 from 12 next 20
            positions s
                0: at 20, generation 0
            take s:0 15:-=late from 12
            positions s
                0: at 20, generation 0
        "#]],
    );
}

/// As after a crash that took the record of the batch in between.
#[test]
fn a_batch_from_beyond_the_position_would_leave_a_gap() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0
            take s:0 5:-=f from 5
            positions s
            take s:0 0:-=a 5:-=f from 0
            positions s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0
            take s:0 5:-=f from 5
            positions s
                0: at 0, generation 0
            take s:0 0:-=a 5:-=f from 0
                start s:0:0#1
                start s:0:5#1
                s:0:0 is running
                s:0:5 is running
            positions s
                0: at 6, generation 0
        "#]],
    );
}

#[test]
fn another_record_in_the_place_of_the_last_one_halts_the_partition() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0 1:0
            take s:0 0:-=a 1:-=b
            take s:0 0:-=x 1:-=b 2:-=c from 0
            take s:0 2:-=other 3:-=d from 2
            positions s
            take s:0 3:-=d from 3
            take s:1 0:-=a
            seek s:0 to 0
            take s:0 0:-=a 1:-=new
            positions s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0 1:0
            take s:0 0:-=a 1:-=b
                start s:0:0#1
                start s:0:1#1
                s:0:0 is running
                s:0:1 is running
            take s:0 0:-=x 1:-=b 2:-=c from 0
                start s:0:2#1
                s:0:2 is running
            take s:0 2:-=other 3:-=d from 2
            positions s
                0: at 3, generation 0, halted: HH0090: the record at offset 2 is not the one that was taken: the topic was created anew; seek to where to go on
                1: at 0, generation 0
            take s:0 3:-=d from 3
            take s:1 0:-=a
                start s:1:0#1
                s:1:0 is running
            seek s:0 to 0
            take s:0 0:-=a 1:-=new
                start s:0:0@1#1
                start s:0:1@1#1
                s:0:0@1 is running
                s:0:1@1 is running
            positions s
                0: at 2, generation 1
                1: at 1, generation 0
        "#]],
    );
}

/// Its key is part of what a record is.
#[test]
fn a_record_of_another_key_in_the_place_of_the_last_one_halts_the_partition() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0
            take s:0 0:ann=a
            take s:0 0:bob=a 1:bob=b from 0
            positions s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0
            take s:0 0:ann=a
                start s:0:0#1
                s:0:0 is running
            take s:0 0:bob=a 1:bob=b from 0
            positions s
                0: at 1, generation 0, halted: HH0090: the record at offset 0 is not the one that was taken: the topic was created anew; seek to where to go on
        "#]],
    );
}

#[test]
fn a_position_that_is_not_in_the_topic_halts_the_partition() {
    check(
        "
            subscribe s echo/hi
            assign s 0:5 1:5
            halt s:0 ahead 5 3
            halt s:1 behind 5 8
            positions s
            take s:0 5:-=a
            halt s:0 ahead 5 2
            seek s:0 to 1
            positions s
            take s:0 1:-=a
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:5 1:5
            halt s:0 ahead 5 3
            halt s:1 behind 5 8
            positions s
                0: at 5, generation 0, halted: HH0090: the position is 5, but the partition ends at 3: it was truncated or created anew; seek to where to go on
                1: at 5, generation 0, halted: HH0090: the position is 5, but the partition begins at 8: the records between are deleted; seek to where to go on
            take s:0 5:-=a
            halt s:0 ahead 5 2
            seek s:0 to 1
            positions s
                0: at 1, generation 1
                1: at 5, generation 0, halted: HH0090: the position is 5, but the partition begins at 8: the records between are deleted; seek to where to go on
            take s:0 1:-=a
                start s:0:1@1#1
                s:0:1@1 is running
        "#]],
    );
}

#[test]
fn a_subscription_that_is_gone_takes_nothing() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0
            delete s
            take s:0 0:-=a
            assign s 0:0
            halt s:0 ahead 1 0
            advance s
            take s:0 0:-=a
            assign s 0:0
            halt s:0 ahead 1 0
            advance s
            progress s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0
            delete s
                advance s
            take s:0 0:-=a
            assign s 0:0
            halt s:0 ahead 1 0
            advance s
            take s:0 0:-=a
            assign s 0:0
            halt s:0 ahead 1 0
            advance s
            progress s
                (none)
        "#]],
    );
}

#[test]
fn two_subscriptions_of_one_topic_do_not_know_each_other() {
    check(
        "
            subscribe s echo/hi
            subscribe t cart/add
            assign s 0:0
            assign t 0:0
            take s:0 0:ann=a
            take t:0 0:ann=a 1:ann=b
            pause t
            s:0:0 ends ok
            t:0:0 ends ok
            progress s
            progress t
        ",
        expect![[r#"
            subscribe s echo/hi
            subscribe t cart/add
            assign s 0:0
            assign t 0:0
            take s:0 0:ann=a
                start s:0:0#1
                s:0:0 is running
            take t:0 0:ann=a 1:ann=b
                start t:0:0#1
                t:0:0 is running
            pause t
            s:0:0 ends ok
                answer s:0:0: ok
                s:0:0 has ended
            t:0:0 ends ok
                answer t:0:0: ok
                t:0:0 has ended
            progress s
                active
                1 taken, 1 succeeded
            progress t
                paused by an operator, 1 waiting, 17 bytes waiting, 1 stalled
                2 taken, 1 succeeded
        "#]],
    );
}

/// The position has moved since, an operator sought, or there is no such partition.
#[test]
fn a_reason_to_halt_that_does_not_hold_any_more_changes_nothing() {
    check(
        "
            subscribe s echo/hi
            assign s 0:5
            take s:0 5:-=a
            halt s:0 ahead 5 3
            halt s:0 behind 5 8
            halt s:0 ahead 6 6
            halt s:0 behind 6 6
            halt s:1 ahead 5 3
            positions s
            seek s:0 to 9
            halt s:0 ahead 9 3 gen 0
            positions s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:5
            take s:0 5:-=a
                start s:0:5#1
                s:0:5 is running
            halt s:0 ahead 5 3
            halt s:0 behind 5 8
            halt s:0 ahead 6 6
            halt s:0 behind 6 6
            halt s:1 ahead 5 3
            positions s
                0: at 6, generation 0
            seek s:0 to 9
            halt s:0 ahead 9 3 gen 0
            positions s
                0: at 9, generation 1
        "#]],
    );
}
