//! What `millstream replay --write-flv` writes, as ffprobe reads it.
use millstream_tests::client::Scratch;
use millstream_tests::server::binary;
use millstream_tests::{program::output_of, tree};
use pretty_assertions::assert_eq;
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};

millstream_tests::on_both_transports!(
    ffprobe_reads_the_published_media,
    the_capture_is_not_written_over,
    what_has_nothing_to_replay_is_told_in_words,
);

/// The streams of a file; fails on any complaint.
fn streams(file: &std::path::Path) -> Vec<(String, u64)> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-count_packets", "-show_streams", "-of", "json"]).arg(file);
    let output = command.stdin(Stdio::null()).output().expect("tests/run installs ffprobe");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let streams = document["streams"].as_array().expect("streams").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut streams: Vec<_> = streams
        .map(|it| (text(&it["codec_name"]), text(&it["nb_read_packets"]).parse().unwrap_or(0)))
        .collect();
    streams.sort();
    streams
}

fn ffprobe_reads_the_published_media() {
    let scratch = Scratch::new("replay");
    for (name, expected) in [
        ("ffmpeg-4.0git2018_publish_nginxrtmp", &[("aac", 259), ("h264", 150)][..]),
        ("ffmpeg-5.1.9_publish_nginxrtmp_videoonly", &[("h264", 100)]),
        ("ffmpeg-5.1.9_publish_srs7_mp3only", &[("mp3", 154)]),
        ("obs-29.0.2_publish-query_srs7", &[("aac", 317), ("h264", 111)]),
    ] {
        let capture = tree::root().join(format!("tests/captures/{name}.pcap"));
        let file = scratch.file(&format!("{name}.flv"));
        let mut command = Command::new(binary());
        drop(output_of(command.arg("replay").arg(capture).arg("--write-flv").arg(&file)));
        let found = streams(&file);
        let found: Vec<_> = found.iter().map(|(codec, count)| (codec.as_str(), *count)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

fn the_capture_is_not_written_over() {
    let scratch = Scratch::new("replay-same");
    let kept = tree::root().join("tests/captures/ffmpeg-5.1.9_publish_srs7_mp3only.pcap");
    let capture = scratch.file("x.pcap");
    fs::copy(&kept, &capture).expect("a copy");
    let link = scratch.file("link.flv");
    std::os::unix::fs::symlink(&capture, &link).expect("a link");
    for file in [&capture, &link] {
        let mut command = Command::new(binary());
        command.arg("replay").arg(&capture).arg("--write-flv").arg(file);
        let output = command.output().expect("it runs");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{complaint}");
        assert!(complaint.contains("is the capture: name another file"), "{complaint}");
    }
    assert_eq!(fs::read(&capture).expect("a file"), fs::read(&kept).expect("a file"));
}

fn what_has_nothing_to_replay_is_told_in_words() {
    let scratch = Scratch::new("replay-cut");
    let whole = tree::root().join("tests/captures/ffmpeg-5.1.9_publish_srs7_mp3only.pcap");
    let mut bytes = fs::read(whole).expect("a capture");
    let cut = scratch.file("x.pcap");
    let check = |bytes: &[u8], expected: &str| {
        fs::write(&cut, bytes).expect("a file");
        let output = Command::new(binary()).arg("replay").arg(&cut).output().expect("it runs");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{complaint}");
        assert!(complaint.contains(expected), "{complaint}");
    };
    check(&bytes[..30], "(the file breaks off at byte 24; what came before was read)");
    // As if it were of a wireless network.
    bytes[20..24].copy_from_slice(&127_u32.to_le_bytes());
    check(&bytes, "packets were left out: of a link layer that is not known)");
}
