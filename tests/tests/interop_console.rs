//! The console in a real browser, on a stage: what it shows of any server, by mouse, keyboard and
//! on a phone.
use millstream_core::api::{
    AudioState, ClientId, ClientRole, ClientState, GopState, Protocol, ServerState, Snapshot,
    StreamState, VideoState,
};
use millstream_core::event::RenditionEnd;
use millstream_core::flv::tag::Codec;
use millstream_core::forward::{ForwardFailure, ForwardState, ForwardStatus};
use millstream_core::id::{ConnId, ForwardId};
use millstream_core::name::{NameLimits, StreamName};
use millstream_core::rendition::{RenditionState, RenditionStatus};
use millstream_core::shard::ShardId;
use millstream_core::time::WallClock;
use millstream_tests::browser::{Page, Screen};
use millstream_tests::client::Scratch;
use millstream_tests::program::output_of;
use millstream_tests::sample::{self, H264_AAC, Recipe};
use millstream_tests::stage::{Scene, Stage};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const DESK: Screen = Screen { width: 1_360, height: 900, dark: false };
const PHONE: Screen = Screen { width: 390, height: 844, dark: false };
const MEDIA_SECONDS: u32 = 60;
const NO_COMPLAINTS: [&str; 0] = [];

fn stream(app: &str, name: &str, is_live: bool) -> StreamState {
    let limits = NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };
    let video = VideoState {
        codec: Codec::H264,
        description: Arc::from("H.264 High 4.0 1920x1080"),
        size: Some((1_920, 1_080)),
        millihertz: Some(29_970),
        gop: Some(GopState { millis: 8_342, frames: 250 }),
    };
    let description = Arc::from("AAC LC 48 kHz 2 channels");
    let audio = AudioState { codec: Codec::Aac, description };
    StreamState {
        name: StreamName::new("__defaultVhost__", app, name, limits).expect("a legal name"),
        is_home: true,
        publisher: is_live.then_some(client_id(3)),
        age: is_live.then_some(Duration::from_secs(3_725)),
        players: 12,
        hls_viewers: 5,
        video: is_live.then_some(video),
        audio: is_live.then_some(audio),
        skew_millis: is_live.then_some(-412),
        received_bytes: 1_000_000_000,
        sent_bytes: 12_000_000_000,
        received_bits_per_second: if is_live { 4_215_000 } else { 0 },
        sent_bits_per_second: if is_live { 50_600_000 } else { 0 },
        tape_bytes: 9_200_000,
        jumps: 0,
        skips: 2,
        forwards: Vec::new(),
    }
}

fn client_id(slot: u32) -> ClientId {
    ClientId { shard: ShardId(0), conn: ConnId { slot, generation: 1 } }
}

/// A server with these streams, `seconds` after its start.
fn snapshot(streams: Vec<StreamState>, seconds: u64) -> Snapshot {
    let live = streams.iter().filter(|stream| stream.publisher.is_some()).count();
    let server = ServerState {
        shards: 1,
        uptime: Duration::from_secs(seconds),
        wall: WallClock { unix_millis: 1_700_000_000_000 + seconds * 1_000 },
        players: streams.iter().map(|stream| stream.players).sum(),
        publishers: u32::try_from(live).expect("few streams"),
        streams: u32::try_from(streams.len()).expect("few streams"),
        ..ServerState::default()
    };
    let player = ClientState {
        id: client_id(7),
        protocol: Protocol::HttpFlv,
        role: ClientRole::Player,
        stream: streams.first().map(|stream| stream.name.clone()),
        peer: "192.0.2.7:5000".parse().expect("an address"),
        program: None,
        age: Duration::from_secs(71),
        bits_per_second: 4_200_000,
        lag_bytes: 20_000,
        received_bytes: 300,
        sent_bytes: 37_000_000,
    };
    Snapshot { server, streams, clients: vec![player], renditions: Vec::new() }
}

