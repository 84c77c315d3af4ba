//! Who may publish and play what, and how that ends.
//!
//! All decisions about requests of peers are made here; what a session tells goes through
//! `session_event`.

use super::Server;
use super::conn::{Action, App, Asked, Conn, Role, refusal};
use super::transcode::ENGINE_VERSION;
use crate::chunk::ChunkSize;
use crate::config::{PublishPolicy, Vhost};
use crate::event::{CloseReason, Event, RefuseReason};
use crate::forward::Route;
use crate::frame::FrameKind;
use crate::id::{ConsumerId, MessageStreamId, RequestId, SourceId};
use crate::name::{Address, StreamArgument, StreamName, escape, refer_matches};
use crate::session::{
    ConnectRequest, PlayRequest, PublishRequest, SessionEvent, StatusLevel, without_secrets,
};
use alloc::sync::Arc;
use core::net::IpAddr;

/// Bytes of a peer's text in an event.
const SUBJECT_LEN_MAX: usize = 256;

/// A connection that goes on asks in vain so often at most: each time is a line in the log.
const REFUSED_MAX: u8 = 16;

impl Server {
    pub(super) fn session_event(&mut self, conn: &mut Conn, event: SessionEvent) {
        if conn.forward.is_some() {
            return self.forward_event(conn, event);
        }
        match event {
            SessionEvent::Handshaked { kind } => conn.handshake = kind,
            SessionEvent::Connect(request) => self.connect(conn, &request),
            SessionEvent::Publish(request) => self.publish(conn, &request),
            SessionEvent::Play(request) => self.play(conn, &request),
            SessionEvent::Media { stream, frame } => self.publish_frame(conn, stream, &frame),
            SessionEvent::Paused { stream, paused } => {
                if let Some((source, consumer)) = player(conn, stream)
                    && let Some(stream) = self.stream_mut(source)
                {
                    stream.source.set_paused(consumer, paused);
                    self.queue_write(conn.id);
                }
            }
            SessionEvent::Selected { stream, kind, enabled } => {
                if let Some((source, consumer)) = player(conn, stream)
                    && let Some(stream) = self.stream_mut(source)
                {
                    stream.source.set_selected(consumer, kind, enabled);
                    self.queue_write(conn.id);
                }
            }
            SessionEvent::Unpublished { stream } | SessionEvent::Stopped { stream } => {
                self.end_role(conn, stream);
            }
            SessionEvent::Ignored(what) => {
                if conn.is_news(&what) {
                    self.event(Event::Ignored { conn: conn.id, what });
                }
            }
            SessionEvent::Connected
            | SessionEvent::Started { .. }
            | SessionEvent::Rejected { .. }
            | SessionEvent::Ended { .. } => {
                debug_assert!(false, "a server session gives no events of a client");
            }
        }
    }

