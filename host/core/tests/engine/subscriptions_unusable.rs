//! Records that cannot become invocations.

use expect_test::expect;

use crate::check;

/// A value that is no input fails when it is its turn, in the order of its key.
#[test]
fn a_record_that_is_no_input_fails_in_its_turn() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=!b 2:ann=c 3:bob=?d 4:bob=e
            s:0:0 ends ok
            parked s
            lanes s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=!b 2:ann=c 3:bob=?d 4:bob=e
                start s:0:0#1
                s:0:3 failed and is parked as 0: !400 HH0004: it does not fit
                start s:0:4#1
                s:0:0 is running
                s:0:4 is running
            s:0:0 ends ok
                s:0:1 failed and is parked as 1: !400 HH0004: it does not fit
                start s:0:2#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:2 is running
            parked s
                0: s:0:3~1 bob=(not kept) !400 HH0004: it does not fit
                1: s:0:1~1 ann=b !400 HH0004: it does not fit
            lanes s
                ann: busy with s:0:2 0 waiting
                bob: busy with s:0:4 0 waiting
            progress s
                active, 2 running, 2 parked, 33 bytes parked
                5 taken, 1 succeeded, 2 failed
        "#]],
    );
}

#[test]
fn a_record_that_is_no_input_blocks_its_key() {
    check(
        "
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=!a 1:ann=b 2:bob=c
            lanes s
            parked s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add order wait
            assign s 0:0
            take s:0 0:ann=!a 1:ann=b 2:bob=c
                s:0:0 failed and is parked as 0: !400 HH0004: it does not fit
                start s:0:2#1
                s:0:2 is running
            lanes s
                ann: blocked by 0 1 waiting
                bob: busy with s:0:2 0 waiting
            parked s
                0: s:0:0~1 ann=a !400 HH0004: it does not fit
            progress s
                active, 1 running, 1 waiting, 17 bytes waiting, 1 parked, 17 bytes parked
                3 taken, 1 failed
        "#]],
    );
}

/// The rest of the batch stays in the topic.
#[test]
fn a_record_that_is_no_input_pauses_the_subscription_in_the_middle_of_a_batch() {
    check(
        "
            subscribe s echo/hi on-failure pause
            assign s 0:0
            take s:0 0:-=a 1:-=!b 2:-=c next 9
            positions s
            progress s
            take s:0 2:-=c
            resume s
            take s:0 2:-=c next 9
            positions s
        ",
        expect![[r#"
            subscribe s echo/hi on-failure pause
            assign s 0:0
            take s:0 0:-=a 1:-=!b 2:-=c next 9
                start s:0:0#1
                s:0:1 failed and is parked as 0: !400 HH0004: it does not fit
                s:0:0 is running
            positions s
                0: at 2, generation 0
            progress s
                paused a record failed and is parked with number 0, 1 running, 1 parked, 14 bytes parked
                2 taken, 1 failed
            take s:0 2:-=c
            resume s
            take s:0 2:-=c next 9
                start s:0:2#1
                s:0:2 is running
            positions s
                0: at 9, generation 0
        "#]],
    );
}

#[test]
fn a_keyed_service_needs_keys_that_are_text() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:-=a 1:=b 2:^^=c 3:an^n=d 4:än=e
            parked s
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:-=a 1:=b 2:^^=c 3:an^n=d 4:än=e
                s:0:0 failed and is parked as 0: !400 HH0087: the record has no key, and the service is keyed; produce records with keys
                s:0:1 failed and is parked as 1: !400 HH0087: the record has no key, and the service is keyed; produce records with keys
                s:0:2 failed and is parked as 2: !400 HH0087: the key '\xff\xff' is not UTF-8 from byte 0 on; object keys are text
                s:0:3 failed and is parked as 3: !400 HH0087: the key 'an\xffn' is not UTF-8 from byte 2 on; object keys are text
                start s:0:4#1
                s:0:4 is running
            parked s
                0: s:0:0~1 -=a !400 HH0087: the record has no key, and the service is keyed; produce records with keys
                1: s:0:1~1 =b !400 HH0087: the record has no key, and the service is keyed; produce records with keys
                2: s:0:2~1 \xff\xff=c !400 HH0087: the key '\xff\xff' is not UTF-8 from byte 0 on; object keys are text
                3: s:0:3~1 an\xffn=d !400 HH0087: the key 'an\xffn' is not UTF-8 from byte 2 on; object keys are text
            progress s
                active, 1 running, 4 parked, 62 bytes parked
                5 taken, 4 failed
        "#]],
    );
}

