//! What an independent reader of the wire says, and what clients are told at the end.
use millstream_tests::client::{Encoder, Player, Scratch, publish_forever};
use millstream_tests::program::{Program, output_of};
use millstream_tests::sample::{self, H264_AAC};
use millstream_tests::server::Server;
use std::path::Path;
use std::process::Command;

millstream_tests::on_both_transports!(
    tshark_reads_every_session_without_complaint,
    the_end_is_told_and_clean,
);

/// Captures what goes to and from a server, from before the first packet to after the last.
fn capture(server: &Server, file: &Path) -> Program {
    let port = server.address().port().to_string();
    let mut command = Command::new("tcpdump");
    command.args(["-i", "lo", "-n", "-U", "-B", "16384", "-s", "0", "-Z", "root", "-w"]);
    command.arg(file).args(["tcp", "port", &port]);
    let capturing = Program::start(command);
    capturing.wait_for(&["listening on"]);
    capturing
}

/// The fields that tshark finds in the packets that match a filter, a line each.
fn dissect(server: &Server, file: &Path, filter: &str, field: &str) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-d", &format!("tcp.port=={},rtmpt", server.address().port())]);
    command.args(["-o", "rtmpt.max_packet_size:1000000", "-Y", filter]);
    command.args(["-T", "fields", "-e", field, "-r"]).arg(file);
    let text = String::from_utf8(output_of(&mut command)).expect("tshark writes UTF-8");
    text.lines().map(str::to_owned).collect()
}

fn tshark_reads_every_session_without_complaint() {
    let server = Server::start();
    let url = server.url("live/wire");
    let scratch = Scratch::new("wire");
    let file = scratch.file("session.pcap");
    let capturing = capture(&server, &file);
    let sample = sample::made(H264_AAC);
    for encoder in [Encoder::Ffmpeg, Encoder::GstRtmpSink] {
        let publisher = encoder.publish(&sample, &url);
        encoder.wait_for_media(&publisher);
        let players = [Player::Ffmpeg, Player::Rtmpdump, Player::GstRtmp2Src]
            .map(|player| (player, player.record(&url, &scratch.file(&format!("{player:?}.flv")))));
        let (refused, _) = Encoder::Ffmpeg.publish(&sample, &url).finish();
        assert!(!refused.success());
        drop(publisher.finish());
        players.into_iter().for_each(|(player, playing)| player.stop(playing));
    }
    capturing.signal("INT");
    let (status, log) = capturing.finish();
    assert!(status.success() && log.contains("\n0 packets dropped by kernel"), "{log}");

    let wrong = dissect(&server, &file, "_ws.malformed || _ws.expert.severity >= 8388608", "frame");
    assert!(wrong.is_empty(), "{wrong:#?}");
    let said = dissect(&server, &file, "amf.string", "amf.string").join("\n");
    for code in ["NetStream.Publish.Start", "NetStream.Publish.BadName", "NetStream.Play.Start"] {
        assert!(said.contains(code), "nobody was told {code}");
    }
    let sent = dissect(&server, &file, "rtmpt.header.typeid == 9", "frame.number").len();
    assert!(sent > 500, "{sent} packets with video");
}

fn the_end_is_told_and_clean() {
    for signal in ["TERM", "INT"] {
        let server = Server::start();
        let url = server.url("live/end");
        let scratch = Scratch::new(&format!("end-{signal}"));
        let file = scratch.file("played.flv");
        let publisher = publish_forever(&sample::made(H264_AAC), &url);
        let mut command = Command::new("rtmpdump");
        command.args(["--verbose", "--live", "--rtmp", &url, "--flv"]).arg(&file);
        let playing = Program::start(command);
        playing.wait_for(&["NetStream.Play.Start"]);
        playing.wait_for(&["kB / "]);

        let server = server.into_program();
        server.signal(signal);
        let (status, log) = server.finish();
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        let (_, log) = playing.finish();
        let told =
            ["NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete"];
        assert!(told.iter().any(|code| log.contains(code)), "the player was not told:\n{log}");
        drop(publisher.finish());
    }
}
