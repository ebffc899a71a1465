//! Executing an invocation again, as another one: whole, or keeping the beginning of its journal.

use expect_test::expect;

use crate::check;

#[test]
fn whole() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10, call echo/hi
            a ends !500 no
            a.1 ends done
            restart a as b
            load b
            b asks sleep 10
            pass 10
            b ends done
            journal b
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10, call echo/hi
                start a.1#1
                a.1 is running
            a ends !500 no
                answer a: !500 no
                a has ended
            a.1 ends done
                answer a.1: done
                a.1 has ended
            restart a as b
                accept b
                start b#1
                b is running
            load b
                on v1, from 0 ms on, 0 commands, 0 notifications, 0 seen
            b asks sleep 10
            pass 10
                tell b#1 at 0: 0 is complete: 
            b ends done
                answer b: done
                b has ended
            journal b
                (none)
        "#]],
    );
}

#[test]
fn keeping_commands_with_their_answers() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10, call echo/hi, awakeable, call echo/hi
            pass 10
            a.1 ends hello
            a.3 ends later
            a ends !500 no
            restart a as b keeping 3
            load b
            journal b
            b asks call echo/hi
            b.3 ends done
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10, call echo/hi, awakeable, call echo/hi
                start a.1#1
                start a.3#1
                a.1 is running
                a.3 is running
            pass 10
                tell a#1 at 0: 0 is complete: 
            a.1 ends hello
                tell a#1 at 1: 1 is complete: hello
                answer a.1: hello
                a.1 has ended
            a.3 ends later
                tell a#1 at 2: 3 is complete: later
                answer a.3: later
                a.3 has ended
            a ends !500 no
                answer a: !500 no
                a has ended
            restart a as b keeping 3
                accept b
                start b#1
                b is running
            load b
                on v1, from 0 ms on, 3 commands, 2 notifications, 0 seen
            journal b
                0 sleep 10 ms
                1 call echo/hi (5 bytes)
                2 awakeable
                at 0: 0 is complete: 
                at 1: 1 is complete: hello
            b asks call echo/hi
                start b.3#1
                b.3 is running
            b.3 ends done
                tell b#1 at 2: 3 is complete: done
                answer b.3: done
                b.3 has ended
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

/// The handler gave the id away: it leads to whoever waits now, also when the old one is forgotten.
#[test]
fn an_awakeable_of_before_is_completed_for_the_new_one() {
    check(
        "
            invoke a echo/hi
            a asks awakeable, awakeable, awakeable
            a suspends 0
            kill a
            restart a as b keeping 2
            b suspends 0 1
            complete a.0 hello
            complete a.2 too late
            kill b
            restart b as c keeping 1
            journal c
            pass 80000000
            restart b as d keeping 2
            d suspends 1
            pass 10000000
            complete a.1 at last
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks awakeable, awakeable, awakeable
            a suspends 0
                a is suspended on 0
            kill a
                answer a: !409 killed
                a has ended
            restart a as b keeping 2
                accept b
                start b#1
                b is running
            b suspends 0 1
                b is suspended on 0 1
            complete a.0 hello
                start b#2
                b is running
            complete a.2 too late
                refused: 404 HH0039: there is no awakeable awk_2uwXUYaU3koqBS6RtbdVEJawqbQvPwZKU289SG9 to complete: it never was, or is completed already
            kill b
                stop b#2
                answer b: !409 killed
                b has ended
            restart b as c keeping 1
                accept c
                start c#1
                c is running
            journal c
                0 awakeable
                at 0: 0 is complete: hello
            pass 80000000
            restart b as d keeping 2
                accept d
                start d#1
                d is running
            d suspends 1
                d is suspended on 1
            pass 10000000
            complete a.1 at last
                start d#2
                d is running
        "#]],
    );
}

#[test]
fn a_signal_to_the_old_id_reaches_the_new_one() {
    check(
        "
            invoke a echo/hi
            a asks signal go
            a suspends 0
            kill a
            restart a as b keeping 1
            b suspends 0
            signal a go 1
            invoke c echo/hi
            c asks send-signal a go 2
            b asks signal go
            b ends done
            c asks send-signal a go 3
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks signal go
            a suspends 0
                a is suspended on 0
            kill a
                answer a: !409 killed
                a has ended
            restart a as b keeping 1
                accept b
                start b#1
                b is running
            b suspends 0
                b is suspended on 0
            signal a go 1
                start b#2
                b is running
            invoke c echo/hi
                start c#1
                accept c
                c is running
            c asks send-signal a go 2
                tell c#1 at 0: 0 is complete: 
            b asks signal go
                tell b#2 at 1: 1 is complete: 2
            b ends done
                answer b: done
                b has ended
            c asks send-signal a go 3
                tell c#1 at 1: 1 is complete: !409 HH0047: invocation b is completed, it cannot be signalled
        "#]],
    );
}

