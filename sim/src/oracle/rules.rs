//! The reference model of publishing and playing: who may, who does, and how it ends.
//!
//! A name has at most one publisher. A second one is refused, or takes the stream over. Players
//! without a publisher wait: for a grace period after one has left, for a while before the first.
//!
//! Several shards know the same at different times. What one decides by what it has not heard yet is
//! right, as long as it may still be on its way.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rules are about the events that they name"
)]

use super::admin::Admin;
use crate::net::Micros;
use crate::scenario::{OWN_VHOST, Scenario, ServerPlan};
use crate::transport::Told;
use millstream_core::event::{CloseReason, Event, RefuseReason};
use std::collections::BTreeMap;

/// Timers are not exact to the microsecond: the clock moves while the server works.
const SLACK: Micros = 1_500_000;

/// The model.
#[derive(Debug)]
pub struct Rules {
    /// Which configuration is in force.
    pub(super) admin: Admin,
    /// When a connection that publishes a stream has ended last. Its home may have granted what the
    /// connection never heard of: then its players saw a publisher come and go.
    attempts: BTreeMap<u32, Micros>,
    /// Files cannot always be written.
    files_fail: bool,
    /// Streams are forwarded from here.
    forwards: bool,
    /// How much later a shard may know what another one knows; 0 where there is one alone.
    lag: Micros,
    links: BTreeMap<usize, State>,
    publishings: u32,
    /// How often each rendition runs.
    renditions: BTreeMap<String, i32>,
    shut: bool,
    streams: BTreeMap<String, Stream>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// There were as many connections as there may be when it came.
    is_too_many: bool,
    shard: usize,
    refused: Option<RefuseReason>,
}

#[derive(Debug, Default)]
struct Stream {
    left: Option<Micros>,
    /// Links, and since when they play.
    players: Vec<(usize, Micros)>,
    /// Links, and since when they publish: one, or several while a takeover goes round the shards.
    publishers: Vec<(usize, Micros)>,
}

impl Stream {
    fn since(&self, link: usize) -> Option<Micros> {
        self.players.iter().find(|(player, _)| *player == link).map(|(_, since)| *since)
    }

    fn publishes(&self, link: usize) -> bool {
        self.publishers.iter().any(|(publisher, _)| *publisher == link)
    }

    fn is_idle(&self) -> bool {
        self.players.is_empty() && self.publishers.is_empty()
    }

    /// It has had a publisher for longer than `lag`.
    fn is_surely_live(&self, at: Micros, lag: Micros) -> bool {
        self.publishers.iter().any(|(_, since)| since + lag <= at)
    }
}

impl Rules {
    /// The rules of a server as `scenario` configures it.
    #[must_use]
    pub fn new(scenario: &Scenario, server: usize) -> Self {
        Self {
            admin: Admin::new(scenario),
            attempts: BTreeMap::new(),
            files_fail: scenario.server.failing_one_in > 0 || scenario.failing.is_some(),
            forwards: !scenario.peers.is_empty(),
            lag: if server == 0 { scenario.server.lag() } else { 0 },
            links: BTreeMap::new(),
            publishings: 0,
            renditions: BTreeMap::new(),
            shut: false,
            streams: BTreeMap::new(),
        }
    }

    /// How often publishing has begun.
    #[must_use]
    pub const fn publishings(&self) -> u32 {
        self.publishings
    }

    /// The link that publishes a stream; `None` also while it is not known which one does.
    #[must_use]
    pub fn publisher(&self, stream: u32) -> Option<usize> {
        let name = format!("/{}", crate::actor::stream_name(stream));
        let all = self.streams.iter().filter(|(full, _)| full.ends_with(&name));
        let mut publishers = all.flat_map(|(_, stream)| &stream.publishers);
        match (publishers.next(), publishers.next()) {
            (Some((link, _)), None) => Some(*link),
            _ => None,
        }
    }

    /// A link plays the very stream that another one publishes: a number may stand for streams of
    /// two vhosts.
    #[must_use]
    pub fn follows(&self, player: usize, publisher: usize) -> bool {
        let mut streams = self.streams.values();
        streams.any(|stream| stream.publishes(publisher) && stream.since(player).is_some())
    }

