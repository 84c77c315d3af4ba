//! Broken files, each with all that is said about it: `tests/broken/NAME.kdl` and `NAME.txt`.
//! `MILLSTREAM_RENEW=1` writes the texts anew.

use millstream_conf::settings::guard::FILE_LEN_MAX;
use millstream_conf::settings::parse;
use millstream_conf::settings::problem::Look;
use pretty_assertions::assert_eq;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file is looked at in less than this, whatever is in it; most of it is for busy machines.
const TIME: Duration = Duration::from_millis(900);

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "kdl"));
    files.sort();
    files
}

fn report(name: &str, bytes: &[u8]) -> String {
    let begun = Instant::now();
    let problems = parse(name, bytes).map(|_| ()).expect_err(name);
    let report = problems.render(Look::Plain);
    assert!(begun.elapsed() < TIME, "{name}: {:?}", begun.elapsed());
    let lines = problems.to_json();
    let lines = lines.as_array().expect("an array");
    assert_eq!(lines.len(), problems.list.len(), "{name}");
    let text: String = report.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    text
}

#[test]
fn row_102_every_broken_file_is_explained() {
    let files = files();
    assert!(files.len() >= 40, "{}", files.len());
    let renew = std::env::var_os("MILLSTREAM_RENEW").is_some();
    for path in files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let found = report(&name, &fs::read(&path).expect("a file"));
        let kept = path.with_extension("txt");
        if renew {
            fs::write(kept, found).expect("it can be written");
        } else {
            let kept = fs::read_to_string(kept).unwrap_or_default();
            assert_eq!(found, kept, "{name}");
        }
    }
}

#[test]
fn row_100_hidden_blocks_take_no_time() {
    for times in 1..60 {
        for text in ["a /-{\n", "/-a {\n", "/- a /-{ ", "/-a \\\n {\n", "a /- /* x */ \n {"] {
            let text = text.repeat(times);
            let begun = Instant::now();
            let _ = parse("hidden.kdl", text.as_bytes());
            assert!(begun.elapsed() < TIME, "{times} {text}");
        }
    }
}

#[test]
fn row_101_deep_blocks_do_not_end_the_process() {
    for depth in [31, 32, 33, 400, 2_000, 100_000] {
        for open in [
            "a {",
            "a {\n",
            "a { b 1; ",
            "\"\"\"{",
            "#\"\"#{",
            "a \"\\q\" {",
            "a \"\u{85}{",
            "// \u{2028}a {",
        ] {
            let text = open.repeat(depth);
            let begun = Instant::now();
            assert!(parse("deep.kdl", text.as_bytes()).is_err(), "{depth} {open}");
            assert!(begun.elapsed() < TIME, "{depth} {open} {:?}", begun.elapsed());
        }
    }
}

#[test]
fn long_files_are_refused_unread() {
    let report = report("long.kdl", &vec![b'a'; 2 << 20]);
    assert_eq!(report, "  × long.kdl: the file has 2097152 bytes, more than 1048576\n\n");
    let long = "// a comment\n".repeat(FILE_LEN_MAX / 13);
    assert!(parse("long.kdl", long.as_bytes()).is_ok());
}
