//! The ready list: slots of connections whose sockets have news, what other shards have said, and
//! the shutdown flag.

use super::Listener;
use crate::jobs::Report;
use millstream_core::config::Config;
use millstream_core::id::{DialId, JobId, ListenerId};
use millstream_core::shard::{ShardId, ShardMessage};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Slots to look at, and the task that looks. The lock is held for a push or a swap only.
#[derive(Debug, Default)]
pub(crate) struct ReadyList {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Woken>,
    /// In the order in which they were said.
    said: VecDeque<(ShardId, ShardMessage)>,
    news: VecDeque<News>,
    is_shutdown: bool,
    /// Woken once, by the first news since the last `take`.
    task: Option<Waker>,
}

impl ReadyList {
    /// Swaps the slots out into `slots`, which is empty, appends what was said to `said` and the
    /// other news to `news`, and remembers the task to wake; true when a shutdown was requested.
    pub(crate) fn take(
        &self,
        task: &Waker,
        slots: &mut Vec<Woken>,
        said: &mut VecDeque<(ShardId, ShardMessage)>,
        news: &mut VecDeque<News>,
    ) -> bool {
        let mut state = self.lock();
        std::mem::swap(&mut state.slots, slots);
        said.append(&mut state.said);
        news.append(&mut state.news);
        match &mut state.task {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
        state.is_shutdown
    }

    /// Slots wait for `take`.
    pub(crate) fn has_any(&self) -> bool {
        let state = self.lock();
        !state.slots.is_empty() || !state.said.is_empty() || !state.news.is_empty()
    }

    /// Tells the transport something that no socket of its table tells.
    pub(crate) fn tell(&self, news: News) {
        self.change(|state| state.news.push_back(news));
    }

    fn push(&self, woken: Woken) {
        self.change(|state| state.slots.push(woken));
    }

    fn say(&self, from: ShardId, message: ShardMessage) {
        self.change(|state| state.said.push_back((from, message)));
    }

    fn request_shutdown(&self) {
        self.change(|state| state.is_shutdown = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
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

/// What comes from other threads, or of what has no slot.
#[derive(Debug)]
pub(crate) enum News {
    /// An attempt to connect has got further.
    Dial(DialId),
    /// The operator has changed the configuration.
    Changed(Box<Change>),
    /// A job goes on, or is over.
    Job(JobId, Report),
}

/// What a reload changes of a shard.
#[derive(Debug)]
pub struct Change {
    /// Listeners that accept no more; who waits there is still accepted.
    pub closed: Vec<ListenerId>,
    /// The configuration from now on, if it is another one.
    pub config: Option<Arc<Config>>,
    /// Dropped when all of `closed` are.
    pub gone: Option<Sender<()>>,
    /// Listeners that are new.
    pub opened: Vec<(ListenerId, Listener)>,
}

/// What a slot waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// A slot that has news.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Woken {
    pub(crate) slot: u32,
    pub(crate) direction: Direction,
}

/// The waker of one direction of one slot. It outlives the connections that use the slot one after the other; news
/// for an earlier one are looked at in vain, and do no harm.
#[derive(Debug)]
pub(crate) struct SlotWaker {
    woken: Woken,
    is_queued: AtomicBool,
    list: Arc<ReadyList>,
}

impl SlotWaker {
    pub(crate) fn new(slot: u32, direction: Direction, list: Arc<ReadyList>) -> Self {
        Self { woken: Woken { slot, direction }, is_queued: AtomicBool::new(false), list }
    }

    /// To be called before the slot is looked at: later news queue it again.
    pub(crate) fn unqueue(&self) {
        self.is_queued.store(false, Ordering::Release);
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.list.push(self.woken);
        }
    }
}

/// The ears of all shards of a server: what one says to another is put on the other's ready list.
#[derive(Clone, Debug)]
pub struct Links(Arc<[Arc<ReadyList>]>);

impl Links {
    /// For so many shards.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self((0..shards.max(1)).map(|_| Arc::default()).collect())
    }

    pub(crate) fn ready_list(&self, shard: ShardId) -> Option<Arc<ReadyList>> {
        self.0.get(usize::from(shard.0)).cloned()
    }

    pub(crate) fn say(&self, from: ShardId, to: ShardId, message: ShardMessage) {
        if let Some(list) = self.0.get(usize::from(to.0)) {
            list.say(from, message);
        }
    }
}

/// Makes a transport report `Ready::Shutdown`, or `Ready::Config`.
#[derive(Clone, Debug)]
pub struct ShutdownHandle(Arc<ReadyList>);

impl ShutdownHandle {
    pub(crate) const fn new(list: Arc<ReadyList>) -> Self {
        Self(list)
    }

    /// Gives the shard another configuration.
    pub fn change(&self, change: Change) {
        self.0.tell(News::Changed(Box::new(change)));
    }

    /// Ends the server in order; further calls have no effect.
    pub fn shut_down(&self) {
        self.0.request_shutdown();
    }
}
