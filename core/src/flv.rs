//! FLV tag bodies as RTMP carries them, Enhanced RTMP included, and FLV files.
//!
//! Sources: Adobe "Video File Format Specification 10.1", annex E; Enhanced RTMP v1 and v2.

pub mod file;
pub mod tag;
