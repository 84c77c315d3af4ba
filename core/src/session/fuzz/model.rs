//! What a session may tell its owner, by what it was told before.

use super::super::{Session, SessionEvent};
use crate::flv::classify;
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::id::{MessageStreamId, RequestId};
use crate::session::{Intent, Refusal};
use crate::time::{Instant, Timestamp};
use alloc::collections::BTreeMap;
use bytes::{Bytes, BytesMut};

/// An owner that answers requests, and keeps its own account of what they lead to.
#[derive(Debug)]
pub(super) struct Owner {
    policy: u8,
    requests: u32,
    shaken: bool,
    connected: bool,
    started: bool,
    /// Nothing may be told any more.
    over: bool,
    roles: BTreeMap<MessageStreamId, Role>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Playing,
    Publishing,
}

impl Owner {
    /// The low six bits of `policy` reject the first six requests, the next one makes a client
    /// publish, and the top one makes the owner of a server end what was begun, and that of a
    /// client send and say good-bye.
    pub(super) fn new(policy: u8) -> Self {
        Self {
            policy,
            requests: 0,
            shaken: false,
            connected: false,
            started: false,
            over: false,
            roles: BTreeMap::new(),
        }
    }

    /// What a client of this owner wants.
    pub(super) fn intent(&self) -> Intent {
        if self.policy & 0x40 == 0 { Intent::Play } else { Intent::Publish }
    }

    /// Takes an event.
    ///
    /// # Panics
    /// The event cannot follow those before it.
    pub(super) fn take(
        &mut self,
        session: &mut Session,
        now: Instant,
        event: &SessionEvent,
        out: &mut BytesMut,
    ) {
        assert!(!self.over, "an event after the end: {event:?}");
        let is_first = !core::mem::replace(&mut self.shaken, true);
        let is_handshake = matches!(event, SessionEvent::Handshaked { .. });
        assert_eq!(is_first, is_handshake, "the handshake is complete first, and once: {event:?}");
        match event {
            SessionEvent::Handshaked { .. } | SessionEvent::Ignored(_) => {}
            SessionEvent::Connect(connect) => {
                assert!(!self.connected, "a client connects once");
                self.connected = self.answer(session, now, connect.request, out);
            }
            SessionEvent::Publish(publish) => {
                self.grant(session, now, (publish.request, publish.stream), Role::Publishing, out);
            }
            SessionEvent::Play(play) => {
                self.grant(session, now, (play.request, play.stream), Role::Playing, out);
            }
            SessionEvent::Media { stream, frame } => {
                check_frame(frame);
                let publishes = self.roles.get(stream) == Some(&Role::Publishing);
                assert!(publishes || self.started, "media without a role");
                if publishes && self.policy & 0x80 != 0 {
                    self.roles.remove(stream);
                    session.end_stream(*stream);
                }
            }
            SessionEvent::Paused { stream, .. } | SessionEvent::Selected { stream, .. } => {
                assert_eq!(self.roles.get(stream), Some(&Role::Playing), "{event:?}");
            }
            SessionEvent::Unpublished { stream } => {
                assert_eq!(self.roles.remove(stream), Some(Role::Publishing), "{event:?}");
            }
            SessionEvent::Stopped { stream } => {
                assert_eq!(self.roles.remove(stream), Some(Role::Playing), "{event:?}");
            }
            SessionEvent::Connected => {
                assert!(!core::mem::replace(&mut self.connected, true), "connected twice");
            }
            SessionEvent::Started { .. } => {
                assert!(self.connected, "started before it was connected");
                assert!(!core::mem::replace(&mut self.started, true), "started twice");
                self.send(session, out);
            }
            SessionEvent::Rejected { .. } => {
                assert!(!self.started, "rejected after the start");
                self.over = true;
            }
            SessionEvent::Ended { .. } => {}
        }
    }

    fn grant(
        &mut self,
        session: &mut Session,
        now: Instant,
        (request, stream): (RequestId, MessageStreamId),
        role: Role,
        out: &mut BytesMut,
    ) {
        assert!(self.connected, "a role before the connection");
        assert!(!self.roles.contains_key(&stream), "a second role on one message stream");
        if self.answer(session, now, request, out) {
            self.roles.insert(stream, role);
        }
    }

    /// Accepts or rejects; gives whether it accepted.
    fn answer(
        &mut self,
        session: &mut Session,
        now: Instant,
        request: RequestId,
        out: &mut BytesMut,
    ) -> bool {
        let refuses = self.requests < 6 && self.policy >> self.requests & 1 == 1;
        self.requests = self.requests.saturating_add(1);
        let refusal = Refusal { code: "NetStream.Publish.BadName", description: "No." };
        let written = out.len();
        if refuses {
            assert_eq!(session.reject(now, request, refusal, out), Ok(()), "it can be rejected");
            self.over = true;
        } else {
            assert_eq!(session.accept(now, request, out), Ok(()), "it can be accepted");
            assert!(out.len() > written, "what is accepted is answered");
        }
        let written = out.len();
        assert!(session.accept(now, request, out).is_err(), "a request is answered once");
        assert!(session.reject(now, request, refusal, out).is_err(), "a request is answered once");
        assert_eq!(out.len(), written, "misuse says nothing to the peer");
        !refuses
    }

    /// Sends what a publisher sends, and says good-bye.
    fn send(&mut self, session: &mut Session, out: &mut BytesMut) {
        for (kind, class, payload) in [
            (FrameKind::Data, FrameClass::Metadata, &b"\x02\0\x0aonMetaData\x05"[..]),
            (FrameKind::Audio, FrameClass::SequenceHeader, b"\xaf\0\x12\x10"),
            (FrameKind::Video, FrameClass::Keyframe, b"\x17\x01\0\0\0media"),
        ] {
            let payload = Bytes::from_static(payload);
            let frame = Frame { kind, class, timestamp: Timestamp(0xFF_FFFF), payload };
            let sent = session.send(&frame, out);
            assert_eq!(sent.is_ok(), self.intent() == Intent::Publish, "publishers send");
        }
        if self.policy & 0x80 != 0 {
            session.finish(out);
            self.over = true;
        }
    }
}

/// Asserts that a frame is what its payload says.
fn check_frame(frame: &Frame) {
    assert!(!frame.payload.is_empty(), "an empty frame");
    assert_eq!(classify(frame.kind, &frame.payload), Ok(frame.class), "{frame:?}");
}
