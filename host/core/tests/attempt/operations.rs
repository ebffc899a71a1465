//! What else a handler may ask for: signals, promises, attaching.

use expect_test::expect;

use crate::check;

#[test]
fn they_are_recorded_and_answered() {
    check(
        "
            of trip/t1/run mode workflow kind workflow
            signal go
            send-signal go now
            promise paid
            peek paid
            resolve paid in full
            attach
            output echo/hi key k
            attach trip t2
            wait 0 1 2 3 4 5 6 7
            hear 1
            hear unready 3
            hear 6 !418 no
            hear 0 now
            wait 0 1 2 3 4 5 6 7
            take 1
            wait 0 3
            take 3
            wait 0 6
            take 0
            wait 6
            take 6
            replay
            signal go
            send-signal go now
            promise paid
            peek unpaid
        ",
        expect![[r#"
            of trip/t1/run mode workflow kind workflow
            signal go -> pending 0
            send-signal go now -> pending 1
            promise paid -> pending 2
            peek paid -> pending 3
            resolve paid in full -> pending 4
            attach -> pending 5
            output echo/hi key k -> pending 6
            attach trip t2 -> pending 7
            wait 0 1 2 3 4 5 6 7 -> blocked OnJournal
                commands 0: signal 'go', send signal 'go' to inv_GvdqXEAMbSARrubpNP44Vqz4kr6GAxA6 with success (3 bytes), get promise 'paid', peek promise 'paid', complete promise 'paid' with success (7 bytes), attach to inv_GvdqXEAMbSARrubpNP44Vqz4kr6GAxA6, output of echo/hi with the idempotency key 'k', attach to the workflow trip/t2
            hear 1 -> at 0
            hear unready 3 -> at 1
            hear 6 !418 no -> at 2
            hear 0 now -> at 3
            wait 0 1 2 3 4 5 6 7 -> ready 1
            take 1 -> ''
            wait 0 3 -> ready 3
            take 3 -> not ready
            wait 0 6 -> ready 6
            take 0 -> HH0040: the answer of an operation was taken before wait reported it ready, or twice
            wait 6 -> ready 6
            take 6 -> '!418 no'
            replay
            signal go -> pending 0
            send-signal go now -> pending 1
            promise paid -> pending 2
            peek unpaid -> HH0007: command 3 of the journal was 'peek promise 'paid'', but the handler now asks for 'peek promise 'unpaid''; deploy the version it began on, or one that asks for the same in the same order
        "#]],
    );
}

#[test]
fn promises_belong_to_workflows() {
    check(
        "
            of trip/t1/ask mode shared kind workflow
            promise paid
            of cart/ann/add
            promise paid
            peek paid
            resolve paid in full
            of echo/hi
            promise paid
        ",
        expect![[r#"
            of trip/t1/ask mode shared kind workflow
            promise paid -> pending 0
            of cart/ann/add
            promise paid -> HH0062: cart/ann/add has no durable promises: they belong to workflows; use an awakeable or a signal
            peek paid -> HH0062: cart/ann/add has no durable promises: they belong to workflows; use an awakeable or a signal
            resolve paid in full -> HH0062: cart/ann/add has no durable promises: they belong to workflows; use an awakeable or a signal
            of echo/hi
            promise paid -> HH0062: echo/hi has no durable promises: they belong to workflows; use an awakeable or a signal
        "#]],
    );
}

/// The handler knows itself by the id it had, and gives away the same ids.
#[test]
fn a_restarted_invocation_goes_on_with_what_was_seen() {
    check(
        "
            awakeable
            call echo/hi
            awakeable
            wait 0
            replay inheriting 2
            now
            awakeable
            call echo/hi
            awakeable
        ",
        expect![[r#"
            awakeable -> awakeable, pending 0
            call echo/hi -> called, pending 1
            awakeable -> awakeable, pending 2
            wait 0 -> blocked OnJournal
                commands 0: awakeable, call echo/hi (5 bytes), awakeable
            replay inheriting 2
            now -> 0 ms, silent
            awakeable -> awakeable of the ancestor, pending 0
            call echo/hi -> called, pending 1
            awakeable -> awakeable, pending 2
        "#]],
    );
}