    fn connect(&mut self, conn: &mut Conn, request: &ConnectRequest) {
        let limits = self.name_limits();
        let parsed = Address::parse(request.tc_url.as_bytes(), request.app.as_bytes(), limits);
        let Ok(address) = parsed else {
            let subject = without_secrets(request.tc_url.as_bytes());
            let subject = escape(subject.as_bytes(), SUBJECT_LEN_MAX);
            self.refuse(conn, request.request, RefuseReason::BadName, Asked::Connect, &subject);
            return;
        };
        let is_engine = request.flash_ver.as_bytes() == ENGINE_VERSION.as_bytes();
        let page_url = page_url(request, self.config.limits.tc_url_len_max);
        let needs_page = !(is_engine && self.is_of_this_machine(conn.peer.ip()));
        let page_url = needs_page.then_some(page_url);
        let vhost = match self.admit(&address.vhost, page_url.as_deref(), |_| &[]) {
            Ok(vhost) => vhost,
            Err(reason) => {
                let subject = alloc::format!("{}/{}", address.vhost, address.app);
                self.refuse(conn, request.request, reason, Asked::Connect, &subject);
                return;
            }
        };
        // One more than may be, so that a longer route is seen.
        let hops_max = usize::from(self.config.limits.forward_hops_max);
        let route = Route::parse(request.route.as_bytes(), hops_max.saturating_add(1));
        if route.passes(self.id) || route.hops() > hops_max {
            let subject = alloc::format!("{vhost}/{}", address.app);
            self.refuse(conn, request.request, RefuseReason::Loop, Asked::Connect, &subject);
            return;
        }
        // One of ours, by whatever name of this machine it comes back, or of another server.
        let is_rendition = is_engine || request.is_rendition;
        if let Some(own) = self.config.vhost(&vhost).and_then(|vhost| vhost.chunk_size) {
            conn.session.set_chunk_size(ChunkSize::new(own).unwrap_or(ChunkSize::DEFAULT));
        }
        let app = App { app: address.app, is_rendition, page_url, route, vhost };
        let granted = conn.session.accept(self.now, request.request, &mut conn.replies);
        debug_assert!(granted.is_ok(), "the request has just been made");
        let program: Arc<str> = Arc::from(escape(request.flash_ver.as_bytes(), SUBJECT_LEN_MAX));
        conn.program = Some(program.clone()).filter(|program| !program.is_empty());
        self.event(Event::Connected {
            conn: conn.id,
            app: Arc::from(alloc::format!("{}/{}", app.vhost, app.app)),
            client: program,
            handshake: conn.handshake,
        });
        conn.app = Some(app);
    }

    fn publish(&mut self, conn: &mut Conn, request: &PublishRequest) {
        let Some(name) = self.stream_name(conn, request.argument.as_bytes()) else {
            let subject = subject(conn, request.argument.as_bytes());
            self.refuse(conn, request.request, RefuseReason::BadName, Asked::Publish, &subject);
            return;
        };
        if let Err(reason) = self.admit_stream(conn, &name, |vhost| &vhost.refer.publish) {
            self.refuse(conn, request.request, reason, Asked::Publish, name.as_str());
            return;
        }
        if let Some(home) = self.shards.home_elsewhere(&name) {
            self.claim(conn, request.stream, request.request, home, name);
            return;
        }
        if let Some(&source) = self.names.get(&name) {
            if self.is_echo(source, conn.server_address()) {
                let reason = RefuseReason::Loop;
                self.refuse(conn, request.request, reason, Asked::Publish, name.as_str());
                return;
            }
            // A stream without players goes with its publisher, so the takeover comes first.
            if self.publish_policy(&name) == PublishPolicy::Takeover {
                self.take_over(Some(conn), source);
            }
        }
        let Some(source) = self.find_or_create(&name) else {
            let reason = RefuseReason::SourcesMax;
            self.refuse(conn, request.request, reason, Asked::Publish, name.as_str());
            return;
        };
        let now = self.now;
        let Some(stream) = self.stream_mut(source) else { return };
        if stream.source.publish(conn.id).is_err() {
            let reason = RefuseReason::Busy;
            self.refuse(conn, request.request, reason, Asked::Publish, name.as_str());
            return;
        }
        stream.is_rendition = conn.app.as_ref().is_some_and(|app| app.is_rendition);
        let players = stream.source.players();
        stream.route = conn.app.as_ref().map(|app| app.route.clone()).unwrap_or_default();
        let granted = conn.session.accept(now, request.request, &mut conn.replies);
        debug_assert!(granted.is_ok(), "the request has just been made");
        self.stream_published(source);
        self.add_role(conn, request.stream, Some(source), Action::Publish);
        self.event(Event::Published { conn: conn.id, name, players });
    }

