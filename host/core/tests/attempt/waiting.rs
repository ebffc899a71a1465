//! Waiting: of what is listed, the earliest in the journal is told.

use expect_test::expect;

use crate::check;

#[test]
fn the_earliest_notification_is_told_whatever_the_order_of_the_list() {
    check(
        "
            sleep 10
            sleep 20
            sleep 30
            hear 2 c
            hear 0 a
            wait 0 1 2
            take 2
            wait 0 1
            take 0
            wait 1
            hear 1 b
            wait 1
            take 1
        ",
        expect![[r#"
            sleep 10 -> pending 0
            sleep 20 -> pending 1
            sleep 30 -> pending 2
            hear 2 c -> at 0
            hear 0 a -> at 1
            wait 0 1 2 -> ready 2
                commands 0: sleep 10 ms, sleep 20 ms, sleep 30 ms
            take 2 -> 'c'
            wait 0 1 -> ready 0
            take 0 -> 'a'
            wait 1 -> blocked OnJournal
            hear 1 b -> at 2
            wait 1 -> ready 1
            take 1 -> 'b'
        "#]],
    );
}

#[test]
fn a_replay_tells_the_same() {
    check(
        "
            sleep 10
            sleep 20
            wait 0 1
            hear 1 b
            wait 0 1
            hear 0 a
            replay
            sleep 10
            sleep 20
            wait 0 1
            take 1
            wait 0
            take 0
        ",
        expect![[r#"
            sleep 10 -> pending 0
            sleep 20 -> pending 1
            wait 0 1 -> blocked OnJournal
                commands 0: sleep 10 ms, sleep 20 ms
            hear 1 b -> at 0
            wait 0 1 -> ready 1
            hear 0 a -> at 1
            replay
            sleep 10 -> pending 0
            sleep 20 -> pending 1
            wait 0 1 -> ready 1
            take 1 -> 'b'
            wait 0 -> ready 0
            take 0 -> 'a'
        "#]],
    );
}

/// And does not go back when an earlier one is told later.
#[test]
fn time_stands_at_the_last_notification_told() {
    check(
        "
            sleep 10
            sleep 20
            now
            pass 10
            hear 0 a
            pass 10
            hear 1 b
            now
            wait 1
            now
            wait 0
            now
        ",
        expect![[r#"
            sleep 10 -> pending 0
            sleep 20 -> pending 1
            now -> 0 ms, live
            pass 10
            hear 0 a -> at 0
            pass 10
            hear 1 b -> at 1
            now -> 0 ms, live
            wait 1 -> ready 1
                commands 0: sleep 10 ms, sleep 20 ms
            now -> 20 ms, live
            wait 0 -> ready 0
            now -> 20 ms, live
        "#]],
    );
}

#[test]
fn an_answer_is_taken_once_and_only_after_it_was_told() {
    check(
        "
            sleep 10
            hear 0 a
            take 0
            wait 0
            take 0
            take 0
        ",
        expect![[r#"
            sleep 10 -> pending 0
            hear 0 a -> at 0
            take 0 -> HH0040: the answer of an operation was taken before wait reported it ready, or twice
            wait 0 -> ready 0
                commands 0: sleep 10 ms
            take 0 -> 'a'
            take 0 -> HH0040: the answer of an operation was taken before wait reported it ready, or twice
        "#]],
    );
}

#[test]
fn waiting_for_nothing_is_misuse() {
    check(
        "
            wait
        ",
        expect![[r#"
            wait -> HH0040: wait was called with nothing to wait for
        "#]],
    );
}

#[test]
fn what_is_blocked_says_how() {
    check(
        "
            sleep 10
            run charge
            permit 1
            enter 1
            wait 0 io yes
            finish 1 ?no answer
            wait 0
            wait 0 1
            suspend 0 1
        ",
        expect![[r#"
            sleep 10 -> pending 0
            run charge -> await permit 1
                commands 0: sleep 10 ms, run 'charge'
            permit 1
            enter 1 -> execute 1
            wait 0 io yes -> blocked OnIo
            finish 1 ?no answer -> pending 1
                step 1 failed: no answer
            wait 0 -> blocked OnJournal
            wait 0 1 -> blocked OnRetry
            suspend 0 1
                suspended on [0, 1], having 0
        "#]],
    );
}

#[test]
fn commands_are_handed_over_before_it_waits() {
    check(
        "
            sleep 10
            sleep 20
            awakeable
            wait 0
            sleep 30
            end done
        ",
        expect![[r#"
            sleep 10 -> pending 0
            sleep 20 -> pending 1
            awakeable -> awakeable, pending 2
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms, sleep 20 ms, awakeable
            sleep 30 -> pending 3
            end done
                commands 3: sleep 30 ms
                ended: done
        "#]],
    );
}
