//! The ready list: slots of connections whose sockets have news, and the shutdown flag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Slots to look at, and the task that looks. The lock is held for a push or a swap only.
#[derive(Debug, Default)]
pub(super) struct ReadyList {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<u32>,
    is_shutdown: bool,
    /// Woken once, by the first news since the last `take`.
    task: Option<Waker>,
}

impl ReadyList {
    /// Swaps the slots out into `slots`, which is empty, and remembers the task to wake; true when
    /// a shutdown was requested.
    pub(super) fn take(&self, task: &Waker, slots: &mut Vec<u32>) -> bool {
        let mut state = self.lock();
        std::mem::swap(&mut state.slots, slots);
        match &mut state.task {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
        state.is_shutdown
    }

    /// Slots wait for `take`.
    pub(super) fn has_any(&self) -> bool {
        !self.lock().slots.is_empty()
    }

    fn push(&self, slot: u32) {
        let mut state = self.lock();
        state.slots.push(slot);
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn request_shutdown(&self) {
        let mut state = self.lock();
        state.is_shutdown = true;
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// A panic elsewhere leaves the list whole: no step of it can be left half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of one slot. It outlives the connections that use the slot one after the other; news
/// for an earlier one are looked at in vain, and do no harm.
#[derive(Debug)]
pub(super) struct SlotWaker {
    slot: u32,
    is_queued: AtomicBool,
    list: Arc<ReadyList>,
}

impl SlotWaker {
    pub(super) fn new(slot: u32, list: Arc<ReadyList>) -> Self {
        Self { slot, is_queued: AtomicBool::new(false), list }
    }

    /// To be called before the slot is looked at: later news queue it again.
    pub(super) fn unqueue(&self) {
        self.is_queued.store(false, Ordering::Release);
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.list.push(self.slot);
        }
    }
}

/// Makes a transport report `Ready::Shutdown`.
#[derive(Clone, Debug)]
pub struct ShutdownHandle(Arc<ReadyList>);

impl ShutdownHandle {
    pub(super) const fn new(list: Arc<ReadyList>) -> Self {
        Self(list)
    }

    /// Ends the server in order; further calls have no effect.
    pub fn shut_down(&self) {
        self.0.request_shutdown();
    }
}