    fn play(&mut self, conn: &mut Conn, request: &PlayRequest) {
        let Some(name) = self.stream_name(conn, request.argument.as_bytes()) else {
            let subject = subject(conn, request.argument.as_bytes());
            self.refuse(conn, request.request, RefuseReason::BadName, Asked::Play, &subject);
            return;
        };
        if let Err(reason) = self.admit_stream(conn, &name, |vhost| &vhost.refer.play) {
            self.refuse(conn, request.request, reason, Asked::Play, name.as_str());
            return;
        }
        let Some(source) = self.find_or_create(&name) else {
            let reason = RefuseReason::SourcesMax;
            self.refuse(conn, request.request, reason, Asked::Play, name.as_str());
            return;
        };
        // A stream has the chunk size of the time when it began.
        if conn.sharing_player().is_none()
            && let Some(stream) = self.stream(source)
        {
            let size = stream.source.tape().chunk_size();
            conn.session.announce_chunk_size(size, &mut conn.replies);
        }
        let granted = conn.session.accept(self.now, request.request, &mut conn.replies);
        debug_assert!(granted.is_ok(), "the request has just been made");
        let player = self.attach_player(source, conn, request.stream, request.duration);
        let Some(action) = player else { return };
        self.add_role(conn, request.stream, Some(source), action);
        if let (Some(consumer), Some(stream)) = (action.player(), self.stream_mut(source)) {
            let kinds =
                [(FrameKind::Audio, request.has_audio), (FrameKind::Video, request.has_video)];
            for (kind, _) in kinds.into_iter().filter(|(_, is_wanted)| !is_wanted) {
                stream.source.set_selected(consumer, kind, false);
            }
        }
        let live = self.stream(source).is_some_and(|stream| stream.source.publisher().is_some());
        self.arm_patience(source, self.config.limits.play_wait);
        self.event(Event::Played { conn: conn.id, source, name, live });
        self.queue_write(conn.id);
    }

    /// The full name of what a peer asks for, if it is legal.
    fn stream_name(&self, conn: &Conn, argument: &[u8]) -> Option<StreamName> {
        let limits = self.name_limits();
        let app = conn.app.as_ref()?;
        let argument = StreamArgument::parse(argument, limits).ok()?;
        let asked = argument.vhost.as_ref().unwrap_or(&app.vhost);
        // Unknown names are one world with the default vhost.
        let vhost = self.config.resolve(asked).map_or(asked, |(name, _)| name);
        StreamName::new(vhost, &app.app, &argument.stream, limits).ok()
    }

    /// What a second publisher of a stream gets.
    pub(super) fn publish_policy(&self, name: &StreamName) -> PublishPolicy {
        let vhost = self.config.vhost(name.vhost());
        vhost.map_or(PublishPolicy::Busy, |vhost| vhost.publish_policy)
    }

    /// Whether a client from a page may use a vhost, and do what `refer` is about; gives the name
    /// of the vhost that it is. Without a `page_url`, no page is asked for.
    pub(super) fn admit(
        &self,
        vhost: &str,
        page_url: Option<&[u8]>,
        refer: impl Fn(&Vhost) -> &[Arc<str>],
    ) -> Result<Arc<str>, RefuseReason> {
        let resolved = self.config.resolve(vhost).filter(|(_, vhost)| vhost.enabled);
        let (name, vhost) = resolved.ok_or(RefuseReason::Vhost)?;
        let allows = |domains: &[Arc<str>]| {
            let Some(page_url) = page_url else { return true };
            domains.is_empty() || domains.iter().any(|domain| refer_matches(page_url, domain))
        };
        if allows(&vhost.refer.all) && allows(refer(vhost)) {
            Ok(name.clone())
        } else {
            Err(RefuseReason::Refer)
        }
    }

    /// Whether a connection may do what `refer` is about with a stream: it may be of another vhost
    /// than `connect` has asked for.
    fn admit_stream(
        &self,
        conn: &Conn,
        name: &StreamName,
        refer: impl Fn(&Vhost) -> &[Arc<str>],
    ) -> Result<Arc<str>, RefuseReason> {
        let page_url = conn.app.as_ref().map_or(Some(&[][..]), |app| app.page_url.as_deref());
        self.admit(name.vhost(), page_url, refer)
    }

    /// A process of this server comes from loopback, or from the address that it dials.
    fn is_of_this_machine(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || self.config.listeners.iter().any(|one| one.address.ip() == ip)
    }

