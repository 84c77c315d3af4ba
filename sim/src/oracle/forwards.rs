//! Forwards: how each begins and ends, and how often a destination is asked.

use crate::net::Micros;
use crate::scenario::{Role, Scenario};
use crate::transport::Told;
use millstream_core::event::Event;
use millstream_core::forward::ForwardFailure;
use millstream_core::id::ForwardId;
use millstream_core::name::StreamName;
use std::collections::BTreeMap;

/// A way that carries so many of the largest frames is wide enough for each stream.
const FRAMES_PER_SECOND: u64 = 15;
/// The least time to the next attempt after the first failure; it doubles,
const RETRY_MIN: Micros = 1_000_000;
/// up to this: two thirds of what the servers are told.
const RETRY_MAX: Micros = 5_333_333;
/// The same after a loop was found.
const RETRY_LOOP: Micros = 6_666_666;
/// Who has worked for so long begins to count anew.
const STABLE: Micros = 3_000_000;
/// The clock moves while the server works: by up to a millisecond for each look at it.
const SLACK: Micros = 20_000;

/// What is known of forwards.
#[derive(Debug)]
pub(super) struct Forwards {
    /// Those that have begun to take a stream or failed, by shard.
    alive: BTreeMap<(usize, ForwardId), Forward>,
    /// When servers tried to connect.
    dials: Vec<Micros>,
    /// Reasons for an attempt: streams that were published or nearly so, for each destination of a
    /// server, and attempts that failed.
    reasons: usize,
    scenario: Scenario,
}

#[derive(Debug)]
struct Forward {
    failures: u32,
    name: StreamName,
    retry_at: Micros,
    server: usize,
    works_since: Option<Micros>,
}

impl Forwards {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self { alive: BTreeMap::new(), dials: Vec::new(), reasons: 0, scenario: scenario.clone() }
    }

    /// What a server gets, another one that it forwards to gets too, over however many others.
    pub(super) fn leads(&self, from: usize, to: usize) -> bool {
        let way = self.scenario.way_to(to);
        to != from && (from == 0 || way.is_some_and(|way| way.contains(&from)))
    }

    /// What is published comes to a server in time.
    pub(super) fn is_reached(&self, server: usize) -> bool {
        let way = self.scenario.way_to(server);
        let media = self.scenario.actors.iter().filter_map(|actor| match actor.role {
            Role::Publish(media) => Some(u64::from(media.len_max)),
            _ => None,
        });
        let least = FRAMES_PER_SECOND * media.max().unwrap_or(0);
        let is_fast = |server: &usize| {
            let link = self.scenario.peers[*server - 1].link;
            link.rate == 0 && link.bytes_per_second() > least
        };
        way.is_some_and(|way| way.iter().all(is_fast))
    }

    /// A server wants to connect to another one.
    pub(super) fn dialled(&mut self, at: Micros) {
        self.dials.push(at);
    }

    /// Attempts to connect since then.
    pub(super) fn recent_dials(&self, since: Micros) -> usize {
        self.dials.len() - self.dials.partition_point(|at| *at < since)
    }

    /// A stream is published, or somebody wants to: its home may know that nobody hears of it.
    pub(super) fn published(&mut self) {
        self.reasons += self.scenario.peers.len() + 1;
    }

    /// Looks at the sums.
    ///
    /// # Errors
    /// Servers connect to others more often than they have reason to.
    pub(super) fn check(&self) -> Result<(), String> {
        let (dials, reasons) = (self.dials.len(), self.reasons);
        if dials > reasons {
            return Err(format!("{dials} attempts to connect, and {reasons} reasons for one"));
        }
        Ok(())
    }

    /// Takes an event; gives the stream that goes on by a new connection or from a later keyframe.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn take(&mut self, told: &Told) -> Result<Option<StreamName>, String> {
        let key = |forward: &ForwardId| (told.shard, *forward);
        match &told.event {
            Event::Published { .. } => self.published(),
            Event::Forwarding { forward, name, .. } => {
                let forward = self.of(key(forward), name, told);
                if forward.works_since.replace(told.at).is_some() {
                    return Err(format!("{name} goes to a destination twice"));
                }
                if told.at + SLACK < forward.retry_at {
                    return Err(format!("{name} was to wait until {}", forward.retry_at));
                }
                return Ok(Some(name.clone()));
            }
            Event::ForwardFailed { forward, name, failure, retry_in, .. } => {
                self.reasons += usize::from(retry_in.is_some());
                let retry_in = retry_in.map(|retry_in| retry_in.as_micros() as Micros);
                let forward = self.of(key(forward), name, told);
                forward.failed(*failure, retry_in, told.at)?;
            }
            Event::ForwardEnded { forward, .. } => {
                self.alive.remove(&key(forward));
            }
            Event::ForwardSkipped { forward, name, .. } => {
                if self.of(key(forward), name, told).works_since.is_none() {
                    return Err(format!("{name} is skipped, and goes nowhere"));
                }
                return Ok(Some(name.clone()));
            }
            _ => {}
        }
        Ok(None)
    }

    fn of(&mut self, key: (usize, ForwardId), name: &StreamName, told: &Told) -> &mut Forward {
        self.alive.entry(key).or_insert_with(|| Forward {
            failures: 0,
            name: name.clone(),
            retry_at: 0,
            server: told.server,
            works_since: None,
        })
    }

    /// A server was killed: its forwards are gone.
    pub(super) fn killed(&mut self, server: usize) {
        self.alive.retain(|_, forward| forward.server != server);
    }

    /// Everyone has left.
    ///
    /// # Errors
    /// Some stream is forwarded still.
    pub(super) fn check_empty(&self) -> Result<(), String> {
        match self.alive.values().next() {
            Some(Forward { name, server, .. }) => {
                Err(format!("server {server} never ended a forward of {name}"))
            }
            None => Ok(()),
        }
    }
}

impl Forward {
    fn failed(
        &mut self,
        failure: ForwardFailure,
        retry_in: Option<Micros>,
        at: Micros,
    ) -> Result<(), String> {
        let name = &self.name;
        if at + SLACK < self.retry_at {
            return Err(format!("{name} was to wait until {}", self.retry_at));
        }
        let worked = self.works_since.take().map_or(0, |since| at.saturating_sub(since));
        let before = self.failures;
        if worked >= STABLE {
            self.failures = 0;
        }
        let Some(retry_in) = retry_in else { return Ok(()) };
        // Both may see the moment on different sides of the limit.
        let counted = if worked >= STABLE + SLACK { self.failures } else { before };
        let (least, most) = match failure {
            ForwardFailure::Loop => (RETRY_LOOP, RETRY_LOOP),
            _ => {
                let after = |failures: u32| (RETRY_MIN << failures.min(8)).min(RETRY_MAX);
                (after(self.failures), after(counted))
            }
        };
        // What is drawn lies within a third of the longest.
        if retry_in < least || retry_in > most * 3 / 2 + SLACK {
            let failures = self.failures;
            return Err(format!("{name}: {retry_in} us until the next attempt after {failures}"));
        }
        self.failures += 1;
        self.retry_at = at + retry_in;
        Ok(())
    }
}
