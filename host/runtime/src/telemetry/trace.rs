//! Where an invocation stands in its trace.
//!
//! Nothing of it is stored. Ids of spans derive from the id of the invocation, so that an attempt after a crash belongs
//! to the span that began before it, and so that everybody who knows an invocation knows its span.
//!
//! ```text
//! the caller's span ── entry ── invocation ┬─ attempt 1 ┬─ run step
//! (traceparent)       (ingress)            │            └─ run step
//!                                          ├─ attempt 2
//!                                          └─ invocation of a callee ── …
//! ```

use holiday_core::id::{EntryIndex, InvocationId};
use opentelemetry::trace::{SpanId, TraceId, TraceState};
use sha2::{Digest as _, Sha256};

use super::context::TraceContext;

/// The span of an invocation, and the one above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvocationTrace {
    pub context: TraceContext,
    pub parent: SpanId,
}

/// The span in which an invocation came in from outside, and the one above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryTrace {
    pub context: TraceContext,
    pub parent: Option<SpanId>,
}

impl EntryTrace {
    /// The entry of an invocation that was asked for from `outside`; without that it begins a trace.
    pub(super) fn new(
        invocation: &InvocationId,
        outside: Option<TraceContext>,
        samples: impl FnOnce(TraceId, Option<&TraceContext>) -> bool,
    ) -> Self {
        let trace = outside.as_ref().map_or_else(|| trace_of(invocation), |it| it.trace);
        let is_sampled = samples(trace, outside.as_ref());
        let parent = outside.as_ref().map(|it| it.span);
        let state = outside.map_or_else(TraceState::default, |it| it.state);
        let context = TraceContext { trace, span: span(b"entry", invocation, &[]), is_sampled, state };
        EntryTrace { context, parent }
    }

    pub fn invocation(&self, invocation: &InvocationId) -> InvocationTrace {
        InvocationTrace::below(&self.context, invocation)
    }
}

impl InvocationTrace {
    /// An invocation that this one calls, or sends to.
    pub fn callee(&self, invocation: &InvocationId) -> InvocationTrace {
        InvocationTrace::below(&self.context, invocation)
    }

    /// One of its attempts.
    pub fn attempt(&self, invocation: &InvocationId, number: u32) -> TraceContext {
        self.context.at(span(b"attempt", invocation, &[number]))
    }

    /// A step that one of its attempts executes.
    pub fn step(&self, invocation: &InvocationId, attempt: u32, run: EntryIndex) -> TraceContext {
        self.context.at(span(b"run", invocation, &[attempt, run.0]))
    }

    fn below(parent: &TraceContext, invocation: &InvocationId) -> Self {
        let context = parent.at(span(b"invocation", invocation, &[]));
        InvocationTrace { context, parent: parent.span }
    }
}

/// The trace that begins with an invocation.
fn trace_of(invocation: &InvocationId) -> TraceId {
    let bytes = derive(b"trace", invocation, &[]);
    let id = u128::from_be_bytes(*bytes.first_chunk().expect("a digest is longer"));
    // Zero is no id.
    TraceId::from(id.max(1))
}

fn span(purpose: &[u8], invocation: &InvocationId, numbers: &[u32]) -> SpanId {
    let bytes = derive(purpose, invocation, numbers);
    let id = u64::from_be_bytes(*bytes.first_chunk().expect("a digest is longer"));
    SpanId::from(id.max(1))
}

fn derive(purpose: &[u8], invocation: &InvocationId, numbers: &[u32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"holiday span ");
    hash.update(purpose);
    hash.update(invocation.as_bytes());
    numbers.iter().for_each(|number| hash.update(number.to_be_bytes()));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::expect;
    use holiday_core::target::Target;

    use super::*;

    fn id(unique: u8) -> InvocationId {
        InvocationId::new(&Target::service("s", "h"), [unique; 16])
    }

    fn outside() -> TraceContext {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        TraceContext::of_headers([("traceparent", parent), ("tracestate", "a=1")]).expect("it is well formed")
    }

    #[test]
    fn ids_are_the_same_whoever_derives_them() {
        let entry = EntryTrace::new(&id(1), None, |_, _| true);
        assert_eq!(entry, EntryTrace::new(&id(1), None, |_, _| true));
        // Written down, since spans that were sent by an older host must fit those of a newer one.
        expect!["00-daeb27f711c733f70492124abdcc9e55-167435fa158ea9e7-01"]
            .assert_eq(&entry.context.traceparent());
        let step = entry.invocation(&id(1)).step(&id(1), 2, EntryIndex(3));
        expect!["00-daeb27f711c733f70492124abdcc9e55-62471d429d741b79-01"].assert_eq(&step.traceparent());
    }

    #[test]
    fn each_span_has_an_id_of_its_own() {
        let entry = EntryTrace::new(&id(1), None, |_, _| true);
        let invocation = entry.invocation(&id(1));
        let spans = BTreeSet::from(
            [
                entry.context.span,
                invocation.context.span,
                invocation.attempt(&id(1), 1).span,
                invocation.attempt(&id(1), 2).span,
                invocation.step(&id(1), 1, EntryIndex(0)).span,
                invocation.step(&id(1), 1, EntryIndex(1)).span,
                invocation.step(&id(1), 2, EntryIndex(0)).span,
                invocation.callee(&id(2)).context.span,
            ]
            .map(SpanId::to_bytes),
        );
        assert_eq!(spans.len(), 8);
        assert_ne!(entry.context.trace, EntryTrace::new(&id(2), None, |_, _| true).context.trace);
    }

    #[test]
    fn a_parent_from_outside_gives_its_trace_to_all_below() {
        let entry =
            EntryTrace::new(&id(1), Some(outside()), |_, parent| parent.is_some_and(|it| it.is_sampled));
        assert_eq!(entry.parent, Some(outside().span));
        let invocation = entry.invocation(&id(1));
        assert_eq!(invocation.parent, entry.context.span);
        let callee = invocation.callee(&id(2));
        assert_eq!(callee.parent, invocation.context.span);
        for context in [&entry.context, &invocation.context, &callee.context] {
            assert_eq!((context.trace, context.is_sampled), (outside().trace, true));
            assert_eq!(context.tracestate().as_deref(), Some("a=1"));
        }
    }
}
