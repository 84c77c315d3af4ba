use super::*;
use crate::entropy::Entropy;
use crate::scenario::Scenario;
use crate::transport::{Due, SimTransport, SlotOrder};
use crate::world::{Origin, run};
use bytes::BytesMut;
use millstream_core::config::transcode::{
    Audio, AudioEncoder, Engine, FfmpegOption, Fps, Output, Scope, Transcode, Video, VideoEncoder,
};
use millstream_core::config::{
    Forward, Hls, HlsStorage, Page, PublishPolicy, Refer, SendDelay, TimeJitter, Vhost,
};
use millstream_core::drive::{Budget, Drive, Service};
use millstream_core::rng::Rng;
use millstream_core::session::{ClientRequest, Intent, Session, SessionConfig};
use millstream_core::shard::Placement;
use millstream_core::time::WallClock;
use pretty_assertions::assert_eq;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

fn setup() -> Setup {
    let mut config = crate::scenario::ServerPlan::default().config();
    config.limits.tracks_max = 3;
    let vhost = Vhost {
        chunk_size: Some(4_096),
        enabled: false,
        publish_policy: PublishPolicy::Takeover,
        refer: Refer { play: vec!["a.example".into(), "b.example".into()], ..Refer::default() },
        send_delay: SendDelay::Fixed(Duration::from_millis(7)),
        time_jitter: TimeJitter::Zero,
        forwards: vec![Forward::parse("rtmp://h:1936/{app}/key?a=b c").unwrap()],
        hls: Hls { storage: HlsStorage::Disk { path: "/a b".into() }, ..Hls::default() },
        transcodes: vec![transcode()],
        ..Vhost::default()
    };
    config.vhosts.insert("other.example".into(), Arc::new(vhost));
    config.pages = pages();
    let wall = WallClock { unix_millis: 1_700_000_000_000 };
    Setup {
        config,
        placement: Placement::SINGLE,
        seed: 5,
        start: Instant::from_micros(77_000),
        wall,
    }
}

/// Every field has something that is not usual.
fn transcode() -> Transcode {
    let option = || FfmpegOption { name: "x".into(), value: "y \"z\"\n".into() };
    let video = VideoEncoder {
        bitrate: Some(300_000),
        codec: "libx264".into(),
        fps: Some(Fps(2_997)),
        params: vec![option(), option()],
        preset: Some("fast".into()),
        profile: None,
        size: Some((640, 360)),
        threads: Some(2),
    };
    let audio = AudioEncoder {
        bitrate: None,
        channels: Some(1),
        codec: "aac".into(),
        params: vec![option()],
        sample_rate: Some(44_100),
    };
    let engine = |audio, video| Engine {
        audio,
        input_format: Some("flv".into()),
        name: "sd".into(),
        output: Output("rtmp://127.0.0.1/é".into()),
        output_format: None,
        video,
        video_filter: vec![option()],
    };
    let engines =
        vec![engine(Audio::Encode(audio), Video::Encode(video)), engine(Audio::Off, Video::Copy)];
    let scope = Scope::parse("live/cam");
    Transcode { engines, ffmpeg: "/opt/ffmpeg".into(), log_directory: Some("".into()), scope }
}

/// What the program serves that replays.
fn pages() -> Arc<[Page]> {
    let fields = &[("Content-Security-Policy", "default-src 'self'")];
    let (path, content_type, bytes, etag) = ("/", "text/html", b"<p>", "\"7\"");
    Arc::new([Page { path, content_type, bytes, etag, fields }])
}

fn replay(trace: &str) -> Result<usize, Divergence> {
    super::replay(trace, &pages())
}

/// The full trace of a client that connects, is damaged or not, and leaves.
fn record(damage: Option<usize>) -> String {
    let setup = setup();
    let start = setup.start.as_micros();
    let net = SimTransport::new(7, start, SlotOrder::Shifted, Entropy::empty());
    let mut traced = Traced::with_setup(net, Vec::new(), &setup);
    let mut reloaded = setup.config.clone();
    reloaded.chunk_size = 4_000;
    let configs = vec![Arc::new(setup.config.clone()), Arc::new(reloaded)];
    let plan = crate::scenario::ServerPlan::default();
    let reload = |at| crate::scenario::Reload { at, spread: 0, plan };
    let reloads = [reload(2_000), reload(400_000)];
    traced.inner_mut().plan_reloads(configs, &reloads, &mut Entropy::empty());
    let mut server = setup.server();
    let mut drive = Drive::new(Budget::default());
    let link =
        traced.inner_mut().connect(0, 0, Service::Rtmp, Default::default(), Entropy::empty());
    let request = ClientRequest {
        intent: Intent::Publish,
        app: Arc::from("live"),
        tc_url: Arc::from("rtmp://simulated/live"),
        stream: Arc::from("one"),
    };
    let mut out = BytesMut::new();
    let config = Arc::new(SessionConfig::default());
    let now = traced.inner().instant();
    let mut session = Session::client(config, request, now, Rng::new(1), &mut out);
    let mut cx = Context::from_waker(Waker::noop());
    for round in 0..400 {
        if damage == Some(round) {
            out.extend_from_slice(b"\xFF\xFF\xFF");
        }
        if round == 200 {
            traced.inner_mut().client_end(link, false);
        }
        traced.inner_mut().client_write(link, &mut out);
        let _ = drive.poll(&mut server, &mut traced, &mut cx);
        let Some(at) = traced.inner().next_at() else { break };
        traced.inner_mut().advance(at);
        while let Some(due) = traced.inner_mut().pop_due() {
            assert_eq!(due, Due::Client(link));
        }
        let mut bytes = Vec::new();
        let _ = traced.inner_mut().client_read(link, 9_999, |part| bytes.extend_from_slice(part));
        let mut input = &bytes[..];
        let now = traced.inner().instant();
        while let Ok(Some(_)) = session.receive(now, &mut input, &mut out) {}
    }
    assert!(traced.failure().is_none());
    String::from_utf8(traced.into_output()).unwrap()
}

