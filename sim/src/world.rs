//! The world: actors, a network and the server, on one virtual clock with one queue of events.
//!
//! A run has four parts. While the scenario lasts, actors come and go and things break. Then it is
//! calm, and everyone who is there must get frames again. Then all leave. Then there is time for
//! every timer to run out, and nothing may be left.

use crate::actor::{Actor, Stage};
use crate::entropy::Entropy;
use crate::net::Micros;
use crate::oracle::{Failure, Oracle};
use crate::scenario::{Scenario, ServerFaultKind, ServerPlan};
use crate::trace::{Detail, Traced};
use crate::transport::{Due, OPERATIONS, Operation, SimTransport, SlotOrder};
use millstream_core::drive::{Budget, Drive};
use millstream_core::server::Server;
use millstream_core::shard::{Placement, ShardId};
use millstream_core::time::WallClock;
use std::fmt::Write as _;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Waker};

/// Time between two looks at everything.
const CHECK_INTERVAL: Micros = 2_000_000;
/// The wall clock at the start, where nothing else is said: in November 2023.
const WALL: WallClock = WallClock { unix_millis: 1_700_000_000_000 };
/// What a forward takes at most to be there again.
const HOP: Micros = 14_000_000;
/// After everyone has left: all timers and all patience run out. A program that often failed would
/// have been started again after a minute.
const DRAIN: Micros = 65_000_000;
/// What is done about files that cannot be written or removed is done up to a minute later.
const DRAIN_OF_FILES: Micros = 61_000_000;
/// Files that wait after everyone has left.
const FILES_LEFT_MAX: u32 = 100;

/// What must not matter to a run: twins differ in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// What the server's clock says at the start, in microseconds.
    pub epoch: Micros,
    /// How slots are numbered.
    pub order: SlotOrder,
    /// The wall clock at the start. Twins have the same: heads of HTTP tell it.
    pub wall: WallClock,
}

impl Origin {
    /// The origin of an only child.
    pub const FIRST: Self = Self { epoch: 0, order: SlotOrder::Lowest, wall: WALL };
    /// The origin of its twin. Handshakes carry the clock in milliseconds modulo 2^32, so it differs
    /// by a multiple of that.
    pub const TWIN: Self =
        Self { epoch: (20 * 1_000) << 32, order: SlotOrder::Shifted, wall: WALL };
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// One line for each input, output and event; empty unless asked for.
    pub trace: String,
    /// Figures of the run.
    pub figures: Figures,
}

/// Figures of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Virtual time, in microseconds.
    pub elapsed: Micros,
    /// Connections that were made.
    pub connections: usize,
    /// Frames that players got.
    pub frames: u64,
    /// Epochs of publishing.
    pub epochs: usize,
    /// What the servers asked of their machines and the network, in the order of
    /// [`OPERATIONS`].
    pub operations: [u64; OPERATIONS.len()],
}

/// Everything of a run.
pub struct World {
    actors: Vec<Actor>,
    /// What all loops may do in one turn.
    budget: Budget,
    /// Chooses which shard goes first.
    entropy: Entropy,
    is_over: bool,
    oracle: Oracle,
    scenario: Scenario,
    /// Shards of the server under test, and then those that it forwards to.
    shards: Vec<(Server, Drive)>,
    shut: bool,
    /// What differs from a server to the one that follows it.
    starts: u64,
    transport: Traced<SimTransport, Vec<u8>>,
    /// What the wall clock said at the start.
    wall: WallClock,
    wants_check: bool,
}

/// Runs a scenario.
#[must_use]
pub fn run(scenario: &Scenario, origin: Origin, detail: Detail) -> Outcome {
    let mut world = World::new(scenario, origin, detail);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        let at = world.net().clock();
        world.oracle.fail(at, format!("panic: {text}"));
    }
    world.finish()
}

