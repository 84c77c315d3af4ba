//! What the programs lack that transcode: found by `millstream check`, and told by a server that starts
//! or reloads.
use millstream_tests::client::Scratch;
use millstream_tests::program::Program;
use millstream_tests::server::binary;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

const LISTING: &str = "cat <<'END'
Encoders:
 V..... = Video
 ------
 V....D libx264              libx264 H.264 (codec h264)
 V....D libx265              libx265 H.265 / HEVC (codec hevc)
 A....D aac                  AAC (Advanced Audio Coding)
END";

/// A script in place of ffmpeg, beside the configuration.
fn script(scratch: &Scratch, name: &str, mode: u32, body: &str) {
    let file = scratch.file(name);
    fs::write(&file, format!("#!/bin/sh\n{body}\n")).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a file of our own");
}

fn engine(what: &str) -> String {
    format!("engine \"sd\" {{ {what}; output \"rtmp://127.0.0.1/live/[stream]_sd\"; }}")
}

/// A configuration whose only transcode has `ffmpeg` and this engine.
fn configure(scratch: &Scratch, ffmpeg: &str, what: &str) {
    let text = format!(
        "listen \"127.0.0.1:0\"\nhttp \"off\"\nvhost \"__defaultVhost__\" {{\n    transcode {{\n        \
         ffmpeg \"{ffmpeg}\"\n        {}\n    }}\n}}\n",
        engine(what)
    );
    fs::write(scratch.file("a.kdl"), text).expect("a configuration");
}

fn millstream(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).args(["-c", "a.kdl"]).env("NO_COLOR", "1").stdin(Stdio::null());
    command.current_dir(scratch.file("")).env_remove("MILLSTREAM_CONFIG");
    command
}

/// The exit code of `millstream check`, and what it says.
fn check(scratch: &Scratch, more: &[&str]) -> (i32, String, String) {
    let arguments = [&["check"], more].concat();
    let output = millstream(scratch, &arguments).output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

#[test]
fn an_encoder_that_is_not_there_is_shown_in_the_file() {
    let scratch = Scratch::new("encoders-shown");
    script(&scratch, "ffmpeg", 0o755, LISTING);
    configure(&scratch, "./ffmpeg", "video \"libx246\" fps=25; audio \"aac\"");
    let (code, out, err) = check(&scratch, &[]);
    let expected = "  × `./ffmpeg` has no video encoder `libx246`
   ╭─[a.kdl:6:29]
 5 │         ffmpeg \"./ffmpeg\"
 6 │         engine \"sd\" { video \"libx246\" fps=25; audio \"aac\"; output \"rtmp://127.0.0.1/live/[stream]_sd\"; }
   ·                             ────┬────
   ·                                 ╰── it does not know this name
 7 │     }
   ╰────
  help: did you mean `libx264`?
";
    let shown: Vec<&str> = err.lines().map(str::trim_end).collect();
    assert_eq!(shown, expected.lines().chain([""]).collect::<Vec<_>>());
    assert_eq!((code, out.as_str()), (1, "a.kdl: 1 problem\n"));
    let (code, out, _) = check(&scratch, &["--json"]);
    let document: Value = serde_json::from_str(&out).expect("JSON");
    let problem = json!({
        "file": "a.kdl", "line": 6, "column": 29, "offset": 129, "length": 9, "severity": "error",
        "message": "`./ffmpeg` has no video encoder `libx246`",
        "label": "it does not know this name", "help": "did you mean `libx264`?",
    });
    assert_eq!(document, json!({"file": "a.kdl", "ok": false, "problems": [problem]}));
    assert_eq!(code, 1);
    for right in ["video \"libx264\"", "video \"h264\" fps=25", "audio \"aac\"; video \"vn\""] {
        configure(&scratch, "./ffmpeg", right);
        assert_eq!(check(&scratch, &[]).1, "a.kdl: good\n", "{right}");
    }
}