    pub(super) fn refuse(
        &mut self,
        conn: &mut Conn,
        request: RequestId,
        reason: RefuseReason,
        asked: Asked,
        subject: &str,
    ) {
        let words = refusal(reason, asked);
        conn.refused = conn.refused.saturating_add(1);
        let goes_on = !conn.roles.is_empty() && conn.refused <= REFUSED_MAX;
        let Conn { session, replies, .. } = conn;
        let refused = if goes_on {
            session.decline(request, words, replies)
        } else {
            session.reject(self.now, request, words, replies)
        };
        debug_assert!(refused.is_ok(), "the request has just been made");
        self.event(Event::Refused { conn: conn.id, reason, subject: Arc::from(subject) });
        if goes_on {
            self.queue_write(conn.id);
        } else {
            self.begin_close(conn, CloseReason::Refused(reason));
        }
    }

    /// A message stream was told why it ends: the others of its connection go on, and a connection
    /// without another one ends with it.
    pub(super) fn end_told(
        &mut self,
        conn: &mut Conn,
        stream: MessageStreamId,
        reason: CloseReason,
    ) {
        if conn.has_other_role(stream) {
            conn.session.end_stream(stream);
            self.end_role(conn, stream);
            self.queue_write(conn.id);
        } else {
            self.begin_close(conn, reason);
        }
    }

    /// The present publisher of a stream makes room for another one; `asking` is the connection
    /// that takes over, if it is one of this shard.
    pub(super) fn take_over(&mut self, asking: Option<&mut Conn>, source: SourceId) {
        let Some(stream) = self.stream(source) else { return };
        if let Some(publisher) = stream.publisher {
            self.revoke(source, publisher);
            return;
        }
        let Some(old) = stream.source.publisher() else { return };
        let published = |conn: &Conn| {
            let mut roles = conn.roles.iter();
            let role =
                roles.find(|role| role.source == Some(source) && role.action == Action::Publish);
            role.map_or(MessageStreamId(0), |role| role.stream)
        };
        match asking {
            Some(conn) if conn.id == old => {
                // The same connection publishes the stream twice: the later one counts.
                let earlier = published(conn);
                conn.session.end_stream(earlier);
                self.end_role(conn, earlier);
            }
            Some(_) | None => self.with_conn(old, |server, conn| {
                server.tell_of_takeover(conn, published(conn));
            }),
        }
    }

    pub(super) fn add_role(
        &mut self,
        conn: &mut Conn,
        stream: MessageStreamId,
        source: Option<SourceId>,
        action: Action,
    ) {
        let now = self.now;
        let role = Role {
            action,
            bytes: 0,
            bits_per_second: None,
            frames: 0,
            reported: now,
            since: now,
            source,
            stream,
        };
        conn.roles.push(role);
        conn.role_again_at = None;
        let report_at = now.after(self.report_interval(conn, &role));
        conn.report_at.get_or_insert(report_at);
    }

    /// The peer has stopped what a message stream did.
    pub(super) fn end_role(&mut self, conn: &mut Conn, stream: MessageStreamId) {
        while let Some(index) = conn.roles.iter().position(|role| role.stream == stream) {
            let role = conn.roles.remove(index);
            self.drop_role(conn, role);
        }
        if conn.roles.is_empty() && conn.http.is_none() {
            conn.role_again_at = Some(self.now.after(self.config.limits.role_again_timeout));
        }
    }

    /// Ends all publishing of a connection: the names are free at once.
    pub(super) fn end_publishing(&mut self, conn: &mut Conn) {
        self.release_waiting(conn);
        while let Some(index) = conn.roles.iter().position(|role| role.action.publishes()) {
            let role = conn.roles.remove(index);
            self.drop_role(conn, role);
        }
    }

    /// Ends all playing of a connection.
    pub(super) fn end_playing(&mut self, conn: &mut Conn) {
        while let Some(role) = conn.roles.pop() {
            self.drop_role(conn, role);
        }
    }

    fn drop_role(&mut self, conn: &mut Conn, role: Role) {
        let Some(source) = role.source else {
            self.release_claim(conn, role.stream);
            return;
        };
        let age = self.now.since(role.since);
        let Some(stream) = self.stream_mut(source) else { return };
        let name = stream.name.clone();
        if let Some(consumer) = role.action.player() {
            let mut rest = stream.source.detach(consumer);
            if !rest.is_empty() {
                // A message that has begun is finished, or nothing after it could be read.
                rest.extend_from_slice(&conn.replies);
                conn.replies = rest;
            }
            if conn.forward.is_none() {
                self.event(Event::Stopped { conn: conn.id, source, name, age });
            }
            self.release(source);
        } else {
            stream.source.unpublish();
            self.event(Event::Unpublished { conn: conn.id, name, age });
            self.stream_unpublished(source);
        }
    }