/// A scene with one stream, `live/cam`, that plays by HTTP-FLV and by HLS.
fn playable() -> Scene {
    // Long enough that it does not end while the test looks at it.
    let file = sample::made(Recipe { name: "console", seconds: MEDIA_SECONDS, ..H264_AAC });
    let scratch = Scratch::new("console-hls");
    let playlist = scratch.file("cam.m3u8");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i"]).arg(&file).args(["-c", "copy", "-f", "hls"]);
    command.args(["-hls_time", "2", "-hls_list_size", "0"]).arg(&playlist);
    drop(output_of(&mut command));
    let mut scene = Scene {
        media_seconds: MEDIA_SECONDS,
        snapshot: snapshot(vec![stream("live", "cam", true)], 1),
        ..Scene::default()
    };
    let flv = std::fs::read(file).expect("the sample is there");
    scene.media.insert("/live/cam.flv".into(), ("video/x-flv", flv));
    let folder = playlist.parent().expect("a folder");
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let name = entry.file_name().into_string().expect("a plain name");
        let bytes = std::fs::read(entry.path()).expect("a file of the folder");
        let is_playlist = name.ends_with(".m3u8");
        let kind = if is_playlist { "application/vnd.apple.mpegurl" } else { "video/mp2t" };
        scene.media.insert(format!("/live/{name}"), (kind, bytes));
    }
    scene
}

#[test]
fn a_server_without_streams_tells_how_to_publish_the_first_one() {
    let stage = Stage::open(Scene { snapshot: snapshot(Vec::new(), 1), ..Scene::default() });
    let mut page = Page::open("empty", DESK);
    page.go(&stage.url());
    page.wait_for("document.querySelector('h1')?.textContent === 'Publish your first stream'");
    let shown = page.evaluate("document.querySelector('main').innerText");
    let shown = shown.as_str().expect("text");
    for words in ["rtmp://127.0.0.1/live", "test", "ffmpeg -re", "rtmp://127.0.0.1/live/test"] {
        assert!(shown.contains(words), "no {words} in {shown}");
    }
    check_page(&mut page, "empty-light");
    page.set_screen(Screen { dark: true, ..PHONE });
    check_page(&mut page, "empty-phone-dark");
    // A stream that is published shows by itself.
    stage.change(|scene| scene.snapshot = snapshot(vec![stream("live", "cam", true)], 2));
    page.wait_for("document.querySelector('#streams a')?.textContent.includes('live/cam')");
    page.wait_for("document.querySelector('main h1').textContent === 'live/cam'");
    assert_eq!(page.take_complaints(), NO_COMPLAINTS);
}

