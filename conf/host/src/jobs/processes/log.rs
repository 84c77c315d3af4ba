//! The log file of a program: what it says on standard error, for the operator.
//!
//! It grows slowly, however much is said, and not for ever: at its limit it becomes `FILE.1`, in place
//! of the one before. One that somebody else has moved or removed is begun anew at the next run.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much of a program's words go into its log file in a second; a flood must not fill the disk.
pub(super) const BYTES_PER_SECOND: usize = 64 << 10;

/// Bytes of a log file; with the one before it, twice as many.
pub(super) const LEN_MAX: u64 = 8 << 20;

/// A log file that takes so much in a second, and no more.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    len: u64,
    path: PathBuf,
    second: Instant,
    /// Bytes of the second that has begun.
    taken: usize,
}

impl Log {
    /// Appends to the file at `path`; missing folders are made.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let path = PathBuf::from(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let (file, len) = append(&path)?;
        Ok(Self { file, len, path, second: Instant::now(), taken: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            (self.second, self.taken) = (Instant::now(), 0);
        }
        if self.taken >= BYTES_PER_SECOND {
            return;
        }
        self.taken = self.taken.saturating_add(bytes.len());
        if self.len >= LEN_MAX {
            self.turn_over();
        }
        // A full disk ends no program.
        if self.len < LEN_MAX && self.file.write_all(bytes).is_ok() {
            self.len = self.len.saturating_add(bytes.len() as u64);
        }
    }

    /// The file becomes the one before it. Where that is not possible, no more is written.
    fn turn_over(&mut self) {
        let mut before = OsString::from(&self.path);
        before.push(".1");
        if fs::rename(&self.path, before).is_ok()
            && let Ok((file, len)) = append(&self.path)
        {
            (self.file, self.len) = (file, len);
        }
    }
}

/// Nobody else may read it: arguments of programs hold keys of streams.
fn append(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().create(true).append(true).mode(0o600).open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_full_log_becomes_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/ffmpeg.log");
        let text = path.to_str().expect("text");
        Log::open(text).expect("a log").write(b"first\n");
        Log::open(text).expect("a log").write(b"second\n");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "first\nsecond\n");
        let is_full = || File::options().write(true).open(&path)?.set_len(LEN_MAX);
        let before = folder.path().join("deep/ffmpeg.log.1");
        for words in ["third\n", "fourth\n"] {
            is_full().expect("a file of our own");
            Log::open(text).expect("a log").write(words.as_bytes());
            assert_eq!(fs::read_to_string(&path).expect("a file"), words);
            assert_eq!(fs::metadata(&before).expect("a file").len(), LEN_MAX);
        }
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("a folder").count(), 2);
    }

    #[test]
    fn a_log_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ffmpeg.log");
        Log::open(path.to_str().expect("text")).expect("a log").write(b"rtmp://x/live/key\n");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    }
}
