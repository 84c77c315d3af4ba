//! Media: from messages to frames, and what is left over when a message gives several events.

use super::data;
use super::event::{Ignored, SessionEvent};
use crate::amf::{AmfLimits, Text};
use crate::chunk::{Message, MessageHeader};
use crate::flv::tag;
use crate::frame::{Frame, FrameKind};
use crate::id::MessageStreamId;
use crate::message::{Aggregate, MessageType};

/// A media message, read.
#[derive(Clone, Debug)]
pub(super) struct Media {
    /// What becomes part of the stream.
    pub(super) frame: Frame,
    /// Of a data message; empty for audio and video.
    pub(super) name: Text,
}

/// Reads a message of type 8, 9, 15 or 18; `Ok(None)` for one without effect.
///
/// # Errors
/// The header of the tag, or the name of the data, cannot be read.
pub(super) fn read(message: Message, limits: AmfLimits) -> Result<Option<Media>, Ignored> {
    let Message { header: MessageHeader { type_id, timestamp, .. }, payload } = message;
    let (kind, tag) = if type_id == MessageType::Audio.id() {
        (FrameKind::Audio, tag::parse_audio(&payload))
    } else if type_id == MessageType::Video.id() {
        (FrameKind::Video, tag::parse_video(&payload))
    } else {
        let data = data::parse(type_id, payload, limits).map_err(Ignored::Data)?;
        return Ok(data.map(|data::Data { name, class, payload }| Media {
            frame: Frame { kind: FrameKind::Data, class, timestamp, payload },
            name,
        }));
    };
    let class = tag.map_err(Ignored::Tag)?.class;
    let frame = Frame { kind, class, timestamp, payload };
    Ok(Some(Media { frame, name: Text::default() }))
}

/// What is left of a message that gives several events.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The frame whose coming was an event of its own.
    pub(super) frame: Option<(MessageStreamId, Frame)>,
    /// What is left of an aggregate.
    pub(super) aggregate: Option<(MessageHeader, Aggregate)>,
}

/// What a backlog has next.
#[derive(Debug)]
pub(super) enum Held {
    Event(SessionEvent),
    Message(Message),
}

impl Backlog {
    /// Takes the next item.
    pub(super) fn take(&mut self) -> Option<Held> {
        if let Some((stream, frame)) = self.frame.take() {
            return Some(Held::Event(SessionEvent::Media { stream, frame }));
        }
        let (header, aggregate) = self.aggregate.as_mut()?;
        let Ok(item) = aggregate.next()? else {
            return Some(Held::Event(SessionEvent::Ignored(Ignored::Aggregate)));
        };
        let header = MessageHeader { type_id: item.type_id, timestamp: item.timestamp, ..*header };
        Some(Held::Message(Message { header, payload: item.payload }))
    }
}