#[test]
fn a_stream_is_shown_with_its_figures_curves_urls_and_clients() {
    let stage = Stage::open(playable());
    let mut page = Page::open("figures", DESK);
    page.go(&stage.url());
    page.wait_for("document.querySelector('.figures')");
    // Curves need a few answers of the server.
    for second in 2..6 {
        stage.change(|scene| {
            let mut cam = stream("live", "cam", true);
            cam.received_bits_per_second += second * 90_000;
            cam.players += u32::try_from(second).expect("a few");
            scene.snapshot = snapshot(vec![cam, stream("live", "waiting", false)], second);
        });
        let up = format!("document.getElementById('sums').textContent.includes('up {second} s')");
        page.wait_for(&up);
    }
    let figures = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.figures > div')].map((row) => \
         [row.querySelector('dt').textContent, row.querySelector('dd').textContent]))",
    );
    let expected = json!({
        "Video": "H.264 High 4.0", "Audio": "AAC LC 48 kHz 2 channels",
        "Resolution": "1920×1080", "Frame rate": "29.97 fps",
        "Keyframe every": "8.34 s, 250 pictures", "Bitrate in": "4.67 Mbit/s",
        "Bitrate out": "50.6 Mbit/s", "Players": "17 + 5 by HLS", "Live for": "1 h 2 min",
        "Video ahead of audio": "-412 ms", "Kept for joining": "9.20 MB",
        "Time jumps, skips": "0, 2",
    });
    assert_eq!(figures, expected);
    let warnings = page.evaluate(
        "[...document.querySelectorAll('.warning')].map((one) => one.textContent).filter(Boolean)",
    );
    assert_eq!(warnings.as_array().map(Vec::len), Some(3), "{warnings}");
    assert_eq!(page.evaluate("document.querySelectorAll('.plot canvas').length"), json!(2));
    let now = page.evaluate("document.querySelector('.plot').getAttribute('aria-label')");
    assert!(now.as_str().is_some_and(|now| now.contains("in 4.67 Mbit/s")), "{now}");
    let urls = page
        .evaluate("[...document.querySelectorAll('.copy code')].map((code) => code.textContent)");
    let at = stage.url();
    let expected = [
        format!("{at}live/cam.m3u8"),
        format!("{at}live/cam.flv"),
        "rtmp://127.0.0.1/live/cam".into(),
        "ffplay -fflags nobuffer rtmp://127.0.0.1/live/cam".into(),
        format!("mpv --profile=low-latency {at}live/cam.flv"),
        format!("vlc {at}live/cam.m3u8"),
        "rtmp://127.0.0.1/live".into(),
        "cam".into(),
        "ffmpeg -re -i FILE.mp4 -c copy -f flv rtmp://127.0.0.1/live/cam".into(),
    ];
    assert_eq!(urls, json!(expected));
    page.click("summary");
    page.wait_for("document.querySelector('tbody td')?.textContent === '0-7.1'");
    let row =
        page.evaluate("[...document.querySelectorAll('tbody td')].map((cell) => cell.textContent)");
    let expected =
        ["0-7.1", "player", "http-flv", "192.0.2.7:5000", "1 min 11 s", "4.20 Mbit/s", "20.0 KB"];
    assert_eq!(row, json!(expected));
    page.evaluate("scrollTo(0, 0)");
    check_page(&mut page, "stream-light");
    page.set_screen(Screen { dark: true, ..DESK });
    check_page(&mut page, "stream-dark");
    page.set_screen(PHONE);
    check_page(&mut page, "stream-phone");
    page.evaluate("document.querySelector('.charts').scrollIntoView({ behavior: 'instant' })");
    page.photograph("stream-phone-curves");
    // The switch goes from the system's theme to the light one, then to the dark one.
    for theme in ["light", "dark", "auto"] {
        page.click("#theme");
        let text = page.evaluate("document.getElementById('theme').textContent");
        assert_eq!(text, json!(format!("Theme: {theme}")));
        let ground = page.evaluate("getComputedStyle(document.body).backgroundColor");
        let is_dark = ground == json!("rgb(13, 20, 19)");
        assert_eq!(is_dark, theme == "dark", "{theme}: {ground}");
    }
    assert_eq!(page.take_complaints(), NO_COMPLAINTS);
}

