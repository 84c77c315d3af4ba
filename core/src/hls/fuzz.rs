//! Bodies of the fuzz targets: each takes any bytes, and panics when an invariant is broken.

use super::reader::{MediaPlaylist, Playlist, Rule, compare, read};
use super::{Ending, HlsConfig, HlsMuxer, HlsOutput};
use crate::time::{Instant, WallClock};
use crate::ts::fuzz;
use crate::ts::reader::TsEvent;
use core::time::Duration;

/// Reads the bytes as a playlist, and compares it with itself.
pub fn fuzz_playlist(text: &[u8]) {
    let (playlist, complaints) = read(text);
    let lines = text.split(|byte| *byte == b'\n').count();
    for complaint in complaints {
        assert!(usize::try_from(complaint.line).is_ok_and(|line| line <= lines));
    }
    if let Playlist::Media(media) = playlist {
        let unchanged = compare(&media, &media);
        assert!(unchanged.is_empty(), "{unchanged:?}");
    }
}

/// Cuts the frames that the bytes describe: whatever an encoder sends, segments and playlists are
/// legal. A byte of 0 in place of a frame's kind has no effect; the publisher goes after 50 frames.
pub fn fuzz_segments(bytes: &[u8]) {
    let config = HlsConfig {
        fragment: Duration::from_millis(500),
        window: Duration::from_secs(3),
        segment_len_max: 16 << 10,
        kept_len_max: 64 << 10,
    };
    let mut hls = HlsMuxer::new(config, "x", 7);
    let mut before = None;
    let mut now = Instant::from_micros(0);
    for (index, frame) in (1_u64..).zip(fuzz::frames(bytes)) {
        now = now.after(Duration::from_millis(20));
        hls.push(now, WallClock { unix_millis: now.as_millis() }, &frame);
        if index.is_multiple_of(50) {
            hls.finish(now, Ending::Pause);
        }
        drain(&mut hls, &mut before);
    }
    hls.finish(now, Ending::EndList);
    drain(&mut hls, &mut before);
    hls.dispose();
    drain(&mut hls, &mut before);
    assert_eq!(hls.kept_len(), 0);
}

fn drain(hls: &mut HlsMuxer, before: &mut Option<MediaPlaylist>) {
    while let Some(output) = hls.poll_output() {
        match output {
            HlsOutput::Segment(segment) => {
                let bytes = segment.blocks.concat();
                for event in fuzz::read(&bytes, bytes.len().max(1)) {
                    if let TsEvent::Fault { fault, offset, .. } = event {
                        panic!("{fault} at {offset} of segment {}", segment.sequence);
                    }
                }
            }
            HlsOutput::Playlist { text } => {
                let (Playlist::Media(media), complaints) = read(&text) else {
                    panic!("a playlist without segments");
                };
                assert!(complaints.is_empty(), "{complaints:?}");
                if let Some(before) = before {
                    let mut broken = compare(before, &media);
                    broken.retain(|rule| !matches!(rule, Rule::TargetChange | Rule::Ended));
                    assert!(broken.is_empty(), "{broken:?}");
                }
                *before = Some(media);
            }
            HlsOutput::Expire { sequence } => assert!(hls.segment(sequence).is_none()),
            HlsOutput::Warning(_) => {}
        }
    }
}