#[test]
fn a_restarted_one_is_restarted() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10, awakeable
            a ends !500 no
            restart a as b keeping 2
            b asks awakeable, call echo/hi
            b ends !500 no
            b.3 ends done
            restart b as c keeping 4
            c suspends 1 2
            complete a.1 one
            complete b.2 two
            journal c
            c asks awakeable
            restart b as d keeping 1
            d asks awakeable
            complete d.1 three
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10, awakeable
            a ends !500 no
                answer a: !500 no
                a has ended
            restart a as b keeping 2
                accept b
                start b#1
                b is running
            b asks awakeable, call echo/hi
                start b.3#1
                b.3 is running
            b ends !500 no
                answer b: !500 no
                b has ended
            b.3 ends done
                answer b.3: done
                b.3 has ended
            restart b as c keeping 4
                accept c
                start c#1
                start c.3#1
                c is running
                c.3 is running
            c suspends 1 2
                c is suspended on 1 2
            complete a.1 one
                start c#2
                c is running
            complete b.2 two
                tell c#2 at 1: 2 is complete: two
            journal c
                0 sleep 10 ms
                1 awakeable
                2 awakeable
                3 call echo/hi (5 bytes)
                at 0: 1 is complete: one
                at 1: 2 is complete: two
            c asks awakeable
            restart b as d keeping 1
                accept d
                start d#1
                d is running
            d asks awakeable
            complete d.1 three
                tell d#1 at 0: 1 is complete: three
        "#]],
    );
}

