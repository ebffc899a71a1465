//! The durable operations and pollables that live futures hold, and the one place where they wait.
//!
//! Invariants:
//! - `wait` lists every durable operation that a live future has asked for, in order of creation, so
//!   the list is the same in every replay.
//! - Whether an operation is complete is only ever learned from `wait`.
//! - A future that is dropped takes its operation off the list.
//! - A cancellation is told once, to all that is awaited then and not shielded. If there is no such thing, it is told
//!   when there is; until then nothing is begun that would have to be cancelled.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::TerminalError;
use crate::backend::{self, Pending, Pollable, Ready};
use crate::bindings::types::Answer;

thread_local! {
    /// A component instance runs one handler, so one table is all there is.
    static TABLE: RefCell<Table> = const { RefCell::new(Table::new()) };
    /// Whether the closure of a `run` is being polled.
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
    /// Whether a future is being polled that a cancellation does not interrupt.
    static IN_SHIELD: Cell<bool> = const { Cell::new(false) };
}

struct Table {
    next_id: u64,
    durable: BTreeMap<u64, Durable>,
    io: BTreeMap<u64, Io>,
    /// A cancellation that nobody could be told of yet.
    untold: Option<TerminalError>,
}

enum Durable {
    /// Issued, and nobody has asked for the answer yet.
    Issued(Pending),
    /// The closure of a `run` executes; there is nothing to wait for but its pollables.
    Executing(Asked),
    /// Somebody waits for the answer.
    Awaited(Pending, Asked),
    Answered(Answer),
    /// Not asked for, because a cancellation is to be told first.
    Withheld(TerminalError, Option<Asked>),
    /// Cancelled while awaited. Whoever asks is told once, and may then ask for the answer again.
    Interrupted(TerminalError, Option<Pending>),
    /// The answer was given.
    Taken,
}

/// Who asked, and whether a cancellation passes by.
struct Asked {
    waker: Waker,
    shielded: bool,
}

impl Asked {
    fn by(cx: &Context<'_>) -> Self {
        Self { waker: cx.waker().clone(), shielded: IN_SHIELD.get() }
    }
}

enum Io {
    Awaited(Pollable, Waker),
    Ready,
}

/// Waits for one thing to happen and wakes the futures it concerns.
pub(crate) fn wait() {
    for waker in TABLE.with_borrow_mut(Table::wait) {
        waker.wake();
    }
}

/// Panics when the closure of a `run` is being executed, because what it asks of the host would be
/// missing when the step is replayed.
pub(crate) fn assert_outside_run(what: &str) {
    assert!(
        !IN_RUN.get(),
        "{what} was asked for inside the closure of a run; the closure is not executed in a replay, so do it outside"
    );
}

/// Whether the closure of a `run` is being polled, so that what it learns now is known in a replay only by its outcome.
pub(crate) fn is_in_run() -> bool {
    IN_RUN.get()
}

/// The cancellation that an operation begun now would be interrupted by.
pub(crate) fn due_cancellation() -> Option<TerminalError> {
    if IN_SHIELD.get() { None } else { TABLE.with_borrow(|table| table.untold.clone()) }
}

/// Tells the due cancellation now, to all that is awaited and to the caller.
pub(crate) fn tell_cancellation() -> Option<TerminalError> {
    let cancelled = due_cancellation()?;
    let wakers = TABLE.with_borrow_mut(|table| {
        table.untold = None;
        table.interrupt(&cancelled)
    });
    wakers.into_iter().for_each(Waker::wake);
    Some(cancelled)
}

/// Whether what is asked for now belongs to a compensation.
pub(crate) fn is_shielded() -> bool {
    IN_SHIELD.get()
}

