//! Those who watch: everything that must hold in every run, checked all along.
//!
//! - What a player decodes is what was published ([`playback`]).
//! - Publishing and playing follow their rules, as a small model knows them ([`rules`]).
//! - Nobody waits for what the server already has; nobody honest is thrown out; memory stays within
//!   its limits; deadlines move on; after the faults everyone gets frames again, and after everyone
//!   has left, nothing is kept.
#![expect(clippy::wildcard_enum_match_arm, reason = "what is not named here does not matter to it")]

pub mod admin;
mod finish;
mod forwards;
pub mod playback;
pub mod rules;
mod segments;

use crate::actor::Actor;
use crate::media::{Ledger, Note};
use crate::net::Micros;
use crate::scenario::{ActorPlan, FaultKind, OWN_VHOST, Role, Scenario, SegmentsPlan, ServerPlan};
use crate::transport::{SimTransport, Told};
use admin::Wish;
use forwards::Forwards;
use millstream_core::config::TimeJitter;
use millstream_core::event::{CloseReason, Event};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::server::{Server, Stats};
use millstream_core::session::SessionError;
use playback::Playback;
use rules::Rules;
use segments::Segments;
use std::collections::BTreeMap;

/// How long a server may take to answer a client whose link is well.
const ANSWER_MAX: Micros = 12_000_000;
/// What the server has had for so long has come to whoever has a free socket.
const KNOWN_FOR: Micros = 1_500_000;
/// A GOP, a segment and a look at the playlist take less.
const SEGMENT_PATIENCE: Micros = 20_000_000;
/// Armed deadlines of one connection or stream, outdated ones included.
const TIMERS_MAX: usize = 8;

/// Something that must hold and did not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// When.
    pub at: Micros,
    /// What.
    pub what: String,
}

/// All that is watched.
#[derive(Debug)]
pub struct Oracle {
    /// The first thing that went wrong.
    pub failure: Option<Failure>,
    /// Everything that was published.
    pub ledger: Ledger,
    /// Frames that players got.
    pub frames: u64,
    known: BTreeMap<u32, (u32, u32)>,
    /// When it was known.
    known_at: Micros,
    forwards: Forwards,
    /// Where servers began anew.
    introductions: Vec<Begun>,
    links: Vec<LinkNote>,
    playbacks: BTreeMap<usize, Playback>,
    /// Of the server under test, and of those that it forwards to.
    rules: Vec<Rules>,
    scenario: Scenario,
    segments: BTreeMap<usize, Segments>,
}

/// A server has begun anew to send a stream to another one.
#[derive(Clone, Copy, Debug)]
struct Begun {
    from: usize,
    /// What the first server had then.
    newest: Option<(u32, u32)>,
    stream: u32,
}

/// What is known of a link.
#[derive(Clone, Debug)]
struct LinkNote {
    actor: usize,
    /// The server has answered the request.
    answered: bool,
    connected: Micros,
    epoch: Option<u32>,
    /// The client has left.
    left: bool,
    plan: ActorPlan,
    stream: u32,
    /// The vhost that it has connected to.
    vhost: Option<String>,
    /// A fault hit it, or its client is not as it should be: the server may give it up.
    tainted: bool,
}

