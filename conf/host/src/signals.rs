//! The signals that end the program, on every runtime alike.

use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asks {
    /// SIGINT, SIGTERM, Ctrl-C.
    End,
    /// SIGHUP.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    Reload,
}

/// From now on SIGINT, SIGTERM and SIGHUP do not kill the process: a thread calls `take` for each,
/// until it gives false.
///
/// # Errors
/// The signals could not be registered, or there was no thread.
#[cfg(unix)]
pub(crate) fn start(mut take: impl FnMut(Asks) -> bool + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let thread = std::thread::Builder::new().name("signals".into());
    thread.spawn(move || {
        signals
            .forever()
            .all(|signal| take(if signal == SIGHUP { Asks::Reload } else { Asks::End }))
    })?;
    Ok(())
}

/// From now on Ctrl-C does not kill the process: a thread calls `take` for each, until it gives
/// false.
///
/// # Errors
/// Ctrl-C could not be registered, or there was no thread.
#[cfg(not(unix))]
pub(crate) fn start(mut take: impl FnMut(Asks) -> bool + Send + 'static) -> io::Result<()> {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let is_told = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, is_told.clone())?;
    let thread = std::thread::Builder::new().name("signals".into());
    thread.spawn(move || {
        loop {
            std::thread::sleep(std::time::Duration::from_millis(100));
            if is_told.swap(false, Ordering::Relaxed) && !take(Asks::End) {
                return;
            }
        }
    })?;
    Ok(())
}
