//! How invocations end that records have become, and crashes.

use expect_test::expect;

use crate::check;

/// It counts as failed, and the next record of the key begins.
#[test]
fn an_invocation_that_is_killed_or_cancelled_parks_its_record() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c
            kill s:0:0
            cancel s:0:1
            s:0:1 ends !409 cancelled
            parked s
            s:0:2 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:ann=c
                start s:0:0#1
                s:0:0 is running
            kill s:0:0
                stop s:0:0#1
                s:0:0 failed and is parked as 0: !409 killed
                start s:0:1#1
                answer s:0:0: !409 killed
                s:0:0 has ended
                s:0:1 is running
            cancel s:0:1
                tell s:0:1#1 at 0: cancelled since 0 having 0
            s:0:1 ends !409 cancelled
                s:0:1 failed and is parked as 1: !409 cancelled
                start s:0:2#1
                answer s:0:1: !409 cancelled
                s:0:1 has ended
                s:0:2 is running
            parked s
                0: s:0:0~1 ann=a !409 killed, of s:0:0
                1: s:0:1~1 ann=b !409 cancelled, of s:0:1
            s:0:2 ends ok
                answer s:0:2: ok
                s:0:2 has ended
            progress s
                active, 2 parked, 34 bytes parked
                3 taken, 1 succeeded, 2 failed
        "#]],
    );
}

/// It stands in line behind another caller.
#[test]
fn an_invocation_that_is_cancelled_before_it_began_parks_its_record() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            invoke x cart/ann/add
            take s:0 0:ann=a 1:ann=b
            cancel s:0:0
            lanes s
            retry s 0
            x ends ok
            s:0:0~1 ends ok
            s:0:1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            invoke x cart/ann/add
                start x#1
                accept x
                x is running
            take s:0 0:ann=a 1:ann=b
                s:0:0 is inboxed with ticket 0
            cancel s:0:0
                s:0:0 failed and is parked as 0: !409 cancelled
                answer s:0:0: !409 cancelled
                s:0:0 has ended
            lanes s
                ann: blocked by 0 1 waiting
            retry s 0
                s:0:0~1 is inboxed with ticket 1
            x ends ok
                start s:0:0~1#1
                answer x: ok
                s:0:0~1 is running
                x has ended
            s:0:0~1 ends ok
                start s:0:1#1
                answer s:0:0~1: ok
                s:0:0~1 has ended
                s:0:1 is running
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            progress s
                active
                2 taken, 2 succeeded, 1 failed
        "#]],
    );
}

#[test]
fn an_invocation_whose_time_is_over_parks_its_record() {
    check(
        "
            configure operator cart/add timeout 100
            subscribe s cart/add on-failure pause
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            pass 100
            s:0:0 ends !504 HH0065: timed out
            parked s
            progress s
        ",
        expect![[r#"
            configure operator cart/add timeout 100
            subscribe s cart/add on-failure pause
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            pass 100
                tell s:0:0#1 at 0: cancelled since 0 having 0: [504] HH0065: not done after 100 ms
            s:0:0 ends !504 HH0065: timed out
                s:0:0 failed and is parked as 0: !504 HH0065: timed out
                answer s:0:0: !504 HH0065: timed out
                s:0:0 has ended
            parked s
                0: s:0:0~1 ann=a !504 HH0065: timed out, of s:0:0
            progress s
                paused a record failed and is parked with number 0, 1 waiting, 17 bytes waiting, 1 parked, 17 bytes parked, 1 stalled
                2 taken, 1 failed
        "#]],
    );
}

#[test]
fn retries_that_are_exhausted_park_the_record() {
    check(
        "
            configure operator cart/add attempts 2 then fail
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            s:0:0 breaks a bug
            pass 100
            s:0:0 breaks a bug
            parked s
            progress s
        ",
        expect![[r#"
            configure operator cart/add attempts 2 then fail
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            s:0:0 breaks a bug
                s:0:0 is backing off until 100 ms
            pass 100
                start s:0:0#2
                s:0:0 is running
            s:0:0 breaks a bug
                s:0:0 failed and is parked as 0: !500 HH0051: failed 2 times, last with: a bug
                start s:0:1#1
                answer s:0:0: !500 HH0051: failed 2 times, last with: a bug
                s:0:0 has ended
                s:0:1 is running
            parked s
                0: s:0:0~1 ann=a !500 HH0051: failed 2 times, last with: a bug, of s:0:0
            progress s
                active, 1 running, 1 parked, 17 bytes parked
                2 taken, 1 failed
        "#]],
    );
}

/// Killing a caller kills its callees. The invocation of a record has no caller.
#[test]
fn killing_what_a_record_has_called_does_not_end_the_record() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            s:0:0 asks call echo/hi
            kill s:0:0.0
            kill s:0:0
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            s:0:0 asks call echo/hi
                start s:0:0.0#1
                s:0:0.0 is running
            kill s:0:0.0
                stop s:0:0.0#1
                tell s:0:0#1 at 0: 0 is complete: !409 killed
                answer s:0:0.0: !409 killed
                s:0:0.0 has ended
            kill s:0:0
                stop s:0:0#1
                s:0:0 failed and is parked as 0: !409 killed
                start s:0:1#1
                answer s:0:0: !409 killed
                s:0:0 has ended
                s:0:1 is running
            progress s
                active, 1 running, 1 parked, 17 bytes parked
                2 taken, 1 failed
        "#]],
    );
}

#[test]
fn a_host_that_begins_again_advances_what_was_left() {
    check(
        "
            subscribe s cart/add
            subscribe t cart/add
            subscribe u cart/add
            assign s 0:0
            assign t 0:0
            take s:0 0:ann=a 1:ann=b
            take t:0 0:bob=a 1:bob=b
            pause s
            pause t
            s:0:0 ends ok
            t:0:0 ends ok
            resume s
            delete u
            recover
            advance s
            advance u
            recover
        ",
        expect![[r#"
            subscribe s cart/add
            subscribe t cart/add
            subscribe u cart/add
            assign s 0:0
            assign t 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            take t:0 0:bob=a 1:bob=b
                start t:0:0#1
                t:0:0 is running
            pause s
            pause t
            s:0:0 ends ok
                answer s:0:0: ok
                s:0:0 has ended
            t:0:0 ends ok
                answer t:0:0: ok
                t:0:0 has ended
            resume s
                advance s
            delete u
                advance u
            recover
                advance s
                advance u
            advance s
                start s:0:1#1
                s:0:1 is running
            advance u
            recover
                start s:0:1#1
        "#]],
    );
}