    /// Renditions of a stream that run, by its number.
    #[must_use]
    pub fn renditions_of(&self, stream: u32) -> i32 {
        let name = format!("/{} ", crate::actor::stream_name(stream));
        let all = self.renditions.iter().filter(|(full, _)| full.contains(&name));
        all.map(|(_, running)| *running).sum()
    }

    /// Somebody publishes a stream.
    #[must_use]
    pub fn is_live(&self, stream: u32) -> bool {
        self.streams().contains(&stream)
    }

    /// The simulated streams that have a publisher.
    #[must_use]
    pub fn streams(&self) -> Vec<u32> {
        let live = self.streams.iter().filter(|(_, stream)| !stream.publishers.is_empty());
        live.filter_map(|(name, _)| name.rsplit_once("/stream-")?.1.parse().ok()).collect()
    }

    /// A connection that publishes a stream, or wants to, has ended.
    pub fn attempted(&mut self, stream: u32, at: Micros) {
        self.attempts.insert(stream, at);
    }

    /// Takes an event; fails when it breaks the rules.
    ///
    /// # Errors
    /// Says which rule.
    pub fn take(&mut self, told: &Told) -> Result<(), String> {
        let Some(link) = told.link else {
            return match &told.event {
                Event::Codec { .. } | Event::Jumped { .. } | Event::StreamProgress { .. } => Ok(()),
                Event::HlsWarning { .. } => Ok(()),
                Event::HlsFailed { .. } if self.files_fail => Ok(()),
                Event::Forwarding { .. }
                | Event::ForwardFailed { .. }
                | Event::ForwardEnded { .. }
                | Event::ForwardSkipped { .. }
                | Event::ForwardProgress { .. }
                    if self.forwards =>
                {
                    Ok(())
                }
                Event::RenditionStarted { name, engine } => {
                    self.rendition(name.as_str(), engine, 1)
                }
                Event::RenditionEnded { name, engine, .. } => {
                    self.rendition(name.as_str(), engine, -1)
                }
                other => Err(format!("of no connection: {other:?}")),
            };
        };
        if matches!(told.event, Event::Accepted { .. }) {
            return self.accepted(link, told);
        }
        match self.links.get(&link) {
            None => return Err(format!("link {link} was never accepted: {:?}", told.event)),
            Some(State { closed: true, .. }) => {
                return Err(format!("link {link} was closed before {:?}", told.event));
            }
            Some(State { closed: false, .. }) => {}
        }
        self.change(link, told)
    }

    /// A shard has as many connections as its configuration says, and refuses more.
    fn accepted(&mut self, link: usize, told: &Told) -> Result<(), String> {
        let shard = told.shard;
        let here = self.links.values().filter(|state| state.shard == shard && !state.closed);
        let max = self.admin.plan(told.config, "").connections_max as usize;
        let is_too_many = max > 0 && here.count() >= max;
        let state = State { is_too_many, shard, ..State::default() };
        match self.links.insert(link, state) {
            None => Ok(()),
            Some(_) => Err(format!("link {link} was accepted twice")),
        }
    }

    /// Each rendition of a stream runs once at most, and each begin has an end.
    fn rendition(&mut self, name: &str, engine: &str, change: i32) -> Result<(), String> {
        let running = self.renditions.entry(format!("{name} {engine}")).or_default();
        *running += change;
        match *running {
            0 | 1 => Ok(()),
            other => Err(format!("{engine} of {name} runs {other} times")),
        }
    }

