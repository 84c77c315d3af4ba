//! `millstream inspect` as its users meet it.

use pretty_assertions::assert_eq;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_millstream");

fn media(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/media");
    folder.join(name).to_str().expect("a plain path").to_owned()
}

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).arg("inspect").args(args).output().expect("the program starts")
}

/// What is printed, and the exit code.
fn print(args: &[&str]) -> (String, Option<i32>) {
    let output = run(args);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).expect("text"), output.status.code())
}

#[test]
fn tables_and_a_verdict() {
    let (text, code) = print(&[&media("enhanced-hevc-aac.flv")]);
    for words in ["HEVC Main", "AAC LC 44.1 kHz", "keyframes", "GOP ms", "verdict: good\n"] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    assert_eq!(code, Some(0));
    let (text, _) = print(&["--frames", &media("enhanced-hevc-aac.flv")]);
    assert!(text.contains("video track 0 dts "), "{text}");
}

#[test]
fn json_is_one_document() {
    let (text, code) = print(&["--json", &media("enhanced-multitrack-h264x2-aacx2.flv")]);
    let document: Value = serde_json::from_str(&text).expect("a document");
    assert_eq!((&document["format"], &document["verdict"]), (&"FLV".into(), &"good".into()));
    assert_eq!(document["tracks"].as_array().map(Vec::len), Some(4));
    assert_eq!(code, Some(0));
}

#[test]
fn a_bad_file_is_exit_code_1() {
    let folder = Scratch::new();
    let whole = std::fs::read(media("enhanced-hevc-aac.flv")).expect("a sample");
    let cut = folder.write("cut.flv", &whole[..whole.len() / 2]);
    let (text, code) = print(&[&cut]);
    assert!(text.contains("bad: the file ends inside of a tag"), "{text}");
    assert_eq!(code, Some(1));

    let nothing = folder.write("nothing", b"nothing");
    let output = run(&[&nothing]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("neither FLV, nor MPEG-TS"), "{complaint}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn row_085_a_playlist_reads_nothing_but_its_own_folder() {
    let folder = Scratch::new();
    folder.write("secret", b"G");
    let below = folder.0.join("below");
    std::fs::create_dir_all(&below).expect("a folder");
    for uri in ["../secret", "%2e%2e/secret", "/etc/passwd", "file:///etc/passwd", "a/../../secret"]
    {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{uri}\n");
        let playlist = folder.write("below/x.m3u8", text.as_bytes());
        let (text, code) = print(&[&playlist]);
        assert!(text.contains("not a file beside the playlist"), "{text}");
        assert_eq!(code, Some(1));
    }
}

/// A folder of one test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default().replace(':', "-");
        let name = format!("millstream-inspect-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.to_str().expect("a plain path").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
