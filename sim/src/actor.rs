//! Those who connect to the server: each is a client session of core, a link, and a plan.

mod attacker;
mod player;
mod publisher;
mod segments;
mod viewer;

use crate::entropy::Entropy;
use crate::net::{Arrival, Micros};
use crate::oracle::Oracle;
use crate::scenario::{ActorPlan, FaultKind, Role, host_of};
use crate::transport::{Due, SimTransport};
use attacker::Damage;
use bytes::BytesMut;
use millstream_core::chunk::ChunkSize;
use millstream_core::drive::Service;
use millstream_core::id::MessageStreamId;
use millstream_core::limits::Limits;
use millstream_core::rng::Rng;
use millstream_core::session::{ClientRequest, Intent, Session, SessionConfig, SessionEvent};
use millstream_core::time::Instant;
use player::Player;
use publisher::Publisher;
use segments::{Got, Watcher};
use std::sync::Arc;
use std::time::Duration;
use viewer::{Seen, Viewer};

/// Timers of an actor.
mod timer {
    pub(super) const START: u8 = 0;
    pub(super) const TICK: u8 = 1;
    pub(super) const READ: u8 = 2;
    pub(super) const PAUSE: u8 = 3;
    pub(super) const LEAVE: u8 = 4;
    pub(super) const GIVE_UP: u8 = 5;
    pub(super) const WINDOW: u8 = 6;
    pub(super) const ASK: u8 = 7;
    pub(super) const SWITCH: u8 = 8;
    pub(super) const LOOK: u8 = 9;
}

/// How long a client that has said good-bye waits for the server to close.
const PATIENCE: Micros = 4_000_000;

/// What an actor can touch.
pub struct Stage<'a> {
    /// The network.
    pub net: &'a mut SimTransport,
    /// Those who watch.
    pub oracle: &'a mut Oracle,
    /// Nobody comes again.
    pub is_over: bool,
}

/// One that connects to the server.
#[derive(Debug)]
pub struct Actor {
    /// The plan.
    pub plan: ActorPlan,
    /// The link, while there is one.
    pub link: Option<usize>,
    /// The server has granted what was asked for.
    pub started: Option<MessageStreamId>,
    backlog: BytesMut,
    /// From then on it keeps what it watches: whoever switches off again and again what begins at a
    /// keyframe may never see one.
    calm_from: Micros,
    damage: Option<Damage>,
    entropy: Entropy,
    incarnation: u32,
    index: usize,
    /// It has said good-bye and closes when all is sent.
    leaving: bool,
    made: u64,
    reads: bool,
    session: Option<Session>,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    Play(Player),
    Publish(Box<Publisher>),
    View(Box<Viewer>),
    Watch(Box<Watcher>),
}

impl Actor {
    /// An actor that comes when its plan says.
    #[must_use]
    pub fn new(index: usize, plan: ActorPlan, entropy: Entropy, net: &mut SimTransport) -> Self {
        net.schedule(plan.start, Due::Actor(index, 0, timer::START));
        let damage = match plan.role {
            Role::Attack(attack) => Some(Damage::new(attack.damage_one_in)),
            Role::Publish(_) | Role::Play(_) | Role::View | Role::Segments(_) | Role::Idle => None,
        };
        Self {
            plan,
            link: None,
            started: None,
            backlog: BytesMut::new(),
            calm_from: Micros::MAX,
            damage,
            entropy,
            incarnation: 0,
            index,
            leaving: false,
            made: 0,
            reads: true,
            session: None,
            state: State::Idle,
        }
    }

    /// Switches nothing off any more from `time` on.
    #[must_use]
    pub const fn with_calm_from(mut self, time: Micros) -> Self {
        self.calm_from = time;
        self
    }