    fn change(&mut self, link: usize, told: &Told) -> Result<(), String> {
        let at = told.at;
        match &told.event {
            Event::Published { name, players, .. } => {
                let overlaps = self.may_be(at, name.vhost(), |plan| plan.takeover) && self.lag > 0;
                let stream = self.streams.entry(name.as_str().to_owned()).or_default();
                if let Some((other, _)) = stream.publishers.first().filter(|_| !overlaps) {
                    return Err(format!("{name} is published by links {other} and {link}"));
                }
                stream.publishers.push((link, at));
                // A home knows its own players only.
                if self.lag == 0 && *players as usize != stream.players.len() {
                    let known = stream.players.len();
                    return Err(format!("{name} has {known} players waiting, not {players}"));
                }
                stream.left = None;
                self.publishings += 1;
            }
            Event::Unpublished { name, .. } => {
                let stream = self.streams.entry(name.as_str().to_owned()).or_default();
                let index = stream.publishers.iter().position(|(other, _)| *other == link);
                let Some(index) = index else {
                    return Err(format!("link {link} ends {name} but does not publish it"));
                };
                stream.publishers.remove(index);
                stream.left = Some(at);
                if stream.is_idle() {
                    self.streams.remove(name.as_str());
                }
            }
            Event::Played { name, live, .. } => {
                let stream = self.streams.entry(name.as_str().to_owned()).or_default();
                stream.players.push((link, at));
                if self.lag == 0 && *live == stream.publishers.is_empty() {
                    return Err(format!("{name}: played with live {live}, which is not so"));
                }
            }
            Event::Stopped { name, .. } => {
                let stream = self.streams.entry(name.as_str().to_owned()).or_default();
                let index = stream.players.iter().position(|(player, _)| *player == link);
                let Some(index) = index else {
                    return Err(format!("link {link} stops {name} but does not play it"));
                };
                stream.players.remove(index);
                if stream.is_idle() {
                    self.streams.remove(name.as_str());
                }
            }
            Event::Refused { reason, subject, .. } => self.refused(link, *reason, subject, at)?,
            Event::Closed { reason, .. } => self.closed(link, *reason, at)?,
            _ => {}
        }
        Ok(())
    }

