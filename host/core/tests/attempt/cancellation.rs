//! Cancellation: told where the handler waits, once.

use expect_test::expect;

use crate::check;

#[test]
fn it_is_told_in_its_place() {
    check(
        "
            sleep 10
            sleep 20
            hear 0 a
            hear cancelled since 0
            hear 1 b
            wait 0 1
            wait 1
            wait 1
        ",
        expect![[r#"
            sleep 10 -> pending 0
            sleep 20 -> pending 1
            hear 0 a -> at 0
            hear cancelled since 0 -> at 1
            hear 1 b -> at 2
            wait 0 1 -> ready 0
                commands 0: sleep 10 ms, sleep 20 ms
            wait 1 -> cancelled
            wait 1 -> ready 1
        "#]],
    );
}

#[test]
fn a_replay_is_told_at_the_same_place() {
    check(
        "
            sleep 10
            wait 0
            hear cancelled since 0
            wait 0
            call echo/undo
            wait 1
            hear 1 undone
            wait 1
            replay
            sleep 10
            wait 0
            call echo/undo
            wait 1
        ",
        expect![[r#"
            sleep 10 -> pending 0
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms
            hear cancelled since 0 -> at 0
            wait 0 -> cancelled
            call echo/undo -> called, pending 1
            wait 1 -> blocked OnJournal
                commands 1, told at 0: call echo/undo (5 bytes)
            hear 1 undone -> at 1
            wait 1 -> ready 1
            replay
            sleep 10 -> pending 0
            wait 0 -> cancelled
            call echo/undo -> called, pending 1
            wait 1 -> ready 1
        "#]],
    );
}

#[test]
fn a_call_that_it_interrupts_is_the_news() {
    check(
        "
            call echo/hi
            wait 0
            hear interrupted 0 !409 cancelled
            wait 0
            hear cancelled since 0
            sleep 10
            wait 1
            replay
            call echo/hi
            wait 0
            sleep 10
            wait 1
        ",
        expect![[r#"
            call echo/hi -> called, pending 0
            wait 0 -> blocked OnJournal
                commands 0: call echo/hi (5 bytes)
            hear interrupted 0 !409 cancelled -> at 0
            wait 0 -> ready 0
            hear cancelled since 0 -> at 1
            sleep 10 -> pending 1
            wait 1 -> blocked OnJournal
                commands 1, told at 0: sleep 10 ms
            replay
            call echo/hi -> called, pending 0
            wait 0 -> ready 0
            sleep 10 -> pending 1
            wait 1 -> blocked OnJournal
        "#]],
    );
}

#[test]
fn one_that_fails_alike_is_none() {
    check(
        "
            call echo/hi
            hear 0 !409 cancelled
            wait 0
            sleep 10
            hear cancelled since 1
            wait 1
            replay
            call echo/hi
            wait 0
            sleep 10
            wait 1
        ",
        expect![[r#"
            call echo/hi -> called, pending 0
            hear 0 !409 cancelled -> at 0
            wait 0 -> ready 0
                commands 0: call echo/hi (5 bytes)
            sleep 10 -> pending 1
            hear cancelled since 1 -> at 1
            wait 1 -> cancelled
                commands 1: sleep 10 ms
            replay
            call echo/hi -> called, pending 0
            wait 0 -> ready 0
            sleep 10 -> pending 1
            wait 1 -> cancelled
        "#]],
    );
}

/// The handler does not wait for the call that was interrupted.
#[test]
fn nor_is_one_that_was_not_told() {
    check(
        "
            call echo/hi
            sleep 10
            wait 1
            hear interrupted 0 !409 cancelled
            hear cancelled since 0
            wait 1
            wait 0
            wait 1
        ",
        expect![[r#"
            call echo/hi -> called, pending 0
            sleep 10 -> pending 1
            wait 1 -> blocked OnJournal
                commands 0: call echo/hi (5 bytes), sleep 10 ms
            hear interrupted 0 !409 cancelled -> at 0
            hear cancelled since 0 -> at 1
            wait 1 -> cancelled
            wait 0 -> ready 0
            wait 1 -> blocked OnJournal
        "#]],
    );
}

#[test]
fn a_step_is_not_entered_when_it_is_due() {
    check(
        "
            run charge
            hear cancelled since 0
            permit 0
            enter 0
            wait 0
            replay
            run charge
            wait 0
        ",
        expect![[r#"
            run charge -> await permit 0
                commands 0: run 'charge'
            hear cancelled since 0 -> at 0
            permit 0
            enter 0 -> replayed 0
            wait 0 -> cancelled
            replay
            run charge -> replayed 0
            wait 0 -> cancelled
        "#]],
    );
}

/// Which executes it before the handler is told.
#[test]
fn one_that_was_passed_over_and_is_waited_for_is_left_to_the_next_attempt() {
    check(
        "
            run refund
            replay
            hear cancelled since 0
            run refund
            wait 0
            wait 0
            suspend 0
            replay outliving 0
            run refund
            permit 0
            enter 0
            wait io yes
            finish 0 refunded
            hear 0 refunded
            wait 0
        ",
        expect![[r#"
            run refund -> await permit 0
                commands 0: run 'refund'
            replay
            hear cancelled since 0 -> at 0
            run refund -> replayed 0
            wait 0 -> cancelled
            wait 0 -> blocked OnRetry
            suspend 0
                suspended on [0], having 1
            replay outliving 0
            run refund -> await permit 0
            permit 0
            enter 0 -> execute 0
            wait io yes -> cancelled
            finish 0 refunded -> pending 0
                step 0 completed: refunded
            hear 0 refunded -> at 1
            wait 0 -> ready 0
        "#]],
    );
}

/// The handler goes on with the step after the call has failed: nobody else executes it.
#[test]
fn a_step_that_was_passed_over_while_a_call_brought_the_news() {
    check(
        "
            call echo/hi
            run charge
            hear interrupted 0 !409 cancelled
            hear cancelled since 0
            replay
            call echo/hi
            run charge
            wait 0 1
            wait 1
            suspend 1
        ",
        expect![[r#"
            call echo/hi -> called, pending 0
            run charge -> await permit 1
                commands 0: call echo/hi (5 bytes), run 'charge'
            hear interrupted 0 !409 cancelled -> at 0
            hear cancelled since 0 -> at 1
            replay
            call echo/hi -> called, pending 0
            run charge -> replayed 1
            wait 0 1 -> ready 0
            wait 1 -> blocked OnRetry
            suspend 1
                suspended on [1], having 2
        "#]],
    );
}

/// It asks for the call after the notification, and does not know.
#[test]
fn a_call_that_it_did_not_know_of_has_it_come_again() {
    check(
        "
            sleep 10
            wait 0
            call echo/hi
            hear cancelled since 0 commands 1
            wait 0 1
            hear 1 done just in time
            hear cancelled since 0
            wait 0
            replay
            sleep 10
            call echo/hi
            wait 0 1
            wait 0
        ",
        expect![[r#"
            sleep 10 -> pending 0
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms
            call echo/hi -> called, pending 1
            hear cancelled since 0 commands 1 -> at 0
            wait 0 1 -> blocked OnJournal
                commands 1: call echo/hi (5 bytes)
            hear 1 done just in time -> at 1
            hear cancelled since 0 -> at 2
            wait 0 -> cancelled
            replay
            sleep 10 -> pending 0
            call echo/hi -> called, pending 1
            wait 0 1 -> ready 1
            wait 0 -> cancelled
        "#]],
    );
}

/// The call has told of it already.
#[test]
fn which_then_is_not_news() {
    check(
        "
            sleep 10
            wait 0
            call echo/hi
            hear cancelled since 0 commands 1
            hear interrupted 1 !409 cancelled
            hear cancelled since 0
            wait 0 1
            wait 0
            call echo/undo
            wait 2
            replay
            sleep 10
            call echo/hi
            wait 0 1
            wait 0
            call echo/undo
            wait 2
        ",
        expect![[r#"
            sleep 10 -> pending 0
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms
            call echo/hi -> called, pending 1
            hear cancelled since 0 commands 1 -> at 0
            hear interrupted 1 !409 cancelled -> at 1
            hear cancelled since 0 -> at 2
            wait 0 1 -> ready 1
                commands 1: call echo/hi (5 bytes)
            wait 0 -> blocked OnJournal
            call echo/undo -> called, pending 2
            wait 2 -> blocked OnJournal
                commands 2, told at 1: call echo/undo (5 bytes)
            replay
            sleep 10 -> pending 0
            call echo/hi -> called, pending 1
            wait 0 1 -> ready 1
            wait 0 -> blocked OnJournal
            call echo/undo -> called, pending 2
            wait 2 -> blocked OnJournal
        "#]],
    );
}

#[test]
fn a_shielded_call_is_none_that_it_would_have_to_know_of() {
    check(
        "
            sleep 10
            wait 0
            call echo/hi shielded yes
            hear cancelled since 0 commands 1
            wait 0 1
        ",
        expect![[r#"
            sleep 10 -> pending 0
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms
            call echo/hi shielded yes -> called, pending 1
            hear cancelled since 0 commands 1 -> at 0
            wait 0 1 -> cancelled
                commands 1: call echo/hi (5 bytes)
        "#]],
    );
}

/// They are in the journal that it was notified of.
#[test]
fn nor_is_one_that_was_recorded_before() {
    check(
        "
            call echo/hi
            wait 0
            hear 0 done
            hear cancelled since 0 commands 1
            sleep 10
            wait 1
        ",
        expect![[r#"
            call echo/hi -> called, pending 0
            wait 0 -> blocked OnJournal
                commands 0: call echo/hi (5 bytes)
            hear 0 done -> at 0
            hear cancelled since 0 commands 1 -> at 1
            sleep 10 -> pending 1
            wait 1 -> cancelled
                commands 1: sleep 10 ms
        "#]],
    );
}

/// A step is executed meanwhile, also by the next attempt.
#[test]
fn a_cancellation_that_comes_again_is_not_in_force() {
    check(
        "
            sleep 10
            wait 0
            run charge
            hear cancelled since 0 commands 1
            enter 1
            call echo/hi
            wait 0 1
            replay cancellation overtaken
            sleep 10
            run charge
            permit 1
            enter 1
            finish 1 paid
            call echo/hi
            wait 0
            hear 1 paid
            hear cancelled since 0
            wait 0
        ",
        expect![[r#"
            sleep 10 -> pending 0
            wait 0 -> blocked OnJournal
                commands 0: sleep 10 ms
            run charge -> await permit 1
                commands 1: run 'charge'
            hear cancelled since 0 commands 1 -> at 0
            enter 1 -> replayed 1
            call echo/hi -> called, pending 2
            wait 0 1 -> blocked OnRetry
                commands 2: call echo/hi (5 bytes)
            replay cancellation overtaken
            sleep 10 -> pending 0
            run charge -> await permit 1
            permit 1
            enter 1 -> execute 1
            finish 1 paid -> pending 1
                step 1 completed: paid
            call echo/hi -> called, pending 2
            wait 0 -> blocked OnJournal
            hear 1 paid -> at 1
            hear cancelled since 0 -> at 2
            wait 0 -> cancelled
        "#]],
    );
}

#[test]
fn what_fails_alike_tells_of_no_cancellation() {
    check(
        "
            attach
            awakeable
            call echo/hi
            hear 0 !409 cancelled
            hear 1 !409 cancelled
            hear 2 !409 cancelled
            wait 0
            wait 1
            wait 2
            hear cancelled since 0 commands 3
            sleep 10
            wait 3
        ",
        expect![[r#"
            attach -> pending 0
            awakeable -> awakeable, pending 1
            call echo/hi -> called, pending 2
            hear 0 !409 cancelled -> at 0
            hear 1 !409 cancelled -> at 1
            hear 2 !409 cancelled -> at 2
            wait 0 -> ready 0
                commands 0: attach to inv_GvdqXEAMbSARrubpNP44Vqz4kr6GAxA6, awakeable, call echo/hi (5 bytes)
            wait 1 -> ready 1
            wait 2 -> ready 2
            hear cancelled since 0 commands 3 -> at 3
            sleep 10 -> pending 3
            wait 3 -> cancelled
                commands 3: sleep 10 ms
        "#]],
    );
}

#[test]
fn it_says_why() {
    check(
        "
            sleep 1000
            wait 0
            hear cancelled since 0 !504 HH0065: not done after 100 ms
            wait 0
        ",
        expect![[r#"
            sleep 1000 -> pending 0
            wait 0 -> blocked OnJournal
                commands 0: sleep 1000 ms
            hear cancelled since 0 !504 HH0065: not done after 100 ms -> at 0
            wait 0 -> cancelled: [504] HH0065: not done after 100 ms
        "#]],
    );
}

/// The answer says so, to the handler and to all who replay it.
#[test]
fn and_so_does_a_call_that_it_interrupts() {
    check(
        "
            call echo/hi
            wait 0
            hear interrupted 0 !504 HH0065: not done after 100 ms
            hear cancelled since 0 !504 HH0065: not done after 100 ms
            wait 0
            take 0
            call echo/undo
            wait 1
            replay
            call echo/hi
            wait 0
            take 0
            call echo/undo
            wait 1
        ",
        expect![[r#"
            call echo/hi -> called, pending 0
            wait 0 -> blocked OnJournal
                commands 0: call echo/hi (5 bytes)
            hear interrupted 0 !504 HH0065: not done after 100 ms -> at 0
            hear cancelled since 0 !504 HH0065: not done after 100 ms -> at 1
            wait 0 -> ready 0
            take 0 -> '!504 HH0065: not done after 100 ms'
            call echo/undo -> called, pending 1
            wait 1 -> blocked OnJournal
                commands 1, told at 0: call echo/undo (5 bytes)
            replay
            call echo/hi -> called, pending 0
            wait 0 -> ready 0
            take 0 -> '!504 HH0065: not done after 100 ms'
            call echo/undo -> called, pending 1
            wait 1 -> blocked OnJournal
        "#]],
    );
}
