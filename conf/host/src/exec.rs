//! How a program of the server begins: as the server's own program, which binds its life to the
//! server's and then becomes the other one.
//!
//! Linux ends a process whose parent has died only if the process itself asks for that. So the
//! server runs its own file with a first argument that nobody types; [`intercept`] is called first in
//! `main`, asks, and executes the real program in its place.

use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first argument: not a word of the command line.
const WORD: &str = "__exec";

/// What a shell returns for a program that cannot be run.
const CANNOT_RUN: u8 = 127;

/// What is said then, between the program and the reason.
const CANNOT_BE_RUN: &str = " cannot be run: ";

/// `main` begins with `intercept`, so this program may run itself.
static IS_INTERCEPTED: AtomicBool = AtomicBool::new(false);

/// To be called first in `main`: where this process is to become another program it does, and what
/// comes back is why it could not.
#[must_use]
pub fn intercept() -> Option<ExitCode> {
    IS_INTERCEPTED.store(true, Ordering::Relaxed);
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|word| word != WORD) {
        return None;
    }
    let parent = arguments.next().and_then(|id| id.to_str()?.parse::<u32>().ok());
    let program = arguments.next()?;
    let mut command = Command::new(&program);
    command.args(arguments);
    let error = become_it(command, parent);
    complain(&format!("{}{CANNOT_BE_RUN}{error}", program.display()));
    Some(ExitCode::from(CANNOT_RUN))
}

/// The command that runs `program`, and ends with this process where the system can do that.
pub(crate) fn command(program: &str) -> Command {
    let is_able = cfg!(target_os = "linux") && IS_INTERCEPTED.load(Ordering::Relaxed);
    if !is_able {
        return Command::new(program);
    }
    // Whatever has become of the file since: this is the program that runs.
    let mut command = Command::new("/proc/self/exe");
    command.arg(WORD).arg(std::process::id().to_string()).arg(program);
    command
}

/// Why a `command` could not become its program, if that is how it ended.
#[cfg(unix)]
pub(crate) fn reason(exit: &millstream_core::job::Exit) -> Option<&str> {
    let (_, reason) = exit.last_words.split_once(CANNOT_BE_RUN)?;
    (exit.code == Some(i32::from(CANNOT_RUN))).then_some(reason)
}

#[cfg(unix)]
fn become_it(mut command: Command, parent: Option<u32>) -> std::io::Error {
    #[cfg(target_os = "linux")]
    if let Err(error) = end_with(parent) {
        return error;
    }
    let _ = parent;
    std::os::unix::process::CommandExt::exec(&mut command)
}

#[cfg(not(unix))]
fn become_it(_: Command, _: Option<u32>) -> std::io::Error {
    std::io::ErrorKind::Unsupported.into()
}

/// Asks for a SIGKILL when the thread that made this process ends, which waits for its end.
#[cfg(target_os = "linux")]
fn end_with(parent: Option<u32>) -> std::io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = getppid().map(|id| id.as_raw_nonzero().get().unsigned_abs());
    if parent.is_some() && now != parent {
        // It died before it could be watched.
        return Err(std::io::Error::other("the server has ended"));
    }
    Ok(())
}

fn complain(text: &str) {
    use std::io::Write as _;
    // Standard error is the server's ear; where it is gone nobody listens.
    let _ = writeln!(std::io::stderr(), "millstream: {text}");
}
