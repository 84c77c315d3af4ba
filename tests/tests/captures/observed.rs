//! What the events of a session tell, in the words of the table.

use crate::expected::Facts;
use crate::replay::Stream;
use millstream_core::amf::Text;
use millstream_core::flv::tag::{parse_audio, parse_video};
use millstream_core::frame::{Frame, FrameKind};
use millstream_core::handshake::{HandshakeError, HandshakeKind};
use millstream_core::session::{Ignored, SessionError, SessionEvent};
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(crate) struct Observed {
    handshake: Option<&'static str>,
    bytes: usize,
    words: Vec<String>,
    audio_codecs: BTreeSet<String>,
    video_codecs: BTreeSet<String>,
    audio: u64,
    video: u64,
    timestamps: Vec<u32>,
    digest: Crc32,
    data: Vec<String>,
}

impl Observed {
    pub(crate) fn note(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Handshaked { kind } => {
                self.handshake = Some(match kind {
                    HandshakeKind::ComplexSchema0 => "complex-0",
                    HandshakeKind::ComplexSchema1 => "complex-1",
                    HandshakeKind::Simple => "simple",
                });
            }
            SessionEvent::Connect(request) => self.word("connect", &request.app),
            SessionEvent::Publish(request) => self.word("publish", &request.argument),
            SessionEvent::Play(request) => self.word("play", &request.argument),
            SessionEvent::Connected => self.words.push("connected".to_owned()),
            SessionEvent::Started { .. } => self.words.push("started".to_owned()),
            SessionEvent::Rejected { code, .. } => self.word("rejected", &code),
            SessionEvent::Ended { code } => self.word("ended", &code),
            SessionEvent::Media { frame, .. } => self.frame(&frame),
            SessionEvent::Ignored(ignored) => self.ignored(&ignored),
            SessionEvent::Unpublished { .. } => self.words.push("unpublish".to_owned()),
            SessionEvent::Stopped { .. } => self.words.push("stop".to_owned()),
            SessionEvent::Paused { .. } | SessionEvent::Selected { .. } => {}
            other => self.words.push(format!("{other:?}")),
        }
    }

    /// The stream has ended, by `error` if there is one.
    pub(crate) fn finish(&mut self, error: Option<SessionError>, stream: &Stream) {
        self.bytes = stream.len();
        match error {
            None => {}
            Some(SessionError::Handshake(HandshakeError::Encrypted { .. })) => {
                self.handshake = Some("refused:rtmpe");
            }
            Some(SessionError::Handshake(HandshakeError::Http)) => {
                self.handshake = Some("refused:http");
            }
            Some(SessionError::Handshake(HandshakeError::Version { .. })) => {
                self.handshake = Some("refused:version");
            }
            Some(error) => self.words.push(format!("{error:?}")),
        }
    }

    /// What was observed, as a row of the table has it.
    pub(crate) fn facts(&self) -> Facts {
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let handshaken = self.handshake.is_some_and(|kind| !kind.starts_with("refused:"));
        let count = |count: u64| if handshaken { count.to_string() } else { "-".to_owned() };
        let timestamp = |value: Option<&u32>| value.map_or("-".to_owned(), u32::to_string);
        let codecs: Vec<_> = self.audio_codecs.iter().chain(&self.video_codecs).cloned().collect();
        let missing = if self.bytes == 0 { "nothing" } else { "incomplete" };
        Facts {
            handshake: self.handshake.unwrap_or(missing).to_owned(),
            bytes: self.bytes.to_string(),
            commands: or_dash(self.words.join(" ")),
            codecs: or_dash(codecs.join("+")),
            audio: count(self.audio),
            video: count(self.video),
            timestamps: [
                timestamp(self.timestamps.first()),
                timestamp(self.timestamps.last()),
                timestamp(self.timestamps.iter().min()),
                timestamp(self.timestamps.iter().max()),
            ],
            digest: if self.timestamps.is_empty() { "-".to_owned() } else { self.digest.text() },
            data: or_dash(self.data.join(" ")),
        }
    }

    fn word(&mut self, name: &str, value: &Text) {
        self.words.push(format!("{name}={}", String::from_utf8_lossy(value.as_bytes())));
    }

    fn frame(&mut self, frame: &Frame) {
        let (type_id, info) = match frame.kind {
            FrameKind::Audio => (8, parse_audio(&frame.payload)),
            FrameKind::Video => (9, parse_video(&frame.payload)),
            FrameKind::Data => {
                self.data.push(data_name(&frame.payload));
                return;
            }
        };
        let codec = match info {
            Ok(info) => info.codec.map(|codec| format!("{codec:?}")),
            Err(error) => Some(format!("{error:?}")),
        };
        if frame.kind == FrameKind::Audio {
            self.audio += 1;
            self.audio_codecs.extend(codec);
        } else {
            self.video += 1;
            self.video_codecs.extend(codec);
        }
        self.timestamps.push(frame.timestamp.0);
        let len = u32::try_from(frame.payload.len()).expect("messages are shorter");
        self.digest.update(&[type_id]);
        self.digest.update(&frame.timestamp.0.to_be_bytes());
        self.digest.update(&len.to_be_bytes());
        self.digest.update(&frame.payload);
    }

    /// Real peers send commands that a server does not know or cannot obey, and empty messages.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all else is a finding")]
    fn ignored(&mut self, ignored: &Ignored) {
        match ignored {
            Ignored::Command { .. }
            | Ignored::CommandState { .. }
            | Ignored::EmptyMessage { .. } => {}
            other => self.words.push(format!("{other:?}")),
        }
    }
}

/// The string that a data message begins with.
fn data_name(payload: &[u8]) -> String {
    match payload {
        [2, high, low, rest @ ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            String::from_utf8_lossy(&rest[..len.min(rest.len())]).into_owned()
        }
        _ => "?".to_owned(),
    }
}

/// CRC-32 as in zip files.
#[derive(Clone, Copy, Debug)]
struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };

    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = Self::TABLE[((self.0 ^ u32::from(*byte)) & 0xFF) as usize] ^ (self.0 >> 8);
        }
    }

    fn text(self) -> String {
        format!("{:08x}", !self.0)
    }
}
