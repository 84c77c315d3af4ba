//! What a server leaves for `millstream reload`: its process id, and beside it what is in force.
//!
//! The file of the process id is locked as long as the server lives: who finds it unlocked knows that
//! its number is of nobody, or of a stranger by now.

use millstream_conf::settings::kind::quoted;
use millstream_conf::settings::problem::Problems;
use millstream_conf::settings::{Loaded, Origin, Source};
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How often a file that is locked is tried: a client locks it for a moment, to see whether it can.
const TRIES: u32 = 10;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// The begin of a line of the plan.
const PLAN: &str = "// plan: ";

/// The begin of the line with the file of the configuration.
const FILE: &str = "// file: ";

/// The begin of a line with the path of a key that a flag or a variable sets.
const FIXED: &str = "// fixed: ";

/// The file with the id of this process, locked; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct PidFile {
    file: File,
    path: PathBuf,
}

/// Why the file of the process id cannot be had.
#[derive(Debug)]
pub(crate) enum TakeError {
    System(io::Error),
    /// Another server has it.
    Taken(PathBuf),
}

impl From<TakeError> for io::Error {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::System(error) => error,
            TakeError::Taken(_) => Self::other("another server has it"),
        }
    }
}

impl TakeError {
    /// With the line that names the file, when another server has it.
    pub(crate) fn explain(&self, loaded: &Loaded) -> Option<Problems> {
        let Self::Taken(path) = self else { return None };
        let number = fs::read_to_string(path).unwrap_or_default();
        let message = format!(
            "another server has {}, the one with the process id {}; name another file by --pid",
            path.display(),
            number.trim()
        );
        let at = loaded.problem_at("pid", 0, &message);
        Some(at.unwrap_or_else(|| Problems::unreadable("pid", message)))
    }
}

impl PidFile {
    /// Takes a file for this process. It stays empty until the number is written.
    pub(crate) fn take(path: &Path) -> Result<Self, TakeError> {
        for _ in 0..TRIES {
            let file = secret().open(path).map_err(TakeError::System)?;
            if is_free(&file) {
                if is_at(&file, path) {
                    // What stands here is of a server that has gone without a word.
                    let _ = file.set_len(0);
                    let _ = fs::remove_file(state_file(path));
                    return Ok(Self { file, path: path.to_owned() });
                }
                // Who had it has just removed it.
                continue;
            }
            thread::sleep(PAUSE);
        }
        Err(TakeError::Taken(path.to_owned()))
    }

    /// Whether this is the file that lies at `path`, in whatever words.
    pub(crate) fn is(&self, path: &Path) -> bool {
        is_at(&self.file, path)
    }

    /// Whether it still lies where it was taken, and that is `path`.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        self.path == path && self.is(path)
    }

    /// Writes the process id, and what is in force.
    pub(crate) fn write(&self, state: &str) -> io::Result<()> {
        let written = replace(&state_file(&self.path), state);
        if written.is_err() {
            // What stands there is not in force any more.
            let _ = fs::remove_file(state_file(&self.path));
        }
        written.and(self.write_number())
    }

    /// The file is written in place, for the lock, and never empty in between.
    fn write_number(&self) -> io::Result<()> {
        let number = format!("{}\n", std::process::id());
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(number.as_bytes())?;
        file.set_len(number.len() as u64)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.is(&self.path) {
            let _ = fs::remove_file(state_file(&self.path));
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a server lives that has written this file.
pub(super) fn has_server(file: &File) -> bool {
    // Where there are no locks, the number has to be trusted.
    file.try_lock_shared().is_err()
}

/// False when another process has it. Where there are no locks, nobody is seen.
fn is_free(file: &File) -> bool {
    // Elsewhere a lock would keep others from reading it.
    !cfg!(unix) || !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (own, found) = (file.metadata().map(id), fs::metadata(path).map(id));
    matches!((own, found), (Ok(own), Ok(found)) if own == found)
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// What a server says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct State {
    /// The file of its configuration.
    pub(super) file: Option<PathBuf>,
    /// The paths of keys that its flags and its environment set, whatever the file says.
    pub(super) fixed: BTreeSet<String>,
    /// What the last reload has changed.
    pub(super) plan: String,
    /// The settings in force.
    pub(super) settings: String,
    /// What it did last.
    pub(super) words: String,
}

impl State {
    /// What is left beside the file of the process id.
    pub(super) fn read(pid_file: &Path) -> io::Result<Self> {
        fs::read_to_string(state_file(pid_file)).map(|text| Self::parse(&text))
    }

    pub(super) fn new(words: String, plan: String, loaded: &Loaded, source: &Source) -> Self {
        let file = source.file.as_deref();
        let file = file.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.into()));
        Self { file, fixed: fixed(loaded), plan, settings: loaded.settings.write(), words }
    }

    pub(super) fn write(&self) -> String {
        let mut out = format!("// {}\n", self.words);
        let mut line = |begin: &str, text: &str| out.extend([begin, text, "\n"]);
        self.plan.lines().for_each(|text| line(PLAN, text));
        let file = self.file.as_ref().filter(|path| can_be_told(path));
        file.and_then(|path| path.to_str()).into_iter().for_each(|text| line(FILE, text));
        self.fixed.iter().for_each(|text| line(FIXED, text));
        out + &self.settings
    }

    fn parse(text: &str) -> Self {
        let mut state = Self { settings: text.to_owned(), ..Self::default() };
        for line in text.lines().take_while(|line| line.starts_with("//")) {
            if let Some(plan) = line.strip_prefix(PLAN) {
                state.plan.extend([plan, "\n"]);
            } else if let Some(file) = line.strip_prefix(FILE) {
                state.file = Some(file.into());
            } else if let Some(path) = line.strip_prefix(FIXED) {
                state.fixed.insert(path.to_owned());
            } else if state.words.is_empty() {
                state.words = line.trim_start_matches('/').trim().to_owned();
            }
        }
        state
    }
}