impl Table {
    const fn new() -> Self {
        Self { next_id: 0, durable: BTreeMap::new(), io: BTreeMap::new(), untold: None }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn durable(&mut self, id: u64) -> &mut Durable {
        self.durable.get_mut(&id).expect("an operation lives as long as its future")
    }

    fn wait(&mut self) -> Vec<Waker> {
        if let Some(cancelled) = self.untold.take() {
            let wakers = self.cancel(cancelled);
            if !wakers.is_empty() {
                return wakers;
            }
        }
        let (durable_ids, durable): (Vec<u64>, Vec<&Pending>) = self
            .durable
            .iter()
            .filter_map(
                |(id, it)| if let Durable::Awaited(pending, _) = it { Some((*id, pending)) } else { None },
            )
            .unzip();
        let (io_ids, io): (Vec<u64>, Vec<&Pollable>) = self
            .io
            .iter()
            .filter_map(
                |(id, it)| if let Io::Awaited(pollable, _) = it { Some((*id, pollable)) } else { None },
            )
            .unzip();
        assert!(
            !durable.is_empty() || !io.is_empty(),
            "the handler waits for a future that no operation of the host can complete"
        );
        match backend::wait(&durable, &io) {
            Ready::Pending(index) => vec![self.answer(durable_ids[index as usize])],
            Ready::Io(indices) => {
                indices.into_iter().map(|index| self.io_ready(io_ids[index as usize])).collect()
            }
            Ready::Cancelled(failure) => self.cancel(TerminalError::cancelled(failure)),
        }
    }

    fn answer(&mut self, id: u64) -> Waker {
        let it = self.durable(id);
        match mem::replace(it, Durable::Taken) {
            Durable::Awaited(pending, asked) => {
                *it = Durable::Answered(Pending::take(pending));
                asked.waker
            }
            _ => unreachable!("wait lists only what is awaited"),
        }
    }

    fn io_ready(&mut self, id: u64) -> Waker {
        match self.io.insert(id, Io::Ready) {
            Some(Io::Awaited(_, waker)) => waker,
            Some(Io::Ready) | None => unreachable!("wait lists only what is awaited"),
        }
    }

    /// Tells of a cancellation, or keeps it if there is nobody to tell.
    fn cancel(&mut self, cancelled: TerminalError) -> Vec<Waker> {
        let wakers = self.interrupt(&cancelled);
        if wakers.is_empty() {
            self.untold = Some(cancelled);
        }
        wakers
    }

    /// Fails all that is awaited now, save what is shielded.
    fn interrupt(&mut self, cancelled: &TerminalError) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for it in self.durable.values_mut() {
            let (asked, pending) = match mem::replace(it, Durable::Taken) {
                Durable::Awaited(pending, asked) if !asked.shielded => (asked, Some(pending)),
                Durable::Executing(asked) if !asked.shielded => (asked, None),
                Durable::Withheld(_, Some(asked)) => (asked, None),
                untouched => {
                    *it = untouched;
                    continue;
                }
            };
            wakers.push(asked.waker);
            *it = Durable::Interrupted(cancelled.clone(), pending);
        }
        wakers
    }
}

/// One durable operation, from the command to its answer.
#[derive(Debug)]
pub(crate) struct Operation(u64);

impl Operation {
    /// A command that the host has taken.
    pub(crate) fn issued(pending: Pending) -> Self {
        Self::new(Durable::Issued(pending))
    }

    /// A `run` whose closure is about to be executed.
    pub(crate) fn executing(cx: &Context<'_>) -> Self {
        Self::new(Durable::Executing(Asked::by(cx)))
    }

    /// One that the host was not asked for, because a cancellation is due.
    pub(crate) fn withheld(cancelled: TerminalError) -> Self {
        Self::new(Durable::Withheld(cancelled, None))
    }

    fn new(it: Durable) -> Self {
        TABLE.with_borrow_mut(|table| {
            let id = table.new_id();
            table.durable.insert(id, it);
            Self(id)
        })
    }