#[test]
fn row_117_a_program_that_is_none_is_shown_in_the_file() {
    let scratch = Scratch::new("encoders-none");
    script(&scratch, "exits", 0o755, "echo it is broken >&2; exit 1");
    script(&scratch, "text", 0o644, LISTING);
    fs::create_dir(scratch.file("folder")).expect("a folder of our own");
    let check = |ffmpeg: &str, words: &str| {
        configure(&scratch, ffmpeg, "video \"copy\"");
        let (code, _, err) = check(&scratch, &[]);
        let first = err.lines().next().unwrap_or_default();
        assert_eq!((code, first), (1, format!("  × `{ffmpeg}` {words}").as_str()));
        let place = format!("{}╰── the engines of this transcode need it", " ".repeat(3));
        assert!(err.contains("a.kdl:5:16") && err.contains(place.trim()), "{err}");
        assert!(err.contains("help: install ffmpeg, or write ffmpeg \"PATH\""), "{err}");
    };
    check("./exits", "exits with 1 when asked (it is broken)");
    check("./text", "cannot be run: Permission denied (os error 13)");
    check("./folder", "cannot be run: Permission denied (os error 13)");
    check("./nowhere", "cannot be run: No such file or directory (os error 2)");
    check("no-ffmpeg-of-this-name", "cannot be run: No such file or directory (os error 2)");
}

#[test]
fn nothing_is_run_where_nothing_is_transcoded() {
    let scratch = Scratch::new("encoders-off");
    script(&scratch, "ffmpeg", 0o755, "touch has-run");
    let off = format!(
        "vhost \"a\" {{ transcode enabled=#false {{ ffmpeg \"./ffmpeg\"; {}; }}; }}\n",
        engine("video \"libx246\"")
    );
    fs::write(scratch.file("a.kdl"), off).expect("a configuration");
    assert_eq!(check(&scratch, &[]).1, "a.kdl: good\n");
    // A file that is wrong by itself is told of first.
    configure(&scratch, "./ffmpeg", "vidio \"copy\"");
    assert_eq!(check(&scratch, &[]).0, 1);
    assert!(!scratch.file("has-run").exists());
}

#[test]
fn a_server_warns_and_serves_all_the_same() {
    let scratch = Scratch::new("encoders-warned");
    script(&scratch, "ffmpeg", 0o755, LISTING);
    script(&scratch, "hangs", 0o755, "touch has-run; exec sleep 1000");
    configure(&scratch, "./ffmpeg", "audio \"acc\"");
    let server = Program::start(millstream(&scratch, &["serve"]));
    server.wait_for(&["Ctrl-C ends"]);
    server.wait_for(&[
        "WARN",
        "a.kdl:6:29: `./ffmpeg` has no audio encoder `acc`; did you mean `aac`?",
    ]);
    configure(&scratch, "./ffmpeg", "video \"libx26\"");
    server.signal("HUP");
    server.wait_for(&["reload 1: done"]);
    server.wait_for(&["WARN", "has no video encoder `libx26`; did you mean `libx264`?"]);
    // Nobody waits for a program that hangs, and it does not outlive the server.
    configure(&scratch, "./hangs", "video \"copy\"");
    server.signal("HUP");
    server.wait_for(&["reload 2: done"]);
    server.wait_until("the program runs", |_| scratch.file("has-run").exists());
    let asked = children(server.id());
    assert!(!asked.is_empty());
    server.signal("TERM");
    let (status, log) = server.finish();
    assert!(status.success(), "{log}");
    let is_over = |id: &u32| {
        let line = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        !line.contains("sleep")
    };
    assert!(asked.iter().all(is_over), "{asked:?}");
}

#[test]
fn a_server_whose_ffmpeg_has_all_says_nothing() {
    let scratch = Scratch::new("encoders-right");
    script(&scratch, "ffmpeg", 0o755, &format!("touch has-run\n{LISTING}"));
    configure(&scratch, "./ffmpeg", "video \"libx264\"");
    let server = Program::start(millstream(&scratch, &["serve"]));
    server.wait_until("it was asked", |_| scratch.file("has-run").exists());
    server.signal("TERM");
    let (status, log) = server.finish();
    assert!(status.success() && !log.contains("WARN"), "{log}");
}

/// The processes that `id` has started and that have not been waited for.
fn children(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(Path::new("/proc").join(id.to_string()).join("task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids = |list: String| list.split(' ').filter_map(|id| id.trim().parse().ok()).collect();
    lists.flat_map::<Vec<u32>, _>(ids).collect()
}
