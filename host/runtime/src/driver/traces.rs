//! To which trace each invocation belongs.
//!
//! It follows from what is stored: from the headers of whoever asked for an invocation from outside, or from its caller.
//! Only, a caller may have ended and be forgotten before its callee begins. So what callees have from their callers is
//! noted when they come about, in memory. After a restart, a callee whose callers are all forgotten begins a trace with
//! the oldest whose id is known.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use holiday_core::id::InvocationId;
use holiday_core::invocation::{Caller, Invocation};
use holiday_core::state::{Kv, State, StoreError};

use crate::telemetry::{InvocationTrace, Tracer};

/// Callees whose trace is noted. Those of others is found by way of their callers.
const NOTED_TRACES_MAX: usize = 100_000;

/// Callers above callers that are looked at to find a trace; beyond, one begins.
const CALLERS_ABOVE_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Traces {
    tracer: Tracer,
    noted: HashMap<InvocationId, Arc<InvocationTrace>>,
}

impl Traces {
    pub(super) fn new(tracer: Tracer) -> Self {
        Traces { tracer, noted: HashMap::new() }
    }

    /// The trace of an invocation; `None` if nobody is told of spans.
    pub(super) fn of<K: Kv>(
        &self,
        state: &State<K>,
        id: &InvocationId,
    ) -> Result<Option<Arc<InvocationTrace>>, StoreError> {
        if !self.tracer.is_on() {
            return Ok(None);
        }
        match state.invocation(id)? {
            Some(row) => self.of_row(state, id, &row),
            None => Ok(None),
        }
    }

    /// The same for an invocation whose row is at hand.
    pub(super) fn of_row<K: Kv>(
        &self,
        state: &State<K>,
        id: &InvocationId,
        row: &Invocation,
    ) -> Result<Option<Arc<InvocationTrace>>, StoreError> {
        if !self.tracer.is_on() {
            return Ok(None);
        }
        // From the invocation up to the first whose trace is known, and down again.
        let mut callees = Vec::new();
        let (mut at, mut row) = (*id, Some(Cow::Borrowed(row)));
        let mut trace = loop {
            if let Some(noted) = self.noted.get(&at) {
                break Some(InvocationTrace::clone(noted));
            }
            match row.as_ref().map(|row| row.caller) {
                Some(Caller::Call { invocation, .. } | Caller::Send { invocation })
                    if callees.len() < CALLERS_ABOVE_MAX =>
                {
                    callees.push(at);
                    (at, row) = (invocation, state.invocation(&invocation)?.map(Cow::Owned));
                }
                Some(_) | None => {
                    let headers = row.as_ref().map_or(&[][..], |row| &row.headers);
                    break self.tracer.entry(&at, headers).map(|entry| entry.invocation(&at));
                }
            }
        };
        while let Some(callee) = callees.pop() {
            trace = trace.map(|trace| trace.callee(&callee));
        }
        Ok(trace.map(Arc::new))
    }

    /// Notes what a callee has from its caller.
    pub(super) fn note(&mut self, caller: &InvocationTrace, callee: &InvocationId) {
        if self.noted.len() < NOTED_TRACES_MAX {
            self.noted.insert(*callee, Arc::new(caller.callee(callee)));
        }
    }

    pub(super) fn forget(&mut self, id: &InvocationId) {
        self.noted.remove(id);
    }

    pub(super) fn clear(&mut self) {
        self.noted.clear();
    }
}

#[cfg(test)]
mod tests {
    use holiday_core::deployment::{HandlerMode, ServiceKind};
    use holiday_core::id::{EntryIndex, Seed, SubscriptionId};
    use holiday_core::policy::Policy;
    use holiday_core::retry::RetryPolicy;
    use holiday_core::state::memory::MemoryKv;
    use holiday_core::subscription::{Offset, Partition, RecordOrigin};
    use holiday_core::target::Target;
    use holiday_core::time::Timestamp;

    use super::*;
    use crate::telemetry::TraceContext;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn id(unique: u8) -> InvocationId {
        InvocationId::new(&Target::service("s", "h"), [unique; 16])
    }

    fn policy() -> Policy {
        Policy {
            retry: RetryPolicy::DEFAULT,
            idempotency_retention_ms: 0,
            workflow_retention_ms: 0,
            journal_retention_ms: None,
            timeout_ms: None,
            cpu_ms: None,
            private: false,
            keep_headers: Vec::new(),
        }
    }

    fn invocation(caller: Caller, traceparent: Option<&str>) -> Invocation {
        Invocation {
            target: Target::service("s", "h"),
            kind: ServiceKind::Service,
            mode: HandlerMode::Exclusive,
            headers: traceparent.map(|it| ("traceparent".to_owned(), it.to_owned())).into_iter().collect(),
            idempotency_key: None,
            seed: Seed([1; 32]),
            caller,
            created_at: Timestamp::ZERO,
            retention_ms: 0,
            policy: policy(),
            lineage: Vec::new(),
        }
    }

