//! The records of one key follow each other; those of several keys go side by side.

use expect_test::expect;

use crate::check;

#[test]
fn records_of_one_key_follow_each_other() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c 3:ann=d
            lanes s
            s:0:0 ends ok
            s:0:2 ends ok
            take s:0 4:bob=e 5:ann=f
            s:0:1 ends ok
            s:0:3 ends ok
            s:0:4 ends ok
            s:0:5 ends ok
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b 2:bob=c 3:ann=d
                start s:0:0#1
                start s:0:2#1
                s:0:0 is running
                s:0:2 is running
            lanes s
                ann: busy with s:0:0 2 waiting
                bob: busy with s:0:2 0 waiting
            s:0:0 ends ok
                start s:0:1#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:1 is running
            s:0:2 ends ok
                answer s:0:2: ok
                s:0:2 has ended
            take s:0 4:bob=e 5:ann=f
                start s:0:4#1
                s:0:4 is running
            s:0:1 ends ok
                start s:0:3#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:3 is running
            s:0:3 ends ok
                start s:0:5#1
                answer s:0:3: ok
                s:0:3 has ended
                s:0:5 is running
            s:0:4 ends ok
                answer s:0:4: ok
                s:0:4 has ended
            s:0:5 ends ok
                answer s:0:5: ok
                s:0:5 has ended
            lanes s
            progress s
                active
                6 taken, 6 succeeded
        "#]],
    );
}

/// Whichever partition they are in, and whether or not the service has keys.
#[test]
fn a_key_is_a_lane_for_plain_services_and_shared_handlers_too() {
    check(
        "
            subscribe s echo/hi
            subscribe t cart/look
            assign s 0:0 1:0
            assign t 0:0
            take s:0 0:ann=a
            take s:1 0:ann=b
            take t:0 0:ann=c 1:ann=d
            lanes s
            s:0:0 ends ok
            t:0:0 ends ok
        ",
        expect![[r#"
            subscribe s echo/hi
            subscribe t cart/look
            assign s 0:0 1:0
            assign t 0:0
            take s:0 0:ann=a
                start s:0:0#1
                s:0:0 is running
            take s:1 0:ann=b
            take t:0 0:ann=c 1:ann=d
                start t:0:0#1
                t:0:0 is running
            lanes s
                ann: busy with s:0:0 1 waiting
            s:0:0 ends ok
                start s:1:0#1
                answer s:0:0: ok
                s:0:0 has ended
                s:1:0 is running
            t:0:0 ends ok
                start t:0:1#1
                answer t:0:0: ok
                t:0:0 has ended
                t:0:1 is running
        "#]],
    );
}

#[test]
fn records_without_a_key_begin_at_once() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0
            take s:0 0:-=a 1:-=b 2:=c 3:=d
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0
            take s:0 0:-=a 1:-=b 2:=c 3:=d
                start s:0:0#1
                start s:0:1#1
                start s:0:2#1
                s:0:0 is running
                s:0:1 is running
                s:0:2 is running
            lanes s
                : busy with s:0:2 1 waiting
            progress s
                active, 3 running, 1 waiting, 14 bytes waiting
                4 taken
        "#]],
    );
}

