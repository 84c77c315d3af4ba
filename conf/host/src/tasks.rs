//! Many futures on one thread, of any runtime: each is polled when its own waker was called.

use crate::transport::ready::{Direction, ReadyList, SlotWaker};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake as _, Waker};

/// Futures that run until all are done.
#[derive(Default)]
pub(crate) struct Tasks {
    list: Arc<ReadyList>,
    running: usize,
    tasks: Vec<Option<Task>>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    slot_waker: Arc<SlotWaker>,
    waker: Waker,
}

impl Tasks {
    /// Adds one; it runs once the whole is polled.
    pub(crate) fn add(&mut self, future: impl Future<Output = ()> + 'static) {
        let slot = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        let slot_waker = Arc::new(SlotWaker::new(slot, Direction::Read, self.list.clone()));
        slot_waker.wake_by_ref();
        let waker = Waker::from(slot_waker.clone());
        self.tasks.push(Some(Task { future: Box::pin(future), slot_waker, waker }));
        self.running += 1;
    }
}

impl Future for Tasks {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut woken = Vec::new();
        self.list.take(cx.waker(), &mut woken, &mut VecDeque::new(), &mut VecDeque::new());
        for woken in woken {
            let Some(place) = self.tasks.get_mut(woken.slot as usize) else { continue };
            let Some(task) = place else { continue };
            task.slot_waker.unqueue();
            if task.future.as_mut().poll(&mut Context::from_waker(&task.waker)).is_ready() {
                *place = None;
                self.running -= 1;
            }
        }
        if self.running == 0 {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn only_what_was_woken_is_polled() {
        let polled: Rc<RefCell<Vec<u8>>> = Rc::default();
        let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
        let mut tasks = Tasks::default();
        for number in 0..3 {
            let (polled, wakers) = (polled.clone(), wakers.clone());
            let mut turns = 0;
            tasks.add(std::future::poll_fn(move |cx| {
                polled.borrow_mut().push(number);
                wakers.borrow_mut().push(cx.waker().clone());
                turns += 1;
                if turns == 2 { Poll::Ready(()) } else { Poll::Pending }
            }));
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut tasks = std::pin::pin!(tasks);
        let mut turn = |expected: &[u8]| {
            let outcome = tasks.as_mut().poll(&mut cx);
            assert_eq!(polled.take(), expected);
            outcome
        };
        let wake = |slot: usize| wakers.borrow()[slot].wake_by_ref();
        assert_eq!(turn(&[0, 1, 2]), Poll::Pending);
        assert_eq!(turn(&[]), Poll::Pending);
        wake(2);
        wake(2);
        assert_eq!(turn(&[2]), Poll::Pending);
        wake(2);
        assert_eq!(turn(&[]), Poll::Pending, "it is done");
        wake(1);
        wake(0);
        assert_eq!(turn(&[1, 0]), Poll::Ready(()));
    }
}
