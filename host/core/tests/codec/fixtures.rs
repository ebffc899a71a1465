//! The bytes of every stored type, as each version wrote them.
//!
//! A fixture is written once, when its type or variant comes to be: run these tests with
//! `HOLIDAY_WRITE_NEW_FIXTURES=1`. One that exists is never written again. If a test here fails, data in the
//! field would not be read any more: give the type its next version instead, and keep reading this one.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use holiday_core::state::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{subscriptions, values};

#[test]
fn fixtures_of_version_1_are_read_and_written() {
    let mut folder = Folder::of_version(1);
    folder.check_all("record", &values::records(), values::name_of_event);
    folder.check_all("command", &values::command_entries(), values::name_of_command);
    folder.check_all("notification", &values::notification_entries(), values::name_of_notification);
    folder.check_all("lifecycle", &values::lifecycles(), values::name_of_status);
    folder.check_all("invocation", &values::invocations(), values::name_of_caller);
    folder.check_all("completed", &values::completed(), values::name_of_outcome);
    folder.check_all("outcome", &values::outcomes(), values::kind_of_outcome);
    folder.check("deployment", &values::deployment());
    folder.check("revision", &values::revision());
    folder.check("route", &values::route());
    folder.check("policies", &values::policies());
    folder.check("lock", &values::lock());
    folder.check("invocation-id", &values::invocation_id());
    check_subscriptions(&mut folder);
    folder.check_that_nothing_else_is_there();
}

fn check_subscriptions(folder: &mut Folder) {
    use subscriptions as values;
    folder.check_all("subscription", &values::subscriptions(), values::name_of_policy);
    folder.check_all("progress", &values::progresses(), values::name_of_status);
    folder.check_all("position", &values::positions(), values::name_of_position);
    folder.check_all("lane", &values::lanes(), values::name_of_lane);
    folder.check_all("waiting-record", &values::waiting_records(), values::name_of_verdict);
    folder.check_all("parked", &values::parked_records(), values::name_of_parked);
    folder.check("key-seek", &values::key_seek());
}

struct Folder {
    path: PathBuf,
    checked: BTreeSet<String>,
}

impl Folder {
    fn of_version(version: u8) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("v{version}"));
        Folder { path, checked: BTreeSet::new() }
    }

    fn check_all<T>(&mut self, kind: &str, values: &[T], name_of: impl Fn(&T) -> &'static str)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        for value in values {
            self.check(&format!("{kind}-{}", name_of(value)), value);
        }
    }

    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: &T) {
        let file = format!("{name}.bin");
        let path = self.path.join(&file);
        write_if_new(&path, &codec::encode(value));
        let stored = read(&path);
        let decoded: T = codec::decode(&stored, || name.to_owned()).expect("it was written by this type");
        assert_eq!(decoded, *value, "{name} is read as what it was written from");
        assert_eq!(codec::encode(value), stored, "{name} is written as it was");
        assert!(self.checked.insert(file), "{name} is checked twice");
    }

    fn check_that_nothing_else_is_there(&self) {
        let files: BTreeSet<String> = std::fs::read_dir(&self.path)
            .expect("the folder of fixtures can be read")
            .map(|entry| entry.expect("as can what is in it").file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(files, self.checked, "every fixture is checked");
    }
}

#[expect(clippy::disallowed_methods, reason = "fixtures are files, and the core has none")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| {
        panic!(
            "{} cannot be read ({error}); a new one is written with HOLIDAY_WRITE_NEW_FIXTURES=1",
            path.display()
        )
    })
}

#[expect(clippy::disallowed_methods, reason = "fixtures are files, and the core has none")]
fn write_if_new(path: &Path, bytes: &[u8]) {
    if std::env::var("HOLIDAY_WRITE_NEW_FIXTURES").is_ok() && !path.exists() {
        std::fs::write(path, bytes).expect("the folder of fixtures can be written to");
    }
}
