//! Files: replaced whole, removed if they are there.

use millstream_core::job::Job;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Carries a job about a file out.
///
/// # Errors
/// As the system gives them; the place of the file is as it was.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other jobs are done elsewhere")]
pub(super) fn perform(work: &Job) -> io::Result<()> {
    match work {
        Job::Write { path, bytes } => {
            let path = Path::new(&**path);
            let beside = beside(path);
            let written = replace(path, &beside, bytes);
            if written.is_err() {
                // What there is of it is of no use; the failure that counts is the first.
                let _ = fs::remove_file(&beside);
            }
            written
        }
        Job::Remove { path } => match fs::remove_file(&**path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        },
        other => Err(io::Error::other(format!("no job about a file: {other:?}"))),
    }
}

fn replace(path: &Path, beside: &Path, bytes: &[bytes::Bytes]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = create(beside)?;
    for part in bytes {
        file.write_all(part)?;
    }
    drop(file);
    fs::rename(beside, path)
}

/// A file that was not there before: what lies in its place, left by a crash or put there as a link to
/// some other file, is taken away and never written to.
fn create(path: &Path) -> io::Result<File> {
    match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            File::create_new(path)
        }
        other => other,
    }
}

/// Where a file is written before it takes its place: in the same folder, or the rename would copy.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".part");
    path.with_file_name(name)
}
