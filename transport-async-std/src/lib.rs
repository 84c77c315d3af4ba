//! The async-std transport; it drives the same core as the tokio transport.
