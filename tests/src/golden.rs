//! Texts that a test compares with what is kept of them.
use pretty_assertions::assert_eq;
use std::path::Path;

/// The variable that renews kept texts: the change is then looked at before it is committed.
pub const RENEW: &str = "MILLSTREAM_RENEW";

/// Asserts that `text` is what the file holds; with `MILLSTREAM_RENEW=1` the file is written anew.
///
/// # Panics
/// When it is not, or the file is not there.
pub fn assert_golden(path: &Path, text: &str) {
    if std::env::var_os(RENEW).is_some_and(|value| value == "1") {
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(path, text).expect("the text can be written");
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_else(|error| {
        panic!("{}: {error}; {RENEW}=1 writes it", path.display());
    });
    assert_eq!(text, kept, "{} differs; {RENEW}=1 renews it", path.display());
}
