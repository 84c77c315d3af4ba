//! Links the core without std: it builds only while no crate below it needs std.
#![no_std]
pub use millstream_core;
