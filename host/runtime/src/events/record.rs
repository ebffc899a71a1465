//! A message of Kafka becomes a record for the engine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holiday_core::error::ErrorCode;
use holiday_core::invocation::Header;
use holiday_core::limits;
use holiday_core::subscription::{Offset, Partition, Sink, SourceRecord, Verdict, digest_of};
use holiday_core::time::Timestamp;

use super::{Inputs, failure};

/// A message as it was read.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) partition: Partition,
    pub(super) offset: Offset,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<(String, Option<Bytes>)>,
}

impl Message {
    pub(super) fn len(&self) -> usize {
        let bytes = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + bytes(value)).sum::<usize>();
        bytes(&self.key) + bytes(&self.value) + headers
    }
}

/// Makes the record, with its value held against the input of the handler.
pub(super) async fn judge(inputs: &dyn Inputs, sink: &Sink, topic: &str, message: Message) -> SourceRecord {
    let digest = digest_of(message.timestamp, message.key.as_deref(), message.value.as_deref());
    let own = own_headers(topic, &message);
    let all: Vec<_> = own.iter().cloned().chain(message.headers.iter().filter_map(header)).collect();
    let size = all.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let (headers, value) = match size <= limits::HEADER_BYTES_MAX {
        true => {
            let verdict = verdict(inputs, sink, &all, message.value).await;
            (all, verdict)
        }
        false => {
            let limit = limits::HEADER_BYTES_MAX;
            let message_text = format!(
                "the headers of the record have {size} bytes, more than the {limit} that are allowed; send less with the record"
            );
            let failure = failure(431, ErrorCode::PayloadTooLarge, &message_text);
            (within(limit, own), Verdict::Unusable { value: None, failure })
        }
    };
    let Message { offset, timestamp, key, .. } = message;
    SourceRecord { offset, timestamp, key, headers, value, digest }
}

async fn verdict(inputs: &dyn Inputs, sink: &Sink, headers: &[Header], value: Option<Bytes>) -> Verdict {
    // An absent value is an empty one, as an absent body is.
    let given = value.unwrap_or_default();
    let (size, limit) = (given.len(), inputs.bytes_max());
    if size > limit {
        let message = format!(
            "the value of the record has {size} bytes, more than the {limit} that are allowed; store it elsewhere and send a reference"
        );
        return Verdict::Unusable {
            value: None,
            failure: failure(413, ErrorCode::PayloadTooLarge, &message),
        };
    }
    let content_type = headers.iter().find(|(name, _)| name == "content-type").map(|(_, it)| it.as_str());
    match inputs.admit(sink, content_type, given.clone()).await {
        Ok(input) => Verdict::Input(input),
        Err(unfit) => {
            let value = Some(given).filter(|given| given.is_empty() || !unfit.is_secret);
            Verdict::Unusable { value, failure: unfit.failure }
        }
    }
}

/// The headers that say which record it is.
fn own_headers(topic: &str, message: &Message) -> Vec<Header> {
    let mut headers = vec![
        ("kafka.topic".to_owned(), topic.to_owned()),
        ("kafka.partition".to_owned(), message.partition.to_string()),
        ("kafka.offset".to_owned(), message.offset.to_string()),
    ];
    if let Some(timestamp) = message.timestamp {
        headers.push(("kafka.timestamp".to_owned(), timestamp.as_millis().to_string()));
    }
    if let Some(key) = &message.key {
        headers.push(text("kafka.key", key));
    }
    headers
}

/// A header of the record itself. Names are lower case as those of callers, and the host's own cannot be sent.
fn header((name, value): &(String, Option<Bytes>)) -> Option<Header> {
    let name = name.to_lowercase();
    let is_own = name.starts_with("kafka.");
    (!is_own).then(|| text(&name, value.as_deref().unwrap_or_default()))
}

/// Bytes that are not text are given as base64, under a name that says so.
fn text(name: &str, value: &[u8]) -> Header {
    match str::from_utf8(value) {
        Ok(value) => (name.to_owned(), value.to_owned()),
        Err(_) => (format!("{name}-base64"), STANDARD.encode(value)),
    }
}

