//! Another configuration for a running server: by SIGHUP, and `millstream reload`, which sends it.
//!
//! Everything that can fail comes first: the file is read and checked, new listeners are bound. Then
//! all shards are told, and nothing can fail any more. Until then the old configuration serves on.
//!
//! Beside the file of the process id lies `FILE.settings`: a line about the last reload, and the
//! settings in force. It holds keys of streams, so nobody else may read it.

use crate::encoders::Lookout;
use crate::listeners::{self, Bound};
use crate::log::{self, Log};
use crate::serve::config_of;
use crate::transport::{BindError, Change, ShutdownHandle};
use millstream_conf::cli::Reload;
use millstream_conf::program::{Printed, render};
use millstream_conf::settings::plan::Plan;
use millstream_conf::settings::problem::{Look, Problems};
use millstream_conf::settings::{self, Loaded, Source};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

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
    pub(crate) shards: Vec<ShutdownHandle>,
    pub(crate) source: Source,
    pub(crate) workers: u16,
}

impl Reloader {
    /// Reads the configuration again and applies it; tells the log what came of it.
    pub(crate) fn reload(&mut self) {
        self.count += 1;
        let outcome = self.source.load().and_then(|loaded| self.apply(loaded));
        let words = match outcome {
            Ok(plan) => {
                for line in plan.to_string().lines() {
                    tracing::info!("reload {}: {line}", self.count);
                }
                tracing::info!("reload {}: done", self.count);
                format!("reload {} done", self.count)
            }
            Err(problems) => {
                for line in problems.iter().flat_map(Problems::lines) {
                    tracing::warn!("reload {}: {line}", self.count);
                }
                tracing::warn!("reload {}: refused, the old configuration stays", self.count);
                format!("reload {} refused", self.count)
            }
        };
        self.write_state(&words);
    }

    /// Opens files and listeners, then tells all shards.
    fn apply(&mut self, mut loaded: Loaded) -> Result<Plan, Vec<Problems>> {
        let plan = Plan::new(&self.loaded.settings, &loaded.settings);
        let log_file = log::open(&loaded.settings).map_err(|error| vec![error.explain(&loaded)])?;
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
        let before = std::mem::replace(&mut self.loaded, loaded);
        if before.settings.pid_file != self.loaded.settings.pid_file {
            remove_state(&before);
        }
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
    pub(crate) fn write_state(&self, words: &str) {
        let Some(path) = pid_file(&self.loaded) else { return };
        let state = format!("// {words}\n{}", self.loaded.settings.write());
        let written = write_secret(&state_file(&path), &state)
            .and_then(|()| write_secret(&path, &format!("{}\n", std::process::id())));
        if let Err(error) = written {
            tracing::warn!("{} cannot be written: {error}", path.display());
        }
    }

    /// Takes back what `write_state` has written.
    pub(crate) fn remove_state(&self) {
        remove_state(&self.loaded);
    }
}

fn pid_file(loaded: &Loaded) -> Option<PathBuf> {
    loaded.settings.pid_file.as_deref().map(PathBuf::from)
}

fn remove_state(loaded: &Loaded) {
    if let Some(path) = pid_file(loaded) {
        let _ = fs::remove_file(state_file(&path));
        let _ = fs::remove_file(path);
    }
}

/// `millstream reload`.
#[must_use]
pub fn run(args: &Reload, look: Look) -> Printed {
    match attempt(args, look) {
        Ok(out) => Printed { out, ..Printed::default() },
        Err(err) => Printed { err, failed: true, ..Printed::default() },
    }
}

fn attempt(args: &Reload, look: Look) -> Result<String, String> {
    let loaded = args.serve.source().load().map_err(|problems| render(&problems, look))?;
    let Some(pid_file) = pid_file(&loaded) else {
        return Err("no file with the process id is known: give --pid FILE, or `pid` in the \
                    configuration, to the server and here\n"
            .into());
    };
    let state = state_file(&pid_file);
    let unreadable = |path: &Path, error: &io::Error| {
        format!(
            "no server has left {}: {error}\n(where its `pid` has changed: send it SIGHUP, or name \
             the file of before by --pid FILE)\n",
            path.display()
        )
    };
    let before = fs::read_to_string(&state).map_err(|error| unreadable(&state, &error))?;
    let old = settings::parse("settings in force", before.as_bytes())
        .map_err(|problems| problems.render(look))?;
    let plan = Plan::new(&old.settings, &loaded.settings);
    if args.dry_run {
        return Ok(plan.to_string());
    }
    let pid = fs::read_to_string(&pid_file).map_err(|error| unreadable(&pid_file, &error))?;
    hang_up(pid.trim())?;
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let now = fs::read_to_string(&state);
        if now.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // It has taken the file away: to the place that the new configuration names.
            return Ok(plan.to_string());
        }
        let now = now.unwrap_or_default();
        let (now, before) = (first_line(&now), first_line(&before));
        if now.ends_with(" done") && now != before {
            return Ok(plan.to_string());
        }
        if now.ends_with(" refused") && now != before {
            return Err("the server has refused it; its log says why\n".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("the server has not answered within {} s\n", PATIENCE.as_secs()))
}

#[cfg(unix)]
fn hang_up(pid: &str) -> Result<(), String> {
    let number = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
    let pid = number.ok_or_else(|| format!("`{pid}` is no process id\n"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::HUP)
        .map_err(|error| format!("the server cannot be told: {error}\n"))
}

#[cfg(not(unix))]
fn hang_up(_pid: &str) -> Result<(), String> {
    Err("reloading needs signals, which this system does not have\n".into())
}

fn state_file(pid_file: &Path) -> PathBuf {
    let mut name = pid_file.as_os_str().to_owned();
    name.push(".settings");
    name.into()
}

/// Replaces a file at once; nobody else may read it.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&new)?.write_all(text.as_bytes())?;
    fs::rename(new, path)
}
