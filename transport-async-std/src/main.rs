//! The `millstream` server on async-std.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream_host::program::run::<millstream_async_std::AsyncStd>()
}