/// The headers that fit.
fn within(limit: usize, headers: Vec<Header>) -> Vec<Header> {
    let mut size = 0;
    let fits = |(name, value): &Header| {
        size += name.len() + value.len();
        size <= limit
    };
    headers.into_iter().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::super::Unfit;
    use super::*;

    /// Takes what begins with `{`, of up to 100 bytes; everything else may be a secret.
    #[derive(Debug)]
    struct Braces;

    impl Inputs for Braces {
        fn bytes_max(&self) -> usize {
            100
        }

        fn admit<'a>(
            &'a self,
            _sink: &'a Sink,
            content_type: Option<&'a str>,
            value: Bytes,
        ) -> Pin<Box<dyn Future<Output = Result<Bytes, Unfit>> + Send + 'a>> {
            let refuse =
                |is_secret| Unfit { failure: failure(400, ErrorCode::MalformedBody, "no"), is_secret };
            Box::pin(async move {
                match (value.first(), content_type) {
                    (_, Some("text/plain")) => Err(refuse(false)),
                    (Some(b'{'), _) => Ok(value),
                    _ => Err(refuse(true)),
                }
            })
        }
    }

    fn message(value: &'static str) -> Message {
        Message {
            partition: Partition(3),
            offset: Offset(7),
            timestamp: Some(Timestamp::from_millis(1_000)),
            key: Some(Bytes::from_static(b"ann")),
            value: Some(Bytes::from_static(value.as_bytes())),
            headers: Vec::new(),
        }
    }

    async fn judged(message: Message) -> SourceRecord {
        let sink = Sink { service: "s".to_owned(), handler: "h".to_owned() };
        judge(&Braces, &sink, "posts", message).await
    }

    #[tokio::test]
    async fn a_record_says_where_it_is_from() {
        let mut given = message("{}");
        given.headers = vec![
            ("Traceparent".to_owned(), Some(Bytes::from_static(b"00-1"))),
            ("kafka.offset".to_owned(), Some(Bytes::from_static(b"forged"))),
            ("bytes".to_owned(), Some(Bytes::from_static(b"\xff"))),
            ("none".to_owned(), None),
        ];
        let record = judged(given).await;
        let expected = [
            ("kafka.topic", "posts"),
            ("kafka.partition", "3"),
            ("kafka.offset", "7"),
            ("kafka.timestamp", "1000"),
            ("kafka.key", "ann"),
            ("traceparent", "00-1"),
            ("bytes-base64", "/w=="),
            ("none", ""),
        ];
        assert_eq!(record.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(record.value, Verdict::Input(Bytes::from_static(b"{}")));
    }

    #[tokio::test]
    async fn a_value_that_is_no_input_is_kept_unless_it_may_be_a_secret() {
        let Verdict::Unusable { value: None, failure } = judged(message("card 4111")).await.value else {
            panic!("a secret is not kept")
        };
        assert_eq!(failure.message, "HH0004: no");
        let mut typed = message("card");
        typed.headers = vec![("content-type".to_owned(), Some(Bytes::from_static(b"text/plain")))];
        let Verdict::Unusable { value: Some(_), .. } = judged(typed).await.value else {
            panic!("anything else is kept")
        };
    }

    #[tokio::test]
    async fn too_large_a_value_and_too_many_headers_are_not_kept() {
        let mut large = message("{}");
        large.value = Some(Bytes::from(vec![b'{'; 101]));
        let record = judged(large).await;
        assert!(matches!(&record.value, Verdict::Unusable { value: None, failure } if failure.code == 413));
        let mut many = message("{}");
        many.headers = vec![("x".to_owned(), Some(Bytes::from(vec![b'x'; limits::HEADER_BYTES_MAX])))];
        let record = judged(many).await;
        assert!(matches!(&record.value, Verdict::Unusable { value: None, failure } if failure.code == 431));
        assert_eq!(record.headers.len(), 5, "those that say where it is from");
    }

    #[tokio::test]
    async fn a_tombstone_is_an_empty_value() {
        let mut tombstone = message("");
        tombstone.value = None;
        let with_value = judged(message("")).await;
        let without = judged(tombstone).await;
        assert!(matches!(&without.value, Verdict::Unusable { value: Some(value), .. } if value.is_empty()));
        assert_ne!(with_value.digest, without.digest);
    }
}
