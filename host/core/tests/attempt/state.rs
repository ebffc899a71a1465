//! State: reads are journaled with what they returned, writes happen once.

use expect_test::expect;

use crate::check;

#[test]
fn a_handler_reads_what_it_wrote() {
    check(
        "
            of cart/ann/add
            get apples
            set apples 3
            get apples
            set pears 1
            keys
            clear apples
            get apples
            clear-all
            keys
            end done
        ",
        expect![[r#"
            of cart/ann/add
            get apples -> nothing
            set apples 3 -> done
            get apples -> '3'
            set pears 1 -> done
            keys -> ["apples", "pears"]
            clear apples -> done
            get apples -> nothing
            clear-all -> done
            keys -> []
            end done
                commands 0: get state 'apples', set state 'apples' (1 bytes), get state 'apples', set state 'pears' (1 bytes), state keys, clear state 'apples', get state 'apples', clear all state, state keys
                ended: done
        "#]],
    );
}

#[test]
fn a_replay_reads_what_was_read() {
    check(
        "
            of cart/ann/add
            get apples
            set apples 3
            keys
            set pears 1
            wait io yes
            replay
            get apples
            set apples 3
            keys
            set pears 1
            get pears
            keys
        ",
        expect![[r#"
            of cart/ann/add
            get apples -> nothing
            set apples 3 -> done
            keys -> ["apples"]
            set pears 1 -> done
            wait io yes -> blocked OnIo
                commands 0: get state 'apples', set state 'apples' (1 bytes), state keys, set state 'pears' (1 bytes)
            replay
            get apples -> nothing
            set apples 3 -> done
            keys -> ["apples"]
            set pears 1 -> done
            get pears -> '1'
            keys -> ["apples", "pears"]
        "#]],
    );
}

/// Else the first would undo what the second wrote.
#[test]
fn writes_of_the_journal_are_not_done_again() {
    check(
        "
            of cart/ann/add
            set apples 1
            set apples 2
            wait io yes
            replay
            set apples 1
            set apples 2
            get apples
        ",
        expect![[r#"
            of cart/ann/add
            set apples 1 -> done
            set apples 2 -> done
            wait io yes -> blocked OnIo
                commands 0: set state 'apples' (1 bytes), set state 'apples' (1 bytes)
            replay
            set apples 1 -> done
            set apples 2 -> done
            get apples -> '2'
        "#]],
    );
}

#[test]
fn a_shared_handler_only_reads() {
    check(
        "
            of cart/ann/look mode shared
            get apples
            keys
            set apples 1
            clear apples
            clear-all
        ",
        expect![[r#"
            of cart/ann/look mode shared
            get apples -> nothing
            keys -> []
            set apples 1 -> HH0027: cart/ann/look may not change state: a shared handler only reads; use an exclusive one
            clear apples -> HH0027: cart/ann/look may not change state: a shared handler only reads; use an exclusive one
            clear-all -> HH0027: cart/ann/look may not change state: a shared handler only reads; use an exclusive one
        "#]],
    );
}

#[test]
fn a_plain_service_has_no_state() {
    check(
        "
            get apples
            keys
            set apples 1
        ",
        expect![[r#"
            get apples -> HH0071: echo/hi has no state: it is a plain service; use an object or a workflow
            keys -> HH0071: echo/hi has no state: it is a plain service; use an object or a workflow
            set apples 1 -> HH0071: echo/hi has no state: it is a plain service; use an object or a workflow
        "#]],
    );
}

#[test]
fn a_workflow_writes_its_state() {
    check(
        "
            of trip/t1/run mode workflow
            set seats 2
            get seats
        ",
        expect![[r#"
            of trip/t1/run mode workflow
            set seats 2 -> done
            get seats -> '2'
        "#]],
    );
}
