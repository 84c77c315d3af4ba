//! The load tool by HTTP: viewers of this server, and of one that does it wrong.
use millstream_tests::server::{Server, binary};
use pretty_assertions::assert_eq;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

millstream_tests::on_both_transports!(
    viewers_of_endless_bodies_measure_latency_and_lose_nothing,
    viewers_of_hls_take_each_segment_once,
    what_is_not_there_is_told,
);

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/host/assets/demo.flv");

/// Runs `millstream bench` and gives its result, and whether it was content.
fn bench(args: &[&str]) -> (Value, bool) {
    let output = Command::new(binary()).arg("bench").args(args).arg("--json").output().expect("it");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.stdout.is_empty(), "{complaint}");
    (serde_json::from_slice(&output.stdout).expect("an object"), output.status.success())
}

fn viewed(server: &Server, what: &str, path: &str, viewers: &str, time: &str) -> Value {
    let (from, to) = (server.http_url(path), server.url("live/load"));
    let args = [what, &from, "--publish", CLIP, "--publish-url", &to];
    let args = [&args[..], &["--viewers", viewers, "--for", time, "--threads", "1"]].concat();
    let (result, is_content) = bench(&args);
    assert!(is_content, "{result}");
    let started = viewers.parse::<u64>().expect("a number");
    assert_eq!(result["started"], started, "{result}");
    for none in ["failed", "lost", "silent", "lost_frames", "lost_segments", "faults"] {
        assert_eq!(result[none], 0, "{none}: {result}");
    }
    assert!(result["bytes"].as_u64() > Some(started * 10_000), "{result}");
    result
}

fn viewers_of_endless_bodies_measure_latency_and_lose_nothing() {
    let server = Server::start();
    for path in ["live/load.flv", "live/load.ts"] {
        let result = viewed(&server, "flv", path, "10", "2s");
        // About 50 pictures for each; most were sent after its start.
        let latency = &result["latency_us"];
        assert!(latency["count"].as_u64() > Some(200), "{result}");
        assert!(latency["median"].as_u64() < Some(1_000_000), "{result}");
    }
}

fn viewers_of_hls_take_each_segment_once() {
    let server = Server::start();
    let result = viewed(&server, "hls", "live/load.m3u8", "5", "6s");
    // Segments of two seconds, three for each or so, and each has its pictures.
    let segments = result["segments"].as_u64().expect("a number");
    assert!((5..=30).contains(&segments), "{result}");
    assert_eq!(result["segment_us"]["count"], segments, "{result}");
    assert!(result["playlist_us"]["count"].as_u64() >= Some(10), "{result}");
    assert!(result["latency_us"]["count"].as_u64() >= Some(5), "{result}");
}

fn what_is_not_there_is_told() {
    let server = Server::start();
    for (what, path) in [("flv", "live/none.flv"), ("hls", "live/none.m3u8")] {
        let (result, is_content) =
            bench(&[what, &server.http_url(path), "--viewers", "2", "--for", "1s"]);
        assert!(!is_content, "{result}");
        assert_eq!(result["failures"]["the server refused: status 404"], 2, "{result}");
    }
}

/// A server whose playlists leap over segments, whose segments are no transport streams or are not
/// there, and that closes its connections now and then.
fn wrong_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut lists = 0;
        for stream in listener.incoming().flatten() {
            // Three answers for each connection; what fails then is the viewer's own business.
            let _ = answer_three(&stream, &mut lists);
        }
    });
    address
}

fn answer_three(mut stream: &TcpStream, lists: &mut u32) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    for _ in 0..3 {
        let (mut line, mut field) = (String::new(), String::new());
        reader.read_line(&mut line)?;
        while reader.read_line(&mut field)? > 2 {
            field.clear();
        }
        let (status, body) = if line.contains(".m3u8") {
            *lists += 1;
            let first = if *lists == 1 { 0 } else { 5 };
            let names: String =
                (first..first + 2).map(|n| format!("#EXTINF:1.0,\na-{n}.ts\n")).collect();
            let head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n";
            ("200 OK", format!("{head}#EXT-X-MEDIA-SEQUENCE:{first}\n{names}"))
        } else if line.contains("a-6.ts") {
            ("404 Not Found", String::new())
        } else {
            ("200 OK", "this is no transport stream".to_owned())
        };
        let len = body.len();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {len}\r\n\r\n{body}")?;
    }
    Ok(())
}

#[test]
fn a_server_that_does_it_wrong_is_found_out() {
    let url = format!("http://{}/live/a.m3u8", wrong_server());
    let (result, _) = bench(&["hls", &url, "--viewers", "1", "--for", "3s"]);
    assert_eq!((&result["started"], &result["lost"]), (&1.into(), &0.into()), "{result}");
    // Segments 0, 1 and 5 came; 2 to 4 had left, 6 was not there.
    assert_eq!((&result["segments"], &result["lost_segments"]), (&3.into(), &4.into()), "{result}");
    assert!(result["faults"].as_u64() >= Some(3), "{result}");
}
