//! Durable promises: completed once, for all handlers of one workflow id.

use expect_test::expect;

use crate::check;

#[test]
fn who_waits_and_who_comes_later_get_the_one_value() {
    check(
        "
            invoke w trip/t1/run
            w asks promise paid, promise paid
            w suspends 0 1
            invoke s trip/t1/ask
            s asks peek paid, promise paid
            s suspends 1
            invoke r trip/t1/ask
            r asks resolve paid in full, peek paid
            r ends done
            invoke late trip/t1/ask
            late asks promise paid
            late suspends 0
            journal w
        ",
        expect![[r#"
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks promise paid, promise paid
            w suspends 0 1
                w is suspended on 0 1
            invoke s trip/t1/ask
                start s#1
                accept s
                s is running
            s asks peek paid, promise paid
                tell s#1 at 0: 0 is not ready
            s suspends 1
                s is suspended on 1
            invoke r trip/t1/ask
                start r#1
                accept r
                r is running
            r asks resolve paid in full, peek paid
                start s#2
                start w#2
                tell w#2 at 1: 1 is complete: in full
                tell r#1 at 0: 0 is complete: 
                tell r#1 at 1: 1 is complete: in full
                s is running
                w is running
            r ends done
                answer r: done
                r has ended
            invoke late trip/t1/ask
                start late#1
                accept late
                late is running
            late asks promise paid
                tell late#1 at 0: 0 is complete: in full
            late suspends 0
                start late#2
            journal w
                0 get promise 'paid'
                1 get promise 'paid'
                at 0: 0 is complete: in full
                at 1: 1 is complete: in full
        "#]],
    );
}

/// The second one is told, and changes nothing.
#[test]
fn the_first_completion_counts() {
    check(
        "
            invoke a trip/t1/ask
            a asks resolve paid !402 no money, resolve paid in full, promise paid
            invoke w trip/t1/run
            w asks promise paid
        ",
        expect![[r#"
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks resolve paid !402 no money, resolve paid in full, promise paid
                tell a#1 at 0: 0 is complete: 
                tell a#1 at 1: 1 is complete: !409 HH0063: promise 'paid' of the workflow trip/t1 is completed already; the first completion counts
                tell a#1 at 2: 2 is complete: !402 no money
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks promise paid
                tell w#1 at 0: 0 is complete: !402 no money
        "#]],
    );
}

#[test]
fn a_promise_may_be_completed_before_the_run_starts() {
    check(
        "
            invoke a trip/t1/ask
            a asks resolve paid early
            a ends done
            invoke w trip/t1/run
            w asks promise paid
            w ends done
        ",
        expect![[r#"
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks resolve paid early
                tell a#1 at 0: 0 is complete: 
            a ends done
                answer a: done
                a has ended
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks promise paid
                tell w#1 at 0: 0 is complete: early
            w ends done
                answer w: done
                w has ended
        "#]],
    );
}

#[test]
fn each_workflow_and_each_name_has_its_own() {
    check(
        "
            invoke a trip/t1/ask
            a asks promise paid, promise sent
            a suspends 0 1
            invoke b trip/t2/ask
            b asks resolve paid elsewhere, peek sent
            invoke c trip/t1/ask
            c asks resolve sent here
            invoke w1 trip/t1/run
            invoke w2 trip/t2/run
            w1 asks peek paid
        ",
        expect![[r#"
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks promise paid, promise sent
            a suspends 0 1
                a is suspended on 0 1
            invoke b trip/t2/ask
                start b#1
                accept b
                b is running
            b asks resolve paid elsewhere, peek sent
                tell b#1 at 0: 0 is complete: 
                tell b#1 at 1: 1 is not ready
            invoke c trip/t1/ask
                start c#1
                accept c
                c is running
            c asks resolve sent here
                start a#2
                tell c#1 at 0: 0 is complete: 
                a is running
            invoke w1 trip/t1/run
                start w1#1
                accept w1
                w1 is running
            invoke w2 trip/t2/run
                start w2#1
                accept w2
                w2 is running
            w1 asks peek paid
                tell w1#1 at 0: 0 is not ready
        "#]],
    );
}

#[test]
fn who_waits_and_ends_is_forgotten() {
    check(
        "
            invoke w trip/t1/run
            invoke a trip/t1/ask
            a asks promise paid, promise sent
            a suspends 0 1
            kill a
            w asks resolve paid in full
            w ends done
        ",
        expect![[r#"
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks promise paid, promise sent
            a suspends 0 1
                a is suspended on 0 1
            kill a
                answer a: !409 killed
                a has ended
            w asks resolve paid in full
                tell w#1 at 0: 0 is complete: 
            w ends done
                answer w: done
                w has ended
        "#]],
    );
}

/// A later run of the same id is another workflow.
#[test]
fn promises_go_with_the_retention_of_the_workflow() {
    check(
        "
            configure operator trip workflow 1000
            invoke w trip/t1/run
            w asks resolve paid in full
            w ends done
            invoke a trip/t1/ask
            a asks promise paid, promise never
            a suspends 1
            pass 1000
            invoke w2 trip/t1/run
            w2 asks peek paid
            journal a
        ",
        expect![[r#"
            configure operator trip workflow 1000
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks resolve paid in full
                tell w#1 at 0: 0 is complete: 
            w ends done
                answer w: done
                w has ended
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks promise paid, promise never
                tell a#1 at 0: 0 is complete: in full
            a suspends 1
                a is suspended on 1
            pass 1000
                start a#2
                a is running
            invoke w2 trip/t1/run
                start w2#1
                accept w2
                w2 is running
            w2 asks peek paid
                tell w2#1 at 0: 0 is not ready
            journal a
                0 get promise 'paid'
                1 get promise 'never'
                at 0: 0 is complete: in full
                at 1: 1 is complete: !410 HH0072: the workflow trip/t1 has ended, and its retention is over: nobody completes its promises any more
        "#]],
    );
}

#[test]
fn without_retention_they_go_with_the_run() {
    check(
        "
            configure operator trip workflow 0
            invoke w trip/t1/run
            invoke a trip/t1/ask
            a asks promise never
            a suspends 0
            w asks set apples 3, resolve paid in full
            w ends done
            state trip/t1
            invoke b trip/t1/ask
            b asks peek paid
        ",
        expect![[r#"
            configure operator trip workflow 0
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks promise never
            a suspends 0
                a is suspended on 0
            w asks set apples 3, resolve paid in full
                tell w#1 at 0: 1 is complete: 
            w ends done
                start a#2
                answer w: done
                a is running
                w has ended
            state trip/t1
            invoke b trip/t1/ask
                start b#1
                accept b
                b is running
            b asks peek paid
                tell b#1 at 0: 0 is not ready
        "#]],
    );
}

#[test]
fn a_promise_rejected_is_a_failure_for_all() {
    check(
        "
            invoke w trip/t1/run
            w asks promise paid
            w suspends 0
            invoke a trip/t1/ask
            a asks resolve paid !402 no money
        ",
        expect![[r#"
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks promise paid
            w suspends 0
                w is suspended on 0
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks resolve paid !402 no money
                start w#2
                tell a#1 at 0: 0 is complete: 
                w is running
        "#]],
    );
}

#[test]
fn a_cancelled_workflow_waits_no_more_and_its_handlers_go_on() {
    check(
        "
            invoke w trip/t1/run
            w asks promise paid
            w suspends 0
            cancel w
            w ends !409 cancelled
            invoke a trip/t1/ask
            a asks resolve paid late
            a ends done
        ",
        expect![[r#"
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks promise paid
            w suspends 0
                w is suspended on 0
            cancel w
                start w#2
                w is running
            w ends !409 cancelled
                answer w: !409 cancelled
                w has ended
            invoke a trip/t1/ask
                start a#1
                accept a
                a is running
            a asks resolve paid late
                tell a#1 at 0: 0 is complete: 
            a ends done
                answer a: done
                a has ended
        "#]],
    );
}