impl World {
    /// A world at its start.
    #[must_use]
    pub fn new(scenario: &Scenario, origin: Origin, detail: Detail) -> Self {
        let ServerPlan { step, shards, shard_delay, .. } = scenario.server;
        let count = u16::try_from(shards).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN);
        let entropy = scenario.entropy(u64::MAX);
        let budget = draw_budget(&mut scenario.entropy(u64::MAX - 5));
        let mut net = SimTransport::new(step, origin.epoch, origin.order, entropy)
            .with_shards(usize::from(count.get()), shard_delay)
            .with_host(scenario.server.host(), scenario.entropy(u64::MAX - 2))
            .with_failing(scenario.failing);
        let configs = scenario.configs();
        net.plan_reloads(configs, &scenario.reloads, &mut scenario.entropy(u64::MAX - 3));
        net = net.with_peers(&scenario.peers, scenario.entropy(u64::MAX - 4));
        let actors: Vec<Actor> = (0..)
            .zip(&scenario.actors)
            .map(|(index, plan)| {
                Actor::new(index, *plan, scenario.entropy(index as u64 + 1), &mut net)
                    .with_calm_from(scenario.duration)
            })
            .collect();
        for (index, fault) in scenario.faults.iter().enumerate() {
            net.schedule(fault.at, Due::Fault(index));
        }
        for (index, fault) in scenario.server_faults.iter().enumerate() {
            net.schedule(fault.at, Due::ServerFault(index));
        }
        if let Some(at) = scenario.shutdown {
            net.schedule(at, Due::Shutdown);
        }
        net.schedule(CHECK_INTERVAL, Due::Check);
        let shards = usize::from(count.get()) + scenario.peers.len();
        let shards = (0..shards).map(|port| {
            let server = start_server(scenario, origin.wall, net.server_of(port), port, &net, 0);
            (server, Drive::new(budget))
        });
        let shards = shards.collect();
        Self {
            actors,
            budget,
            entropy: scenario.entropy(u64::MAX - 1),
            is_over: false,
            oracle: Oracle::new(scenario),
            scenario: scenario.clone(),
            shards,
            shut: false,
            starts: 0,
            transport: Traced::new(net, Vec::new(), detail),
            wall: origin.wall,
            wants_check: false,
        }
    }

    /// Lives through all parts of the scenario.
    pub fn live(&mut self) {
        let calm = self.calm();
        self.run_until(self.scenario.duration + calm);
        // What fails while it is calm takes as long to be well again.
        let failed_at = self.net().failed_at().unwrap_or_default();
        self.run_until(self.net().clock().max(failed_at + calm));
        if !self.shut {
            self.oracle.check_alive(self.net().clock(), &self.actors);
        }
        self.is_over = true;
        for index in 0..self.actors.len() {
            self.act(index, Actor::leave);
        }
        self.drain();
        let clock = self.net().clock();
        for (port, (server, _)) in self.shards.iter().enumerate() {
            if !self.net().is_gone(port) || server.is_drained() {
                self.oracle.check_empty(clock, server);
            }
        }
        self.oracle.check_all_gone(clock);
        let (dials, dialled) = (self.net().dials(), self.net().dialled());
        if dials + dialled > 0 {
            let what = format!("everyone has left, but {dials} dials and {dialled} links are left");
            self.oracle.fail(clock, what);
        }
        let jobs = self.net().jobs();
        if jobs > 0 {
            self.oracle.fail(clock, format!("everyone has left, but {jobs} jobs go on"));
        }
    }

    /// Runs until a time, or until something goes wrong.
    pub fn run_until(&mut self, until: Micros) {
        while self.oracle.failure.is_none() {
            self.turn();
            if self.net().is_spinning() {
                self.oracle.fail(self.transport.inner().clock(), "the loop spins".to_owned());
            }
            if let Some(complaint) = self.net_mut().take_complaint() {
                self.oracle.fail(self.transport.inner().clock(), complaint);
            }
            let next = self.net().next_at();
            if std::mem::take(&mut self.wants_check) {
                if next.is_some_and(|at| at <= self.net().clock()) {
                    self.wants_check = true;
                } else {
                    let Self { oracle, transport, shards, actors, .. } = self;
                    let net = transport.inner();
                    // Who has ended does nothing any more, so nothing changes there.
                    let up = (0..shards.len()).filter(|port| !net.is_gone(*port));
                    oracle.check(net, up.map(|port| &shards[port].0), actors);
                }
            }
            let Some(next) = next.filter(|at| *at <= until) else { break };
            self.net_mut().advance(next);
            while let Some(due) = self.net_mut().pop_due() {
                self.handle(due);
            }
        }
        self.net_mut().advance(until);
    }

    /// What came out.
    #[must_use]
    pub fn finish(self) -> Outcome {
        let figures = Figures {
            elapsed: self.transport.inner().clock(),
            connections: self.transport.inner().links.len(),
            frames: self.oracle.frames,
            epochs: self.oracle.ledger.epochs.len(),
            operations: self.transport.inner().operations(),
        };
        let bytes = self.transport.into_output();
        let mut trace = String::from_utf8(bytes).unwrap_or_default();
        if let (Some(failure), false) = (&self.oracle.failure, trace.is_empty()) {
            let _ = writeln!(trace, "failed {}", failure.what);
        }
        Outcome { failure: self.oracle.failure, trace, figures }
    }

    /// The network.
    #[must_use]
    pub const fn net(&self) -> &SimTransport {
        self.transport.inner()
    }

    fn net_mut(&mut self) -> &mut SimTransport {
        self.transport.inner_mut()
    }

    /// How long it takes until everyone must get frames again: names are free and clients are back.
    fn calm(&self) -> Micros {
        let longest = |time: fn(&ServerPlan) -> Micros| self.scenario.plans().map(time).max();
        let [grace, idle, play_wait] =
            [longest(|plan| plan.grace), longest(|plan| plan.idle), longest(|plan| plan.play_wait)];
        let [grace, idle, play_wait] = [grace, idle, play_wait].map(Option::unwrap_or_default);
        let longest_pause = self.scenario.actors.iter().map(|actor| actor.again).max();
        let usual = 2 * idle + grace.max(play_wait) + 4 * longest_pause.unwrap_or(0) + 14_000_000;
        // Each server on a way finds out that the one before it has gone, and is found again.
        usual + self.scenario.peers.len() as u64 * (2 * idle + HOP)
    }

    /// Runs until all timers and all patience have run out.
    fn drain(&mut self) {
        self.run_until(self.net().clock() + DRAIN);
        let files = |net: &SimTransport| {
            let counts = net.operations();
            [Operation::File, Operation::Remove].map(|operation| counts[operation as usize])
        };
        for _ in 0..FILES_LEFT_MAX {
            let before = files(self.net());
            self.run_until(self.net().clock() + DRAIN_OF_FILES);
            if files(self.net()) == before {
                break;
            }
        }
    }

    /// Lets all shards that have something to do take a turn, in an order that is drawn.
    fn turn(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let count = self.shards.len();
        let first = self.entropy.range(0..=count as u64 - 1) as usize;
        for own in (0..count).map(|index| (first + index) % count) {
            if self.net().is_gone(own) || !self.net().has_work(own) {
                continue;
            }
            self.net_mut().enter(own);
            if count > 1 {
                // A further server is called as if it were a further shard.
                self.transport.enter(ShardId(own as u16));
            }
            let (server, drive) = &mut self.shards[own];
            let polled = drive.poll(server, &mut self.transport, &mut cx);
            let has_more = drive.has_more();
            self.net_mut().set_has_more(has_more);
            if polled.is_ready() {
                self.shut |= self.net().server_of(own) == 0;
                // What still arrives finds nobody.
                self.net_mut().end_shard(own);
            }
            for link in std::mem::take(&mut self.net_mut().hit) {
                self.oracle.taint(link);
            }
            let now = self.net().clock();
            for _ in 0..std::mem::take(&mut self.net_mut().dialled_count) {
                self.oracle.dialled(now);
            }
            let told = std::mem::take(&mut self.net_mut().told);
            let mut taken = std::mem::take(&mut self.net_mut().taken).into_iter().peekable();
            for told in &told {
                while let Some((at, config)) = taken.next_if(|taken| taken.1 <= told.config) {
                    self.oracle.in_force(at, own, config);
                }
                self.oracle.on_event(self.transport.inner(), told);
            }
            for (at, config) in taken {
                self.oracle.in_force(at, own, config);
            }
        }
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Client(link) => {
                let owner = self.net().links[link].owner;
                let holds = |owner: &usize| self.actors[*owner].link == Some(link);
                if let Some(owner) = owner.filter(holds) {
                    self.act(owner, Actor::on_link);
                }
            }
            Due::Actor(index, incarnation, timer) => {
                self.act(index, |actor, stage| actor.on_timer(stage, incarnation, timer));
            }
            Due::Fault(index) => {
                let fault = self.scenario.faults[index];
                if fault.actor < self.actors.len() && !self.is_over {
                    self.act(fault.actor, |actor, stage| actor.on_fault(stage, fault.kind));
                }
            }
            Due::Check => {
                self.wants_check = true;
                let at = self.net().clock() + CHECK_INTERVAL;
                self.net_mut().schedule(at, Due::Check);
            }
            Due::Shutdown => {
                self.shut = true;
                self.oracle.shut();
                self.net_mut().shut();
            }
            Due::Dialled(..) => {
                let link = self.net().links.len() - 1;
                self.oracle.linked(link, self.net().clock());
            }
            Due::ServerFault(index) => self.break_server(index),
            Due::Start(server) => self.start_again(server),
            Due::Accept(_)
            | Due::Config(..)
            | Due::Job(..)
            | Due::Lost(_)
            | Due::Said(..)
            | Due::Readable(..)
            | Due::Writable(..) => {}
        }
    }

    fn break_server(&mut self, index: usize) {
        let fault = self.scenario.server_faults[index];
        let server = fault.server as usize;
        if self.is_over || server > self.scenario.peers.len() {
            return;
        }
        let now = self.net().clock();
        match fault.kind {
            ServerFaultKind::Part(lasts) => self.net_mut().part(server, now + lasts),
            ServerFaultKind::Reset => self.net_mut().reset_links(server),
            ServerFaultKind::Vanish => self.net_mut().silence_links(server),
            // A server that ends is not killed as well, nor is one that is down.
            ServerFaultKind::Restart(_) if server == 0 && self.shut => {}
            ServerFaultKind::Restart(_) if self.net().is_down(server) => {}
            ServerFaultKind::Restart(lasts) => {
                let links = self.net_mut().kill(server);
                self.oracle.killed(server, &links);
                self.net_mut().schedule(now + lasts.max(1), Due::Start(server));
            }
        }
    }

    fn start_again(&mut self, server: usize) {
        self.starts += 1;
        for port in 0..self.shards.len() {
            if self.net().server_of(port) == server {
                let net = self.transport.inner();
                let again = start_server(&self.scenario, self.wall, server, port, net, self.starts);
                self.shards[port] = (again, Drive::new(self.budget));
            }
        }
        self.net_mut().revive(server);
    }

    fn act(&mut self, index: usize, work: impl FnOnce(&mut Actor, &mut Stage<'_>)) {
        let Self { actors, oracle, transport, is_over, .. } = self;
        let mut stage = Stage { net: transport.inner_mut(), oracle, is_over: *is_over };
        if let Some(actor) = actors.get_mut(index) {
            work(actor, &mut stage);
        }
    }
}

