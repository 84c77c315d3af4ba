//! Renditions, for the API: what the processes do that transcode streams.

use crate::event::RenditionEnd;
use crate::name::StreamName;
use alloc::sync::Arc;
use core::time::Duration;

/// One process that transcodes a stream, or waits to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenditionStatus {
    /// The stream that is transcoded.
    pub name: StreamName,
    /// The streams that the transcode is about: `app`, `app/stream`, or nothing for all of them.
    pub scope: Arc<str>,
    /// The engine.
    pub engine: Arc<str>,
    /// What it does.
    pub state: RenditionState,
    /// How long it has been wanted.
    pub age: Duration,
    /// Times that the process was started again.
    pub restarts: u32,
    /// Exits since it last ran for long.
    pub failures: u32,
    /// How the process before this one ended, without secrets.
    pub last_end: Option<RenditionEnd>,
    /// The last lines on standard error of the process, or of the one before if this one has said
    /// nothing; without secrets.
    pub last_words: Arc<str>,
}

/// What a rendition does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenditionState {
    /// The process was told to end.
    Ending {
        /// The number of the process, once it is known.
        process: Option<u32>,
        /// How long it has run.
        age: Duration,
    },
    /// The process runs.
    Running {
        /// The number of the process, once it is known.
        process: Option<u32>,
        /// For how long.
        age: Duration,
    },
    /// It has exited, and is started again.
    Waiting {
        /// The time until then.
        left: Duration,
    },
}

impl RenditionState {
    /// The words of the API.
    pub const WORDS: [&'static str; 3] = ["ending", "running", "waiting"];

    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        let [ending, running, waiting] = Self::WORDS;
        match self {
            Self::Ending { .. } => ending,
            Self::Running { .. } => running,
            Self::Waiting { .. } => waiting,
        }
    }
}
