//! What every transport needs of its machine, whatever its runtime is.
//!
//! A transport is an implementation of [`runtime::Runtime`]; all else of the programs is here.
//! One shard is one thread and one future that runs the loop of `millstream_core::drive`. What
//! blocks, such as files and the log, runs on threads of its own: a full disk holds up no stream.

pub mod bench;
pub mod clip;
pub mod exec;
pub mod inspect;
pub mod jobs;
pub mod log;
pub mod program;
pub mod reload;
pub mod replay;
pub mod runtime;
pub mod serve;
pub mod sim;
pub mod transport;

mod client;
mod clock;
mod demo;
mod encoders;
mod limits;
mod listeners;
mod publisher;
mod signals;
mod stop;
mod tasks;

use std::io::{self, Write as _};

/// Writes `text` to standard output; nothing is lost to the program when nobody reads it.
fn say(text: &str) {
    let _ = tell(text);
}

/// Writes `text`, which is what the program was run for, to standard output.
///
/// # Errors
/// It cannot be written. That nobody reads on is no error.
fn tell(text: &str) -> Result<(), String> {
    write_all_of(text, &mut io::stdout().lock())
}

fn write_all_of(text: &str, out: &mut impl io::Write) -> Result<(), String> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("the output cannot be written: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes `text` to standard error as a line.
fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "millstream: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails as it is told.
    struct Broken(io::ErrorKind);

    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn an_output_that_was_lost_was_a_success() {
        let full = write_all_of("a", &mut Broken(io::ErrorKind::StorageFull));
        assert!(full.is_err_and(|error| error.contains("cannot be written")));
        assert_eq!(write_all_of("a", &mut Broken(io::ErrorKind::BrokenPipe)), Ok(()));
        let mut out = Vec::new();
        assert_eq!((write_all_of("a", &mut out), out), (Ok(()), b"a".to_vec()));
    }
}
