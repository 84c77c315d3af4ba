//! Asks the programs that transcode which encoders they have.

use millstream_conf::settings::Loaded;
use millstream_conf::settings::encoders::Encoders;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Asks a program: a path, or a name in the search path.
///
/// # Errors
/// Says what the program does instead of answering.
#[cfg(unix)]
pub(crate) fn ask(program: &str) -> Result<Encoders, String> {
    ask_within(program, LISTING_LEN_MAX, TIME_MAX)
}

/// No program runs on this system.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub(crate) fn ask(_program: &str) -> Result<Encoders, String> {
    Err("cannot be run on this system".into())
}

/// Looks at the transcodes of each configuration on a thread of its own: who waits for a program
/// serves nobody meanwhile. What they lack is told to the log; streams are served all the same.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    wanted: Option<Sender<Loaded>>,
}

impl Lookout {
    /// Looks at a configuration, soon.
    pub(crate) fn look(&mut self, loaded: &Loaded) {
        let vhosts = loaded.settings.config.vhosts.values();
        if vhosts.into_iter().all(|vhost| vhost.transcodes.is_empty()) && self.wanted.is_none() {
            return;
        }
        if self.wanted.is_none() {
            let (wanted, asked) = channel::<Loaded>();
            let thread = thread::Builder::new().name("encoders".into()).spawn(move || {
                while let Ok(mut loaded) = asked.recv() {
                    // Only the newest one is in force.
                    while let Ok(newer) = asked.try_recv() {
                        loaded = newer;
                    }
                    for line in loaded.lacking(&mut ask).lines() {
                        tracing::warn!("{line}");
                    }
                }
            });
            // Without a thread nothing is found out; the log will tell what fails.
            self.wanted = thread.ok().map(|_| wanted);
        }
        if let Some(wanted) = &self.wanted {
            let _ = wanted.send(loaded.clone());
        }
    }
}

#[cfg(unix)]
use unix::{LISTING_LEN_MAX, TIME_MAX, ask_within};

#[cfg(unix)]
mod unix {
    use crate::exec;
    use crate::jobs::{Excess, output_of};
    use millstream_conf::settings::encoders::Encoders;
    use millstream_core::name::escape;
    use std::time::Duration;

    /// Bytes of an answer; that of ffmpeg has some twenty thousand.
    pub(super) const LISTING_LEN_MAX: usize = 1 << 20;

    /// ffmpeg answers within a tenth of a second.
    pub(super) const TIME_MAX: Duration = Duration::from_secs(5);

    /// Bytes of a program's words that are shown.
    const WORDS_LEN_MAX: usize = 200;

    pub(super) fn ask_within(
        program: &str,
        len_max: usize,
        time_max: Duration,
    ) -> Result<Encoders, String> {
        let argv = [program, "-hide_banner", "-encoders"].map(Into::into);
        let printed = output_of(&argv, len_max, time_max)
            .map_err(|error| format!("cannot be run: {error}"))?;
        match printed.excess {
            Some(Excess::Output) => return Err("prints without end when asked".into()),
            Some(Excess::Time) => {
                return Err(format!("does not answer within {} s", time_max.as_secs()));
            }
            None => {}
        }
        let exit = &printed.exit;
        if let Some(reason) = exec::reason(exit) {
            return Err(format!("cannot be run: {reason}"));
        }
        let words = exit.last_words.lines().last().unwrap_or_default();
        let words = match words {
            "" => String::new(),
            words => format!(" ({})", escape(words.as_bytes(), WORDS_LEN_MAX)),
        };
        match (exit.code, exit.signal) {
            (Some(0), _) => {}
            (Some(code), _) => return Err(format!("exits with {code} when asked{words}")),
            (None, Some(signal)) => return Err(format!("is ended by signal {signal}{words}")),
            (None, None) => return Err(format!("ends in an odd way{words}")),
        }
        let listing = String::from_utf8_lossy(&printed.text);
        Encoders::parse(&listing).ok_or_else(|| format!("names no encoders when asked{words}"))
    }
}

#[cfg(all(test, unix))]
mod tests;