    /// Asks for the answer.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Result<Answer, TerminalError>> {
        TABLE.with_borrow_mut(|table| {
            let is_untold = table.untold.is_some();
            let it = table.durable(self.0);
            match mem::replace(it, Durable::Taken) {
                Durable::Issued(pending) | Durable::Awaited(pending, _) => {
                    *it = Durable::Awaited(pending, Asked::by(cx));
                    Poll::Pending
                }
                Durable::Withheld(cancelled, _) if is_untold => {
                    *it = Durable::Withheld(cancelled, Some(Asked::by(cx)));
                    Poll::Pending
                }
                Durable::Withheld(cancelled, _) => Poll::Ready(Err(cancelled)),
                Durable::Answered(answer) => Poll::Ready(Ok(answer)),
                Durable::Interrupted(cancelled, pending) => {
                    *it = pending.map_or(Durable::Taken, Durable::Issued);
                    Poll::Ready(Err(cancelled))
                }
                Durable::Executing(_) => unreachable!("a run asks for its answer when its closure has ended"),
                Durable::Taken => panic!("a durable operation was awaited after it had answered"),
            }
        })
    }

    /// Executes the closure of a `run` as far as it gets; a cancellation ends it.
    pub(crate) fn poll_closure<T>(
        &self,
        closure: Pin<&mut (dyn Future<Output = T> + '_)>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, TerminalError>> {
        let cancelled = TABLE.with_borrow_mut(|table| {
            let it = table.durable(self.0);
            match mem::replace(it, Durable::Taken) {
                Durable::Interrupted(cancelled, _) => Some(cancelled),
                _ => {
                    *it = Durable::Executing(Asked::by(cx));
                    None
                }
            }
        });
        if let Some(cancelled) = cancelled {
            return Poll::Ready(Err(cancelled));
        }
        let _scope = Scope::enter(&IN_RUN);
        closure.poll(cx).map(Ok)
    }

    /// The closure has ended, and the host records its outcome.
    pub(crate) fn closure_ended(&self, pending: Pending) {
        TABLE.with_borrow_mut(|table| *table.durable(self.0) = Durable::Issued(pending));
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let it = TABLE.with_borrow_mut(|table| table.durable.remove(&self.0));
        drop(it); // outside the borrow: a waker may own futures
    }
}

/// A pollable inside the closure of a `run`.
#[derive(Debug)]
pub(crate) struct IoReady(u64, Option<Pollable>);

impl IoReady {
    #[cfg_attr(not(any(test, target_family = "wasm")), expect(dead_code, reason = "only HTTP waits for I/O"))]
    pub(crate) fn new(pollable: Pollable) -> Self {
        Self(TABLE.with_borrow_mut(Table::new_id), Some(pollable))
    }
}

impl Future for IoReady {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let id = self.0;
        TABLE.with_borrow_mut(|table| match (self.1.take(), table.io.get_mut(&id)) {
            (Some(pollable), _) => {
                table.io.insert(id, Io::Awaited(pollable, cx.waker().clone()));
                Poll::Pending
            }
            (None, Some(Io::Awaited(_, waker))) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            (None, Some(Io::Ready)) => Poll::Ready(()),
            (None, None) => unreachable!("a pollable stays until its future is dropped"),
        })
    }
}

impl Drop for IoReady {
    fn drop(&mut self) {
        let it = TABLE.with_borrow_mut(|table| table.io.remove(&self.0));
        drop(it);
    }
}

/// Runs a future past a cancellation: what it awaits when that arrives is not interrupted, and the calls that it makes
/// are not cancelled.
pub(crate) async fn shielded<F: IntoFuture>(work: F) -> F::Output {
    let mut future = std::pin::pin!({
        let _scope = Scope::enter(&IN_SHIELD);
        work.into_future()
    });
    std::future::poll_fn(|cx| {
        let _scope = Scope::enter(&IN_SHIELD);
        future.as_mut().poll(cx)
    })
    .await
}

/// Sets a flag until it is dropped.
struct Scope {
    flag: &'static std::thread::LocalKey<Cell<bool>>,
    before: bool,
}

impl Scope {
    fn enter(flag: &'static std::thread::LocalKey<Cell<bool>>) -> Self {
        Self { flag, before: flag.replace(true) }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.flag.set(self.before);
    }
}

/// Forgets what an earlier attempt on the same thread has left.
#[cfg(test)]
pub(crate) fn begin_attempt() {
    TABLE.with_borrow_mut(|table| *table = Table::new());
}
