//! Killing: the invocation and its calls end here, without being asked.

use expect_test::expect;

use crate::check;

#[test]
fn the_whole_tree_ends_and_who_called_it_is_told() {
    check(
        "
            invoke a echo/hi
            a asks call echo/hi
            a suspends 0
            a.0 asks call cart/ann/add, call cart/ann/add, send echo/hi, sleep 100
            a.0 suspends 0
            a.0.0 asks sleep 50
            a.0.0 suspends 0
            kill a.0
            pass 200
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks call echo/hi
                start a.0#1
                a.0 is running
            a suspends 0
                a is suspended on 0
            a.0 asks call cart/ann/add, call cart/ann/add, send echo/hi, sleep 100
                start a.0.0#1
                start a.0.2#1
                a.0.0 is running
                a.0.1 is inboxed with ticket 0
                a.0.2 is running
            a.0 suspends 0
                a.0 is suspended on 0
            a.0.0 asks sleep 50
            a.0.0 suspends 0
                a.0.0 is suspended on 0
            kill a.0
                start a#2
                answer a.0: !409 killed
                start a.0.1#1
                answer a.0.0: !409 killed
                stop a.0.1#1
                answer a.0.1: !409 killed
                a is running
                a.0 has ended
                a.0.0 has ended
                a.0.1 has ended
            pass 200
        "#]],
    );
}

/// Also if that is a callee that is about to end too.
#[test]
fn the_next_in_line_gets_the_key() {
    check(
        "
            invoke h cart/bob/add
            invoke a cart/ann/add
            invoke b cart/ann/add
            a asks call cart/bob/add
            a suspends 0
            kill a
            b ends 1
            h ends done
            invoke c cart/bob/add
        ",
        expect![[r#"
            invoke h cart/bob/add
                start h#1
                accept h
                h is running
            invoke a cart/ann/add
                start a#1
                accept a
                a is running
            invoke b cart/ann/add
                accept b
                b is inboxed with ticket 0
            a asks call cart/bob/add
                a.0 is inboxed with ticket 0
            a suspends 0
                a is suspended on 0
            kill a
                start b#1
                answer a: !409 killed
                answer a.0: !409 killed
                a has ended
                a.0 has ended
                b is running
            b ends 1
                answer b: 1
                b has ended
            h ends done
                answer h: done
                h has ended
            invoke c cart/bob/add
                start c#1
                accept c
                c is running
        "#]],
    );
}

#[test]
fn any_status_ends() {
    check(
        "
            invoke scheduled echo/hi after 100
            invoke holder cart/ann/add
            invoke inboxed cart/ann/add
            invoke running echo/hi
            invoke suspended echo/hi
            suspended asks awakeable
            suspended suspends 0
            invoke backing-off echo/hi
            backing-off breaks a bug
            invoke paused echo/hi
            pause paused
            kill scheduled
            kill inboxed
            kill running
            kill suspended
            kill backing-off
            kill paused
            kill holder
            kill holder
        ",
        expect![[r#"
            invoke scheduled echo/hi after 100
                accept scheduled
                scheduled is scheduled for 100 ms
            invoke holder cart/ann/add
                start holder#1
                accept holder
                holder is running
            invoke inboxed cart/ann/add
                accept inboxed
                inboxed is inboxed with ticket 0
            invoke running echo/hi
                start running#1
                accept running
                running is running
            invoke suspended echo/hi
                start suspended#1
                accept suspended
                suspended is running
            suspended asks awakeable
            suspended suspends 0
                suspended is suspended on 0
            invoke backing-off echo/hi
                start backing-off#1
                accept backing-off
                backing-off is running
            backing-off breaks a bug
                backing-off is backing off until 100 ms
            invoke paused echo/hi
                start paused#1
                accept paused
                paused is running
            pause paused
                stop paused#1
                paused is paused: by an operator
            kill scheduled
                answer scheduled: !409 killed
                scheduled has ended
            kill inboxed
                answer inboxed: !409 killed
                inboxed has ended
            kill running
                stop running#1
                answer running: !409 killed
                running has ended
            kill suspended
                answer suspended: !409 killed
                suspended has ended
            kill backing-off
                answer backing-off: !409 killed
                backing-off has ended
            kill paused
                answer paused: !409 killed
                paused has ended
            kill holder
                stop holder#1
                answer holder: !409 killed
                holder has ended
            kill holder
                refused: 409 HH0047: invocation holder is completed, it cannot be killed
        "#]],
    );
}

#[test]
fn a_killed_attempt_says_nothing_more() {
    check(
        "
            invoke a echo/hi key k
            a asks run charge
            kill a
            a#1 completes 0 paid
            a#1 ends done
            invoke b echo/hi key k
        ",
        expect![[r#"
            invoke a echo/hi key k
                start a#1
                accept a
                a is running
            a asks run charge
                permit a#1 to enter 0
            kill a
                stop a#1
                answer a: !409 killed
                a has ended
            a#1 completes 0 paid
            a#1 ends done
            invoke b echo/hi key k
                a stands for b
                answer a: !409 killed
        "#]],
    );
}

#[test]
fn those_who_joined_are_told() {
    check(
        "
            invoke a echo/hi key k
            invoke b echo/hi
            b asks call echo/hi key k
            b suspends 0
            kill a
            journal b
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
            b suspends 0
                b is suspended on 0
            kill a
                stop a#1
                start b#2
                answer a: !409 killed
                a has ended
                b is running
            journal b
                0 call echo/hi (5 bytes)
                at 0: 0 is complete: !409 killed
        "#]],
    );
}
