//! What one side said, in numbers.

use super::track::{Track, skew};
use super::wire::{Speech, What};
use millstream_core::frame::FrameKind;

/// What was counted of one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) bytes: u64,
    /// Protocol control messages and user control events.
    pub(super) control: u64,
    pub(super) commands: u64,
    pub(super) data: u64,
    pub(super) other: u64,
    pub(super) audio: Track,
    pub(super) video: Track,
    /// The least and the greatest lead of video over audio in milliseconds.
    pub(super) video_lead: Option<(i64, i64)>,
}

impl Numbers {
    pub(super) fn of(speech: &Speech) -> Self {
        let mut numbers = Self {
            bytes: speech.bytes,
            audio: Track::of(speech, FrameKind::Audio),
            video: Track::of(speech, FrameKind::Video),
            video_lead: skew(speech),
            ..Self::default()
        };
        for said in &speech.said {
            match said.what {
                What::Command(_) => numbers.commands += 1,
                What::Control(_) | What::UserControl(_) => numbers.control += 1,
                What::Data(_) => numbers.data += 1,
                What::Other { .. } => numbers.other += 1,
                What::Failed(_) | What::Handshake(_) | What::Media(_) => {}
            }
        }
        numbers
    }
}
