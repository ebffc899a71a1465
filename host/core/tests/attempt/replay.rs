//! Replay: the journal decides, and the handler must ask the same again.

use expect_test::expect;

use crate::check;

#[test]
fn commands_are_recorded_once() {
    check(
        "
            sleep 10
            call echo/hi
            send echo/hi
            awakeable
            complete done
            cancel
            wait 0
            replay
            sleep 10
            call echo/hi
            send echo/hi
            awakeable
            complete done
            cancel
            sleep 20
            wait 0
        ",
        expect![[r#"
            sleep 10 -> pending 0
            call echo/hi -> called, pending 1
            send echo/hi -> sent
            awakeable -> awakeable, pending 3
            complete done -> done
            cancel -> done
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms, call echo/hi (5 bytes), send echo/hi (5 bytes), awakeable, complete awk_2oCwfmtforZCYakM3p3gEhmQRYPxKa6PgaTcCP with success (4 bytes), cancel inv_GvdqXEAMbSARrubpNP44Vqz4kr6GAxA6
            replay
            sleep 10 -> pending 0
            call echo/hi -> called, pending 1
            send echo/hi -> sent
            awakeable -> awakeable, pending 3
            complete done -> done
            cancel -> done
            sleep 20 -> pending 6
            wait 0 -> blocked OnJournal
                commands 6: sleep 20 ms
        "#]],
    );
}

#[test]
fn a_different_command_is_a_mismatch_that_names_both() {
    check(
        "
            sleep 10 nap
            call cart/ann/add
            wait 1
            replay
            sleep 10 nap
            call cart/bob/add
            replay
            sleep 20 nap
            replay
            run charge
        ",
        expect![[r#"
            sleep 10 nap -> pending 0
            call cart/ann/add -> called, pending 1
            wait 1 -> blocked OnJournal
                commands 0: sleep 'nap' 10 ms, call cart/ann/add (5 bytes)
            replay
            sleep 10 nap -> pending 0
            call cart/bob/add -> HH0007: command 1 of the journal was 'call cart/ann/add (5 bytes)', but the handler now asks for 'call cart/bob/add (5 bytes)'; deploy the version it began on, or one that asks for the same in the same order
            replay
            sleep 20 nap -> HH0007: command 0 of the journal was 'sleep 'nap' 10 ms', but the handler now asks for 'sleep 'nap' 20 ms'; deploy the version it began on, or one that asks for the same in the same order
            replay
            run charge -> HH0007: command 0 of the journal was 'sleep 'nap' 10 ms', but the handler now asks for 'run 'charge''; deploy the version it began on, or one that asks for the same in the same order
        "#]],
    );
}

#[test]
fn commands_that_read_the_same_but_differ_are_told_apart() {
    check(
        "
            complete one
            wait io yes
            replay
            complete two
        ",
        expect![[r#"
            complete one -> done
            wait io yes -> blocked OnIo
                commands 0: complete awk_2oCwfmtforZCYakM3p3gEhmQRYPxKa6PgaTcCP with success (3 bytes)
            replay
            complete two -> HH0007: command 0 of the journal was 'complete awk_2oCwfmtforZCYakM3p3gEhmQRYPxKa6PgaTcCP with success (3 bytes)', but the handler now asks for 'complete awk_2oCwfmtforZCYakM3p3gEhmQRYPxKa6PgaTcCP with success (3 bytes) with other contents'; deploy the version it began on, or one that asks for the same in the same order
        "#]],
    );
}

#[test]
fn returning_before_the_end_of_the_journal_is_a_mismatch() {
    check(
        "
            sleep 10
            run charge
            replay
            sleep 10
            end done
        ",
        expect![[r#"
            sleep 10 -> pending 0
            run charge -> await permit 1
                commands 0: sleep 10 ms, run 'charge'
            replay
            sleep 10 -> pending 0
            end done -> HH0007: the journal goes on with 'run 'charge'' (command 1), but the handler has returned; deploy the version it began on, or one that asks for the same in the same order
        "#]],
    );
}

#[test]
fn a_retry_policy_is_part_of_what_was_asked() {
    check(
        "
            run charge retry 3 100
            replay
            run charge retry 4 100
        ",
        expect![[r#"
            run charge retry 3 100 -> await permit 0
                commands 0: run 'charge'
            replay
            run charge retry 4 100 -> HH0007: command 0 of the journal was 'run 'charge'', but the handler now asks for 'run 'charge' with other contents'; deploy the version it began on, or one that asks for the same in the same order
        "#]],
    );
}

/// What an attempt printed after its last command was printed before it suspended on notifications it had.
#[test]
fn it_is_silent_until_it_has_caught_up() {
    check(
        "
            now
            sleep 10
            sleep 20
            wait 0
            hear 0 ok
            wait 0
            now
            suspend 1
            hear 1 ok
            replay seen 1
            now
            sleep 10
            now
            sleep 20
            now
            wait 0
            now
            wait 1
            now
        ",
        expect![[r#"
            now -> 0 ms, live
            sleep 10 -> pending 0
            sleep 20 -> pending 1
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms, sleep 20 ms
            hear 0 ok -> at 0
            wait 0 -> ready 0
            now -> 0 ms, live
            suspend 1
                suspended on [1], having 1
            hear 1 ok -> at 1
            replay seen 1
            now -> 0 ms, silent
            sleep 10 -> pending 0
            now -> 0 ms, silent
            sleep 20 -> pending 1
            now -> 0 ms, silent
            wait 0 -> ready 0
            now -> 0 ms, live
            wait 1 -> ready 1
            now -> 0 ms, live
        "#]],
    );
}

#[test]
fn a_new_command_ends_the_silence() {
    check(
        "
            sleep 10
            wait 0
            replay seen 5
            sleep 10
            now
            sleep 20
            now
        ",
        expect![[r#"
            sleep 10 -> pending 0
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms
            replay seen 5
            sleep 10 -> pending 0
            now -> 0 ms, silent
            sleep 20 -> pending 1
            now -> 0 ms, live
        "#]],
    );
}

#[test]
fn what_was_asked_and_not_recorded_is_dropped_with_a_failure() {
    check(
        "
            sleep 10
            wait 0
            sleep 20
            fail a bug
            replay
            sleep 10
            sleep 30
            end done
        ",
        expect![[r#"
            sleep 10 -> pending 0
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms
            sleep 20 -> pending 1
            fail a bug
                failed: a bug
            replay
            sleep 10 -> pending 0
            sleep 30 -> pending 1
            end done
                commands 1: sleep 30 ms
                ended: done
        "#]],
    );
}
