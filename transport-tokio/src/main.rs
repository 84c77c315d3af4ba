//! The `millstream` server on tokio.
fn main() {}
