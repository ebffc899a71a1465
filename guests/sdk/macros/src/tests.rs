//! What authors are told who write something that makes no sense.

use expect_test::{Expect, expect};
use quote::quote;

use crate::contract::Kind;
use crate::parse;

/// The complaints about these options of a block and of a handler.
fn check(kind: Kind, options: &[(&str, &str)], expected: Expect) {
    let complaint = |(block, handler): &(&str, &str)| {
        let handler: proc_macro2::TokenStream = handler.parse().expect("tokens");
        let run = (kind == Kind::Workflow).then(|| {
            quote!(
                async fn run(ctx: WorkflowContext) -> Result<(), Error> {}
            )
        });
        let service = quote! {
            impl Reports {
                #run
                #[handler(#handler)]
                async fn make(ctx: Context) -> Result<(), Error> {}
            }
        };
        match parse::block(kind, block.parse().expect("tokens"), service) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    let lines: Vec<String> =
        options.iter().map(|it| format!("({}) ({}): {}\n", it.0, it.1, complaint(it))).collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn options_that_do_not_exist_are_named_with_the_nearest() {
    check(
        Kind::Object,
        &[
            ("time_out = \"1s\"", ""),
            ("", "timeouts_ms = 1000"),
            ("", "share"),
            ("xyz = 1", ""),
            ("shared", ""),
            ("retry(attempts = 3)", ""),
            ("retry(max_interval_s = 3)", ""),
        ],
        expect![[r#"
            (time_out = "1s") (): there is no option `time_out`; did you mean `timeout`? The options are `name`, `retry`, `timeout`, `cpu`, `idempotency_retention`, `workflow_retention`, `journal_retention`, `private`, `keep_headers`
            () (timeouts_ms = 1000): there is no option `timeouts_ms`; did you mean `timeout`? The options are `name`, `shared`, `run`, `retry`, `timeout`, `cpu`, `idempotency_retention`, `workflow_retention`, `journal_retention`, `private`, `keep_headers`
            () (share): there is no option `share`; did you mean `shared`? The options are `name`, `shared`, `run`, `retry`, `timeout`, `cpu`, `idempotency_retention`, `workflow_retention`, `journal_retention`, `private`, `keep_headers`
            (xyz = 1) (): there is no option `xyz`; the options are `name`, `retry`, `timeout`, `cpu`, `idempotency_retention`, `workflow_retention`, `journal_retention`, `private`, `keep_headers`
            (shared) (): `shared` belongs on a handler, as `#[handler(shared)]`
            (retry(attempts = 3)) (): there is no option `attempts`; did you mean `max_attempts`? The options are `initial_interval`, `factor`, `max_interval`, `max_attempts`, `max_duration`, `then`
            (retry(max_interval_s = 3)) (): there is no option `max_interval_s`; did you mean `max_interval`? The options are `initial_interval`, `factor`, `max_interval`, `max_attempts`, `max_duration`, `then`
        "#]],
    );
}

#[test]
fn values_are_of_the_right_form() {
    check(
        Kind::Service,
        &[
            ("timeout = 30", ""),
            ("timeout", ""),
            ("timeout = \"30\"", ""),
            ("timeout_ms = \"30s\"", ""),
            ("timeout_ms = -1", ""),
            ("cpu = \"2 parsecs\"", ""),
            ("retry = 3", ""),
            ("retry(factor = 0.5)", ""),
            ("retry(factor = \"2\")", ""),
            ("retry(max_attempts = 99999999999)", ""),
            ("retry(max_duration = 30)", ""),
            ("retry(then = \"retry\")", ""),
            ("", "private = 1"),
            ("", "keep_headers = \"authorization\""),
            ("", "keep_headers = [1]"),
            ("", "keep_headers = [\"a b\"]"),
        ],
        expect![[r#"
            (timeout = 30) (): `timeout` is a duration, such as "30s"
            (timeout) (): `timeout` is a duration, such as "30s"
            (timeout = "30") (): `30` is no duration; write whole numbers with units, such as "500ms", "30s" or "1h 30m": the units are ms, s, m, h, d and w
            (timeout_ms = "30s") (): `timeout_ms` is a whole number of milliseconds
            (timeout_ms = -1) (): `timeout_ms` is a whole number of milliseconds
            (cpu = "2 parsecs") (): `2 parsecs` is no duration; write whole numbers with units, such as "500ms", "30s" or "1h 30m": the units are ms, s, m, h, d and w
            (retry = 3) (): `retry` is written as `retry(max_attempts = 3, then = "fail")`
            (retry(factor = 0.5)) (): `factor` is 1 or more, so that the intervals do not shrink
            (retry(factor = "2")) (): `factor` is a number, 1 or more
            (retry(max_attempts = 99999999999)) (): `max_attempts` is a whole number that fits into 32 bits; zero is no bound
            (retry(max_duration = 30)) (): `max_duration` is a duration, such as "30s"
            (retry(then = "retry")) (): `retry` is neither "pause" nor "fail"
            () (private = 1): `private` is `true` or `false`, or stands alone
            () (keep_headers = "authorization"): `keep_headers` is a list of names, such as ["authorization"]
            () (keep_headers = [1]): `keep_headers` is a list of names, such as ["authorization"]
            () (keep_headers = ["a b"]): `a b` is no name of a header
        "#]],
    );
}

#[test]
fn nothing_is_said_twice() {
    check(
        Kind::Service,
        &[
            ("timeout = \"1s\", timeout_ms = 1000", ""),
            ("retry(max_interval = \"1s\", max_interval_ms = 5)", ""),
            ("timeout = \"1s\"", "timeout = \"2s\""),
        ],
        expect![[r#"
            (timeout = "1s", timeout_ms = 1000) (): `timeout` is set twice
            (retry(max_interval = "1s", max_interval_ms = 5)) (): `max_interval` is set twice
            (timeout = "1s") (timeout = "2s"): fine
        "#]],
    );
}

#[test]
fn only_a_workflow_is_kept_by_its_id() {
    let options = [("workflow_retention = \"7d\"", ""), ("", "workflow_retention_ms = 1")];
    check(
        Kind::Service,
        &options,
        expect![[r#"
        (workflow_retention = "7d") (): only the outcome of a workflow is kept by its id; for idempotency keys there is `idempotency_retention`
        () (workflow_retention_ms = 1): only the outcome of a workflow is kept by its id; for idempotency keys there is `idempotency_retention`
    "#]],
    );
    check(
        Kind::Workflow,
        &options,
        expect![[r#"
        (workflow_retention = "7d") (): fine
        () (workflow_retention_ms = 1): fine
    "#]],
    );
}

#[test]
fn a_declared_service_has_no_policies() {
    let declared = |block: &str, handler: proc_macro2::TokenStream| {
        let service = quote!(trait Reports { #handler async fn make(month: String) -> u32; });
        let parsed = parse::block(Kind::Service, block.parse().expect("tokens"), service);
        parsed.err().map(|error| error.to_string())
    };
    let complaint = Some("policies belong where the service is implemented".to_owned());
    assert_eq!(declared("timeout = \"1s\"", quote!()), complaint);
    assert_eq!(declared("", quote!(#[handler(private)])), complaint);
    assert_eq!(declared("name = \"reports\"", quote!(#[handler(name = "Make")])), None);
}
