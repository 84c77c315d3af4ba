//! millstream on tokio: the transport, and what the `millstream` program is made of.
//!
//! One shard is one thread with one single-threaded runtime and one task that runs the loop of
//! `millstream_core::drive`. No protocol is known here.
