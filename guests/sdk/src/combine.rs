//! Waiting for several things at once.
//!
//! The host tells of one completed operation at a time, in the order of the journal, so whatever is
//! first here is first in every replay. Children are polled in the order given.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::{Context, TerminalError};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Waits for all of several futures, which may differ in type, and gives a tuple of what they gave.
///
/// ```no_run
/// # use std::time::Duration;
/// # use holiday_sdk::{Context, Error, Target};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let quote = |place: &str| ctx.call::<_, u32>(Target::service("quotes", "get"), place);
/// let (fra, muc, ()) =
///     holiday_sdk::join!(quote("FRA"), quote("MUC"), async { println!("asked for both") });
/// println!("{} or {}", fra?, muc?);
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => {
        $crate::__private::Join::join(($(::std::future::IntoFuture::into_future($future),)+)).await
    };
}

/// A tuple of futures that `join!` can wait for.
#[doc(hidden)]
pub trait Join {
    type Output;
    fn join(self) -> impl Future<Output = Self::Output>;
}

macro_rules! join_tuples {
    ($($($future:ident $value:ident $index:tt)+;)+) => {$(
        impl<$($future: Future),+> Join for ($($future,)+) {
            type Output = ($($future::Output,)+);

            async fn join(self) -> Self::Output {
                let mut futures = ($(Box::pin(self.$index),)+);
                $(let mut $value = None;)+
                poll_fn(move |cx| {
                    $(if $value.is_none() && let Poll::Ready(it) = futures.$index.as_mut().poll(cx) {
                        $value = Some(it);
                    })+
                    if $($value.is_none())||+ {
                        return Poll::Pending;
                    }
                    Poll::Ready(($($value.take().expect("all are there"),)+))
                })
                .await
            }
        }
    )+};
}

join_tuples! {
    A a 0;
    A a 0 B b 1;
    A a 0 B b 1 C c 2;
    A a 0 B b 1 C c 2 D d 3;
    A a 0 B b 1 C c 2 D d 3 E e 4;
    A a 0 B b 1 C c 2 D d 3 E e 4 F f 5;
    A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6;
    A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7;
}

/// Waits for all futures of a list and gives what they gave, in the order of the list.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Target, join_all};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let places = ["FRA", "MUC", "BER"];
/// let quotes = places.map(|place| ctx.call::<_, u32>(Target::service("quotes", "get"), place));
/// let total: u32 = join_all(quotes).await.into_iter().sum::<Result<u32, _>>()?;
/// # Ok(()) }
/// ```
pub async fn join_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures = boxed(futures);
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(it) = future.as_mut().poll(cx)
            {
                *output = Some(it);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// Waits for the first future of a list and gives its position and what it gave; the others are
/// dropped. It never ends when the list is empty.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Target, race};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let mirrors = ["eu", "us"].map(|name| ctx.call::<_, u32>(Target::service(name, "quote"), "BMW"));
/// let (index, price) = race(mirrors).await;
/// println!("mirror {index} says {}", price?);
/// # Ok(()) }
/// ```
pub async fn race<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> (usize, F::Output) {
    let mut futures = boxed(futures);
    poll_fn(|cx| {
        for (index, future) in futures.iter_mut().enumerate() {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready((index, output));
            }
        }
        Poll::Pending
    })
    .await
}

fn boxed<'a, F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> Vec<Boxed<'a, F::Output>>
where
    F::IntoFuture: 'a,
{
    futures.into_iter().map(|future| Box::pin(future.into_future()) as Boxed<'a, F::Output>).collect()
}

/// Which of two futures was first, and what it gave.
///
/// ```
/// use holiday_sdk::Either;
///
/// let won: Either<u32, &str> = Either::Left(7);
/// assert_eq!(won, Either::Left(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first argument was.
    Left(A),
    /// The second argument was.
    Right(B),
}

/// Waits for the first of two futures; the other is dropped.
///
/// ```no_run
/// # use std::time::Duration;
/// # use holiday_sdk::{Context, Either, Error, select};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let (id, approval) = ctx.awakeable::<bool>();
/// println!("waiting for {id}");
/// match select(approval, ctx.sleep(Duration::from_secs(3600))).await {
///     Either::Left(approved) => println!("approved: {}", approved?),
///     Either::Right(_) => println!("nobody answered"),
/// }
/// # Ok(()) }
/// ```
pub async fn select<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> Either<A::Output, B::Output> {
    let mut a = Box::pin(a.into_future());
    let mut b = Box::pin(b.into_future());
    poll_fn(|cx| {
        if let Poll::Ready(output) = a.as_mut().poll(cx) {
            return Poll::Ready(Either::Left(output));
        }
        b.as_mut().poll(cx).map(Either::Right)
    })
    .await
}

/// What can be asked of anything that waits for the host.
///
/// ```no_run
/// # use std::time::Duration;
/// # use holiday_sdk::{Context, DurableExt, Error, Target};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let (id, approval) = ctx.awakeable::<bool>();
/// let approved = approval.timeout(Duration::from_secs(3600)).await?;
/// # Ok(()) }
/// ```
pub trait DurableExt<T, E>: IntoFuture<Output = Result<T, E>> + Sized {
    /// Stops waiting after `limit`, with a terminal error of code 408
    /// ([`is_timeout`](TerminalError::is_timeout)). What was waited for goes on.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use holiday_sdk::{Context, DurableExt, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let quote = ctx.call::<_, u32>(Target::service("quotes", "get"), "BMW");
    /// match quote.timeout(Duration::from_secs(2)).await {
    ///     Ok(price) => println!("{price}"),
    ///     Err(error) if error.is_timeout() => println!("too slow"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(()) }
    /// ```
    fn timeout(self, limit: Duration) -> impl Future<Output = Result<T, E>>;
}

impl<T, E, F> DurableExt<T, E> for F
where
    E: From<TerminalError>,
    F: IntoFuture<Output = Result<T, E>>,
{
    fn timeout(self, limit: Duration) -> impl Future<Output = Result<T, E>> {
        let future = self.into_future();
        let timer = Context::of_this_handler().sleep(limit);
        async move {
            match select(future, timer).await {
                Either::Left(result) => result,
                Either::Right(Ok(())) => {
                    Err(TerminalError::timed_out(format!("timed out after {limit:?}")).into())
                }
                Either::Right(Err(cancelled)) => Err(cancelled.into()),
            }
        }
    }
}