#[test]
fn a_plain_service_takes_any_key() {
    check(
        "
            subscribe s echo/hi
            assign s 0:0
            take s:0 0:^^=a 1:^^=b 2:=c
            s:0:0 ends ok
            s:0:1 ends ok
            s:0:2 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s echo/hi
            assign s 0:0
            take s:0 0:^^=a 1:^^=b 2:=c
                start s:0:0#1
                start s:0:2#1
                s:0:0 is running
                s:0:2 is running
            s:0:0 ends ok
                start s:0:1#1
                answer s:0:0: ok
                s:0:0 has ended
                s:0:1 is running
            s:0:1 ends ok
                answer s:0:1: ok
                s:0:1 has ended
            s:0:2 ends ok
                answer s:0:2: ok
                s:0:2 has ended
            progress s
                active
                3 taken, 3 succeeded
        "#]],
    );
}

/// It is gone when it is the turn of the record.
#[test]
fn a_record_whose_service_is_gone_is_parked() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            deploy slim
            remove v1
            s:0:0 ends ok
            take s:0 2:bob=c
            parked s
            deploy v1
            retry s 0
            retry s 1
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            deploy slim
            remove v1
            s:0:0 ends ok
                free v1
                s:0:1 failed and is parked as 0: !404 HH0001: there is no service 'cart'
                answer s:0:0: ok
                s:0:0 has ended
            take s:0 2:bob=c
                s:0:2 failed and is parked as 1: !404 HH0001: there is no service 'cart'
            parked s
                0: s:0:1~1 ann=b !404 HH0001: there is no service 'cart'
                1: s:0:2~1 bob=c !404 HH0001: there is no service 'cart'
            deploy v1
            retry s 0
                start s:0:1~1#1
                s:0:1~1 is running
            retry s 1
                start s:0:2~1#1
                s:0:2~1 is running
            progress s
                active, 2 running
                3 taken, 1 succeeded, 2 failed
        "#]],
    );
}

#[test]
fn a_record_whose_handler_is_gone_is_parked() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            deploy less
            take s:0 0:ann=a
            deploy v1
            retry s 0
            s:0:0~1 ends ok
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            deploy less
            take s:0 0:ann=a
                s:0:0 failed and is parked as 0: !404 HH0002: service 'cart' has no handler 'add'
            deploy v1
            retry s 0
                start s:0:0~1#1
                s:0:0~1 is running
            s:0:0~1 ends ok
                answer s:0:0~1: ok
                s:0:0~1 has ended
            progress s
                active
                1 taken, 1 succeeded, 1 failed
        "#]],
    );
}

#[test]
fn a_record_for_a_handler_that_has_become_private_is_parked() {
    check(
        "
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
            configure operator cart/add private yes
            s:0:0 ends ok
            configure operator host
            retry s 0
            progress s
        ",
        expect![[r#"
            subscribe s cart/add
            assign s 0:0
            take s:0 0:ann=a 1:ann=b
                start s:0:0#1
                s:0:0 is running
            configure operator cart/add private yes
            s:0:0 ends ok
                s:0:1 failed and is parked as 0: !400 HH0050: cart/add is private: only other handlers may call it
                answer s:0:0: ok
                s:0:0 has ended
            configure operator host
            retry s 0
                start s:0:1~1#1
                s:0:1~1 is running
            progress s
                active, 1 running
                2 taken, 1 succeeded, 1 failed
        "#]],
    );
}
