use super::unix::ask_within;
use super::*;
use pretty_assertions::assert_eq;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A script in place of ffmpeg.
fn script(folder: &Path, mode: u32, body: &str) -> PathBuf {
    let file = folder.join("ffmpeg");
    let _ = fs::remove_file(&file);
    fs::write(&file, format!("#!/bin/sh\n{body}\n")).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a file of our own");
    file
}

fn answer(program: &Path) -> Result<Encoders, String> {
    answer_within(program, Duration::from_secs(20))
}

fn answer_within(program: &Path, time_max: Duration) -> Result<Encoders, String> {
    let program = program.to_str().expect("text");
    // A script that was just written may be held open by a process that another test has forked.
    let busy = |answer: &Result<Encoders, String>| {
        answer.as_ref().is_err_and(|words| words.contains("Text file busy"))
    };
    let ask = || ask_within(program, 100_000, time_max);
    std::iter::repeat_with(ask).find(|answer| !busy(answer)).expect("an answer")
}

#[test]
fn row_117_whatever_a_program_does_there_is_an_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |mode: u32, body: &str, expected: &str| {
        let answer = answer(&script(folder.path(), mode, body));
        assert_eq!(answer.expect_err(body), expected, "{body}");
    };
    check(0o755, "exit 0", "names no encoders when asked");
    check(0o755, "echo hello; echo '-----'", "names no encoders when asked");
    check(0o755, "echo it is broken >&2; exit 1", "exits with 1 when asked (it is broken)");
    check(0o755, "printf 'a\\033[31mb' >&2; exit 3", "exits with 3 when asked (a\\x1b[31mb)");
    check(0o755, "kill -s SEGV $$", "is ended by signal 11");
    check(0o755, "yes", "prints without end when asked");
    for body in [
        "exec sleep 1000",
        "exec >&- 2>&-; sleep 1000",
        "trap '' TERM; sleep 1000 & wait",
        "yes >&2",
    ] {
        let program = script(folder.path(), 0o755, body);
        let answer = answer_within(&program, Duration::from_secs(1));
        assert_eq!(answer.expect_err(body), "does not answer within 1 s", "{body}");
    }
    check(0o644, "exit 0", "cannot be run: Permission denied (os error 13)");
    let path = folder.path();
    let denied = "cannot be run: Permission denied (os error 13)";
    assert_eq!(answer(path).expect_err("a directory"), denied);
    let nowhere = answer(&path.join("nowhere")).expect_err("no file");
    assert_eq!(nowhere, "cannot be run: No such file or directory (os error 2)");
}

#[test]
fn a_listing_that_is_long_and_takes_its_time_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = "echo ' ------'; sleep 0.3; head -c 90000 /dev/zero | tr '\\0' ' '; echo; \
        sleep 0.3; echo ' V....D mine   Mine'";
    let encoders = answer(&script(folder.path(), 0o755, body)).expect("an answer");
    assert_eq!(Encoders::parse("---\nV..... mine").expect("one"), encoders);
}

#[test]
fn row_118_it_is_asked_without_a_shell_and_with_nothing_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    let _file = fs::File::create(&secret).expect("a file");
    let _listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let told = folder.path().join("told");
    let body = format!(
        "{{ echo \"$#: $*\"; ls -l /proc/$$/fd; }} > {}; echo '---'; echo 'A..... mine'",
        told.display()
    );
    assert!(answer(&script(folder.path(), 0o755, &body)).is_ok());
    let told = fs::read_to_string(told).expect("what the program saw");
    assert!(told.starts_with("2: -hide_banner -encoders\n"), "{told}");
    assert!(!told.contains("secret") && !told.contains("socket:"), "{told}");
    // Signs of a shell are but letters of a name.
    let odd = folder.path().join("$(touch hacked);ffmpeg");
    assert!(answer(&odd).is_err());
    assert!(!fs::exists("hacked").expect("a folder"));
}
