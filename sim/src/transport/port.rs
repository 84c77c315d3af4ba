//! One shard's side of the network, and the links between shards.

use super::{Side, SlotOrder};
use crate::entropy::Entropy;
use crate::net::Micros;
use millstream_core::drive::IoFailure;
use millstream_core::id::{ConnId, DialId, JobId};
use millstream_core::job::{JobNews, JobResult};
use millstream_core::shard::{ShardId, ShardMessage};
use millstream_core::time::Deadline;
use std::collections::{BTreeSet, VecDeque};

/// What one shard sees of the network.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) accepts: Vec<usize>,
    /// The configuration in force.
    pub(super) config: usize,
    /// Configurations that it has heard of and not taken.
    pub(super) configs: VecDeque<usize>,
    pub(super) deadline: Option<Deadline>,
    /// How attempts to connect have ended: with a link, or why not.
    pub(super) dialled: Vec<(DialId, Result<usize, IoFailure>)>,
    /// Jobs that are over.
    pub(super) ended: VecDeque<(JobId, JobResult)>,
    /// What is told of jobs that go on.
    pub(super) goings_on: VecDeque<(JobId, JobNews)>,
    /// The last turn ended with its budget of writes: its loop has more to do.
    pub(super) has_more: bool,
    pub(super) has_run: bool,
    /// What other shards have said and this one has not taken.
    pub(super) inbox: VecDeque<(ShardId, ShardMessage)>,
    /// The shard has ended.
    pub(super) is_gone: bool,
    pub(super) order: SlotOrder,
    pub(super) readable: BTreeSet<(usize, Side)>,
    pub(super) shutdown: bool,
    pub(super) writable: BTreeSet<(usize, Side)>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    generation: u32,
    link: Option<(usize, Side)>,
}

impl Port {
    pub(super) fn new(order: SlotOrder) -> Self {
        let reserved = Slot { generation: 0, link: Some((usize::MAX, Side::Accepting)) };
        let slots = match order {
            SlotOrder::Lowest => Vec::new(),
            SlotOrder::Shifted => vec![reserved; 3],
        };
        Self {
            accepts: Vec::new(),
            config: 0,
            configs: VecDeque::new(),
            deadline: None,
            dialled: Vec::new(),
            ended: VecDeque::new(),
            goings_on: VecDeque::new(),
            has_more: false,
            has_run: false,
            inbox: VecDeque::new(),
            is_gone: false,
            order,
            readable: BTreeSet::new(),
            shutdown: false,
            writable: BTreeSet::new(),
            slots,
        }
    }

    pub(super) fn has_jobs(&self) -> bool {
        !self.ended.is_empty() || !self.goings_on.is_empty()
    }

    /// A new connection for an end of a link.
    pub(super) fn allocate(&mut self, link: (usize, Side)) -> ConnId {
        let free = self.slots.iter().position(|slot| slot.link.is_none());
        if free.is_none() {
            let generation = if self.order == SlotOrder::Shifted { 8 } else { 0 };
            self.slots.push(Slot { generation, link: None });
        }
        let index = free.unwrap_or(self.slots.len() - 1);
        let slot = &mut self.slots[index];
        slot.generation += 1;
        slot.link = Some(link);
        ConnId { slot: index as u32, generation: slot.generation }
    }

    /// The link of a connection, and the end of it.
    pub(super) fn link_of(&self, conn: ConnId) -> Option<(usize, Side)> {
        let slot = self.slots.get(conn.slot as usize)?;
        slot.link.filter(|_| slot.generation == conn.generation)
    }

    /// Forgets a connection; gives its link.
    pub(super) fn free(&mut self, conn: ConnId) -> Option<(usize, Side)> {
        let link = self.link_of(conn)?;
        self.slots[conn.slot as usize].link = None;
        self.readable.remove(&link);
        self.writable.remove(&link);
        Some(link)
    }
}

/// The links between shards. Each keeps its order and loses nothing; one may be slower than others.
#[derive(Debug)]
pub(super) struct Wires {
    count: usize,
    delay_max: Micros,
    wires: Vec<Wire>,
}

#[derive(Debug, Default)]
struct Wire {
    last_arrival: Micros,
    on_its_way: VecDeque<(Micros, ShardMessage)>,
}

impl Wires {
    pub(super) fn new(count: usize, delay_max: Micros) -> Self {
        let wires = (0..count * count).map(|_| Wire::default()).collect();
        Self { count, delay_max, wires }
    }

    /// Sends a message; gives when it arrives.
    pub(super) fn send(
        &mut self,
        now: Micros,
        (from, to): (usize, usize),
        message: ShardMessage,
        entropy: &mut Entropy,
    ) -> Micros {
        let delay = entropy.range(0..=self.delay_max);
        let wire = &mut self.wires[from * self.count + to];
        wire.last_arrival = wire.last_arrival.max(now + delay);
        wire.on_its_way.push_back((wire.last_arrival, message));
        wire.last_arrival
    }

    /// Nothing that was said arrives any more.
    pub(super) fn clear(&mut self) {
        self.wires.fill_with(Wire::default);
    }

    /// The next message that has arrived.
    pub(super) fn receive(
        &mut self,
        now: Micros,
        (from, to): (usize, usize),
    ) -> Option<ShardMessage> {
        let wire = &mut self.wires[from * self.count + to];
        let (at, _) = wire.on_its_way.front()?;
        if *at > now { None } else { wire.on_its_way.pop_front().map(|(_, message)| message) }
    }
}