#[test]
fn where_a_stream_goes_is_shown() {
    let stage = Stage::open(Scene {
        snapshot: snapshot(vec![stream("live", "cam", true)], 1),
        ..Scene::default()
    });
    let mut page = Page::open("outward", DESK);
    page.go(&stage.url());
    page.wait_for("document.querySelector('.figures')");
    let shown = "[...document.querySelectorAll('.outward')].filter((card) => !card.hidden)";
    assert_eq!(page.evaluate(&format!("{shown}.length")), json!(0), "there is nothing to show");
    stage.change(|scene| {
        scene.snapshot = outward();
        scene.snapshot.server.uptime = Duration::from_secs(2);
    });
    page.wait_for(&format!("{shown}.length === 2"));
    let cells = page.evaluate(&format!(
        "{shown}.map((card) => [...card.querySelectorAll('tbody tr')].map((row) => \
         [...row.cells].map((cell) => cell.textContent)))"
    ));
    let expected = json!([
        [
            ["rtmp://a.example/live/cam", "forwarding", "1 min 30 s", "12.0 MB", "0 B", "–"],
            [
                "rtmp://b.example/live/..",
                "again in 2.50 s",
                "1 min 30 s",
                "0 B",
                "20.0 KB",
                "refused: <b>BadName</b>"
            ],
        ],
        [
            ["hd", "running", "7 s", "4321", "0", "–", "–"],
            ["sd", "again in 1.00 s", "–", "–", "3", "exited with 1", "first line\nlast line"],
        ],
    ]);
    assert_eq!(cells, expected);
    let marked = page.evaluate(&format!(
        "{shown}.flatMap((card) => [...card.querySelectorAll('td.warning')]).map((cell) => cell.textContent)"
    ));
    assert_eq!(marked, json!(["again in 2.50 s", "20.0 KB", "again in 1.00 s", "3"]));
    page.evaluate("document.querySelector('.outward').scrollIntoView({ behavior: 'instant' })");
    check_page(&mut page, "outward-light");
    page.set_screen(Screen { dark: true, ..PHONE });
    check_page(&mut page, "outward-phone-dark");
    // What is over is not shown any more.
    stage.change(|scene| scene.snapshot = snapshot(vec![stream("live", "cam", true)], 3));
    page.wait_for(&format!("{shown}.length === 0"));
    assert_eq!(page.take_complaints(), NO_COMPLAINTS);
}

/// A stream with two forwards and two renditions, of which one each works.
fn outward() -> Snapshot {
    let mut cam = stream("live", "cam", true);
    let name = cam.name.clone();
    let works = ForwardStatus {
        forward: ForwardId(1),
        name: name.clone(),
        destination: Arc::from("rtmp://a.example/live/cam"),
        state: ForwardState::Forwarding { conn: client_id(9).conn, age: Duration::from_secs(80) },
        age: Duration::from_secs(90),
        failures: 0,
        last_failure: None,
        sent: 12_000_000,
        skipped: 0,
    };
    let fails = ForwardStatus {
        destination: Arc::from("rtmp://b.example/live/.."),
        state: ForwardState::Waiting { left: Duration::from_millis(2_500) },
        failures: 2,
        last_failure: Some((ForwardFailure::Refused, Arc::from("<b>BadName</b>"))),
        sent: 0,
        skipped: 20_000,
        ..works.clone()
    };
    cam.forwards = vec![works, fails];
    let age = Duration::from_secs(7);
    let hd = RenditionStatus {
        name,
        scope: Arc::from("live"),
        engine: Arc::from("hd"),
        state: RenditionState::Running { process: Some(4_321), age },
        age,
        restarts: 0,
        failures: 0,
        last_end: None,
        last_words: Arc::from(""),
    };
    let last_words = Arc::from("first line\nlast line");
    let end = RenditionEnd::Exited {
        code: Some(1),
        signal: None,
        was_silent: false,
        last_words: Arc::clone(&last_words),
    };
    let sd = RenditionStatus {
        engine: Arc::from("sd"),
        state: RenditionState::Waiting { left: Duration::from_secs(1) },
        restarts: 3,
        failures: 1,
        last_end: Some(end),
        last_words,
        ..hd.clone()
    };
    Snapshot { renditions: vec![hd, sd], ..snapshot(vec![cam], 2) }
}

#[test]
fn a_stream_plays_by_http_flv_and_by_hls() {
    let stage = Stage::open(playable());
    let mut page = Page::open("plays", DESK);
    page.go(&stage.url());
    page.wait_for("document.querySelector('.play:not(:disabled)')");
    page.click(".play");
    assert_playing(&mut page, "HTTP-FLV");
    page.photograph("playing-flv");
    for (way, title) in [("hls", "HLS"), ("flv", "HTTP-FLV"), ("auto", "HTTP-FLV")] {
        page.evaluate(&format!(
            "(() => {{ const choice = document.getElementById('way'); choice.value = '{way}'; \
             choice.dispatchEvent(new Event('change')); }})()"
        ));
        assert_playing(&mut page, title);
    }
    page.click(".player-bar button");
    page.wait_for("document.querySelector('video').hidden");
    assert_eq!(page.take_complaints(), NO_COMPLAINTS);

    // Where HTTP-FLV is not to be had, HLS plays by itself.
    stage.change(|scene| drop(scene.media.remove("/live/cam.flv")));
    page.click(".play");
    assert_playing(&mut page, "HLS");
    // Where nothing is, it is said.
    stage.change(|scene| scene.media.clear());
    page.click(".player-bar button");
    page.click(".play");
    page.wait_for(
        "/HTTP-FLV failed.*HLS failed/.test(document.querySelector('.player-words').textContent)",
    );
}

