//! Whatever bytes a disk returns, the decoder answers with a value or an error.

use holiday_core::deployment::{Deployment, Revision, Route};
use holiday_core::event::Record;
use holiday_core::id::InvocationId;
use holiday_core::invocation::{Completed, Invocation, Lifecycle};
use holiday_core::journal::{CommandEntry, NotificationEntry};
use holiday_core::policy::Policies;
use holiday_core::state::{Lock, StoreError, codec};
use holiday_core::subscription::{
    KeySeek, Lane, ParkedRecord, Position, Progress, Subscription, WaitingRecord,
};
use holiday_core::value::Outcome;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{subscriptions, values};

const ROUNDS: usize = 2_000;

#[test]
fn random_bytes_do_not_panic() {
    let mut dice = Dice(1);
    for _ in 0..ROUNDS {
        let length = dice.below(300);
        let mut bytes: Vec<u8> = (0..length).map(|_| dice.byte()).collect();
        decode_as_everything(&bytes);
        // The same, past the first check.
        if let Some(version) = bytes.first_mut() {
            *version = codec::VERSION;
            decode_as_everything(&bytes);
        }
    }
}

#[test]
fn truncated_values_are_errors() {
    for bytes in all_values() {
        for length in 0..bytes.len() {
            decode_as_everything(&bytes[..length]);
        }
    }
    let record = codec::encode(&values::records()[1]);
    for length in 0..record.len() {
        assert_corrupt(decode::<Record>(&record[..length]));
    }
}

#[test]
fn flipped_bits_do_not_panic() {
    let mut dice = Dice(2);
    for bytes in all_values() {
        for _ in 0..ROUNDS / 10 {
            let mut flipped = bytes.clone();
            for _ in 0..=dice.below(3) {
                let at = dice.below(flipped.len());
                flipped[at] ^= 1 << dice.below(8);
            }
            decode_as_everything(&flipped);
        }
    }
}

#[test]
fn the_beginning_of_a_row_is_read_without_the_rest() {
    let invocation = values::invocations().remove(0);
    let row = codec::encode(&invocation);
    assert_eq!(codec::decode_first::<String>(&row), Some(invocation.target.service));
    assert_eq!(codec::decode_first::<String>(&row[..3]), None);
    assert_eq!(codec::decode_first::<String>(&[]), None);
    assert_eq!(codec::decode_first::<String>(&[codec::VERSION + 1, 1, b's']), None);
}

#[test]
fn bytes_behind_a_value_are_an_error() {
    let mut bytes = codec::encode(&values::lock());
    bytes.push(0);
    assert_corrupt(decode::<Lock>(&bytes));
}

#[test]
fn a_newer_version_is_named_and_asks_for_the_newer_binary() {
    let mut bytes = codec::encode(&values::lock());
    bytes[0] = codec::VERSION + 1;
    let error = decode::<Lock>(&bytes).expect_err("nobody has written this yet").to_string();
    assert_eq!(
        error,
        "HH0011: the value of key 9:cart has version 2, this binary reads up to 1; use the newer binary"
    );
    bytes[0] = 0;
    assert_corrupt(decode::<Lock>(&bytes));
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(bytes, || "9:cart".to_owned())
}

fn assert_corrupt<T: std::fmt::Debug>(decoded: Result<T, StoreError>) {
    let error = decoded.expect_err("these bytes are no value");
    assert!(error.to_string().starts_with("HH0009"), "{error}");
}

fn decode_as_everything(bytes: &[u8]) {
    drop(decode::<Record>(bytes));
    drop(decode::<Deployment>(bytes));
    drop(decode::<Revision>(bytes));
    drop(decode::<Invocation>(bytes));
    drop(decode::<Lifecycle>(bytes));
    drop(decode::<CommandEntry>(bytes));
    drop(decode::<NotificationEntry>(bytes));
    drop(decode::<Completed>(bytes));
    drop(decode::<Lock>(bytes));
    drop(decode::<Route>(bytes));
    drop(decode::<Policies>(bytes));
    drop(decode::<Outcome>(bytes));
    drop(decode::<InvocationId>(bytes));
    drop(decode::<Subscription>(bytes));
    drop(decode::<Progress>(bytes));
    drop(decode::<Position>(bytes));
    drop(decode::<Lane>(bytes));
    drop(decode::<WaitingRecord>(bytes));
    drop(decode::<ParkedRecord>(bytes));
    drop(decode::<KeySeek>(bytes));
}

fn all_values() -> Vec<Vec<u8>> {
    let mut all = encode_all(&values::records());
    all.extend(encode_all(&values::command_entries()));
    all.extend(encode_all(&values::notification_entries()));
    all.extend(encode_all(&values::lifecycles()));
    all.extend(encode_all(&values::invocations()));
    all.extend(encode_all(&values::completed()));
    all.extend(encode_all(&values::outcomes()));
    all.push(codec::encode(&values::deployment()));
    all.push(codec::encode(&values::revision()));
    all.push(codec::encode(&values::route()));
    all.push(codec::encode(&values::policies()));
    all.push(codec::encode(&values::lock()));
    all.extend(encode_all(&subscriptions::subscriptions()));
    all.extend(encode_all(&subscriptions::progresses()));
    all.extend(encode_all(&subscriptions::positions()));
    all.extend(encode_all(&subscriptions::lanes()));
    all.extend(encode_all(&subscriptions::waiting_records()));
    all.extend(encode_all(&subscriptions::parked_records()));
    all.push(codec::encode(&subscriptions::key_seek()));
    all
}

fn encode_all<T: Serialize>(values: &[T]) -> Vec<Vec<u8>> {
    values.iter().map(codec::encode).collect()
}

/// xorshift64: the same bytes in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_be_bytes()[0]
    }
}
