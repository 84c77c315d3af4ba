//! Where captures are, and the streams in them.

use crate::expected::{Row, Side, Table};
use crate::replay::Stream;
use crate::{Case, file_name};
use millstream_sim::capture::Capture;
use millstream_sim::tcp::Conversation;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The captures that are at hand.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// By their names.
    files: BTreeMap<String, PathBuf>,
}

impl Shelf {
    pub(crate) fn open() -> Self {
        let mut files = BTreeMap::new();
        for folder in [shared_folder(), repository_folder()] {
            for path in files_of(&folder) {
                files.insert(file_name(&path).to_owned(), path);
            }
        }
        Self { files }
    }

    /// The description of the shared captures, if they are there.
    pub(crate) fn manifest(&self) -> Option<String> {
        let path = self.files.get("MANIFEST.md")?;
        Some(std::fs::read_to_string(path).expect("the description can be read"))
    }

    /// What the table tells of, as far as its captures are at hand.
    pub(crate) fn streams(&self, table: &Table) -> Vec<Case> {
        let mut cases = Vec::new();
        let mut read: Option<(&str, Vec<Conversation>)> = None;
        for row in table.rows() {
            if read.as_ref().is_none_or(|(name, _)| *name != row.file) {
                read = self.conversations(&row.file).map(|list| (row.file.as_str(), list));
            }
            let Some((_, conversations)) = &read else { continue };
            let conversation = conversations
                .get(row.conversation)
                .unwrap_or_else(|| panic!("{row}: {} conversations", conversations.len()));
            let request = table.row(&row.file, row.conversation, Side::Server).map(request_of);
            cases.push((row.clone(), Stream::new(conversation, row.side, request)));
        }
        cases
    }

    /// The name of each capture that is at hand.
    pub(crate) fn names(&self) -> Vec<&str> {
        let names = self.files.keys().map(String::as_str);
        names.filter(|name| name.ends_with(".pcap") || name.ends_with(".c2s.bin")).collect()
    }

    /// A capture that is at hand.
    pub(crate) fn capture(&self, name: &str) -> Option<Capture> {
        let path = self.files.get(name)?;
        let bytes = std::fs::read(path).expect("the capture can be read");
        let capture = match name.strip_suffix(".c2s.bin") {
            Some(stem) => {
                let other = self.files.get(&format!("{stem}.s2c.bin"))?;
                let answers = std::fs::read(other).expect("the capture can be read");
                Capture::from_raw(&bytes, &answers)
            }
            None => Capture::read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}")),
        };
        assert_eq!(capture.warnings, [], "{name}");
        Some(capture)
    }

    fn conversations(&self, name: &str) -> Option<Vec<Conversation>> {
        Some(self.capture(name)?.conversations)
    }
}

/// What the client of the capture wanted: publish or play, and the stream.
fn request_of(row: &Row) -> (bool, String) {
    let words = row.facts.commands.split(' ').filter_map(|word| word.split_once('='));
    let role = words.rev().find(|(verb, _)| *verb != "connect");
    let (verb, stream) = role.unwrap_or(("play", "none"));
    (verb == "publish", stream.to_owned())
}

/// The captures of the repository.
pub(crate) fn repository_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// The captures that are shared by working copies: beside them, unless the environment says where.
fn shared_folder() -> PathBuf {
    let shared = std::env::var_os("MILLSTREAM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    shared.join("captures/open")
}

/// The files of a folder; none if there is no such folder.
pub(crate) fn files_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths.filter(|path| path.is_file()).collect()
}

/// Checks all cases, on each core one at a time, and fails with what all of the failed ones say.
pub(crate) fn in_parallel(cases: &[Case], check: impl Fn(&Case) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The panic's own message has been printed by then.
            if catch_unwind(AssertUnwindSafe(|| check(case))).is_err() {
                failed.lock().expect("no panic while it is held").push(case.0.to_string());
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let failed = failed.into_inner().expect("no panic while it is held");
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), cases.len());
}
