//! Typed configuration and the command line of the servers, and the words in which they speak to
//! people: the banner, and the log line of each event.
//!
//! Nothing here knows a runtime: each transport uses the same flags and the same words.

// What a test unwraps is what it is about.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod banner;
pub mod cli;
pub mod convert;
pub mod program;
pub mod quantity;
pub mod report;
pub mod settings;
