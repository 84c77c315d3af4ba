//! The sans-IO core of millstream: deterministic state machines that consume bytes and time and
//! produce outputs. No clock, no socket, no file, no thread and no randomness lives here.
#![no_std]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::wildcard_enum_match_arm
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod amf;
pub mod api;
pub mod chunk;
pub mod config;
pub mod drive;
pub mod event;
pub mod flv;
pub mod forward;
pub mod frame;
pub mod handshake;
pub mod hls;
pub mod http;
pub mod id;
pub mod jitter;
pub mod job;
pub mod limits;
pub mod message;
pub mod name;
pub mod rendition;
pub mod rng;
pub mod server;
pub mod session;
pub mod shard;
pub mod source;
pub mod tape;
pub mod time;
pub mod ts;
