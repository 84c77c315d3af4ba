//! The `millstream` server on tokio.