impl Oracle {
    /// Watches a run of `scenario`.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            failure: None,
            ledger: Ledger::default(),
            frames: 0,
            known: BTreeMap::new(),
            known_at: 0,
            forwards: Forwards::new(scenario),
            introductions: Vec::new(),
            links: Vec::new(),
            playbacks: BTreeMap::new(),
            rules: (0..=scenario.peers.len()).map(|server| Rules::new(scenario, server)).collect(),
            scenario: scenario.clone(),
            segments: BTreeMap::new(),
        }
    }

    /// Something went wrong; the first one counts.
    pub fn fail(&mut self, at: Micros, what: String) {
        self.failure.get_or_insert(Failure { at, what });
    }

    /// An actor connects.
    pub fn connected(&mut self, link: usize, actor: usize, plan: &ActorPlan, at: Micros) {
        debug_assert_eq!(link, self.links.len(), "links are numbered in order");
        if matches!(plan.role, Role::Publish(_) | Role::Attack(_)) {
            self.forwards.published();
        }
        let epoch = match plan.role {
            Role::Publish(_) | Role::Attack(_) => Some(self.ledger.open(plan.stream)),
            Role::Play(_) | Role::View | Role::Segments(_) | Role::Idle => None,
        };
        let nonsense =
            matches!(plan.role, Role::Segments(SegmentsPlan { nonsense_one_in: 1.., .. }));
        let is_slow = matches!(plan.role, Role::Play(play) if play.rate > 0);
        self.links.push(LinkNote {
            actor,
            // Who plays by HTTP is answered when the stream shows itself.
            answered: matches!(plan.role, Role::View | Role::Segments(_)),
            connected: at,
            epoch,
            left: false,
            plan: *plan,
            stream: plan.stream,
            vhost: None,
            tainted: is_slow || nonsense || !plan.role.is_honest(),
        });
        if let Role::Segments(_) = plan.role {
            let is_live = self.rules[0].is_live(plan.stream);
            self.segments.insert(link, Segments::new(plan.stream, is_live, at));
        }
        if matches!(plan.role, Role::Play(_) | Role::View) {
            let mut playback = Playback::new(plan.stream);
            if plan.server > 0 {
                playback.follow_chain();
                // What began anew before it came may still be on its way.
                for &Begun { from, newest, stream } in &self.introductions {
                    if stream == plan.stream && self.forwards.leads(from, plan.server as usize) {
                        playback.reintroduce(newest);
                    }
                }
            }
            self.playbacks.insert(link, playback);
        }
    }

    /// A server has connected to another one.
    pub fn linked(&mut self, link: usize, at: Micros) {
        debug_assert_eq!(link, self.links.len(), "links are numbered in order");
        self.links.push(LinkNote {
            actor: usize::MAX,
            answered: true,
            connected: at,
            epoch: None,
            left: false,
            plan: ActorPlan::default(),
            stream: 0,
            vhost: None,
            tainted: true,
        });
    }

    /// A server wants to connect to another one.
    pub fn dialled(&mut self, at: Micros) {
        self.forwards.dialled(at);
    }

    /// A server was killed: all that it knew is gone, and so are these links.
    pub fn killed(&mut self, server: usize, links: &[usize]) {
        for link in links {
            self.taint(*link);
        }
        self.rules[server].forget();
        if server == 0 {
            self.segments.values_mut().for_each(Segments::forget);
        }
        self.forwards.killed(server);
    }

    /// The server has answered the request of a link's client.
    pub fn answered(&mut self, link: usize) {
        self.links[link].answered = true;
    }

    /// A fault hits a link.
    pub fn taint(&mut self, link: usize) {
        self.links[link].tainted = true;
    }

    /// The client of a link has gone.
    pub fn left(&mut self, link: usize) {
        self.links[link].left = true;
        self.playbacks.remove(&link);
        self.segments.remove(&link);
    }

    /// A player of segments asks for the playlist.
    pub fn looks(&mut self, link: usize, at: Micros) {
        if let Some(segments) = self.segments.get_mut(&link) {
            segments.looks(at);
        }
    }

    /// How long a playlist is there once its publisher has gone, at least; a server that ends or
    /// was killed keeps none.
    fn kept(&self) -> Micros {
        let ServerPlan { grace, hls_window, .. } = self.scenario.server;
        (grace + 2 * hls_window).saturating_sub(KNOWN_FOR)
    }

    /// A player of segments got a playlist, or there is none.
    pub fn on_playlist(&mut self, link: usize, text: Option<&[u8]>, at: Micros) {
        let kept = self.kept();
        let ends = self.scenario.shutdown.is_some_and(|shutdown| shutdown <= at);
        let is_whole = !self.links[link].tainted && !ends;
        let is_prompt = is_whole && self.is_prompt(link);
        let Some(segments) = self.segments.get_mut(&link) else { return };
        if text.is_none()
            && is_whole
            && let Err(what) = segments.check_gone(kept)
        {
            return self.fail(at, format!("player of segments on link {link}: {what}"));
        }
        if is_prompt {
            segments.answered(at);
        }
        match text.map(|text| segments.on_playlist(text)) {
            None => segments.forget(),
            Some(Ok(())) => {}
            Some(Err(what)) => self.fail(at, format!("player of segments on link {link}: {what}")),
        }
    }

    /// Nothing but the server makes the answers to a client late.
    fn is_prompt(&self, link: usize) -> bool {
        let Scenario { failing, faults, reloads, server_faults, .. } = &self.scenario;
        let LinkNote { actor, plan, .. } = &self.links[link];
        let is_calm = failing.is_none() && reloads.is_empty() && server_faults.is_empty();
        is_calm
            && plan.server == 0
            && plan.link.rate == 0
            && !faults.iter().any(|fault| fault.actor == *actor)
    }

    /// A player of segments got a segment, or it was not there.
    pub fn on_segment(&mut self, link: usize, sequence: u64, bytes: Option<&[u8]>, at: Micros) {
        let Some(segments) = self.segments.get_mut(&link) else { return };
        let Some(bytes) = bytes else {
            segments.missed(sequence);
            let missed = segments.check_missed(sequence, at);
            if let Err(what) = missed {
                self.fail(at, format!("player of segments on link {link}: {what}"));
            }
            return;
        };
        self.frames += 1;
        if let Err(what) = segments.on_segment(sequence, bytes, &self.ledger, at) {
            self.fail(at, format!("player of segments on link {link}: {what}"));
        }
    }

    /// The epoch that a publisher's link belongs to.
    ///
    /// # Panics
    /// It is no publisher's.
    #[must_use]
    pub fn epoch_of(&self, link: usize) -> u32 {
        self.links[link].epoch.expect("publishers have an epoch from the start")
    }

    /// A player goes on after a pause.
    pub fn resumed(&mut self, link: usize) {
        if let Some(playback) = self.playbacks.get_mut(&link) {
            playback.resume();
        }
    }

    /// A player switches audio or video off or on.
    pub fn switched(&mut self, link: usize, kind: FrameKind) {
        if let Some(playback) = self.playbacks.get_mut(&link) {
            playback.switch(kind);
        }
    }

    /// A player got a frame.
    pub fn on_frame(&mut self, link: usize, frame: &Frame, at: Micros) {
        self.frames += 1;
        if let Some(playback) = self.playbacks.get_mut(&link)
            && let Err(what) = playback.take(frame, &mut self.ledger, at)
        {
            self.fail(at, format!("player on link {link}: {what}"));
        }
    }

    /// The server reports something.
    pub fn on_event(&mut self, net: &SimTransport, told: &Told) {
        if let Err(what) = self.rules[told.server].take(told) {
            self.fail(told.at, format!("rules: {what}"));
        }
        match self.forwards.take(told) {
            Err(what) => self.fail(told.at, format!("forwards: {what}")),
            Ok(None) => {}
            Ok(Some(name)) => self.reintroduce(net, told.server, name.stream()),
        }
        let Some(link) = told.link else {
            return self.on_stream_event(told);
        };
        self.check_admission(link, told);
        match &told.event {
            Event::Connected { app, .. } => {
                self.links[link].vhost = app.split('/').next().map(str::to_owned);
            }
            Event::Published { name, .. } => {
                self.change(link, true, told);
                if let Some(epoch) = self.links[link].epoch {
                    let order = self.rules[0].publishings();
                    let from = told.at.saturating_sub(self.scenario.server.lag());
                    let epoch = &mut self.ledger.epochs[epoch as usize];
                    epoch.order = Some(order);
                    epoch.jitter = self.rules[0].admin.jitter(from, name.vhost());
                }
            }
            Event::Unpublished { .. } => self.change(link, false, told),
            Event::Played { live, name, .. } => {
                // Who plays by HTTP has asked for a vhost, and is of it from here on.
                self.links[link].vhost = Some(name.vhost().to_owned());
                let known = self.known_now(net, self.links[link].stream);
                let publishings = self.rules[0].publishings();
                let is_far = told.server > 0;
                let ledger = &self.ledger;
                let admin = &self.rules[0].admin;
                let current = known.filter(|_| *live);
                let current = current.and_then(|(epoch, _)| ledger.epoch(epoch).jitter);
                let plan = admin.plan(told.config, name.vhost());
                // A cache has what came since it is on and its bounds are wide.
                let newest = known.and_then(|(epoch, _)| ledger.epoch(epoch).keyframe);
                let since = newest.map_or(told.at, |(_, at)| at);
                let mut recent = admin.since(since, name.vhost());
                let keeps_gop = recent.all(|plan| plan.gop_cache && plan.gop_bytes_max >= 1 << 20);
                let is_mixed = admin.jitter(0, name.vhost()).is_none();
                if let Some(playback) = self.playbacks.get_mut(&link) {
                    let prompt = keeps_gop && !told.is_full && !is_far;
                    let known = known.filter(|_| !is_far);
                    // The first frame may find the next publisher there already.
                    let goes_on = current.is_some_and(|jitter| jitter == plan.jitter);
                    if is_mixed && (!goes_on || self.scenario.server.shards > 1) {
                        playback.mix();
                    }
                    playback.joined_at = told.at;
                    playback.join(*live, told.is_full, known, prompt, publishings, ledger);
                    if self.links[link].plan.role == Role::View {
                        let is_settled = known.is_some_and(|at| ledger.has_settled(at));
                        playback.wait(is_settled);
                    }
                    if self.scenario.server.shards > 1 && !is_far {
                        playback.follow_replica(told.at + self.scenario.server.lag());
                    }
                }
            }
            Event::Skipped { .. } => {
                if let Some(playback) = self.playbacks.get_mut(&link) {
                    playback.skip();
                }
            }
            Event::Closed { reason, .. } => self.on_closed(link, *reason, told.at),
            _ => {}
        }
    }

    /// The publisher of a stream has come or gone.
    fn change(&mut self, link: usize, is_live: bool, told: &Told) {
        let stream = self.links[link].stream;
        let segments = self.segments.values_mut().filter(|_| told.server == 0);
        segments.for_each(|segments| segments.change(stream, is_live, told.at));
    }

    /// A stream goes from a server to others by a new connection, or from a later keyframe on.
    fn reintroduce(&mut self, net: &SimTransport, from: usize, stream: &str) {
        let Some(number) = stream.strip_prefix("stream-").and_then(|it| it.parse().ok()) else {
            return;
        };
        let newest = self.known_now(net, number);
        self.introductions.push(Begun { from, newest, stream: number });
        for (&link, playback) in &mut self.playbacks {
            let note = &self.links[link];
            if note.stream == number && self.forwards.leads(from, note.plan.server as usize) {
                playback.reintroduce(newest);
            }
        }
    }

    /// A shard has this configuration now.
    pub fn in_force(&mut self, at: Micros, shard: usize, config: usize) {
        if !self.rules[0].admin.in_force(at, shard, config) {
            return;
        }
        let has_changed = |vhost| self.rules[0].admin.jitter(0, vhost).is_none();
        if has_changed("") || has_changed(OWN_VHOST) {
            self.playbacks.values_mut().for_each(Playback::mix);
            if self.scenario.server.shards > 1 {
                // A replica may be made in the new way of what was mended in the old one.
                self.ledger.epochs.iter_mut().for_each(|epoch| epoch.jitter = None);
            }
        }
    }

    /// What an honest client is granted or refused is what the configuration says.
    fn check_admission(&mut self, link: usize, told: &Told) {
        let note = &self.links[link];
        if !note.plan.role.is_honest() {
            return;
        }
        let wish = Wish { role: note.plan.role, stream: note.stream };
        if let Err(what) = self.rules[0].admin.check(told, wish, note.vhost.as_deref()) {
            self.fail(told.at, format!("link {link}: {what}"));
        }
    }

    fn on_stream_event(&mut self, told: &Told) {
        if let Event::Jumped { name, millis, .. } = &told.event
            && told.server == 0
            && self.rules[0].admin.jitter(0, name.vhost()) == Some(TimeJitter::Full)
        {
            // An attacker may publish anything, under any name that damage has made.
            let mut publishers = self.scenario.actors.iter().filter_map(|actor| {
                let is_it = name.stream() == crate::actor::stream_name(actor.stream);
                match actor.role {
                    Role::Publish(media) if is_it => Some(media.jump_every > 0),
                    _ => None,
                }
            });
            let jumps = publishers.next().is_none_or(|first| first || publishers.any(|next| next));
            if !jumps {
                let what = format!("{name} jumped by {millis} ms, but no publisher did");
                self.fail(told.at, what);
            }
        }
    }

    fn on_closed(&mut self, link: usize, reason: CloseReason, at: Micros) {
        let note = &self.links[link];
        if note.epoch.is_some() {
            self.rules[0].attempted(note.stream, at);
        }
        if note.tainted || note.left {
            return;
        }
        let is_legal = match reason {
            CloseReason::Error(SessionError::Timeout(_)) | CloseReason::SlowReader => {
                // A link that is slower than its stream cannot be waited for.
                note.plan.link.rate > 0
            }
            CloseReason::Error(_) | CloseReason::Http(_) | CloseReason::Io(_) => false,
            _ => true,
        };
        if !is_legal {
            let actor = note.actor;
            self.fail(at, format!("actor {actor} on link {link} was thrown out: {reason:?}"));
        }
    }

    /// The newest frame of a stream's publisher that the server has: epoch and serial.
    fn known_now(&self, net: &SimTransport, stream: u32) -> Option<(u32, u32)> {
        let link = self.rules[0].publisher(stream)?;
        let epoch = self.links[link].epoch?;
        let read = net.links[link].read;
        let notes = &self.ledger.epoch(epoch).notes;
        let count = notes.partition_point(|note| note.end <= read);
        Some((epoch, u32::try_from(count.checked_sub(1)?).ok()?))
    }

    /// The operator ends the server.
    pub fn shut(&mut self) {
        self.rules[0].shut();
    }

    /// Looks at everything while nothing is due.
    pub fn check<'a>(
        &mut self,
        net: &SimTransport,
        servers: impl Iterator<Item = &'a Server>,
        actors: &[Actor],
    ) {
        let at = net.clock();
        for server in servers {
            self.check_server(net, server);
        }
        self.check_answers(at);
        if let Err(what) = self.forwards.check() {
            self.fail(at, format!("forwards: {what}"));
        }
        for server in 0..self.rules.len() {
            if let Err(what) = self.rules[server].check(at) {
                self.fail(at, format!("rules: {what}"));
            }
        }
        if at < self.known_at + KNOWN_FOR {
            // A server without a moment of rest is looked at late, and then again at once.
            return;
        }
        self.known_at = at;
        let looked_at =
            |actor: &&Actor| actor.is_active() && actor.reads_all() && actor.plan.server == 0;
        for actor in actors.iter().filter(looked_at) {
            if self.may_pause_late(actor) {
                continue;
            }
            let Some(link) = actor.link.filter(|_| !actor.is_paused()) else { continue };
            let Some(playback) = self.playbacks.get(&link) else { continue };
            let seat = &net.links[link].accepting;
            let is_open = !seat.is_closed && seat.conn.is_some();
            let is_free = is_free(net, link) && is_open;
            let note = &self.links[link];
            let Some(&known) = self.known.get(&note.stream).filter(|_| is_free) else {
                continue;
            };
            let publisher = self.rules[0].publisher(note.stream);
            if !publisher.is_some_and(|publisher| self.rules[0].follows(link, publisher)) {
                continue;
            }
            if let Some(missing) = playback.missing(known, &self.ledger) {
                let (epoch, serial) = known;
                let what = format!(
                    "player on link {link} has a free socket, and the server has had frame \
                     {serial} of epoch {epoch} for long, but frame {missing} never came"
                );
                self.fail(at, what);
            }
        }
        let streams: Vec<u32> = self.rules[0].streams();
        self.known = streams
            .into_iter()
            .filter_map(|stream| Some((stream, self.known_now(net, stream)?)))
            .collect();
        for &(epoch, serial) in self.known.values() {
            self.ledger.epochs[epoch as usize].known.push((at, serial));
        }
        for (&link, playback) in &mut self.playbacks {
            let stream = self.links[link].stream;
            let publisher = self.rules[0].publisher(stream);
            let follows = publisher.is_none_or(|publisher| self.rules[0].follows(link, publisher));
            let known = self.known.get(&stream).copied().filter(|_| follows);
            // Who goes on does so when its socket is free; while it is not known who publishes,
            // nothing is.
            let is_known = known.is_some()
                || !self.rules[0].is_live(stream)
                || self.scenario.server.lag() == 0;
            if is_known && is_free(net, link) {
                playback.settle(at, known);
            }
        }
    }

    fn check_server(&mut self, net: &SimTransport, server: &Server) {
        let at = net.clock();
        self.check_memory(at, server.stats());
        let is_late = server.poll_timeout().is_some_and(|deadline| deadline.at <= net.instant());
        if is_late && !server.is_drained() {
            self.fail(at, "a deadline that has come was left".to_owned());
        }
    }

    /// A stall holds back what a player says: the server may hear that it goes on long after it did.
    fn may_pause_late(&self, actor: &Actor) -> bool {
        let pauses = matches!(actor.plan.role, Role::Play(plan) if plan.pause_for > 0);
        let mut faults = self.scenario.faults.iter();
        pauses && faults.any(|fault| matches!(fault.kind, FaultKind::Stall(_)))
    }

    fn check_answers(&mut self, at: Micros) {
        let late = self.links.iter().position(|note| {
            let is_slow = note.plan.link.rate > 0 || note.plan.link.latency > 100_000;
            let patience = if is_slow { ANSWER_MAX * 3 } else { ANSWER_MAX };
            !note.answered && !note.tainted && !note.left && at > note.connected + patience
        });
        if let Some(link) = late {
            self.fail(at, format!("the request on link {link} was never answered"));
        }
    }

    fn check_memory(&mut self, at: Micros, stats: Stats) {
        // Whole blocks are dropped, and only when a new one begins.
        let actors = &self.scenario.actors;
        let is_attacked = actors.iter().any(|actor| matches!(actor.role, Role::Attack(_)));
        // An attacker's messages are as long as they may be.
        let largest = if is_attacked { 1 << 20 } else { self.largest_frame() };
        let slack = 4 * (64 << 10) + 4 * largest;
        let held = |plan: &ServerPlan| plan.lag_bytes_max.max(plan.gop_bytes_max);
        let tape_max = self.scenario.plans().map(held).max().unwrap_or(0) + slack;
        let session_max = (64 << 10) + (1 << 20) + (256 << 10);
        let owners = stats.connections as usize + stats.streams as usize;
        // Those who came in the last minutes may have left just now.
        let recent = self.links.iter().rev().take_while(|note| note.connected + 200_000_000 > at);
        let attempts = recent.count() + self.forwards.recent_dials(at.saturating_sub(60_000_000));
        let timers_max = TIMERS_MAX * owners + 8 * attempts + 16;
        let checks = [
            ("tape", stats.tape_bytes, u64::from(stats.streams) * tape_max),
            ("session", stats.session_bytes, u64::from(stats.connections) * session_max),
            ("timers", stats.timers as u64, timers_max as u64),
        ];
        for (name, held, max) in checks {
            if held > max {
                self.fail(at, format!("{name}: {held} held, at most {max} are allowed: {stats:?}"));
            }
        }
    }

    fn largest_frame(&self) -> u64 {
        let lens = self.scenario.actors.iter().map(|actor| match actor.role {
            Role::Publish(media) => u64::from(media.len_max),
            _ => 0,
        });
        lens.max().unwrap_or(0)
    }
}

/// All that a client has said has been heard, perhaps that it goes on after a pause, and all that it
/// was sent has come.
fn is_free(net: &SimTransport, link: usize) -> bool {
    let is_full = net.links[link].accepting.is_full;
    net.up_queued(link) == 0 && net.down_queued(link) == 0 && !is_full
}

const fn is_coded(note: &Note) -> bool {
    matches!(note.class, FrameClass::Coded | FrameClass::Control | FrameClass::Keyframe)
}

/// Audio and video are counted apart.
const fn slot(kind: FrameKind) -> Option<usize> {
    match kind {
        FrameKind::Audio => Some(0),
        FrameKind::Video => Some(1),
        FrameKind::Data => None,
    }
}
