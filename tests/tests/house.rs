//! The rules of the house that a compiler does not know.
use millstream_tests::tree;
use pretty_assertions::assert_eq;
use std::fs;
use std::path::Path;

const LINES_MAX: usize = 700;
const FILE_LEN_MAX: u64 = 1_500_000;
const MEDIA_LEN_MAX: u64 = 3_000_000;
const CAPTURES_LEN_MAX: u64 = 12_000_000;

#[test]
fn the_top_level_holds_the_packages_and_nothing_else() {
    let visible: Vec<String> = tree::entries(&tree::root())
        .into_iter()
        .filter(|name| !name.starts_with('.') && name != "target" && !name.ends_with(".log"))
        .collect();
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "conf",
        "core",
        "sim",
        "tests",
        "transport-async-std",
        "transport-tokio",
    ];
    assert_eq!(visible, allowed);
}

#[test]
fn rust_files_stay_short() {
    refuse(tree::rust_files(), |path, text| {
        let lines = text.lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", path.display()))
    });
}

#[test]
fn files_and_folders_are_named_for_what_they_hold() {
    let banned = ["mod", "utils", "util", "common", "helpers", "helper", "manager"];
    refuse(tree::rust_files(), |path, text| {
        let in_path = path.iter().filter_map(|part| Path::new(part).file_stem()?.to_str());
        let modules = text.lines().filter_map(|line| {
            let line =
                line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            line.strip_prefix("mod ")?.split([';', ' ']).next()
        });
        let name = in_path.chain(modules).find(|name| banned.contains(name))?;
        Some(format!("{}: {name}", path.display()))
    });
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let banned = [concat!("/wo", "rk/"), concat!("/tmp/ba", "sh"), concat!("/ro", "ot/")];
    refuse(tree::files(), |path, text| {
        let word = banned.iter().find(|word| text.contains(**word))?;
        Some(format!("{}: {word}", path.display()))
    });
}

#[test]
fn nothing_is_left_to_be_written() {
    let banned = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
    ];
    refuse(tree::rust_files(), |path, text| {
        let word = banned.iter().find(|word| text.contains(**word))?;
        Some(format!("{}: {word}", path.display()))
    });
}

#[test]
fn no_test_is_switched_off_and_none_sleeps() {
    let banned = [concat!("#[ig", "nore"), concat!("should_", "panic")];
    refuse(tree::rust_files(), |path, text| {
        let word = banned.iter().find(|word| text.contains(**word))?;
        Some(format!("{}: {word}", path.display()))
    });
}

#[test]
fn the_core_names_std_in_its_tests_only() {
    refuse(tree::rust_files(), |path, text| {
        // `tests.rs`, `testing.rs` and what lies in `tests/` are compiled for tests alone.
        let is_test = path.iter().any(|part| part.to_string_lossy().starts_with("test"));
        if !path.starts_with("core/src") || is_test {
            return None;
        }
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let line = code.lines().find(|line| !is_comment(line) && line.contains("std::"))?;
        Some(format!("{}: {line}", path.display()))
    });
}

#[test]
fn the_core_holds_to_no_std_and_every_package_to_the_lints() {
    let root = tree::text(Path::new("core/src/lib.rs")).expect("the core's root is text");
    assert!(root.contains("#![no_std]"), "core/src/lib.rs links std");
    let workspace = tree::text(Path::new("Cargo.toml")).expect("a manifest is text");
    assert!(workspace.contains("unsafe_code = \"forbid\""), "the workspace allows unsafe code");
    let manifests = tree::files()
        .into_iter()
        .filter(|path| path.ends_with("Cargo.toml") && path.components().count() > 1);
    refuse(manifests.collect(), |path, text| {
        (!text.contains("[lints]\nworkspace = true")).then(|| path.display().to_string())
    });
}

#[test]
fn the_readme_names_the_command_to_run_and_the_command_to_test() {
    let readme = tree::text(Path::new("README.md")).expect("the README is text");
    for command in ["cargo run --release", "tests/run"] {
        assert!(readme.contains(command), "README.md does not name `{command}`");
    }
}

#[test]
fn scripts_can_be_run_as_they_are() {
    use std::os::unix::fs::PermissionsExt as _;
    let scripts = [
        "tests/run",
        "tests/churn",
        "tests/fuzz/run",
        ".ci/run",
        ".ci/no-std-probe",
        ".ci/probe-targets",
    ];
    for script in scripts {
        let file = fs::metadata(tree::root().join(script)).expect("the script is there");
        assert!(file.permissions().mode() & 0o111 == 0o111, "{script} has no run bit");
    }
}

#[test]
fn programs_of_others_are_as_they_were_published() {
    use sha2::{Digest as _, Sha256};
    let folder = tree::root().join("core/console/vendor");
    let table = fs::read_to_string(folder.join("README.md")).expect("the folder has a table");
    let mut files = 0;
    for row in table.lines().filter(|row| row.contains(".js`") || row.contains(".css`")) {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, _, _, _, file, sum, _] = cells[..] else { panic!("not a row: {row}") };
        let bytes = fs::read(folder.join(file)).expect(file);
        let digest = Sha256::digest(&bytes);
        let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, sum, "{file}");
        let licence = folder.join(file).with_file_name("LICENSE");
        assert!(licence.is_file(), "{file} has no licence beside it");
        files += 1;
    }
    let scripts = tree::files().into_iter().filter(|path| {
        let is_code = path.extension().is_some_and(|end| end == "js" || end == "css");
        path.starts_with("core/console/vendor") && is_code
    });
    assert_eq!(files, scripts.count(), "each program of others is in the table");
}

#[test]
fn the_repository_stays_small() {
    let len = |path: &Path| fs::metadata(tree::root().join(path)).expect("the file is there").len();
    let files = tree::files();
    let sum = |folder: &str| {
        files.iter().filter(|path| path.starts_with(folder)).map(|path| len(path)).sum::<u64>()
    };
    let long: Vec<_> = files.iter().filter(|path| len(path) > FILE_LEN_MAX).collect();
    assert!(long.is_empty(), "files over {FILE_LEN_MAX} bytes: {long:?}");
    assert!(sum("tests/media") <= MEDIA_LEN_MAX);
    assert!(sum("tests/captures") <= CAPTURES_LEN_MAX);
}

/// Fails with every complaint that `rule` has about a text file.
fn refuse(files: Vec<std::path::PathBuf>, rule: impl Fn(&Path, &str) -> Option<String>) {
    assert!(!files.is_empty(), "the rule looked at no file");
    let complaints: Vec<String> =
        files.iter().filter_map(|path| rule(path, &tree::text(path)?)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}