/// A slow key, be it asleep, failing, or in line behind another caller.
#[test]
fn a_slow_key_does_not_hold_up_others() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            invoke x cart/cid/add
            take s:0 0:ann=a 1:bob=b 2:cid=c 3:ann=d 4:bob=e 5:cid=f 6:dan=g 7:dan=h
            s:0:0 asks sleep 1000
            s:0:0 suspends 0
            s:0:1 breaks a bug
            s:0:6 ends ok
            s:0:7 ends ok
            x ends ok
            s:0:2 ends ok
            pass 100
            s:0:1 ends ok
            pass 900
            s:0:0 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            invoke x cart/cid/add
                start x#1
                accept x
                x is running
            take s:0 0:ann=a 1:bob=b 2:cid=c 3:ann=d 4:bob=e 5:cid=f 6:dan=g 7:dan=h
                start s:0:0#1
                start s:0:1#1
                start s:0:6#1
                s:0:0 is running
                s:0:1 is running
                s:0:2 is inboxed with ticket 0
                s:0:6 is running
            s:0:0 asks sleep 1000
            s:0:0 suspends 0
                s:0:0 is suspended on 0
            s:0:1 breaks a bug
                s:0:1 is backing off until 100 ms
            s:0:6 ends ok
                start s:0:7#1
                answer s:0:6: ok
                s:0:6 has ended
                s:0:7 is running
            s:0:7 ends ok
                answer s:0:7: ok
                s:0:7 has ended
            x ends ok
                start s:0:2#1
                answer x: ok
                s:0:2 is running
                x has ended
            s:0:2 ends ok
                start s:0:5#1
                answer s:0:2: ok
                s:0:2 has ended
                s:0:5 is running
            pass 100
                start s:0:1#2
                s:0:1 is running
            s:0:1 ends ok
                start s:0:4#1
                answer s:0:1: ok
                s:0:1 has ended
                s:0:4 is running
            pass 900
                start s:0:0#2
                s:0:0 is running
            s:0:0 ends ok
                start s:0:3#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:3 is running
            progress s
                active, 3 running
                8 taken, 5 succeeded
        "#]],
    );
}

/// A callee, and a restarted invocation, are no records of the subscription.
#[test]
fn a_key_waits_for_the_invocation_and_not_for_what_it_sent() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            s:0:0 asks send echo/hi, call echo/hi
            s:0:0 suspends 1
            s:0:0.1 ends ok
            s:0:0 ends ok
            s:0:1 ends ok
            progress s
            s:0:0.0 ends ok
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            s:0:0 asks send echo/hi, call echo/hi
                start s:0:0.0#1
                start s:0:0.1#1
                s:0:0.0 is running
                s:0:0.1 is running
            s:0:0 suspends 1
                s:0:0 is suspended on 1
            s:0:0.1 ends ok
                start s:0:0#2
                answer s:0:0.1: ok
                s:0:0 is running
                s:0:0.1 has ended
            s:0:0 ends ok
                start s:0:1#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:1 is running
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            progress s
                active
                2 taken, 2 succeeded
            s:0:0.0 ends ok
                answer s:0:0.0: ok
                s:0:0.0 has ended
        "#]],
    );
}

#[test]
fn the_second_record_of_a_workflow_joins_its_run() {
    check(
        "
            subscribe s trip/run
            assign s 0:0
            take s:0 0:t1=a 1:t1=b 2:t2=c
            s:0:0 ends booked
            take s:0 3:t1=d
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s trip/run
            assign s 0:0
            take s:0 0:t1=a 1:t1=b 2:t2=c
                start s:0:0#1
                start s:0:2#1
                s:0:0 is running
                s:0:2 is running
            s:0:0 ends booked
                answer s:0:0: booked
                s:0:0 has ended
            take s:0 3:t1=d
            lanes s
                t2: busy with s:0:2 0 waiting
            progress s
                active, 1 running
                4 taken, 3 succeeded
        "#]],
    );
}

/// Another caller has started the workflow: the record joins that run, and does not wait for its end.
#[test]
fn a_record_joins_a_run_that_others_have_started() {
    check(
        "
            subscribe s trip/run
            assign s 0:0
            invoke x trip/t1/run
            take s:0 0:t1=a 1:t1=b
            progress s
            x ends booked
        ",
        expect![[r#"
            subscribe s trip/run
            assign s 0:0
            invoke x trip/t1/run
                start x#1
                accept x
                x is running
            take s:0 0:t1=a 1:t1=b
            progress s
                active
                2 taken, 2 succeeded
            x ends booked
                answer x: booked
                x has ended
        "#]],
    );
}

#[test]
fn a_shared_handler_of_a_workflow_takes_records_too() {
    check(
        "
            subscribe s trip/ask
            assign s 0:0
            take s:0 0:t1=a 1:t1=b
            s:0:0 ends ok
            s:0:1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s trip/ask
            assign s 0:0
            take s:0 0:t1=a 1:t1=b
                start s:0:0#1
                s:0:0 is running
            s:0:0 ends ok
                start s:0:1#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:1 is running
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            progress s
                active
                2 taken, 2 succeeded
        "#]],
    );
}
