//! What the server keeps of one connection.

use super::http::Http;
use crate::event::{CloseReason, RefuseReason};
use crate::forward::Route;
use crate::handshake::HandshakeKind;
use crate::id::{ConnId, ConsumerId, ForwardId, MessageStreamId, SourceId};
use crate::session::{Ignored, Refusal, Session};
use crate::time::{Deadline, Instant, TimerKind};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::BytesMut;
use core::net::SocketAddr;
use core::time::Duration;
use smallvec::SmallVec;

/// Bytes in one idle period below which a reader makes no progress.
const PROGRESS_BYTES_MIN: u64 = 1 << 10;

pub(super) struct Conn {
    /// The vhost and app of `connect`.
    pub(super) app: Option<App>,
    /// A short write was made; nothing more until `Writable`.
    pub(super) blocked: bool,
    pub(super) closing: Option<CloseReason>,
    /// It was dialled for this forward, and is a client.
    pub(super) forward: Option<ForwardId>,
    pub(super) handshake: HandshakeKind,
    /// What speaks HTTP; the session sleeps then.
    pub(super) http: Option<Box<Http>>,
    pub(super) id: ConnId,
    /// Kinds of messages that were ignored, a bit each.
    ignored: [u64; 5],
    /// After this the connection is closed even if the peer has not read its replies.
    pub(super) linger_at: Option<Instant>,
    pub(super) opened: Instant,
    pub(super) peer: SocketAddr,
    /// Since the socket was full for the first time; `None` once all was taken.
    progress: Option<Progress>,
    /// The client program (`flashVer`), escaped.
    pub(super) program: Option<Arc<str>>,
    /// The driver reads from the connection.
    pub(super) reads: bool,
    pub(super) received: u64,
    /// Requests that were refused.
    pub(super) refused: u8,
    /// Replies to be sent; media stay on the tape.
    pub(super) replies: BytesMut,
    pub(super) report_at: Option<Instant>,
    /// It had a role, and is closed if it has none by then.
    pub(super) role_again_at: Option<Instant>,
    pub(super) roles: SmallVec<[Role; 1]>,
    pub(super) sent: u64,
    pub(super) session: Session,
    /// What came while the connection waited.
    pub(super) stash: BytesMut,
    pub(super) timer_at: Option<Instant>,
    /// Another shard has to answer a request.
    pub(super) waits: bool,
}

#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) app: Arc<str>,
    /// What it publishes is a rendition, made here or on another server.
    pub(super) is_rendition: bool,
    /// The page that the client comes from, empty when it has none; `None` for a process of this
    /// server.
    pub(super) page_url: Option<Arc<[u8]>>,
    /// The servers that what it publishes has passed.
    pub(super) route: Route,
    pub(super) vhost: Arc<str>,
}

/// How far a blocked reader has come.
#[derive(Clone, Copy)]
struct Progress {
    at: Instant,
    sent: u64,
}

/// What a message stream of the connection does.
#[derive(Clone, Copy)]
pub(super) struct Role {
    pub(super) action: Action,
    /// Bytes of media since the last report.
    pub(super) bytes: u64,
    /// Bits per second in the last report.
    pub(super) bits_per_second: Option<u64>,
    pub(super) frames: u32,
    pub(super) reported: Instant,
    pub(super) since: Instant,
    /// `None` for what is published elsewhere.
    pub(super) source: Option<SourceId>,
    pub(super) stream: MessageStreamId,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Plays from the tape that all players share.
    Play(ConsumerId),
    /// Plays copies, because another message stream of the connection plays from a tape.
    PlayCopy(ConsumerId),
    Publish,
    /// Publishes a stream that is at home on another shard.
    PublishElsewhere,
}

impl Action {
    pub(super) const fn player(self) -> Option<ConsumerId> {
        match self {
            Self::Play(consumer) | Self::PlayCopy(consumer) => Some(consumer),
            Self::Publish | Self::PublishElsewhere => None,
        }
    }

    pub(super) const fn publishes(self) -> bool {
        matches!(self, Self::Publish | Self::PublishElsewhere)
    }
}

impl Conn {
    pub(super) fn new(id: ConnId, peer: SocketAddr, session: Session, now: Instant) -> Self {
        Self {
            app: None,
            blocked: false,
            closing: None,
            forward: None,
            handshake: HandshakeKind::Simple,
            http: None,
            id,
            ignored: [0; 5],
            linger_at: None,
            opened: now,
            peer,
            progress: None,
            program: None,
            reads: true,
            received: 0,
            refused: 0,
            replies: BytesMut::new(),
            report_at: None,
            role_again_at: None,
            roles: SmallVec::new(),
            sent: 0,
            session,
            stash: BytesMut::new(),
            timer_at: None,
            waits: false,
        }
    }

    /// The player that shares the tape's bytes: the first one of the connection.
    pub(super) fn sharing_player(&self) -> Option<(SourceId, ConsumerId)> {
        self.roles.iter().find_map(|role| match role.action {
            Action::Play(consumer) => Some((role.source?, consumer)),
            Action::PlayCopy(_) | Action::Publish | Action::PublishElsewhere => None,
        })
    }

    /// Counts bytes of media that the player which shares the tape was sent.
    pub(super) fn count_shared(&mut self, len: usize) {
        let shares = |role: &&mut Role| matches!(role.action, Action::Play(_));
        if let Some(role) = self.roles.iter_mut().find(shares) {
            role.bytes = role.bytes.saturating_add(len as u64);
        }
    }

    pub(super) fn role(&self, stream: MessageStreamId) -> Option<&Role> {
        self.roles.iter().find(|role| role.stream == stream)
    }

