//! Awakeables: answers from outside, or from other handlers.

use expect_test::expect;

use crate::check;

#[test]
fn the_first_completion_counts() {
    check(
        "
            invoke a echo/hi
            a asks awakeable
            a suspends 0
            complete a.0 approved
            complete a.0 !403 refused
            journal a
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks awakeable
            a suspends 0
                a is suspended on 0
            complete a.0 approved
                start a#2
                a is running
            complete a.0 !403 refused
                refused: 404 HH0039: there is no awakeable awk_2uwXUYaU3koqBS6RtbdVEJawqbQvPwZKU289SG7 to complete: it never was, or is completed already
            journal a
                0 awakeable
                at 0: 0 is complete: approved
        "#]],
    );
}

#[test]
fn another_handler_completes_it() {
    check(
        "
            invoke a echo/hi
            invoke b echo/hi
            a asks awakeable
            a suspends 0
            b asks complete a.0 !403 refused, complete a.0 approved
            journal a
            b ends done
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            invoke b echo/hi
                start b#1
                accept b
                b is running
            a asks awakeable
            a suspends 0
                a is suspended on 0
            b asks complete a.0 !403 refused, complete a.0 approved
                start a#2
                a is running
            journal a
                0 awakeable
                at 0: 0 is complete: !403 refused
            b ends done
                answer b: done
                b has ended
        "#]],
    );
}

#[test]
fn a_handler_completes_its_own() {
    check(
        "
            invoke a echo/hi
            a asks awakeable, complete a.0 me
            a suspends 0 having 0
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks awakeable, complete a.0 me
                tell a#1 at 0: 0 is complete: me
            a suspends 0 having 0
                start a#2
        "#]],
    );
}

#[test]
fn only_an_open_awakeable_is_completed() {
    check(
        "
            invoke a echo/hi
            a asks sleep 10, awakeable
            complete a.0 not an awakeable
            complete a.7 not a command
            a ends done
            complete a.1 too late
        ",
        expect![[r#"
            invoke a echo/hi
                start a#1
                accept a
                a is running
            a asks sleep 10, awakeable
            complete a.0 not an awakeable
                refused: 404 HH0039: there is no awakeable awk_2uwXUYaU3koqBS6RtbdVEJawqbQvPwZKU289SG7 to complete: it never was, or is completed already
            complete a.7 not a command
                refused: 404 HH0039: there is no awakeable awk_2uwXUYaU3koqBS6RtbdVEJawqbQvPwZKU289SGE to complete: it never was, or is completed already
            a ends done
                answer a: done
                a has ended
            complete a.1 too late
                refused: 404 HH0039: there is no awakeable awk_2uwXUYaU3koqBS6RtbdVEJawqbQvPwZKU289SG8 to complete: it never was, or is completed already
        "#]],
    );
}
