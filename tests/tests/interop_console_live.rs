//! The console of a running server: what a user sees who publishes with ffmpeg and opens a browser.
use millstream_tests::browser::{Page, Screen};
use millstream_tests::client::publish_forever;
use millstream_tests::sample::{self, H264_AAC};
use millstream_tests::server::Server;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

millstream_tests::on_both_transports!(
    a_published_stream_shows_by_itself_and_plays_by_http_flv_and_by_hls,
    with_several_workers_all_streams_are_shown_by_each,
);

const DESK: Screen = Screen { width: 1_360, height: 900, dark: false };
const NO_COMPLAINTS: [&str; 0] = [];

fn a_published_stream_shows_by_itself_and_plays_by_http_flv_and_by_hls() {
    check_server("console-live", &["--workers", "1"]);
}

fn with_several_workers_all_streams_are_shown_by_each() {
    check_server("console-workers", &["--workers", "3"]);
}

fn check_server(name: &str, arguments: &[&str]) {
    let mut all = vec!["--http", "127.0.0.1:0"];
    all.extend(arguments);
    let server = Server::start_with(&all);
    let mut page = Page::open(name, DESK);
    page.go(&server.http_url(""));
    page.wait_for("document.querySelector('h1').textContent === 'Publish your first stream'");
    let told = page.evaluate("document.querySelector('.copy code').textContent");
    assert_eq!(told, json!(server.url("live")), "the port of RTMP is told");

    let file = sample::made(H264_AAC);
    let _publishers = ["cam", "other"].map(|stream| {
        let url = server.url(&format!("live/{stream}?key=hush"));
        publish_forever(&file, &url)
    });
    page.wait_for("document.querySelectorAll('#streams .dot.on').length === 2");
    page.wait_for("document.querySelector('main h1').textContent === 'live/cam'");
    page.click(".play");
    assert_playing(&mut page, "HTTP-FLV");
    page.wait_for("[...document.querySelectorAll('dt')].find((one) => one.textContent === 'Players').nextSibling.textContent === '1'");
    page.wait_for("[...document.querySelectorAll('dt')].find((one) => one.textContent === 'Frame rate').nextSibling.textContent === '25 fps'");
    let figure = |name: &str| {
        format!(
            "[...document.querySelectorAll('dt')].find((one) => one.textContent === '{name}').nextSibling.textContent"
        )
    };
    assert_eq!(page.evaluate(&figure("Resolution")), json!("320×180"));
    page.wait_for(&format!("{} === '2.00 s, 50 pictures'", figure("Keyframe every")));
    let skew = page.evaluate(&format!("parseInt({})", figure("Video ahead of audio")));
    assert!(skew.as_f64().is_some_and(|skew| skew.abs() < 100.0), "{skew} ms");
    page.photograph(name);

    page.evaluate(
        "(() => { const choice = document.getElementById('way'); choice.value = 'hls'; \
         choice.dispatchEvent(new Event('change')); })()",
    );
    assert_playing(&mut page, "HLS");
    page.click("summary");
    page.wait_for("[...document.querySelectorAll('tbody tr')].some((row) => row.textContent.includes('publisher'))");

    // What the page copies is what plays.
    let urls =
        page.evaluate("[...document.querySelectorAll('.copy code')].map((one) => one.textContent)");
    for url in
        [server.http_url("live/cam.m3u8"), server.http_url("live/cam.flv"), server.url("live/cam")]
    {
        assert!(urls.as_array().is_some_and(|urls| urls.contains(&json!(url))), "{url}: {urls}");
    }
    let everything = page.evaluate(
        "Promise.all(['summary', 'streams', 'clients'].map((path) => fetch(`api/v1/${path}`)\
         .then((answer) => answer.text()))).then((texts) => texts.join())",
    );
    let everything = everything.as_str().expect("text");
    assert!(everything.contains("__defaultVhost__/live/other"), "{everything}");
    assert!(!everything.contains("hush"), "{everything}");
    let policy =
        page.evaluate("fetch('.').then((answer) => answer.headers.get('content-security-policy'))");
    assert_eq!(policy, Value::from(millstream_console::CONTENT_SECURITY_POLICY));
    assert_eq!(page.take_complaints(), NO_COMPLAINTS);

    // The page says so when the server has gone.
    server.program().signal("INT");
    page.wait_for("document.getElementById('state').textContent === 'Not connected'");
}

/// The picture moves and has its size, by the way of that name.
fn assert_playing(page: &mut Page, title: &str) {
    let words = json!(format!("Playing by {title} · 320×180"));
    page.wait_for(&format!(
        "document.querySelector('.player-words').textContent.startsWith({words})"
    ));
    let from = page.evaluate("document.querySelector('video').currentTime");
    let from = from.as_f64().expect("a number");
    page.wait_for(&format!("document.querySelector('video').currentTime > {}", from + 2.0));
    page.wait_for(
        "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames > 25",
    );
}
