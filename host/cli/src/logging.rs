//! Log lines on standard error, for people or for machines.

use std::fmt;
use std::io::{IsTerminal as _, stderr};

use holiday_runtime::config::{Loaded, LogFormat};
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

use crate::failure::Result;

/// Has this process log from now on.
pub(crate) fn start(loaded: &Loaded) -> Result<()> {
    let lines = tracing_subscriber::fmt().with_env_filter(filter(loaded)?).with_writer(stderr);
    match loaded.config.log.format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).fmt_fields(TextFields).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Which lines are written.
pub(crate) fn filter(loaded: &Loaded) -> Result<EnvFilter> {
    EnvFilter::try_new(&loaded.config.log.filter).map_err(|error| {
        let expected = format!("a log filter such as 'info' or 'warn,holiday_runtime=debug': {error}");
        loaded.misfit(&["log", "filter"], expected).into()
    })
}

/// Writes fields as they are written by default, but the id of an invocation once: a line that has it as
/// `invocationID`, as Restate's SDKs do, does not repeat it as `invocation`, which is for machines.
#[derive(Clone, Copy, Debug)]
struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = Text { fields: DefaultVisitor::new(writer, true), has_id: false };
        fields.record(&mut text);
        text.fields.finish()
    }
}

struct Text<'a> {
    fields: DefaultVisitor<'a>,
    has_id: bool,
}

impl Text<'_> {
    /// Whether the id in this field was written before.
    fn repeats(&mut self, field: &Field) -> bool {
        self.has_id |= field.name() == "invocationID";
        self.has_id && field.name() == "invocation"
    }
}

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !self.repeats(field) {
            self.fields.record_str(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if !self.repeats(field) {
            self.fields.record_error(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !self.repeats(field) {
            self.fields.record_debug(field, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use expect_test::{Expect, expect};
    use holiday_core::id::InvocationId;
    use holiday_core::target::Target;
    use holiday_runtime::chronicle::{self, Subject};

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn check(log: impl Fn(Subject<'_>), expected: Expect) {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt().without_time().with_ansi(false).fmt_fields(TextFields);
        let subscriber = lines.with_writer(move || writer.clone()).finish();
        let invocation = InvocationId::new(&Target::service("Flights", "Reserve"), [7; 16]);
        tracing::subscriber::with_default(subscriber, || {
            log(Subject { method: "Flights/Reserve", invocation });
        });
        let line = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("text");
        expected.assert_eq(&line.trim().replace(&invocation.to_string(), "inv_1"));
    }

    #[test]
    fn a_line_names_its_invocation_once() {
        check(
            |it| chronicle::handling(it, None),
            expect!["INFO invocation: Handling invocation method=Flights/Reserve invocationID=inv_1"],
        );
        check(
            chronicle::completed,
            expect![
                "INFO invocation: Invocation completed successfully method=Flights/Reserve invocationID=inv_1"
            ],
        );
        check(
            |it| chronicle::failed(it, "[500] no seats"),
            expect![[
                r#"INFO invocation: Invocation failed method=Flights/Reserve invocationID=inv_1 error="[500] no seats""#
            ]],
        );
        check(
            |it| chronicle::attempt_failed(it, 2, "HH0025: no answer", Some(100)),
            expect![[
                r#"WARN invocation: Attempt failed method=Flights/Reserve invocationID=inv_1 attempt=2 error="HH0025: no answer" next_in_ms=100"#
            ]],
        );
        check(
            |it| chronicle::printed(it, 1, "stdout", "Flight reserved: 7"),
            expect![[
                r#"INFO guest: Flight reserved: 7 method=Flights/Reserve invocation=inv_1 attempt=1 stream="stdout""#
            ]],
        );
        check(|it| chronicle::resuming(it, 2), expect![[""]]);
    }
}