    /// 1 came from outside and calls 2, which sends to 3.
    fn state() -> State<MemoryKv> {
        let mut state = State::new(MemoryKv::default());
        let call = Caller::Call { invocation: id(1), command: EntryIndex(0) };
        let rows = [
            invocation(Caller::Ingress, Some(PARENT)),
            // What a handler writes into the headers of a call does not move the callee elsewhere.
            invocation(call, Some("00-11111111111111111111111111111111-1111111111111111-01")),
            invocation(Caller::Send { invocation: id(2) }, None),
        ];
        for (unique, row) in (1..).zip(rows) {
            state.put_invocation(&id(unique), &row).expect("it is stored");
        }
        state
    }

    fn of(traces: &Traces, state: &State<MemoryKv>, unique: u8) -> InvocationTrace {
        let trace = traces.of(state, &id(unique)).expect("a readable state").expect("it is on");
        InvocationTrace::clone(&trace)
    }

    #[test]
    fn callees_are_below_their_callers() {
        let (traces, state) = (Traces::new(Tracer::recording().0), state());
        let [first, second, third] = [1, 2, 3].map(|unique| of(&traces, &state, unique));
        let outside = TraceContext::of_headers([("traceparent", PARENT)]).expect("it is well formed");
        assert_eq!(first.context.trace, outside.trace);
        assert_eq!((second.context.trace, second.parent), (outside.trace, first.context.span));
        assert_eq!((third.context.trace, third.parent), (outside.trace, second.context.span));
    }

    #[test]
    fn a_record_joins_the_trace_of_its_header() {
        let (traces, mut state) = (Traces::new(Tracer::recording().0), state());
        let origin = RecordOrigin {
            subscription: SubscriptionId::from_bytes([1; 16]),
            partition: Partition(0),
            offset: Offset(7),
            timestamp: None,
            lane: None,
            generation: 0,
            failures: 0,
            parked: None,
        };
        for (unique, traceparent) in [(8, Some(PARENT)), (9, None)] {
            let row = invocation(Caller::Record(origin), traceparent);
            state.put_invocation(&id(unique), &row).expect("it is stored");
        }
        let outside = TraceContext::of_headers([("traceparent", PARENT)]).expect("it is well formed");
        assert_eq!(of(&traces, &state, 8).context.trace, outside.trace);
        assert_ne!(of(&traces, &state, 9).context.trace, outside.trace, "it begins a trace");
    }

    #[test]
    fn a_trace_that_is_noted_outlives_the_callers() {
        let (mut traces, mut state) = (Traces::new(Tracer::recording().0), state());
        let [second, third] = [2, 3].map(|unique| of(&traces, &state, unique));
        traces.note(&second, &id(3));
        for unique in [1, 2] {
            state.delete_invocation(&id(unique)).expect("it is deleted");
        }
        assert_eq!(of(&traces, &state, 3), third);

        // A host that did not see it come about knows the sender's id, and that is all.
        traces.forget(&id(3));
        let orphan = of(&traces, &state, 3);
        assert_ne!(orphan.context.trace, third.context.trace);
        assert_eq!((orphan.context.span, orphan.parent), (third.context.span, third.parent));
    }

    #[test]
    fn the_way_up_has_an_end() {
        let (traces, mut state) = (Traces::new(Tracer::recording().0), state());
        for unique in 4..=200 {
            let row = invocation(Caller::Send { invocation: id(unique - 1) }, None);
            state.put_invocation(&id(unique), &row).expect("it is stored");
        }
        let near = u8::try_from(CALLERS_ABOVE_MAX).expect("few");
        assert_eq!(of(&traces, &state, near).context.trace, of(&traces, &state, 1).context.trace);
        assert_ne!(of(&traces, &state, near + 2).context.trace, of(&traces, &state, 1).context.trace);
    }

    #[test]
    fn so_many_traces_are_noted() {
        let (mut traces, state) = (Traces::new(Tracer::recording().0), state());
        let caller = of(&traces, &state, 1);
        let ids = (0..=NOTED_TRACES_MAX as u128)
            .map(|it| InvocationId::new(&Target::service("s", "h"), it.to_be_bytes()));
        let ids: Vec<InvocationId> = ids.collect();
        ids.iter().for_each(|callee| traces.note(&caller, callee));
        assert_eq!(traces.noted.len(), NOTED_TRACES_MAX);
        traces.forget(&ids[0]);
        traces.note(&caller, &ids[NOTED_TRACES_MAX]);
        assert!(traces.noted.contains_key(&ids[NOTED_TRACES_MAX]), "there is room again");
    }

    #[test]
    fn nobody_is_told_of_spans_without_a_collector() {
        let traces = Traces::new(Tracer::default());
        assert_eq!(traces.of(&state(), &id(1)).expect("a readable state"), None);
    }
}