/// Production has so many players that a turn often ends with its budget; here a smaller one does
/// that.
fn draw_budget(entropy: &mut Entropy) -> Budget {
    let usual = Budget::default();
    let index = entropy.range(0..=3) as usize;
    Budget { writes_max: [usual.writes_max, 1, 2, 5][index], ..usual }
}

/// A server at its start, or one of its shards.
fn start_server(
    scenario: &Scenario,
    wall: WallClock,
    server: usize,
    port: usize,
    net: &SimTransport,
    starts: u64,
) -> Server {
    let shards = u16::try_from(scenario.server.shards).ok().and_then(NonZeroU16::new);
    let shards = shards.unwrap_or(NonZeroU16::MIN);
    let placement = match server {
        0 => Placement { own: ShardId(port as u16), count: shards },
        _ => Placement::SINGLE,
    };
    let seed = scenario.seed.wrapping_add(starts << 32 | (server as u64) << 48);
    let unix_millis = wall.unix_millis.saturating_add(net.clock() / 1_000);
    let wall = WallClock { unix_millis };
    Server::new_shard(Arc::new(scenario.config(server)), placement, seed, net.instant(), wall)
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("scenario", &self.scenario).finish_non_exhaustive()
    }
}

/// Entropy of a whole run: a scenario is drawn from it, and run.
#[must_use]
pub fn run_entropy(bytes: Vec<u8>) -> Outcome {
    let scenario = Scenario::draw(&mut Entropy::new(bytes));
    run(&scenario, Origin::FIRST, Detail::None)
}

/// The body of a fuzz target: any bytes are a run that is well.
///
/// # Panics
/// Something did not hold.
pub fn fuzz_world(data: &[u8]) {
    if let Some(failure) = run_entropy(data.to_vec()).failure {
        panic!("at {} us: {}", failure.at, failure.what);
    }
}
