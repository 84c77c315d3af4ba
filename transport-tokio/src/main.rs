//! The `millstream` server on tokio.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream_host::program::run::<millstream_tokio::Tokio>()
}
