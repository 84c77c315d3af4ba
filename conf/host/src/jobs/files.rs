//! Files: replaced whole, removed if they are there.

use millstream_core::hls::segment_number;
use millstream_core::job::Job;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
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
        Job::Remove { path } => unless_absent(fs::remove_file(&**path)),
        Job::Sweep { stem, numbers } => unless_absent(sweep(Path::new(&**stem), numbers)),
        other => Err(io::Error::other(format!("no job about a file: {other:?}"))),
    }
}

/// What is not there need not be removed.
fn unless_absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes the segments with these numbers. A directory or a link of such a name was not written by
/// a server, and stays.
fn sweep(stem: &Path, numbers: &Range<u64>) -> io::Result<()> {
    let (Some(folder), Some(stream)) = (stem.parent(), stem.file_name().and_then(OsStr::to_str))
    else {
        return Ok(());
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| segment_number(name, stream));
        if number.is_some_and(|number| numbers.contains(&number)) && entry.file_type()?.is_file() {
            unless_absent(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
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