#[test]
fn a_workflow_whose_names_are_free() {
    check(
        "
            configure operator trip workflow 100 journal 1000
            invoke w trip/t1/run
            w asks set apples 1, resolve paid in full
            w ends !500 no
            pass 100
            invoke y trip/t1/run
            restart w as x
            y ends done
            pass 100
            restart w as x
            x asks peek paid
            invoke z trip/t1/run
            state trip/t1
        ",
        expect![[r#"
            configure operator trip workflow 100 journal 1000
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks set apples 1, resolve paid in full
                tell w#1 at 0: 1 is complete: 
            w ends !500 no
                answer w: !500 no
                w has ended
            pass 100
            invoke y trip/t1/run
                start y#1
                accept y
                y is running
            restart w as x
                refused: 409 HH0037: workflow trip/t1/run has started already; attach to it to get its outcome
            y ends done
                answer y: done
                y has ended
            pass 100
            restart w as x
                accept x
                start x#1
                x is running
            x asks peek paid
                tell x#1 at 0: 0 is not ready
            invoke z trip/t1/run
                x stands for z
            state trip/t1
        "#]],
    );
}

/// The state and the promises of a workflow belong to its id, and its new run goes on with them.
#[test]
fn the_run_of_a_workflow_has_its_id_again() {
    check(
        "
            invoke w trip/t1/run
            w asks set apples 1, resolve paid in full
            w ends !500 no
            restart w as x keeping 2
            invoke s trip/t1/ask
            s asks attach trip/t1, peek paid
            s suspends 0
            state trip/t1
            restart w as y
            x ends done
        ",
        expect![[r#"
            invoke w trip/t1/run
                start w#1
                accept w
                w is running
            w asks set apples 1, resolve paid in full
                tell w#1 at 0: 1 is complete: 
            w ends !500 no
                answer w: !500 no
                w has ended
            restart w as x keeping 2
                accept x
                start x#1
                x is running
            invoke s trip/t1/ask
                start s#1
                accept s
                s is running
            s asks attach trip/t1, peek paid
                tell s#1 at 0: 1 is complete: in full
            s suspends 0
                s is suspended on 0
            state trip/t1
                apples = 1
            restart w as y
                refused: 409 HH0037: workflow trip/t1/run has started already; attach to it to get its outcome
            x ends done
                start s#2
                answer x: done
                s is running
                x has ended
        "#]],
    );
}

#[test]
fn only_what_has_ended_and_is_kept() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10
            restart a as b
            pass 10
            a ends done
            restart a as b
            invoke c echo/hi
            c asks sleep 10
            c ends !500 no
            restart c as d keeping 2
            invoke e echo/hi key k
            e ends done
            restart e as f
            purge c
            restart c as g
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10
            restart a as b
                refused: 409 HH0047: invocation a is running, it cannot be restarted
            pass 10
                tell a#1 at 0: 0 is complete: 
            a ends done
                answer a: done
                a has ended
            restart a as b
                refused: 404 HH0018: there is no invocation a: it never was, or its retention has ended
            invoke c echo/hi
                start c#1
                accept c
                c is running
            c asks sleep 10
            c ends !500 no
                answer c: !500 no
                c has ended
            restart c as d keeping 2
                refused: 400 HH0067: c has 1 commands in its journal, so 2 of them cannot be kept
            invoke e echo/hi key k
                start e#1
                accept e
                e is running
            e ends done
                answer e: done
                e has ended
            restart e as f
                refused: 409 HH0067: the journal of e is not kept any more; set journal-retention for its handler to restart successful ones
            purge c
            restart c as g
                refused: 404 HH0018: there is no invocation c: it never was, or its retention has ended
        "#]],
    );
}

/// What came after that followed from it.
#[test]
fn commands_of_a_cancelled_handler_are_not_kept() {
    check(
        "
            invoke a echo/hi
            a asks sleep 100
            cancel a
            a asks sleep 100, call echo/hi
            a ends !409 cancelled
            restart a as b keeping 2
            restart a as b keeping 1
            journal b
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 100
            cancel a
                tell a#1 at 0: cancelled since 0 having 1
            a asks sleep 100, call echo/hi
                start a.2#1
                a.2 is running
            a ends !409 cancelled
                answer a: !409 cancelled
                a has ended
            restart a as b keeping 2
                refused: 400 HH0067: a was told that it is cancelled after 1 commands: no more of them than that can be kept, not 2
            restart a as b keeping 1
                accept b
                start b#1
                b is running
            journal b
                0 sleep 100 ms
        "#]],
    );
}

#[test]
fn only_what_can_be_executed() {
    check(
        "
            invoke a cart/ann/add
            a ends !500 no
            remove v1
            restart a as b
            deploy slim
            restart a as c
        ",
        expect![[r#"
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            a ends !500 no
                answer a: !500 no
                a has ended
            remove v1
                free v1
            restart a as b
                refused: 404 HH0001: there is no service 'cart'
            deploy slim
            restart a as c
                refused: 404 HH0001: there is no service 'cart'
        "#]],
    );
}

#[test]
fn by_another_id() {
    check(
        "
            invoke a echo/hi key k
            invoke b echo/hi
            b asks call echo/hi key k
            a ends !500 no
            restart b.0 as c
            c ends done
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            invoke b echo/hi
                start b#1
                accept b
                b is running
            b asks call echo/hi key k
            a ends !500 no
                tell b#1 at 0: 0 is complete: !500 no
                answer a: !500 no
                a has ended
            restart b.0 as c
                accept c
                start c#1
                c is running
            c ends done
                answer c: done
                c has ended
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

/// What the handler saw of itself stays as it was.
#[test]
fn the_time_and_the_id_of_the_beginning_are_kept() {
    check(
        "
            pass 1000
            invoke a echo/hi
            pass 1000
            a asks sleep 10
            kill a
            pass 1000
            restart a as b keeping 1
            load b
        ",
        expect![[r#"
            pass 1000
            invoke a echo/hi
                start a#1
                accept a
                a is running
            pass 1000
            a asks sleep 10
            kill a
                stop a#1
                answer a: !409 killed
                a has ended
            pass 1000
            restart a as b keeping 1
                accept b
                start b#1
                b is running
            load b
                on v1, from 1000 ms on, 1 commands, 0 notifications, 0 seen
        "#]],
    );
}

/// Its heir is not cancelled: for that the call has failed, with the same.
#[test]
fn a_call_that_was_interrupted_is_kept() {
    check(
        "
            configure operator frail/go timeout 100
            invoke a frail/go
            a asks call echo/hi, call echo/hi
            pass 100
            a.0 ends !409 cancelled
            a asks-told 0 sleep 10
            a ends !504 too late
            restart a as b keeping 3
            journal b
            load b
            cancel b
            b asks-told 0 call echo/hi
            journal b
        ",
        expect![[r#"
            configure operator frail/go timeout 100
            invoke a frail/go
                start a#1
                accept a
                a is running
            a asks call echo/hi, call echo/hi
                start a.0#1
                start a.1#1
                a.0 is running
                a.1 is running
            pass 100
                tell a.1#1 at 0: cancelled since 0 having 0
                tell a.0#1 at 0: cancelled since 0 having 0
            a.0 ends !409 cancelled
                tell a#1 at 0: 0 is interrupted: [504] HH0065: not done after 100 ms
                answer a.0: !409 cancelled
                a.0 has ended
            a asks-told 0 sleep 10
            a ends !504 too late
                answer a: !504 too late
                a has ended
            restart a as b keeping 3
                accept b
                start b#1
                b is running
            journal b
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                2 sleep 10 ms
                at 0: 0 is complete: !504 HH0065: not done after 100 ms
            load b
                on v1, from 0 ms on, 3 commands, 1 notifications, 0 seen
            cancel b
                tell b#1 at 1: cancelled since 1 having 3
            b asks-told 0 call echo/hi
                start b.3#1
                tell b.3#1 at 0: cancelled since 0 having 0
                b.3 is running
            journal b
                0 call echo/hi (5 bytes)
                1 call echo/hi (5 bytes)
                2 sleep 10 ms
                3 call echo/hi (5 bytes)
                at 0: 0 is complete: !504 HH0065: not done after 100 ms
                at 1: cancelled since 1 having 3
        "#]],
    );
}