    /// The connection is closing: its players finish the message that they have begun, no more.
    pub(super) fn finish_players(&mut self, conn: &Conn) {
        for role in &conn.roles {
            if let Some(consumer) = role.action.player()
                && let Some(stream) = role.source.and_then(|source| self.stream_mut(source))
            {
                stream.source.finish(consumer);
            }
        }
    }

    /// A player has waited for its publisher long enough.
    pub(super) fn end_player(&mut self, conn: &mut Conn, id: MessageStreamId, was_live: bool) {
        if conn.closing.is_some() {
            return;
        }
        if conn.http.is_some() {
            self.end_viewer(conn);
            return;
        }
        let Conn { session, replies, .. } = conn;
        if was_live {
            session.stream_eof(id, replies);
            let code = "NetStream.Play.UnpublishNotify";
            session.status(id, StatusLevel::Status, code, "The stream has ended.", replies);
            self.end_told(conn, id, CloseReason::StreamEnded);
        } else {
            let words = refusal(RefuseReason::StreamNotFound, Asked::Play);
            session.status(id, StatusLevel::Error, words.code, words.description, replies);
            let name = conn.role(id).and_then(|role| self.stream(role.source?));
            let subject = name.map_or_else(|| Arc::from(""), |s| Arc::from(s.name.as_str()));
            let reason = RefuseReason::StreamNotFound;
            self.event(Event::Refused { conn: conn.id, reason, subject });
            self.end_told(conn, id, CloseReason::Refused(reason));
        }
    }

    /// Everyone on a connection is told why it ends.
    pub(super) fn say_good_bye(&mut self, conn: &mut Conn, reason: RefuseReason) {
        let words = refusal(reason, Asked::Connect);
        let description = words.description;
        if conn.http.is_some() {
            super::http::end_body(conn);
            return;
        }
        let Conn { session, replies, roles, .. } = conn;
        for role in roles.iter() {
            if role.action.player().is_some() {
                session.stream_eof(role.stream, replies);
                let code = "NetStream.Play.UnpublishNotify";
                session.status(role.stream, StatusLevel::Status, code, description, replies);
            } else {
                let code = "NetStream.Unpublish.Success";
                session.status(role.stream, StatusLevel::Status, code, description, replies);
            }
        }
        if conn.app.is_some() {
            let zero = MessageStreamId(0);
            session.status(zero, StatusLevel::Status, words.code, words.description, replies);
        }
    }

    /// The name of the stream behind a role, for reports.
    pub(super) fn role_name(&self, conn: &Conn, role: &Role) -> Option<StreamName> {
        match role.source {
            Some(source) => self.stream(source).map(|stream| stream.name.clone()),
            None => self.claimed_name(conn.id, role.stream),
        }
    }
}

fn player(conn: &Conn, stream: MessageStreamId) -> Option<(SourceId, ConsumerId)> {
    conn.roles
        .iter()
        .filter(|role| role.stream == stream)
        .find_map(|role| Some((role.source?, role.action.player()?)))
}

/// The page of a client. One that is too long is none: cut, it could name another host.
fn page_url(request: &ConnectRequest, len_max: usize) -> Arc<[u8]> {
    let page_url = request.page_url.as_bytes();
    Arc::from(if page_url.len() <= len_max { page_url } else { &[] })
}

/// What was asked for, for the log: never with its query, which may hold a key.
fn subject(conn: &Conn, argument: &[u8]) -> alloc::string::String {
    let name = escape(without_secrets(argument).as_bytes(), SUBJECT_LEN_MAX);
    match &conn.app {
        Some(app) => alloc::format!("{}/{}/{name}", app.vhost, app.app),
        None => name,
    }
}