    /// Another message stream than `stream` does something, or waits to.
    pub(super) fn has_other_role(&self, stream: MessageStreamId) -> bool {
        self.waits || self.roles.iter().any(|role| role.stream != stream)
    }

    /// The socket took some bytes and is full. A few bytes now and then are no progress.
    pub(super) fn block(&mut self, now: Instant) {
        self.blocked = true;
        let sent = self.sent;
        let progress = self.progress.get_or_insert(Progress { at: now, sent });
        if sent.saturating_sub(progress.sent) >= PROGRESS_BYTES_MIN {
            *progress = Progress { at: now, sent };
        }
    }

    /// The player to whom this connection sends media and nothing else, while its socket keeps up.
    pub(super) fn calm_player(&self) -> Option<(SourceId, ConsumerId)> {
        let is_calm = !self.blocked
            && self.progress.is_none()
            && self.closing.is_none()
            && self.replies.is_empty()
            && self.reads;
        match self.roles.as_slice() {
            [Role { action: Action::Play(consumer), source: Some(source), .. }] if is_calm => {
                Some((*source, *consumer))
            }
            _ => None,
        }
    }

    /// Nothing waits for the socket.
    pub(super) const fn unblock(&mut self) {
        self.progress = None;
    }

    /// When a reader that makes no progress is given up.
    pub(super) fn stalls_at(&self, timeout: Duration) -> Option<Instant> {
        self.progress.map(|progress| progress.at.after(timeout))
    }

    /// The earliest of the connection's own deadlines.
    pub(super) fn deadline(&self, player_idle_timeout: Duration) -> Option<Deadline> {
        if self.closing.is_some() {
            return self.linger_at.map(|at| Deadline { at, reason: TimerKind::Linger });
        }
        let own = [
            (self.stalls_at(player_idle_timeout), TimerKind::Idle),
            (self.report_at, TimerKind::Progress),
            (self.role_again_at, TimerKind::Role),
        ];
        let own = own.into_iter().filter_map(|(at, reason)| Some(Deadline { at: at?, reason }));
        let spoken = match &self.http {
            Some(http) => http.deadline(),
            None => self.session.poll_timeout(),
        };
        own.chain(spoken).min_by_key(|deadline| deadline.at)
    }

    /// True the first time that something of this kind is ignored on this connection.
    pub(super) fn is_news(&mut self, what: &Ignored) -> bool {
        let kind: u16 = match what {
            Ignored::MessageType { type_id } => u16::from(*type_id),
            Ignored::Command { .. } => 256,
            Ignored::CommandState { .. } => 257,
            Ignored::EmptyMessage { .. } => 258,
            Ignored::MediaState => 259,
            Ignored::Tag(_) => 260,
            Ignored::Data(_) => 261,
            Ignored::Aggregate => 262,
        };
        // A bit for each kind, so that no number of kinds makes one news again.
        let bit = 1 << (kind % 64);
        let is_news = self.ignored.get(usize::from(kind / 64)).is_some_and(|seen| seen & bit == 0);
        if let Some(seen) = self.ignored.get_mut(usize::from(kind / 64)) {
            *seen |= bit;
        }
        is_news
    }
}

/// How a refusal is told: `connect` by `_error`, `publish` and `play` by `onStatus`.
pub(super) const fn refusal(reason: RefuseReason, asked: Asked) -> Refusal {
    let (code, description) = match (reason, asked) {
        (RefuseReason::BadName, Asked::Connect) => (
            "NetConnection.Connect.Rejected",
            "The tcUrl or app is not legal: use rtmp://host/app, with letters, digits, - and _.",
        ),
        (RefuseReason::BadName, Asked::Publish) => (
            "NetStream.Publish.BadName",
            "The stream name is not legal: use letters, digits, - and _.",
        ),
        (RefuseReason::BadName, Asked::Play) => (
            "NetStream.Play.StreamNotFound",
            "The stream name is not legal: use letters, digits, - and _.",
        ),
        (RefuseReason::Busy, _) => (
            "NetStream.Publish.BadName",
            "The stream is being published by another client: stop it, or use another name.",
        ),
        (
            RefuseReason::ConnectRate
            | RefuseReason::ConnectionsMax
            | RefuseReason::ConnectionsPerIp,
            _,
        ) => (
            "NetConnection.Connect.Rejected",
            "The server has as many connections as it may: try again later.",
        ),
        (RefuseReason::Loop, _) => (
            "NetConnection.Connect.Rejected",
            "The stream has been here before: servers forward it in a loop.",
        ),
        (RefuseReason::Refer, Asked::Connect) => {
            ("NetConnection.Connect.Rejected", "The server does not serve clients of this page.")
        }
        (RefuseReason::Refer, Asked::Publish) => {
            ("NetStream.Publish.Denied", "Clients of this page may not publish here.")
        }
        (RefuseReason::Refer, Asked::Play) => {
            ("NetStream.Play.Failed", "Clients of this page may not play here.")
        }
        (RefuseReason::Shutdown, _) => {
            ("NetConnection.Connect.Closed", "The server shuts down: connect again later.")
        }
        (RefuseReason::SourcesMax, Asked::Play) => {
            ("NetStream.Play.Failed", "The server has as many streams as it may: try again later.")
        }
        (RefuseReason::SourcesMax, _) => (
            "NetStream.Publish.Denied",
            "The server has as many streams as it may: try again later.",
        ),
        (RefuseReason::StreamNotFound, _) => {
            ("NetStream.Play.StreamNotFound", "Nobody publishes this stream.")
        }
        (RefuseReason::Vhost, _) => {
            ("NetConnection.Connect.InvalidApp", "The server does not serve this host.")
        }
    };
    Refusal { code, description }
}

/// What a peer asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Connect,
    Play,
    Publish,
}
