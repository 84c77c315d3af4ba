//! Message types, protocol control messages and user control events (RTMP 1.0, sections 5.4, 6, 7).

mod aggregate;
mod control;
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, BadTail, SubMessage};
pub use control::{
    CONTROL_LEN_MAX, ControlError, ControlMessage, ControlPayload, LimitType, UserControl,
};

/// Ids of RTMP message types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the specification's own")]
#[repr(u8)]
pub enum MessageType {
    SetChunkSize = 1,
    Abort = 2,
    Acknowledgement = 3,
    UserControl = 4,
    WindowAcknowledgementSize = 5,
    SetPeerBandwidth = 6,
    Audio = 8,
    Video = 9,
    DataAmf3 = 15,
    SharedObjectAmf3 = 16,
    CommandAmf3 = 17,
    DataAmf0 = 18,
    SharedObjectAmf0 = 19,
    CommandAmf0 = 20,
    Aggregate = 22,
}

impl MessageType {
    /// The type with this id, if there is one.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            1 => Self::SetChunkSize,
            2 => Self::Abort,
            3 => Self::Acknowledgement,
            4 => Self::UserControl,
            5 => Self::WindowAcknowledgementSize,
            6 => Self::SetPeerBandwidth,
            8 => Self::Audio,
            9 => Self::Video,
            15 => Self::DataAmf3,
            16 => Self::SharedObjectAmf3,
            17 => Self::CommandAmf3,
            18 => Self::DataAmf0,
            19 => Self::SharedObjectAmf0,
            20 => Self::CommandAmf0,
            22 => Self::Aggregate,
            _ => return None,
        })
    }

    /// The id of this type.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }
}
