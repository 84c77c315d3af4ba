//! The published media as files.

use super::Connection;
use super::wire::{Data, What};
use millstream_core::flv::file::{FlvHeader, FlvWriter};
use millstream_core::frame::{FrameClass, FrameKind};

/// The media that the client published as an FLV file; `None` if it published none.
pub(super) fn published(connection: &Connection) -> Option<Vec<u8>> {
    connection.commands("publish").next()?;
    let said = &connection.client_said.said;
    let has = |kind| {
        said.iter().any(|said| matches!(&said.what, What::Media(media) if media.kind == kind))
    };
    let header = FlvHeader { has_audio: has(FrameKind::Audio), has_video: has(FrameKind::Video) };
    if !header.has_audio && !header.has_video {
        return None;
    }
    let mut writer = FlvWriter::new(Vec::new(), header).ok()?;
    for said in said {
        let written = match &said.what {
            What::Media(media) if !media.payload.is_empty() => {
                writer.write(media.kind, media.timestamp, &media.payload)
            }
            What::Data(Data { class: FrameClass::Metadata, timestamp, payload, .. }) => {
                writer.write(FrameKind::Data, *timestamp, payload)
            }
            _ => continue,
        };
        written.ok()?;
    }
    Some(writer.into_inner())
}
