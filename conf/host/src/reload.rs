//! Another configuration for a running server: by SIGHUP, and `millstream reload`, which sends it.
//!
//! Everything that can fail comes first: the file is read and checked, new listeners are bound. Then
//! all shards are told, and nothing can fail any more. Until then the old configuration serves on.
//!
//! Beside the file of the process id lies `FILE.settings`: lines about the last reload and about what
//! no file changes, and the settings in force. It holds keys of streams, so nobody else may read it.

mod client;
mod state;

pub use client::run;
pub(crate) use state::PidFile;

use crate::encoders::Lookout;
use crate::listeners::{self, Bound};
use crate::log::{self, Log};
use crate::serve::config_of;
use crate::transport::{BindError, Change, ShutdownHandle};
use millstream_conf::settings::plan::Plan;
use millstream_conf::settings::problem::Problems;
use millstream_conf::settings::{Loaded, Source};
use state::State;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Signals that come closer together are answered by one reload.
pub(crate) const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// How long listeners take to close, at most: the shards are busy.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// How long `millstream reload` waits for the server.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server needs to reload its configuration.
pub(crate) struct Reloader {
    pub(crate) bound: Vec<Bound>,
    /// Reloads so far.
    pub(crate) count: u64,
    pub(crate) loaded: Loaded,
    pub(crate) log: Arc<Log>,
    pub(crate) lookout: Lookout,
    pub(crate) pid_file: Option<PidFile>,
    pub(crate) shards: Vec<ShutdownHandle>,
    pub(crate) source: Source,
    pub(crate) workers: u16,
}

impl Reloader {
    /// Reads the configuration again and applies it; tells the log what came of it.
    pub(crate) fn reload(&mut self) {
        self.count += 1;
        let outcome = self.source.load().and_then(|loaded| self.apply(loaded));
        let (words, plan) = match outcome {
            Ok(plan) => {
                let plan = plan.to_string();
                for line in plan.lines() {
                    tracing::info!("reload {}: {line}", self.count);
                }
                tracing::info!("reload {}: done", self.count);
                (format!("reload {} done", self.count), plan)
            }
            Err(problems) => {
                for line in problems.iter().flat_map(Problems::lines) {
                    tracing::warn!("reload {}: {line}", self.count);
                }
                tracing::warn!("reload {}: refused, the old configuration stays", self.count);
                (format!("reload {} refused", self.count), String::new())
            }
        };
        self.write_state(words, plan);
    }

    /// Opens files and listeners, then tells all shards.
    fn apply(&mut self, mut loaded: Loaded) -> Result<Plan, Vec<Problems>> {
        let plan = Plan::new(&self.loaded.settings, &loaded.settings);
        let log_file = log::open(&loaded.settings).map_err(|error| vec![error.explain(&loaded)])?;
        let own = self.pid_file.as_ref().zip(pid_path(&loaded));
        let moved = match own.is_some_and(|(file, path)| file.is(&path)) {
            true => None,
            false => take_pid_file(&loaded).map_err(|problems| vec![problems])?,
        };
        let wanted = listeners::wanted(&loaded.settings);
        let unbound = |error: &BindError| {
            let unknown = || Problems::unreadable("listen", error.to_string());
            vec![listeners::explain(&loaded, error).unwrap_or_else(unknown)]
        };
        let opening = listeners::open(&wanted, &self.bound, self.workers);
        let mut opening = opening.map_err(|error| unbound(&error))?;
        if !opening.in_the_way.is_empty() {
            self.close(&opening.in_the_way);
            if let Err(error) = opening.open_late() {
                self.open_again(&opening.in_the_way);
                return Err(unbound(&error));
            }
        }
        if let Some(warning) = &opening.warning {
            tracing::warn!("reload {}: {warning}", self.count);
        }
        self.log.change(&loaded.settings, log_file);
        let mut fresh = opening.fresh;
        let stays = |bound: &Bound| wanted.iter().any(|wanted| wanted.is(bound));
        let closed: Vec<_> =
            self.bound.iter().filter(|bound| !stays(bound)).map(|bound| bound.id).collect();
        self.bound.retain(stays);
        self.bound.extend(fresh.iter().map(|fresh| fresh.bound));
        let config = Arc::new(config_of(&loaded.settings, &self.bound));
        for shard in &self.shards {
            let opened = listeners::take_shard(&mut fresh);
            let (closed, config) = (closed.clone(), Some(config.clone()));
            shard.change(Change { closed, config, gone: None, opened });
        }
        loaded.settings.keep_until_restart(&self.loaded.settings);
        self.loaded = loaded;
        // The file of before goes when the state is written, if no other one is there.
        self.pid_file = moved.or(self.pid_file.take());
        self.lookout.look(&self.loaded);
        Ok(plan)
    }

    /// Closes listeners, and waits until they are; their connections go on.
    fn close(&self, bound: &[Bound]) {
        let (gone, are_gone) = channel();
        for shard in &self.shards {
            let closed = bound.iter().map(|bound| bound.id).collect();
            let gone = Some(gone.clone());
            shard.change(Change { closed, config: None, gone, opened: Vec::new() });
        }
        drop(gone);
        // Nothing is ever sent: the wait ends with the last of those that hold the other end.
        let _ = are_gone.recv_timeout(CLOSING_TIME);
    }

    /// Takes back what `close` has done.
    fn open_again(&mut self, bound: &[Bound]) {
        let (mut fresh, errors) = listeners::open_again(bound, self.workers);
        for fresh in &fresh {
            tracing::warn!("reload {}: {} is open again", self.count, fresh.bound.listen);
        }
        for error in errors {
            tracing::error!("reload {}: an old listener is lost: {error}", self.count);
            self.bound.retain(|bound| bound.listen.with_port(bound.address.port()) != error.listen);
        }
        for shard in &self.shards {
            let opened = listeners::take_shard(&mut fresh);
            shard.change(Change { closed: Vec::new(), config: None, gone: None, opened });
        }
    }

    /// Writes the process id, and what is in force.
    pub(crate) fn write_state(&mut self, words: String, plan: String) {
        let Some(path) = pid_path(&self.loaded) else { return self.remove_state() };
        let state = State::new(words, plan, &self.loaded, &self.source).write();
        if let Err(error) = self.hold(&path).and_then(|file| file.write(&state)) {
            tracing::warn!("{} cannot be written: {error}", path.display());
        }
    }

    /// The file at `path`: the one that is held, unless somebody has removed it, or it is another's.
    fn hold(&mut self, path: &Path) -> io::Result<&PidFile> {
        let held = self.pid_file.take().filter(|file| file.is_at(path));
        let held = match held {
            Some(file) => file,
            None => PidFile::take(path)?,
        };
        Ok(self.pid_file.insert(held))
    }

    /// Takes back what `write_state` has written.
    pub(crate) fn remove_state(&mut self) {
        self.pid_file = None;
    }
}

fn pid_path(loaded: &Loaded) -> Option<PathBuf> {
    loaded.settings.pid_file.as_deref().map(PathBuf::from)
}

/// The file of the process id that settings name. One that cannot be written is only warned of, when
/// the state is written; one of another server is not.
///
/// # Errors
/// Another server has it.
pub(crate) fn take_pid_file(loaded: &Loaded) -> Result<Option<PidFile>, Problems> {
    let Some(path) = pid_path(loaded) else { return Ok(None) };
    PidFile::take(&path)
        .map_or_else(|error| error.explain(loaded).map_or(Ok(None), Err), |file| Ok(Some(file)))
}