/// The picture moves and has its size, by the way of that name.
fn assert_playing(page: &mut Page, title: &str) {
    let words = json!(format!("Playing by {title} · 320×180"));
    page.wait_for(&format!(
        "document.querySelector('.player-words').textContent.startsWith({words})"
    ));
    let from = page.evaluate("document.querySelector('video').currentTime");
    let from = from.as_f64().expect("a number");
    page.wait_for(&format!("document.querySelector('video').currentTime > {}", from + 0.5));
    let frames = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames > 10";
    page.wait_for(frames);
}

#[test]
fn a_server_that_has_gone_is_told_of_and_found_again() {
    let stage = Stage::open(Scene {
        snapshot: snapshot(vec![stream("live", "cam", true)], 1),
        ..Scene::default()
    });
    let mut page = Page::open("gone", DESK);
    page.go(&stage.url());
    page.wait_for("document.querySelector('.figures')");
    stage.change(|scene| scene.is_gone = true);
    page.wait_for("document.getElementById('state').textContent === 'Not connected'");
    let words = page.evaluate("document.getElementById('gone').innerText");
    let words = words.as_str().expect("text");
    assert!(words.contains("The server does not answer. What you see is from"), "{words}");
    check_page(&mut page, "gone-light");
    // It is asked less and less often.
    page.wait_for("/Next try in [5-9] s/.test(document.getElementById('gone').innerText)");
    stage.change(|scene| scene.is_gone = false);
    page.click("#gone button");
    page.wait_for("document.getElementById('state').textContent === 'Connected'");
    page.wait_for("document.getElementById('gone').hidden");
}

#[test]
fn a_hidden_page_does_not_ask() {
    let stage = Stage::open(Scene::default());
    let mut page = Page::open("hidden", DESK);
    page.go(&stage.url());
    page.wait_for("document.getElementById('state').textContent === 'Connected'");
    let hide = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        )
    };
    page.evaluate(&hide(true));
    // What was under way ends; then nothing is asked for three seconds.
    page.evaluate("new Promise((go) => setTimeout(go, 1500))");
    let asked = stage.asked();
    page.evaluate("new Promise((go) => setTimeout(go, 3000))");
    assert_eq!(stage.asked(), asked);
    page.evaluate(&hide(false));
    page.evaluate("new Promise((go) => setTimeout(go, 1500))");
    assert!(stage.asked() > asked, "it asks no more");
}

#[test]
fn many_streams_are_searched_and_paged_and_reached_by_keyboard() {
    let streams = (0..250).map(|index| stream("live", &format!("s{index:03}"), index % 3 != 0));
    let stage = Stage::open(Scene { snapshot: snapshot(streams.collect(), 1), ..Scene::default() });
    let mut page = Page::open("many", DESK);
    page.go(&stage.url());
    page.wait_for("document.querySelectorAll('#streams a').length === 100");
    assert_eq!(page.evaluate("document.getElementById('count').textContent"), json!("250"));
    // A stream beyond the first hundred is found by its address.
    page.go(&format!("{}#/stream/__defaultVhost__/live/s200", stage.url()));
    page.wait_for("document.querySelector('main h1').textContent === 'live/s200'");
    page.click("#more");
    page.wait_for("document.querySelectorAll('#streams a').length === 250");
    page.click("#filter");
    page.call("Input.insertText", json!({"text": "s24"}));
    page.wait_for("document.querySelectorAll('#streams a').length === 10");
    page.photograph("many-filtered");
    page.press("Tab");
    let focused = "document.activeElement.textContent";
    let first = page.evaluate(focused);
    assert!(first.as_str().is_some_and(|text| text.contains("live/s240")), "{first}");
    page.press("Enter");
    page.wait_for("document.querySelector('main h1').textContent === 'live/s240'");
    assert_eq!(page.evaluate("location.hash"), json!("#/stream/__defaultVhost__/live/s240"));
    assert_eq!(page.take_complaints(), NO_COMPLAINTS);
}