#[test]
fn a_full_trace_replays_to_its_last_line() {
    for damage in [None, Some(2), Some(5), Some(9)] {
        let trace = record(damage);
        assert!(trace.contains("event closed"), "{trace}");
        assert!(trace.contains(" chunk_size 4000 "), "{trace}");
        assert_eq!(replay(&trace), Ok(trace.lines().count()));
    }
}

#[test]
fn a_trace_that_was_cut_short_replays_as_far_as_it_goes() {
    let trace = record(None);
    let lines = trace.lines().count();
    let begin = trace.lines().position(|line| line == "begin").unwrap() + 1;
    for keep in (begin..lines).step_by(7) {
        let cut: String = trace.lines().take(keep).flat_map(|line| [line, "\n"]).collect();
        assert_eq!(replay(&cut), Ok(keep));
        // A last line without its end is not compared.
        assert_eq!(replay(&format!("{cut}wai")), Ok(keep));
    }
}

#[test]
fn a_damaged_line_is_found() {
    let trace = record(None);
    let lines: Vec<&str> = trace.lines().collect();
    let begin = lines.iter().position(|line| *line == "begin").unwrap() + 1;
    let broken = |at: usize, lines: &[&str]| {
        let divergence = replay(&(lines.join("\n") + "\n")).unwrap_err();
        assert!(divergence.line <= at + 2, "line {at} is damaged: {divergence}");
    };
    for at in begin..lines.len() - 2 {
        let damaged = format!("{}?", lines[at]);
        let mut other = lines.clone();
        other[at] = &damaged;
        broken(at, &other);
        let mut other = lines.clone();
        other.insert(at, "nonsense");
        broken(at, &other);
        let mut other = lines.clone();
        other.remove(at);
        let is_work = ["write", "event", "do"].iter().any(|verb| lines[at].starts_with(verb));
        // The replay ends whatever is missing, and misses what the server does.
        let replayed = replay(&(other.join("\n") + "\n"));
        assert!(replayed.is_err() || !is_work || other[at] == lines[at], "line {at} is missing");
    }
}

#[test]
fn a_server_that_does_something_else_is_found_out() {
    let trace = record(None);
    let cases = [
        ("seed 5", "seed 6", "write c1"),
        ("stream=__defaultVhost__/live/one", "stream=__defaultVhost__/live/two", "event"),
        ("do close c1", "do reading c1 off", "do "),
        ("handshake_timeout 10000000", "handshake_timeout 10000001", "deadline"),
    ];
    for (from, to, begin) in cases {
        let other = trace.replacen(from, to, 1);
        assert!(other != trace, "{from}");
        let divergence = replay(&other).unwrap_err();
        assert!(divergence.recorded.starts_with(begin), "{from}: {divergence}");
    }
}

#[test]
fn what_is_no_trace_is_refused() {
    for text in ["", "millstream-trace 4\n", "millstream-trace 5\nlimit many 3\nbegin\n"] {
        assert!(replay(text).is_err());
    }
    // What this program serves is not what was served.
    let trace = record(None);
    assert!(super::replay(&trace, &pages()).is_ok());
    let found = super::replay(&trace, &Arc::default()).unwrap_err();
    assert!(found.replayed.ends_with("with its pages"), "{found}");
}

#[test]
fn the_setup_is_read_as_it_was_written() {
    let text = setup().write();
    assert_eq!(Setup::parse(&text, &pages()), Some(setup()));
}

#[test]
fn a_folded_trace_tells_what_happened() {
    let scenario = Scenario::draw(&mut Entropy::empty());
    let outcome = run(&scenario, Origin::FIRST, Detail::Brief);
    let folded = fold(&outcome.trace);
    let words: Vec<&str> = folded
        .lines()
        .filter(|line| !line.contains("progress") && !line.contains("event stream"))
        .filter_map(|line| line.split("event ").nth(1)?.split(' ').next())
        .collect();
    let expected = [
        "accepted",
        "accepted",
        "connected",
        "connected",
        "published",
        "played",
        "codec",
        "codec",
        "unpublished",
        "closed",
        "stopped",
        "closed",
    ];
    assert_eq!(words, expected);
    assert!(folded.lines().count() * 10 < outcome.trace.lines().count());
}
