//! Steps: permits, outcomes, and who executes them.

use expect_test::expect;

use crate::check;

#[test]
fn a_step_is_executed_with_a_permit() {
    check(
        "
            sleep 10
            run charge
            enter 1
            permit 1
            enter 1
            now
            finish 1 paid
            now
            wait 1
            hear 1 paid
            wait 1
            take 1
        ",
        expect![[r#"
            sleep 10 -> pending 0
            run charge -> await permit 1
                commands 0: sleep 10 ms, run 'charge'
            enter 1 -> await permit 1
            permit 1
            enter 1 -> execute 1
            now -> 0 ms, live, executing
            finish 1 paid -> pending 1
                step 1 completed: paid
            now -> 0 ms, live
            wait 1 -> blocked OnJournal
            hear 1 paid -> at 0
            wait 1 -> ready 1
            take 1 -> 'paid'
        "#]],
    );
}

#[test]
fn a_permit_may_be_there_first() {
    check(
        "
            run charge
            replay
            permit 0
            run charge
        ",
        expect![[r#"
            run charge -> await permit 0
                commands 0: run 'charge'
            replay
            permit 0
            run charge -> execute 0
        "#]],
    );
}

#[test]
fn its_outcome_is_final_or_may_be_tried_again() {
    check(
        "
            run one
            run two
            run three
            permit 0
            permit 1
            permit 2
            enter 0
            enter 1
            enter 2
            finish 0 ok
            finish 1 !402 no money
            finish 2 ?no answer
        ",
        expect![[r#"
            run one -> await permit 0
                commands 0: run 'one'
            run two -> await permit 1
                commands 1: run 'two'
            run three -> await permit 2
                commands 2: run 'three'
            permit 0
            permit 1
            permit 2
            enter 0 -> execute 0
            enter 1 -> execute 1
            enter 2 -> execute 2
            finish 0 ok -> pending 0
                step 0 completed: ok
            finish 1 !402 no money -> pending 1
                step 1 completed: !402 no money
            finish 2 ?no answer -> pending 2
                step 2 failed: no answer
        "#]],
    );
}

#[test]
fn a_step_with_a_result_is_not_executed() {
    check(
        "
            run charge
            hear 0 paid
            replay
            run charge
            wait 0
            take 0
        ",
        expect![[r#"
            run charge -> await permit 0
                commands 0: run 'charge'
            hear 0 paid -> at 0
            replay
            run charge -> replayed 0
            wait 0 -> ready 0
            take 0 -> 'paid'
        "#]],
    );
}

#[test]
fn a_step_without_one_is_executed_again() {
    check(
        "
            run charge
            permit 0
            enter 0
            replay
            run charge
            permit 0
            enter 0
        ",
        expect![[r#"
            run charge -> await permit 0
                commands 0: run 'charge'
            permit 0
            enter 0 -> execute 0
            replay
            run charge -> await permit 0
            permit 0
            enter 0 -> execute 0
        "#]],
    );
}

#[test]
fn one_that_backs_off_is_left_to_another_attempt() {
    check(
        "
            run charge
            sleep 10
            replay postponed 0
            run charge
            sleep 10
            wait 0 1
            permit 0
            wait 0 1
            hear 1 ok
            wait 0 1
            wait 0
        ",
        expect![[r#"
            run charge -> await permit 0
                commands 0: run 'charge'
            sleep 10 -> pending 1
            replay postponed 0
            run charge -> replayed 0
            sleep 10 -> pending 1
            wait 0 1 -> blocked OnRetry
                commands 1: sleep 10 ms
            permit 0
            wait 0 1 -> blocked OnRetry
            hear 1 ok -> at 0
            wait 0 1 -> ready 1
            wait 0 -> blocked OnRetry
        "#]],
    );
}

#[test]
fn an_abandoned_step_is_not_executed_by_the_next_attempt() {
    check(
        "
            run charge
            permit 0
            enter 0
            abandon 0
            now
            finish 0 paid
            replay abandoned 0
            run charge
            abandon 0
            wait 0
        ",
        expect![[r#"
            run charge -> await permit 0
                commands 0: run 'charge'
            permit 0
            enter 0 -> execute 0
            abandon 0 -> done
                step 0 abandoned
            now -> 0 ms, live
            finish 0 paid -> HH0040: a run step was finished that is not being executed
            replay abandoned 0
            run charge -> replayed 0
            abandon 0 -> done
            wait 0 -> HH0040: wait was called for a run step that was given up
        "#]],
    );
}

#[test]
fn only_a_step_that_is_executed_is_finished() {
    check(
        "
            run charge
            finish 0 paid
            finish 7 paid
        ",
        expect![[r#"
            run charge -> await permit 0
                commands 0: run 'charge'
            finish 0 paid -> HH0040: a run step was finished that is not being executed
            finish 7 paid -> HH0040: a run step was finished that is not being executed
        "#]],
    );
}
