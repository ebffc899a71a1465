//! Every bound of the core. `docs/limits.md` lists them all, with what happens beyond each.

/// Commands in one journal; the attempt that asks for more fails with HH0014.
pub const JOURNAL_COMMANDS_MAX: u32 = 100_000;

/// Bytes in one journal, payloads included; the attempt that asks for more fails with HH0014.
pub const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of one payload: a body, a result of a step, a value of state.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of the message of a failed attempt or step; the rest is cut off.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// Commands an attempt gathers before it hands them to the log without being asked to.
pub const COMMANDS_PER_EVENT_MAX: usize = 256;

/// Bytes of the headers of one invocation: those of a caller that reach the handler, and those of a call or send.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Operations of one invocation that have no answer yet; the attempt that begins more fails with HH0079.
pub const PENDING_MAX: usize = 10_000;

/// Handlers that wait for one invocation that somebody else began; the next one is refused.
pub const JOINED_MAX: usize = 10_000;

/// Bytes of state of one object key.
pub const OBJECT_STATE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Invocations that wait in the inbox of one key; the next one from outside is refused.
pub const INBOX_MAX: u64 = 100_000;

/// Timers that one `Wake` fires; the rest follow in the next one.
pub const TIMERS_PER_WAKE_MAX: usize = 1_000;

/// Bytes of an object key or workflow id, of an idempotency key, and of the name of a step, timer, signal, promise or
/// value of state.
pub const KEY_BYTES_MAX: usize = 4 * 1024;

/// How long the outcome for an idempotency key or of a workflow is kept.
pub const RETENTION_MS: u64 = 24 * 60 * 60 * 1_000;

/// How long the input and the journal of a failed invocation are kept.
pub const FAILED_JOURNAL_RETENTION_MS: u64 = 24 * 60 * 60 * 1_000;

/// How long the outcome of a one-way invocation is kept for those who attach later.
pub const SEND_RETENTION_MS: u64 = 60 * 60 * 1_000;

/// Signals that an invocation has been sent and has not waited for; the next one is refused.
pub const SIGNALS_KEPT_MAX: u32 = 1_000;

/// Other ids of one invocation, which handlers got when they joined it; one more leads nowhere.
pub const ALIASES_MAX: u32 = 10_000;

/// Invocations looked at to find out whether a call would wait for itself; a longer chain is not looked through.
pub const WAIT_CHAIN_MAX: usize = 256;

/// Subscriptions of one host; the next one is refused.
pub const SUBSCRIPTIONS_MAX: usize = 100;

/// Records of one subscription that wait in lanes or run; the next one stays in the topic.
pub const RECORDS_UNFINISHED_MAX: u64 = 100_000;

/// Bytes of the records of one subscription that wait in lanes; the next one stays in the topic.
pub const RECORDS_WAITING_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Parked records of one subscription; the subscription pauses.
pub const PARKED_MAX: u64 = 10_000;

/// Bytes of the parked records of one subscription; the subscription pauses.
pub const PARKED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Records that one event takes from a topic; the reader sends the rest in the next one.
pub const RECORDS_PER_TAKE_MAX: usize = 256;

/// Keys of one subscription that an operator pauses; the next one is refused.
pub const PAUSED_KEYS_MAX: u64 = 1_000;

/// Keys of one subscription that are read from positions of their own; the next one is refused.
pub const KEY_SEEKS_MAX: u64 = 100;

/// Partitions of one subscription; further ones are not read.
pub const PARTITIONS_MAX: usize = 10_000;

/// Records that one step of a subscription begins or parks; the rest follows in steps of their own.
pub const RECORDS_PER_STEP_MAX: usize = 64;

/// Rows of a deleted subscription that one step deletes; the rest follows in steps of their own.
pub const ROWS_PER_STEP_MAX: usize = 1_000;

/// Bytes of the options of one subscription; the subscription is refused.
pub const SUBSCRIPTION_OPTIONS_BYTES_MAX: usize = 64 * 1024;
