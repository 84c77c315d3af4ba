//! Protocol control: acknowledgements, windows, pings. The same on both sides.

use super::SessionError;
use super::command::Writer;
use crate::chunk::{ChunkReader, Message};
use crate::id::MessageStreamId;
use crate::limits::Limits;
use crate::message::{ControlError, ControlMessage, MessageType, UserControl};
use crate::time::Instant;
use core::time::Duration;

/// What is counted and remembered to answer the peer's control messages.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// Bytes received since the connection began, modulo 2^32.
    received: u32,
    /// `received`, as the peer knows it.
    acknowledged: u32,
    /// The peer wants an acknowledgement for so many bytes; 0 for never.
    window: u32,
    /// The window that the peer was told last; 0 when it was told none.
    announced: u32,
    /// A peer bandwidth was answered: it is done once.
    bandwidth_answered: bool,
    /// When a ping was answered last.
    ping_answered_at: Option<Instant>,
}

/// The least bytes between two acknowledgements, however small the window.
const ACKNOWLEDGE_BYTES_MIN: u32 = 64 << 10;

/// The least time between two answers to pings: those between share the answer.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(100);

impl Control {
    /// `window` holds until the peer announces one: encoders that never do wait for
    /// acknowledgements all the same.
    pub(super) fn new(window: u32) -> Self {
        Self {
            received: 0,
            acknowledged: 0,
            window,
            announced: 0,
            bandwidth_answered: false,
            ping_answered_at: None,
        }
    }

    /// Counts bytes that were received.
    pub(super) fn count(&mut self, len: usize) {
        // The sequence is modulo 2^32 (RTMP 1.0, section 5.4.3), so the cast loses nothing.
        self.received = self.received.wrapping_add(len as u32);
    }

    /// Acknowledges what was received, when it is time.
    pub(super) fn acknowledge(&mut self, writer: &mut Writer<'_>) {
        // Half of the window: a peer that stops at its end never has to wait.
        let due = (self.window / 2).max(ACKNOWLEDGE_BYTES_MIN);
        if self.window != 0 && self.received.wrapping_sub(self.acknowledged) >= due {
            self.acknowledged = self.received;
            writer.control(ControlMessage::Acknowledgement(self.received));
        }
    }

    /// Tells the peer when to acknowledge.
    pub(super) fn announce_window(&mut self, window: u32, writer: &mut Writer<'_>) {
        self.announced = window;
        writer.control(ControlMessage::WindowAcknowledgementSize(window));
    }

    /// The peer was told when to acknowledge.
    pub(super) fn is_window_announced(&self) -> bool {
        self.announced != 0
    }

    /// Obeys a message of type 1 to 6; gives the message stream of a `StreamEOF`.
    ///
    /// # Errors
    /// It is malformed, or the chunk size is below the limit.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        message: &Message,
        reader: &mut ChunkReader,
        limits: &Limits,
        writer: &mut Writer<'_>,
    ) -> Result<Option<MessageStreamId>, SessionError> {
        let type_id = message.header.type_id;
        let malformed = SessionError::Control { type_id };
        if type_id == MessageType::UserControl.id() {
            let event = UserControl::parse(&message.payload).map_err(|_| malformed)?;
            return Ok(event.and_then(|event| self.obey_event(now, event, writer)));
        }
        match ControlMessage::parse(type_id, &message.payload) {
            Ok(ControlMessage::SetChunkSize(size)) if size.bytes() < limits.chunk_size_min => {
                return Err(malformed);
            }
            Ok(ControlMessage::SetChunkSize(size)) => reader.set_chunk_size(size),
            Ok(ControlMessage::Abort(csid)) => reader.abort(csid),
            Ok(ControlMessage::WindowAcknowledgementSize(window)) => self.window = window,
            Ok(ControlMessage::SetPeerBandwidth { size, .. }) => self.obey_bandwidth(size, writer),
            // We send as fast as the socket takes it, whatever is acknowledged; and an abort of
            // what is no chunk stream aborts nothing.
            Ok(ControlMessage::Acknowledgement(_)) | Err(ControlError::ChunkStreamId) => {}
            Err(_) => return Err(malformed),
        }
        Ok(None)
    }

    /// As if so many bytes had been received and acknowledged.
    #[cfg(test)]
    pub(super) fn jump_to(&mut self, received: u32) {
        (self.received, self.acknowledged) = (received, received);
    }

    fn obey_event(
        &mut self,
        now: Instant,
        event: UserControl,
        writer: &mut Writer<'_>,
    ) -> Option<MessageStreamId> {
        match event {
            UserControl::PingRequest(time) => {
                let recent = |last: Instant| now.since(last) < PING_INTERVAL_MIN;
                if !self.ping_answered_at.is_some_and(recent) {
                    self.ping_answered_at = Some(now);
                    writer.user_control(UserControl::PingResponse(time));
                }
                None
            }
            UserControl::StreamEof(stream) => Some(stream),
            UserControl::StreamBegin(_)
            | UserControl::StreamDry(_)
            | UserControl::SetBufferLength { .. }
            | UserControl::StreamIsRecorded(_)
            | UserControl::PingResponse(_) => None,
        }
    }

    /// A peer bandwidth asks for a window of that size (section 5.4.5).
    fn obey_bandwidth(&mut self, size: u32, writer: &mut Writer<'_>) {
        if size != 0 && size != self.announced && !self.bandwidth_answered {
            self.bandwidth_answered = true;
            self.announce_window(size, writer);
        }
    }
}