    /// It is connected, was granted what it wants, and stays.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.link.is_some() && self.started.is_some() && !self.leaving
    }

    /// It is a player that has paused.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        matches!(&self.state, State::Play(player) if player.is_paused)
    }

    /// It reads all that comes, as it comes.
    #[must_use]
    pub const fn reads_all(&self) -> bool {
        let is_slow = matches!(self.plan.role, Role::Play(plan) if plan.rate > 0);
        self.reads && !is_slow
    }

    /// A timer of the actor has come.
    pub fn on_timer(&mut self, stage: &mut Stage<'_>, incarnation: u32, which: u8) {
        if incarnation != self.incarnation {
            return;
        }
        match which {
            timer::START => self.start(stage),
            timer::TICK => self.tick(stage),
            timer::READ => {
                self.read(stage);
                self.arm(stage, 100_000, timer::READ);
            }
            timer::PAUSE => self.pause(stage),
            timer::ASK | timer::SWITCH => self.ask(stage, which),
            timer::LEAVE => self.leave(stage),
            timer::LOOK => self.look(stage),
            timer::WINDOW => {
                self.reads = true;
                self.on_link(stage);
            }
            _ => self.hang_up(stage, true),
        }
    }

    /// Something came, or there is room to write.
    pub fn on_link(&mut self, stage: &mut Stage<'_>) {
        let is_slow = matches!(self.plan.role, Role::Play(plan) if plan.rate > 0);
        if !is_slow || self.started.is_none() {
            self.read(stage);
        }
        self.flush(stage);
    }

    /// A fault hits the actor's link.
    pub fn on_fault(&mut self, stage: &mut Stage<'_>, kind: FaultKind) {
        let Some(link) = self.link else { return };
        stage.oracle.taint(link);
        let now = stage.net.clock();
        match kind {
            FaultKind::Stall(lasts) => stage.net.stall(link, now + lasts),
            FaultKind::Reset => self.hang_up(stage, true),
            FaultKind::TimeOut => {
                stage.net.time_out(link);
                self.forget(stage);
            }
            FaultKind::HalfClose => stage.net.client_end(link, false),
            FaultKind::Vanish => {
                stage.net.silence(link);
                self.forget(stage);
            }
            FaultKind::ZeroWindow(lasts) => {
                self.reads = false;
                self.arm(stage, lasts, timer::WINDOW);
            }
        }
    }

    /// Says good-bye, and closes when it is sent.
    pub fn leave(&mut self, stage: &mut Stage<'_>) {
        if self.link.is_none() {
            self.incarnation += 1;
            return;
        }
        if self.leaving {
            return;
        }
        self.leaving = true;
        if let Some(session) = &mut self.session {
            session.finish(&mut self.backlog);
        }
        self.arm(stage, PATIENCE, timer::GIVE_UP);
        self.flush(stage);
    }

    fn start(&mut self, stage: &mut Stage<'_>) {
        if stage.is_over {
            return;
        }
        self.incarnation += 1;
        self.leaving = false;
        self.reads = true;
        self.made = 0;
        self.started = None;
        let salt = self.entropy.range(0..=u64::from(u32::MAX));
        let link = stage.net.connect(
            self.index,
            self.plan.server as usize,
            match self.plan.role {
                Role::View | Role::Segments(_) => Service::Http,
                Role::Publish(_) | Role::Play(_) | Role::Attack(_) | Role::Idle => Service::Rtmp,
            },
            self.plan.link,
            Entropy::from_seed(salt, if self.entropy.is_empty() { 0 } else { 1 << 18 }),
        );
        self.link = Some(link);
        stage.oracle.connected(link, self.index, &self.plan, stage.net.clock());
        if let Some(intent) = self.intent() {
            let config = SessionConfig {
                chunk_size: ChunkSize::new(self.plan.chunk_size).unwrap_or(ChunkSize::DEFAULT),
                limits: patient_limits(),
                ..SessionConfig::default()
            };
            let request = ClientRequest {
                intent,
                app: Arc::from("live"),
                tc_url: Arc::from(format!("rtmp://{}/live", host_of(self.plan.stream))),
                stream: Arc::from(stream_name(self.plan.stream)),
            };
            let (config, rng) = (Arc::new(config), Rng::new(salt));
            let now = stage.net.instant();
            self.backlog = BytesMut::new();
            self.session = Some(Session::client(config, request, now, rng, &mut self.backlog));
        }
        if self.plan.role == Role::View {
            let host = host_of(self.plan.stream);
            let request = viewer::request(host, &stream_name(self.plan.stream));
            self.backlog = BytesMut::from(request.as_bytes());
            self.state = State::View(Box::new(Viewer::new()));
        }
        if let Role::Segments(plan) = self.plan.role {
            self.backlog = BytesMut::new();
            let stream = stream_name(self.plan.stream);
            self.state = State::Watch(Box::new(Watcher::new(plan, stream)));
            self.started = Some(MessageStreamId(0));
            self.arm(stage, 0, timer::LOOK);
        }
        if self.plan.stay > 0 {
            self.arm(stage, self.plan.stay, timer::LEAVE);
        }
        self.flush(stage);
    }

    const fn intent(&self) -> Option<Intent> {
        match self.plan.role {
            Role::Publish(_) => Some(Intent::Publish),
            Role::Play(_) => Some(Intent::Play),
            Role::Attack(attack) if attack.publishes => Some(Intent::Publish),
            Role::Attack(_) => Some(Intent::Play),
            Role::View | Role::Segments(_) | Role::Idle => None,
        }
    }

    fn arm(&self, stage: &mut Stage<'_>, after: Micros, which: u8) {
        let at = stage.net.clock() + after;
        stage.net.schedule(at, Due::Actor(self.index, self.incarnation, which));
    }

    fn read(&mut self, stage: &mut Stage<'_>) {
        let Some(link) = self.link.filter(|_| self.reads) else { return };
        let budget = match self.plan.role {
            Role::Play(plan) if plan.rate > 0 && self.started.is_some() => {
                (plan.rate / 10).max(1) as usize
            }
            Role::Publish(_)
            | Role::Play(_)
            | Role::View
            | Role::Segments(_)
            | Role::Attack(_)
            | Role::Idle => usize::MAX,
        };
        let mut left = budget;
        while left > 0 && self.link == Some(link) {
            let mut bytes = BytesMut::new();
            let max = left.min(64 << 10);
            let arrival = stage.net.client_read(link, max, |part| bytes.extend_from_slice(part));
            match arrival {
                Arrival::Bytes(len) => {
                    left -= len;
                    self.receive(stage, link, &bytes);
                }
                Arrival::End | Arrival::Reset => self.hang_up(stage, false),
                Arrival::Pending(_) => break,
            }
        }
    }

    /// A viewer reads.
    fn view(&mut self, stage: &mut Stage<'_>, link: usize, bytes: &[u8]) {
        let State::View(viewer) = &mut self.state else { return };
        let seen = viewer.take(bytes).unwrap_or_else(|what| {
            stage.oracle.fail(stage.net.clock(), format!("viewer on link {link}: {what}"));
            [Seen::Over].into()
        });
        for seen in seen {
            match seen {
                Seen::Started => {
                    stage.oracle.answered(link);
                    self.started = Some(MessageStreamId(0));
                }
                Seen::Frame(frame) => stage.oracle.on_frame(link, &frame, stage.net.clock()),
                Seen::Over => {
                    stage.oracle.answered(link);
                    self.started = None;
                    self.leave(stage);
                }
            }
        }
    }

    /// A player of segments looks at the playlist, or asks for nonsense.
    fn look(&mut self, stage: &mut Stage<'_>) {
        let State::Watch(watcher) = &mut self.state else { return };
        if self.leaving || watcher.is_waiting() {
            return;
        }
        if self.entropy.one_in(watcher.plan.nonsense_one_in) {
            let which = self.entropy.range(0..=u64::from(u8::MAX)) as usize;
            self.backlog.extend_from_slice(watcher.ask_nonsense(which).as_bytes());
        } else {
            self.backlog.extend_from_slice(watcher.look().as_bytes());
            if let Some(link) = self.link {
                stage.oracle.looks(link, stage.net.clock());
            }
        }
        self.flush(stage);
    }

    /// A player of segments reads.
    fn watch(&mut self, stage: &mut Stage<'_>, link: usize, bytes: &[u8]) {
        let State::Watch(watcher) = &mut self.state else { return };
        let at = stage.net.clock();
        let got = match watcher.take(bytes) {
            Ok(None) => return,
            Ok(Some(got)) => got,
            Err(what) => {
                return stage.oracle.fail(at, format!("player of segments on link {link}: {what}"));
            }
        };
        match got {
            Got::Playlist(text) => stage.oracle.on_playlist(link, Some(&text), at),
            Got::NoPlaylist => stage.oracle.on_playlist(link, None, at),
            Got::Segment(sequence, bytes) => {
                stage.oracle.on_segment(link, sequence, Some(&bytes), at);
            }
            Got::NoSegment(sequence) => stage.oracle.on_segment(link, sequence, None, at),
            Got::Refused => {}
        }
        match watcher.next_request() {
            Some(request) => self.backlog.extend_from_slice(request.as_bytes()),
            None => {
                let every = watcher.plan.every;
                self.arm(stage, every, timer::LOOK);
            }
        }
    }

    fn receive(&mut self, stage: &mut Stage<'_>, link: usize, bytes: &[u8]) {
        self.view(stage, link, bytes);
        self.watch(stage, link, bytes);
        let mut input = bytes;
        let now: Instant = stage.net.instant();
        while let Some(session) = &mut self.session {
            match session.receive(now, &mut input, &mut self.backlog) {
                Ok(None) => break,
                Ok(Some(SessionEvent::Media { frame, .. })) => {
                    stage.oracle.on_frame(link, &frame, stage.net.clock());
                }
                Ok(Some(SessionEvent::Started { stream })) => self.on_started(stage, link, stream),
                Ok(Some(SessionEvent::Ended { code })) if self.is_pause(code.as_bytes()) => {}
                Ok(Some(SessionEvent::Rejected { .. } | SessionEvent::Ended { .. })) => {
                    stage.oracle.answered(link);
                    self.started = None;
                    self.leave(stage);
                }
                Ok(Some(_)) => {}
                Err(error) => {
                    if self.plan.role.is_honest() {
                        let what = format!("link {link} was sent bytes that it cannot read");
                        stage.oracle.fail(stage.net.clock(), format!("{what}: {error:?}"));
                    }
                    self.hang_up(stage, true);
                    return;
                }
            }
        }
        self.flush(stage);
    }

    fn on_started(&mut self, stage: &mut Stage<'_>, link: usize, stream: MessageStreamId) {
        stage.oracle.answered(link);
        self.started = Some(stream);
        match self.plan.role {
            Role::Publish(media) => {
                let epoch = stage.oracle.epoch_of(link);
                let now = stage.net.clock();
                self.state = State::Publish(Box::new(Publisher::new(media, epoch, now)));
                self.arm(stage, 0, timer::TICK);
            }
            Role::Attack(attack) if attack.publishes => {
                let epoch = stage.oracle.epoch_of(link);
                let media = crate::scenario::MediaPlan::default();
                let now = stage.net.clock();
                self.state = State::Publish(Box::new(Publisher::new(media, epoch, now)));
                self.arm(stage, 0, timer::TICK);
            }
            Role::Play(plan) => {
                self.state = State::Play(Player::default());
                if plan.rate > 0 {
                    self.arm(stage, 100_000, timer::READ);
                }
                if plan.pause_after > 0 {
                    self.arm(stage, plan.pause_after, timer::PAUSE);
                }
                for (every, which) in
                    [(plan.ask_every, timer::ASK), (plan.switch_every, timer::SWITCH)]
                {
                    if every > 0 {
                        self.arm(stage, every, which);
                    }
                }
            }
            Role::Attack(_) | Role::View | Role::Segments(_) | Role::Idle => {}
        }
    }

    fn tick(&mut self, stage: &mut Stage<'_>) {
        let (State::Publish(publisher), Some(session)) = (&mut self.state, &mut self.session)
        else {
            return;
        };
        if self.started.is_none() || self.leaving {
            return;
        }
        let now = stage.net.clock();
        let ledger = &mut stage.oracle.ledger;
        let made = self.made;
        publisher.publish(now, ledger, &mut self.entropy, |frame| {
            let sent = session.send(frame, &mut self.backlog);
            debug_assert!(sent.is_ok(), "publishing has begun");
            made + self.backlog.len() as u64
        });
        let after = publisher.next_after(now);
        self.arm(stage, after, timer::TICK);
        self.flush(stage);
    }

    fn pause(&mut self, stage: &mut Stage<'_>) {
        let (State::Play(player), Some(stream), Some(link)) =
            (&mut self.state, self.started, self.link)
        else {
            return;
        };
        if self.leaving {
            return;
        }
        player.is_paused = !player.is_paused;
        player::write_pause(stream, player.is_paused, &mut self.backlog);
        if player.is_paused {
            player.pauses += 1;
            if let Role::Play(plan) = self.plan.role {
                self.arm(stage, plan.pause_for, timer::PAUSE);
            }
        } else {
            stage.oracle.resumed(link);
        }
        self.flush(stage);
    }

    /// A player asks something, or switches audio or video off or on.
    fn ask(&mut self, stage: &mut Stage<'_>, which: u8) {
        let (State::Play(player), Some(stream), Some(link), Role::Play(plan)) =
            (&mut self.state, self.started, self.link, self.plan.role)
        else {
            return;
        };
        if self.leaving {
            return;
        }
        if which == timer::ASK {
            player::write_ping(&mut self.backlog);
            self.arm(stage, plan.ask_every, which);
        } else if stage.net.clock() < self.calm_from || !player.has_all() {
            let kind = player.switch(stream, &mut self.backlog);
            stage.oracle.switched(link, kind);
            self.arm(stage, plan.switch_every, which);
        }
        self.flush(stage);
    }

    /// A pause is answered by a StreamEOF, as SRS does it.
    fn is_pause(&mut self, code: &[u8]) -> bool {
        let State::Play(player) = &mut self.state else { return false };
        let is_pause = code.is_empty() && player.pauses > 0;
        player.pauses -= u32::from(is_pause);
        is_pause
    }

    fn flush(&mut self, stage: &mut Stage<'_>) {
        let Some(link) = self.link else { return };
        if !self.backlog.is_empty() {
            if let Some(damage) = &mut self.damage {
                damage.apply(&mut self.backlog, &mut self.entropy);
            }
            let len = self.backlog.len();
            stage.net.client_write(link, &mut self.backlog);
            self.made += (len - self.backlog.len()) as u64;
        }
        if self.leaving && self.backlog.is_empty() {
            stage.net.client_end(link, false);
        }
    }

    /// Ends the connection.
    fn hang_up(&mut self, stage: &mut Stage<'_>, reset: bool) {
        if let Some(link) = self.link {
            stage.net.client_end(link, reset);
        }
        self.forget(stage);
    }

    /// The connection is over; another one may follow.
    fn forget(&mut self, stage: &mut Stage<'_>) {
        if let Some(link) = self.link.take() {
            stage.oracle.left(link);
        }
        self.session = None;
        self.started = None;
        self.state = State::Idle;
        self.backlog = BytesMut::new();
        self.incarnation += 1;
        if self.plan.again > 0 && !stage.is_over {
            self.arm(stage, self.plan.again, timer::START);
        }
    }
}

/// The name of a stream.
#[must_use]
pub fn stream_name(stream: u32) -> String {
    format!("stream-{stream}")
}

/// Clients wait long: it is the server that is tested.
fn patient_limits() -> Limits {
    let long = Duration::from_secs(3_600);
    Limits {
        handshake_timeout: long,
        connect_timeout: long,
        role_timeout: long,
        ..Limits::default()
    }
}
