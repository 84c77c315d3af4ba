//! The files of the repository as they stand, without what a build or a test run leaves behind.
use std::fs;
use std::path::{Path, PathBuf};

/// The folder that holds the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().expect("the package lies in the workspace").to_path_buf()
}

/// Every file below the root with its path from there, sorted, built and downloaded files left out.
#[must_use]
pub fn files() -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in entries(&folder) {
            let path = folder.join(&entry);
            if path.is_symlink() || is_left_behind(&entry) {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(&root).expect("found below the root").to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// The Rust files among [`files`].
#[must_use]
pub fn rust_files() -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// The names in one folder, sorted.
#[must_use]
pub fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder of the repository can be read");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry of the repository can be read").file_name())
        .map(|name| name.into_string().expect("names in the repository are UTF-8"))
        .collect();
    names.sort();
    names
}

/// The text of one file, or nothing when it holds no text.
#[must_use]
pub fn text(path: &Path) -> Option<String> {
    String::from_utf8(fs::read(root().join(path)).expect("a file of the repository can be read"))
        .ok()
}

fn is_left_behind(name: &str) -> bool {
    matches!(name, "target" | ".git" | ".cache") || name.ends_with(".log")
}
