//! Ends a future that runs on another thread.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A request to end; every clone is the same request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_requested: bool,
    task: Option<Waker>,
}

impl Stop {
    /// Ends the future that runs by this request, or will run.
    pub(crate) fn request(&self) {
        let task = {
            let mut state = self.lock();
            state.is_requested = true;
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Runs `future`, for `None` only until the request; then it is not polled again.
    pub(crate) async fn or<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            {
                let mut state = self.lock();
                if state.is_requested {
                    return Poll::Ready(None);
                }
                state.task = Some(cx.waker().clone());
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// A panic elsewhere leaves the state whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_request_wakes_and_ends_the_future_once() {
        let wakes = Arc::new(Count::default());
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let stop = Stop::default();
        {
            let mut endless = pin!(stop.or(std::future::pending::<()>()));
            assert_eq!(endless.as_mut().poll(&mut cx), Poll::Pending);
            stop.request();
            stop.request();
            assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
            assert_eq!(endless.as_mut().poll(&mut cx), Poll::Ready(None));
        }
        let mut late = pin!(stop.or(std::future::ready(1)));
        assert_eq!(late.as_mut().poll(&mut cx), Poll::Ready(None), "it never begins");
        let free = Stop::default();
        let mut done = pin!(free.or(std::future::ready(1)));
        assert_eq!(done.as_mut().poll(&mut cx), Poll::Ready(Some(1)));
    }
}