/// Whether the name of a file is a line of text. One that is none has to be given to the client.
pub(super) fn can_be_told(path: &Path) -> bool {
    path.to_str().is_some_and(|text| quoted(text).len() == text.len() + 2)
}

/// The paths of keys that no file sets, since a flag or a variable does.
fn fixed(loaded: &Loaded) -> BTreeSet<String> {
    let is_fixed = |origins: &Vec<Origin>| {
        origins.iter().any(|origin| matches!(origin, Origin::Environment(_) | Origin::Flag(_)))
    };
    let origins = loaded.origins.iter().filter(|(_, origins)| is_fixed(origins));
    origins.map(|(path, _)| without_name(path)).collect()
}

/// `vhost.grace` of `vhost[a.example].grace`: flags and variables set it in all of them.
pub(super) fn without_name(path: &str) -> String {
    let inner = path.strip_prefix("vhost[").and_then(|rest| rest.split_once("]."));
    inner.map_or_else(|| path.to_owned(), |(_, inner)| format!("vhost.{inner}"))
}

pub(super) fn state_file(pid_file: &Path) -> PathBuf {
    let mut name = pid_file.as_os_str().to_owned();
    name.push(".settings");
    name.into()
}

/// Replaces a file at once, or leaves it as it is.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut options = secret();
    let written = options.truncate(true).open(&new);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
    let replaced = written.and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        let _ = fs::remove_file(new);
    }
    replaced
}

/// A file that nobody else may read.
fn secret() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_conf::settings::Override;
    use millstream_conf::settings::kind::Value;
    use pretty_assertions::assert_eq;

    #[test]
    fn two_servers_share_no_pid_file_and_each_removes_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.pid");
        let first = PidFile::take(&path).expect("a file");
        first.write("// started\n").expect("it is written");
        let number = format!("{}\n", std::process::id());
        assert_eq!(fs::read_to_string(&path).expect("a file"), number);
        let error = PidFile::take(&path).expect_err("it is taken");
        let problems = error.explain(&Loaded::usual()).expect("a reason");
        let told: String = problems.lines().collect();
        assert!(told.contains("another server has") && told.contains(number.trim()), "{told}");
        assert!(has_server(&File::open(&path).expect("a file")));
        // Somebody removes it; the next one is not ours.
        fs::remove_file(&path).expect("a file");
        let second = PidFile::take(&path).expect("a file");
        assert!(!first.is_at(&path) && second.is_at(&path));
        drop(first);
        assert!(path.exists(), "a file of another server stays");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_pid_file_without_lock_is_stale_and_can_be_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.pid");
        fs::write(&path, "1234567\n").expect("a file");
        fs::write(state_file(&path), "// old\n").expect("a file");
        assert!(!has_server(&File::open(&path).expect("a file")));
        let file = PidFile::take(&path).expect("a stale file");
        assert!(!state_file(&path).exists(), "its settings are of nobody");
        file.write("// started\n").expect("it is written");
        assert_eq!(State::read(&path).expect("a state").words, "started");
        assert!(PidFile::take(&folder.path().join("missing/x.pid")).is_err());
    }

    #[test]
    fn a_state_that_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.settings");
        fs::create_dir(&path).expect("a folder in its place");
        fs::write(path.join("full"), "").expect("a file");
        replace(&path, "text").expect_err("it is a folder");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let flags = vec![Override {
            flag: "--grace",
            path: "vhost.grace",
            values: vec![Value::Duration(Duration::from_secs(5))],
        }];
        let environment = vec![("MILLSTREAM_CHUNK_SIZE".into(), "4096".into())];
        let source = Source { environment, flags, ..Source::default() };
        let loaded = source.load().expect("good settings");
        let source = Source { file: Some("/etc/a b.kdl".into()), ..source };
        let plan = "keep    RTMP on :1935\nchange  x\n".to_owned();
        let state = State::new("reload 1 done".into(), plan, &loaded, &source);
        let fixed: Vec<&str> = state.fixed.iter().map(String::as_str).collect();
        assert_eq!(fixed, ["chunk-size", "vhost.grace"]);
        let text = state.write();
        assert_eq!(State::parse(&text), State { settings: text, ..state });
    }
}