#[test]
fn everything_is_reached_by_tab_and_shows_its_focus() {
    let stage = Stage::open(playable());
    let mut page = Page::open("tab", DESK);
    page.go(&stage.url());
    page.wait_for("document.querySelector('.play:not(:disabled)')");
    let all = page.evaluate(
        "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')] \
         .filter((one) => one.checkVisibility() && !one.disabled).length",
    );
    let all = all.as_u64().expect("a number");
    let mut reached = Vec::new();
    for _ in 0..all + 5 {
        page.press("Tab");
        let name = page.evaluate(
            "(() => { const one = document.activeElement; if (one === document.body) return null; \
             const style = getComputedStyle(one); \
             return [one.tagName + '#' + one.id + ' ' + (one.getAttribute('aria-label') || one.textContent).slice(0, 40), \
             style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; })()",
        );
        if name.is_null() {
            break;
        }
        assert_eq!(name[1], json!(true), "{name} does not show that it has the focus");
        reached.push(name[0].to_string());
    }
    reached.dedup();
    assert_eq!(reached.len() as u64, all, "{reached:#?}");
    assert_eq!(page.take_complaints(), NO_COMPLAINTS);
}

/// No overflow, no element without a name, no text that is hard to read; and a picture is kept.
fn check_page(page: &mut Page, name: &str) {
    page.evaluate("document.fonts.ready.then(() => 1)");
    page.photograph(name);
    let width = page.evaluate("document.documentElement.scrollWidth - screen.width");
    assert!(width.as_f64().is_some_and(|width| width <= 0.0), "{name}: {width} px too wide");
    let nameless = page.evaluate(NAMELESS);
    assert_eq!(nameless, json!([]), "{name}: without a name");
    let faint = page.evaluate(FAINT);
    assert_eq!(faint, json!([]), "{name}: contrast below 4.5");
    let small = page.evaluate(SMALL);
    let is_phone = page.evaluate("innerWidth < 600") == Value::Bool(true);
    assert!(!is_phone || small == json!([]), "{name}: too small for a finger: {small}");
    let headings = page.evaluate("document.querySelectorAll('h1').length");
    assert_eq!(headings, json!(1), "{name}: headings of the first level");
}

const NAMELESS: &str = r#"
[...document.querySelectorAll('a[href], button, input, select, textarea, video, img, [role=img]')]
  .filter((one) => one.checkVisibility())
  .filter((one) => {
    if (one.tagName === 'IMG') return !one.hasAttribute('alt');
    const label = one.getAttribute('aria-label') || [...(one.labels ?? [])].map((l) => l.textContent).join('') || one.textContent;
    return !label.trim();
  })
  .map((one) => one.outerHTML.slice(0, 120))
"#;

/// Text whose contrast with what lies behind it is below that of WCAG 2.2, level AA.
const FAINT: &str = r#"
(() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return text.startsWith('color(srgb') ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.checkVisibility() || one.closest('.unseen, .skip, noscript, :disabled')) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${one.tagName}.${one.className}: ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return faint;
})()
"#;

/// Buttons and fields below 24 px, which WCAG 2.2 asks for; links within text may be smaller.
const SMALL: &str = r#"
[...document.querySelectorAll('button, input, select, .button, .row')]
  .filter((one) => one.checkVisibility())
  .filter((one) => one.getBoundingClientRect().height < 32)
  .map((one) => one.outerHTML.slice(0, 100))
"#;
