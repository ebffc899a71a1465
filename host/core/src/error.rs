//! Error codes: one for every error a user can meet, each with a help page that is compiled in.
//!
//! Codes are stable: a retired one is never used again.

use std::fmt;

macro_rules! error_codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $(#[doc = $title] $name,)*
        }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The code as people see it, such as `HH0007`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $code,)*
                }
            }

            /// What has gone wrong, in a few words.
            pub const fn title(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $title,)*
                }
            }

            /// The help page, in Markdown: what it means, how it comes about, what to do.
            pub const fn page(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => include_str!(concat!("../errors/", $code, ".md")),)*
                }
            }
        }
    };
}

error_codes! {
    UnknownService = "HH0001", "the service does not exist";
    UnknownHandler = "HH0002", "the service has no such handler";
    MalformedPath = "HH0003", "the path, or the key in it, is malformed";
    MalformedBody = "HH0004", "the body is not what the handler takes";
    NotAComponent = "HH0005", "the file is not a WebAssembly component";
    MissingExport = "HH0006", "the component does not export the guest contract";
    JournalMismatch = "HH0007", "the handler no longer asks for what its journal recorded";
    UnknownImport = "HH0008", "the component imports something the host does not give";
    CorruptData = "HH0009", "a data file is corrupt";
    DataDirInUse = "HH0010", "the data directory is in use";
    NewerData = "HH0011", "the data was written by a newer version";
    AddressInUse = "HH0012", "the address is in use or cannot be bound";
    PayloadTooLarge = "HH0013", "a payload is larger than the limit";
    JournalTooLarge = "HH0014", "a journal is larger than the limit";
    HandlerFailed = "HH0015", "the handler ended with a terminal error";
    Cancelled = "HH0016", "the invocation was cancelled";
    Killed = "HH0017", "the invocation was killed";
    UnknownInvocation = "HH0018", "the invocation does not exist";
    NotReady = "HH0019", "the invocation has no output yet";
    HttpOutsideRun = "HH0020", "an HTTP request was made outside a run step";
    HttpHostNotAllowed = "HH0021", "an HTTP request went to a host that is not allowed";
    GuestTrapped = "HH0022", "the component trapped";
    GuestSpun = "HH0023", "the component computed for too long";
    GuestOutOfMemory = "HH0024", "the component asked for too much memory";
    RetryableError = "HH0025", "the handler failed with a retryable error";
    RunExhausted = "HH0026", "a run step failed too often";
    StateNotWritable = "HH0027", "the handler may not change state";
    Overloaded = "HH0028", "a bound of the host is reached";
    BadIdempotencyKey = "HH0029", "the idempotency key cannot be used here";
    MalformedId = "HH0030", "the id is malformed";
    MalformedDelay = "HH0031", "the delay is malformed";
    UnreadEnvelope = "HH0032", "the envelope has a field that nothing reads";
    MethodNotAllowed = "HH0033", "the method is not allowed";
    UnsupportedContentType = "HH0034", "the content type is not taken by the handler";
    BadManifest = "HH0035", "the component's description of its services is invalid";
    ServiceConflict = "HH0036", "the deployment conflicts with an existing one";
    WorkflowStarted = "HH0037", "the workflow id has started already";
    ShuttingDown = "HH0038", "the host is shutting down";
    UnknownAwakeable = "HH0039", "the awakeable does not exist or is completed";
    GuestMisuse = "HH0040", "the component misused the guest contract";
    StorageFailed = "HH0041", "the storage failed";
    BadConfig = "HH0042", "the configuration is invalid";
    BuildFailed = "HH0043", "a guest could not be built";
    ToolMissing = "HH0044", "a tool that the build needs is missing";
    FileUnreadable = "HH0045", "a file cannot be read";
    ComponentMissing = "HH0046", "the component of a deployment is missing";
    WrongStatus = "HH0047", "the invocation is not in a state that allows this";
    UnknownPath = "HH0048", "there is nothing at this path";
    Internal = "HH0049", "the host failed";
    PrivateHandler = "HH0050", "the handler is private";
    AttemptsExhausted = "HH0051", "an invocation failed too often";
    MissingSecret = "HH0052", "a secret is missing";
    BadTelemetry = "HH0056", "spans cannot be sent as configured";
    NotAWorkflow = "HH0062", "durable promises belong to workflows";
    PromiseCompleted = "HH0063", "the promise is completed already";
    WaitsForItself = "HH0064", "the call would wait for itself";
    TimedOut = "HH0065", "the time of an invocation is over";
    SignalsFull = "HH0066", "an invocation has too many signals that it did not wait for";
    JournalNotKept = "HH0067", "the journal of the invocation is not kept";
    KeyInUse = "HH0068", "a handler is working with the state";
    StateChanged = "HH0069", "the state is not what was expected";
    NotDeployed = "HH0070", "no deployment has the handler";
    HasNoState = "HH0071", "a plain service has no state";
    PromiseForgotten = "HH0072", "the promise is forgotten with its workflow";
    Draining = "HH0073", "the deployment is being removed";
    RehearsalFailed = "HH0075", "the handler failed on the journal it was to go on with";
    HandlerLost = "HH0076", "a service would lose what its callers rely on";
    TooManyPending = "HH0079", "an invocation waits for too much at a time";
    ForeignPage = "HH0080", "a web page of somebody else";
    RevealOutsideRun = "HH0081", "a sealed text was revealed outside a run step";
    SealKeyMissing = "HH0082", "the key of sealed texts is missing";
    SealBroken = "HH0083", "a sealed text is broken";
    UnknownCluster = "HH0084", "the Kafka cluster is not configured";
    MalformedSubscription = "HH0085", "the subscription is malformed";
    UnknownSubscription = "HH0086", "the subscription does not exist";
    RecordUnusable = "HH0087", "a record cannot become an invocation";
    ParkedFull = "HH0088", "a subscription has too many parked records";
    SubscriptionHolds = "HH0089", "the subscription holds records that would be lost";
    PositionLost = "HH0090", "the topic does not continue at the position of the subscription";
    UnknownParked = "HH0091", "the parked record does not exist";
    UnknownPartition = "HH0092", "the subscription does not read the partition";
    KafkaUnavailable = "HH0093", "the Kafka cluster cannot be used";
}

impl ErrorCode {
    /// Finds a code by its text, in any case, with or without the leading zeros: `HH0007`, `hh7`.
    pub fn parse(text: &str) -> Option<ErrorCode> {
        let digits = text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("hh")).and(text.get(2..))?;
        let number: u16 = digits.parse().ok()?;
        ErrorCode::ALL.iter().copied().find(|code| code.as_str() == format!("HH{number:04}"))
    }

    /// Whether trying again is of no use before an operator has done something.
    pub const fn awaits_operator(self) -> bool {
        matches!(self, ErrorCode::SealKeyMissing)
    }

    /// The code a message begins with, as in `HH0007: …`.
    pub fn of_message(message: &str) -> Option<ErrorCode> {
        message.split_once(':').and_then(|(code, _)| ErrorCode::parse(code))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_as_people_write_them() {
        for text in ["HH0007", "hh0007", "HH7"] {
            assert_eq!(ErrorCode::parse(text), Some(ErrorCode::JournalMismatch), "{text}");
        }
        for text in ["", "HH", "HH9999", "0007", "é7"] {
            assert_eq!(ErrorCode::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_code_has_a_page_that_begins_with_it() {
        for code in ErrorCode::ALL {
            assert!(code.page().starts_with(&format!("# {code}: {}", code.title())), "{code}");
        }
    }
}
