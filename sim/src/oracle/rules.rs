//! The reference model of publishing and playing: who may, who does, and how it ends.
//!
//! A name has at most one publisher. A second one is refused, or takes the stream over. Players
//! without a publisher wait: for a grace period after one has left, for a while before the first.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rules are about the events that they name"
)]

use crate::net::Micros;
use crate::scenario::Scenario;
use crate::transport::Told;
use millstream_core::event::{CloseReason, Event, RefuseReason};
use std::collections::BTreeMap;

/// Timers are not exact to the microsecond: the clock moves while the server works.
const SLACK: Micros = 1_500_000;

/// The model.
#[derive(Debug)]
pub struct Rules {
    grace: Micros,
    links: BTreeMap<usize, State>,
    play_wait: Micros,
    publishings: u32,
    shut: bool,
    streams: BTreeMap<String, Stream>,
    takeover: bool,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    refused: Option<RefuseReason>,
}

#[derive(Debug, Default)]
struct Stream {
    left: Option<Micros>,
    /// Links, and since when they play.
    players: Vec<(usize, Micros)>,
    publisher: Option<usize>,
}

impl Stream {
    fn since(&self, link: usize) -> Option<Micros> {
        self.players.iter().find(|(player, _)| *player == link).map(|(_, since)| *since)
    }
}

impl Rules {
    /// The rules of a server as `scenario` configures it.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            grace: scenario.server.grace,
            links: BTreeMap::new(),
            play_wait: scenario.server.play_wait,
            publishings: 0,
            shut: false,
            streams: BTreeMap::new(),
            takeover: scenario.server.takeover,
        }
    }

    /// How often publishing has begun.
    #[must_use]
    pub const fn publishings(&self) -> u32 {
        self.publishings
    }

    /// The link that publishes a stream.
    #[must_use]
    pub fn publisher(&self, stream: u32) -> Option<usize> {
        let name = crate::actor::stream_name(stream);
        let found = self.streams.iter().find(|(full, _)| full.ends_with(&format!("/{name}")));
        found?.1.publisher
    }

    /// The simulated streams that have a publisher.
    #[must_use]
    pub fn streams(&self) -> Vec<u32> {
        let live = self.streams.iter().filter(|(_, stream)| stream.publisher.is_some());
        live.filter_map(|(name, _)| name.rsplit_once("/stream-")?.1.parse().ok()).collect()
    }

    /// Takes an event; fails when it breaks the rules.
    ///
    /// # Errors
    /// Says which rule.
    pub fn take(&mut self, told: &Told) -> Result<(), String> {
        let Some(link) = told.link else {
            return match &told.event {
                Event::Codec { .. } | Event::Jumped { .. } | Event::StreamProgress { .. } => Ok(()),
                other => Err(format!("of no connection: {other:?}")),
            };
        };
        if matches!(told.event, Event::Accepted { .. }) {
            return match self.links.insert(link, State::default()) {
                None => Ok(()),
                Some(_) => Err(format!("link {link} was accepted twice")),
            };
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

    fn change(&mut self, link: usize, told: &Told) -> Result<(), String> {
        let at = told.at;
        match &told.event {
            Event::Published { name, players, .. } => {
                let stream = self.streams.entry(name.as_str().to_owned()).or_default();
                if let Some(other) = stream.publisher.replace(link) {
                    return Err(format!("{name} is published by links {other} and {link}"));
                }
                if *players as usize != stream.players.len() {
                    let known = stream.players.len();
                    return Err(format!("{name} has {known} players waiting, not {players}"));
                }
                stream.left = None;
                self.publishings += 1;
            }
            Event::Unpublished { name, .. } => {
                let stream = self.streams.entry(name.as_str().to_owned()).or_default();
                if stream.publisher.take() != Some(link) {
                    return Err(format!("link {link} ends {name} but does not publish it"));
                }
                stream.left = Some(at);
                if stream.players.is_empty() {
                    self.streams.remove(name.as_str());
                }
            }
            Event::Played { name, live, .. } => {
                let stream = self.streams.entry(name.as_str().to_owned()).or_default();
                stream.players.push((link, at));
                if *live != stream.publisher.is_some() {
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
                if stream.players.is_empty() && stream.publisher.is_none() {
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
                let publisher = self.streams.get(subject).and_then(|stream| stream.publisher);
                if self.takeover || publisher.is_none() {
                    return Err(format!("{subject} was refused as busy, and is not"));
                }
            }
            RefuseReason::StreamNotFound => {
                self.tired(link, at, |left, since| left.is_none_or(|left| left < since))?;
            }
            RefuseReason::Shutdown if !self.shut => {
                return Err("refused for a shutdown that is none".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn closed(&mut self, link: usize, reason: CloseReason, at: Micros) -> Result<(), String> {
        let holds =
            |stream: &Stream| stream.publisher == Some(link) || stream.since(link).is_some();
        if let Some((name, _)) = self.streams.iter().find(|(_, stream)| holds(stream)) {
            return Err(format!("link {link} is closed and still holds {name}"));
        }
        let Some(state) = self.links.get_mut(&link) else { return Ok(()) };
        state.closed = true;
        match reason {
            CloseReason::TakenOver if !self.takeover => Err("a takeover is not allowed".to_owned()),
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
        let until = self.patience(stream, since);
        if stream.publisher.is_some() || at + SLACK < until || !is_right(stream.left, since) {
            return Err(format!("link {link} was sent away from {name} too early"));
        }
        Ok(())
    }

    fn patience(&self, stream: &Stream, since: Micros) -> Micros {
        match stream.left {
            Some(left) if left >= since => left + self.grace,
            Some(_) | None => since + self.play_wait,
        }
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
        for (name, stream) in self.streams.iter().filter(|(_, s)| s.publisher.is_none()) {
            for &(link, since) in &stream.players {
                // Who is sent away may take two seconds to read why.
                if at > self.patience(stream, since) + 3_000_000 + SLACK {
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
        let holds = |stream: &&Stream| stream.publisher.is_some() || !stream.players.is_empty();
        match self.streams.values().find(holds) {
            Some(stream) => Err(format!("still there: {stream:?}")),
            None => Ok(()),
        }
    }
}