    fn refused(
        &mut self,
        link: usize,
        reason: RefuseReason,
        subject: &str,
        at: Micros,
    ) -> Result<(), String> {
        if let Some(state) = self.links.get_mut(&link) {
            state.refused = Some(reason);
        }
        match reason {
            RefuseReason::Busy => {
                let stream = self.streams.get(subject);
                let is_live = stream.is_some_and(|stream| !stream.publishers.is_empty());
                let may_refuse = self.may_be(at, vhost_of(subject), |plan| !plan.takeover);
                if !may_refuse || (!is_live && self.lag == 0) {
                    return Err(format!("{subject} was refused as busy, and is not"));
                }
            }
            RefuseReason::StreamNotFound => {
                self.tired(link, at, |left, since| left.is_none_or(|left| left < since))?;
            }
            RefuseReason::ConnectionsMax => {
                let state = self.links.get(&link);
                if state.is_none_or(|state| !state.is_too_many) {
                    return Err(format!("link {link} was refused, but it is not one too many"));
                }
            }
            RefuseReason::Shutdown if !self.shut => {
                return Err("refused for a shutdown that is none".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn closed(&mut self, link: usize, reason: CloseReason, at: Micros) -> Result<(), String> {
        let holds = |stream: &Stream| stream.since(link).is_some() || stream.publishes(link);
        if let Some((name, _)) = self.streams.iter().find(|(_, stream)| holds(stream)) {
            return Err(format!("link {link} is closed and still holds {name}"));
        }
        let may_take = self.may_be(at, "", |plan| plan.takeover)
            || self.may_be(at, OWN_VHOST, |plan| plan.takeover);
        let Some(state) = self.links.get_mut(&link) else { return Ok(()) };
        state.closed = true;
        match reason {
            CloseReason::TakenOver if !may_take => Err("a takeover is not allowed".to_owned()),
            CloseReason::Refused(reason)
                if state.is_too_many && reason != RefuseReason::ConnectionsMax && !self.shut =>
            {
                Err(format!("link {link} is one too many, and was refused for {reason:?}"))
            }
            CloseReason::Refused(reason) if state.refused != Some(reason) => {
                Err(format!("link {link} is closed as refused, and was not: {reason:?} at {at}"))
            }
            _ => Ok(()),
        }
    }

    /// A player is sent away: it must have waited long enough.
    fn tired(
        &self,
        link: usize,
        at: Micros,
        is_right: impl Fn(Option<Micros>, Micros) -> bool,
    ) -> Result<(), String> {
        let mut streams = self.streams.iter();
        let found = streams.find_map(|(name, s)| Some((name, s, s.since(link)?)));
        let Some((name, stream, since)) = found else {
            return Err(format!("link {link} waited for nothing"));
        };
        let plans = self.admin.since(since.saturating_sub(self.lag), vhost_of(name));
        let patience = |plan: ServerPlan| {
            let until = patience(&plan, stream, since);
            // Where it plays the publisher may never have been heard of.
            if self.lag > 0 { until.min(since + plan.play_wait) } else { until }
        };
        let until = plans.map(patience).min().unwrap_or(0);
        let is_live = stream.is_surely_live(at, self.lag);
        let is_right = self.lag > 0 || is_right(stream.left, since);
        if is_live || at + SLACK < until || !is_right {
            return Err(format!("link {link} was sent away from {name} too early"));
        }
        Ok(())
    }

    /// Some shard had such a plan when it decided what shows now.
    fn may_be(&self, at: Micros, vhost: &str, is_so: impl Fn(&ServerPlan) -> bool) -> bool {
        self.admin.since(at.saturating_sub(self.lag), vhost).any(|plan| is_so(&plan))
    }

    /// The server was killed: it knows nobody, and only the count of publishings goes on.
    pub fn forget(&mut self) {
        for state in self.links.values_mut() {
            state.closed = true;
        }
        self.attempts.clear();
        self.renditions.clear();
        self.streams.clear();
    }

    /// The operator ends the server.
    pub const fn shut(&mut self) {
        self.shut = true;
    }

    /// Nobody waits longer than the rules say.
    ///
    /// # Errors
    /// Says who.
    pub fn check(&self, at: Micros) -> Result<(), String> {
        // Who has lost its stream hears of it.
        let is_old = |(_, since): &(usize, Micros)| since + self.lag + SLACK < at;
        let lasting = |stream: &&Stream| stream.publishers.iter().filter(|p| is_old(p)).count() > 1;
        if let Some(stream) = self.streams.values().find(lasting) {
            return Err(format!("a stream has several publishers: {stream:?}"));
        }
        let from = at.saturating_sub(self.lag + 3_000_000 + SLACK);
        self.admin.check_unserved(from, self.streams.keys())?;
        for (name, stream) in self.streams.iter().filter(|(_, s)| s.publishers.is_empty()) {
            for &(link, since) in &stream.players {
                // Who is sent away may take two seconds to read why.
                let plans = || self.admin.since(since.saturating_sub(self.lag), vhost_of(name));
                let longest = plans().map(|plan| patience(&plan, stream, since)).max();
                let mut heard = longest.unwrap_or(0);
                if self.lag > 0 {
                    let grace = plans().map(|plan| plan.grace).max().unwrap_or(0);
                    let attempts = self.attempts.iter();
                    let of_it = attempts.filter(|(other, _)| may_be(**other, name));
                    let last = of_it.map(|(_, at)| *at).max().unwrap_or(0);
                    heard = heard.max(last + grace) + self.lag;
                }
                if at > heard + 3_000_000 + SLACK {
                    return Err(format!("link {link} still waits for {name}"));
                }
            }
        }
        Ok(())
    }

    /// Everyone has left.
    ///
    /// # Errors
    /// Says who has not.
    pub fn check_empty(&self) -> Result<(), String> {
        if let Some((link, _)) = self.links.iter().find(|(_, state)| !state.closed) {
            return Err(format!("link {link} was never closed"));
        }
        if let Some((name, _)) = self.renditions.iter().find(|(_, running)| **running != 0) {
            return Err(format!("{name} still runs"));
        }
        let holds = |stream: &&Stream| !stream.is_idle();
        match self.streams.values().find(holds) {
            Some(stream) => Err(format!("still there: {stream:?}")),
            None => Ok(()),
        }
    }
}

/// When a player is sent away that has waited since a time.
fn patience(plan: &ServerPlan, stream: &Stream, since: Micros) -> Micros {
    match stream.left {
        Some(left) if left >= since => left + plan.grace,
        Some(_) | None => since + plan.play_wait,
    }
}

/// The vhost of a stream's full name.
fn vhost_of(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// A stream's full name is one of a vhost.
pub(super) fn name_is_of(name: &str, vhost: &str) -> bool {
    vhost_of(name) == vhost
}

/// A stream is the one called `name`; attackers publish under any name that damage has made.
fn may_be(stream: u32, name: &str) -> bool {
    stream >= 900 || name.ends_with(&format!("/{}", crate::actor::stream_name(stream)))
}
