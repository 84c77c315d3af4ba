//! What strangers send to the HTTP port, over real sockets: the HTTP and HLS rows of bad input.
//!
//! The machine's own tests know more forms of each (`core/src/http/tests`); these show that sockets,
//! closes and files keep what the machine promises. Idle connections end after 30 s, which is seen on
//! a virtual clock only.
use millstream_tests::client::Scratch;
use millstream_tests::http::{Answer, answers, connect, get, read_all, say};
use millstream_tests::program::Program;
use millstream_tests::server::{Server, binary};
use pretty_assertions::assert_eq;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

millstream_tests::on_both_transports!(
    row_081_who_is_slow_is_told_so_and_others_do_not_wait,
    row_082_and_083_what_is_no_request_gets_one_answer_and_the_end,
    row_083_what_could_be_two_requests_is_never_answered_twice,
    row_084_http_2_is_refused,
    row_085_paths_that_lead_elsewhere_find_nothing,
    row_086_links_in_the_folder_of_segments_are_neither_read_nor_written_through,
    row_087_one_range_of_a_segment_is_exact_and_all_others_are_refused,
    row_088_viewers_of_nothing_and_viewers_who_leave_hold_nothing,
    row_088_heads_old_clients_and_half_closed_ones_are_served,
    row_090_questions_of_low_latency_players_do_not_block,
    row_091_what_a_playlist_names_can_be_fetched,
    row_094_names_of_strangers_are_data,
    row_095_the_api_changes_nothing,
    row_096_lists_in_a_tight_loop_are_whole_while_streams_come_and_go,
    requests_that_come_at_once_are_answered_in_their_order,
    targets_may_be_absolute,
);

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/host/assets/demo.flv");

/// Publishes the clip for ever, and waits for its first segment.
fn on_air(server: &Server, stream: &str) -> Program {
    let publisher = publish(server, stream);
    let playlist = get(server, &format!("/{stream}.m3u8"), "");
    assert_eq!(playlist.status, 200, "{}", playlist.text());
    publisher
}

fn publish(server: &Server, stream: &str) -> Program {
    let mut command = Command::new(binary());
    command.args(["bench", "publish", &server.url(stream), CLIP, "--for", "10m"]);
    command.stdin(Stdio::null());
    Program::start(command)
}

/// The segments that a playlist names, as paths.
fn segments(playlist: &Answer) -> Vec<String> {
    let text = playlist.text();
    let names = text.lines().filter(|line| line.ends_with(".ts"));
    names.map(|name| format!("/live/{name}")).collect()
}

/// Waits until a file is there.
fn wait_for_file(path: &std::path::Path) -> Vec<u8> {
    let deadline = Instant::now() + millstream_tests::program::PATIENCE;
    loop {
        if let Ok(bytes) = fs::read(path) {
            return bytes;
        }
        assert!(Instant::now() < deadline, "{} never comes", path.display());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Each request by itself: one answer with that status, then the end.
fn check_refused(server: &Server, rows: &[(String, u16)]) {
    for (request, status) in rows {
        let answers = say(server, request.as_bytes());
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        let shown = request.chars().take(200).collect::<String>();
        assert_eq!(statuses, [*status], "{shown}");
        assert_eq!(answers[0].field("connection"), Some("close"), "{shown}");
    }
}

/// A request for the version with these lines, and what follows its head.
fn asking(lines: &str, rest: &str) -> String {
    format!("POST /api/v1/version HTTP/1.1\r\nHost: a\r\n{lines}\r\n{rest}")
}

fn row_081_who_is_slow_is_told_so_and_others_do_not_wait() {
    let server = Server::start();
    let begin = Instant::now();
    let slow = [
        "GET / HTTP/1.1\r\nHost: a\r\nX: ".to_owned(),
        asking("Content-Length: 1000\r\n", ""),
        asking("Transfer-Encoding: chunked\r\n", "3e8\r\n"),
        String::new(),
    ];
    thread::scope(|scope| {
        for start in &slow {
            let server = &server;
            scope.spawn(move || {
                let mut stream = connect(server);
                let mut drip = stream.try_clone().expect("another handle");
                drip.write_all(start.as_bytes()).expect("sent");
                let dripping = thread::spawn(move || {
                    // Until the server has enough: each byte comes well before any idle time.
                    while drip.write_all(b"x").is_ok() {
                        thread::sleep(Duration::from_millis(500));
                    }
                });
                let answers = answers(&read_all(&mut stream));
                let _ = stream.shutdown(Shutdown::Both);
                dripping.join().expect("it ends");
                let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
                assert_eq!(statuses, [408], "{start}");
            });
        }
        for _ in 0..20 {
            assert_eq!(get(&server, "/api/v1/version", "").status, 200);
        }
    });
    let time = begin.elapsed();
    assert!(time >= Duration::from_secs(9), "it was hasty: {time:?}");
}

fn row_082_and_083_what_is_no_request_gets_one_answer_and_the_end() {
    let server = Server::start();
    let long = "x".repeat(65_536);
    let many: String = (0..1_000).map(|n| format!("A{n}: b\r\n")).collect();
    let chunked = "Transfer-Encoding: chunked\r\n";
    let rows = [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        (asking("Content-Length: 104857600\r\n", "x"), 413),
        (asking("Content-Length: 18446744073709551616\r\n", "x"), 413),
        (asking(chunked, "FFFFFFFFFFFFFFFF\r\nx"), 413),
        (asking(chunked, "FFFFFFFFFFFFFFFFF\r\nx"), 400),
        (asking(chunked, &format!("3;{long}")), 400),
        (asking(chunked, "3\nabc\r\n0\r\n\r\n"), 400),
        (asking("Content-Length: 3\r\nContent-Length: 4\r\n", "abc"), 400),
        (asking("Content-Length: +3\r\n", "abc"), 400),
        (asking("Content-Length : 3\r\n", "abc"), 400),
        (asking("A: b\r\n Content-Length: 3\r\n", "abc"), 400),
        (asking("Transfer-Encoding: chunked , x\r\n", "0\r\n\r\n"), 400),
        (asking("Transfer-Encoding: gzip\r\n", "x"), 501),
        ("GET / HTTP/1.1\nHost: a\n\n".into(), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET live/x HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 501),
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 501),
        ("GET / HTTP/1.9\r\nHost: a\r\n\r\n".into(), 505),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03".into(), 400),
        ("\x03\0\0\0\0\0\0\0\0".into(), 400),
    ];
    check_refused(&server, &rows);
    assert_eq!(get(&server, "/", "").status, 200, "it serves all the same");
}

fn row_083_what_could_be_two_requests_is_never_answered_twice() {
    let server = Server::start();
    let second = "GET /api/v1/streams HTTP/1.1\r\nHost: a\r\n\r\n";
    let len = second.len();
    let chunk = format!("{len:x}\r\n{second}\r\n0\r\n\r\n");
    let rows = [
        asking(
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            &format!("0\r\n\r\n{second}"),
        ),
        asking(&format!("Transfer-Encoding: chunked\r\nContent-Length: {len}\r\n"), &chunk),
        asking("Transfer-Encoding: identity, chunked\r\n", &format!("0\r\n\r\n{second}")),
        asking("Transfer-Encoding: xchunked\r\n", second),
        asking("Transfer-Encoding:\x0Bchunked\r\n", &chunk),
        asking(&format!("Content-Length: 0\r\nContent-Length: {len}\r\n"), second),
        asking("Content-Length: 0, 43\r\n", second),
        asking("X: a\rContent-Length: 43\r\n", second),
        asking("X: a\nContent-Length: 43\r\n", second),
        format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{second}"),
    ];
    for request in rows {
        let answers = say(&server, request.as_bytes());
        assert_eq!(answers.len(), 1, "{request:?}: {answers:?}");
        assert!(matches!(answers[0].status, 400 | 501), "{request:?}");
    }
    // A body that looks like a request is a body.
    let body = asking(&format!("Content-Length: {len}\r\nConnection: close\r\n"), second);
    assert_eq!(say(&server, body.as_bytes()).len(), 1);
    let body = asking("Transfer-Encoding: chunked\r\nConnection: close\r\n", &chunk);
    assert_eq!(say(&server, body.as_bytes()).len(), 1);
}

fn row_084_http_2_is_refused() {
    let server = Server::start();
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let answers = say(&server, preface.as_bytes());
    assert_eq!(answers.len(), 1);
    assert!(matches!(answers[0].status, 501 | 505), "{answers:?}");
    // Nobody is made to believe that the protocol was changed.
    let answer = get(&server, "/", "Connection: Upgrade\r\nUpgrade: h2c\r\n");
    assert_eq!(answer.status, 200);
}

fn row_085_paths_that_lead_elsewhere_find_nothing() {
    let scratch = Scratch::new("row-085");
    let server = on_disk(&scratch);
    let _publisher = on_air(&server, "live/a");
    for target in [
        "/live/../../etc/passwd",
        "/live/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/live/%2e%2e/%2E%2e/etc/passwd",
        "/live/..%5c..%5cetc%5cpasswd",
        "/live/%252e%252e%252fetc%252fpasswd",
        "//etc/passwd",
        "/etc/passwd",
        "/live/%00.m3u8",
        "/live/a.m3u8%00.ts",
        "/live/a.m3u8/../a.flv",
        "/live/./a.m3u8",
        "/live%2Fa.m3u8",
        "/live",
        "/live/",
        "/live/.m3u8",
        "/live/a.m3u8/",
        "/live/a-99999999999999999999999.ts",
        "/live/a-01.ts",
        "/live/a--1.ts",
        "/.config/millstream.kdl",
        "/proc/self/environ",
        "/assets/../../Cargo.toml",
        "/index.html/..",
    ] {
        let answer = get(&server, target, "");
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
        assert!(!answer.text().contains("root:"), "{target}");
    }
}

/// A server with segments of a second on disk, in a folder of the scratch.
fn on_disk(scratch: &Scratch) -> Server {
    let config = scratch.file("disk.kdl");
    let folder = scratch.file("hls");
    let text = format!(
        "vhost \"__defaultVhost__\" {{\n hls fragment=\"1s\" window=\"4s\" {{\n  storage \"disk\"\n  \
         path \"{}\"\n }}\n}}\n",
        folder.display()
    );
    fs::write(&config, text).expect("a file");
    Server::start_with(&["-c", &config.to_string_lossy()])
}

fn row_086_links_in_the_folder_of_segments_are_neither_read_nor_written_through() {
    let scratch = Scratch::new("row-086");
    let victim = scratch.file("victim");
    fs::write(&victim, "precious").expect("a file");
    let folder = scratch.file("hls").join("live");
    fs::create_dir_all(&folder).expect("a folder");
    let link = |name: &str| {
        std::os::unix::fs::symlink(&victim, folder.join(name)).expect("a link");
    };
    // Where the server is going to write, and where it is going to be asked.
    link("a.m3u8");
    link(".a.m3u8.part");
    link("leak.m3u8");
    link("leak-1.ts");
    link("leak.ts");
    let server = on_disk(&scratch);
    let publisher = on_air(&server, "live/a");
    for target in ["/live/leak.m3u8", "/live/leak-1.ts", "/live/leak.ts", "/live/victim"] {
        let answer = get(&server, target, "");
        assert_eq!(answer.status, 404, "{target}");
        assert!(!answer.text().contains("precious"), "{target}");
    }
    let listed = folder.join("a.m3u8");
    let deadline = Instant::now() + millstream_tests::program::PATIENCE;
    while !fs::symlink_metadata(&listed).is_ok_and(|it| it.is_file()) {
        assert!(Instant::now() < deadline, "the playlist never comes");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fs::read_to_string(&victim).expect("a file"), "precious");

    // What lies on disk is what is served, and what a playlist on disk names is there.
    let on_disk = Answer { status: 200, head: String::new(), body: wait_for_file(&listed) };
    let named = segments(&on_disk);
    assert!(!named.is_empty(), "{}", on_disk.text());
    for path in &named {
        let file = folder.join(path.trim_start_matches("/live/"));
        assert_eq!(wait_for_file(&file), get(&server, path, "").body, "{path}");
    }
    // The server goes and comes back: numbers go on, and the playlist is replaced whole.
    drop(publisher);
    let first = number_of(&named[0]);
    server.program().signal("TERM");
    drop(server.into_program().finish());
    let server = self::on_disk(&scratch);
    let _publisher = on_air(&server, "live/a");
    let again = segments(&get(&server, "/live/a.m3u8", ""));
    assert!(number_of(&again[0]) > first, "{again:?} after {named:?}");
    assert_eq!(fs::read_to_string(&victim).expect("a file"), "precious");
}

fn number_of(segment: &str) -> u64 {
    let stem = segment.trim_end_matches(".ts").rsplit_once('-').expect("a number").1;
    stem.parse().expect("a number")
}

fn row_087_one_range_of_a_segment_is_exact_and_all_others_are_refused() {
    let server = Server::start();
    let _publisher = on_air(&server, "live/a");
    let path = segments(&get(&server, "/live/a.m3u8", "")).remove(0);
    let whole = get(&server, &path, "").body;
    let len = whole.len();
    let check = |range: &str, status: u16, body: &[u8]| {
        let answer = get(&server, &path, &format!("Range: {range}\r\n"));
        assert_eq!(answer.status, status, "{range}");
        if status != 416 {
            assert!(answer.body == body, "{range}: {} bytes", answer.body.len());
        }
    };
    check("bytes=0-0", 206, &whole[..1]);
    check("bytes=188-375", 206, &whole[188..376]);
    check("bytes=-188", 206, &whole[len - 188..]);
    check(&format!("bytes={}-", len - 1), 206, &whole[len - 1..]);
    check("bytes=0-18446744073709551615", 206, &whole);
    check("lines=0-1", 200, &whole);
    check(&format!("bytes={len}-"), 416, &[]);
    check("bytes=5-1", 416, &[]);
    check("bytes=18446744073709551615-", 416, &[]);
    check("bytes=18446744073709551616-", 416, &[]);
    check("bytes=-0", 416, &[]);
    check("bytes=x-y", 416, &[]);
    check(&format!("bytes={}", "0-,".repeat(1_000)), 416, &[]);
    // Conditions come first, and a tag of another one does not hold.
    let tag = get(&server, &path, "").field("etag").expect("a tag").to_owned();
    assert_eq!(get(&server, &path, &format!("If-None-Match: {tag}\r\n")).status, 304);
    let other = get(&server, &path, "If-Range: \"other\"\r\nRange: bytes=0-0\r\n");
    assert_eq!((other.status, other.body.len()), (200, len));
}

fn open_files(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.program().id());
    fs::read_dir(folder).expect("the program runs").count()
}

fn row_088_viewers_of_nothing_and_viewers_who_leave_hold_nothing() {
    let server = Server::start();
    let publisher = on_air(&server, "live/a");
    let files = open_files(&server);
    // They wait for their streams for some seconds; half of them do not care to.
    let mut crowd: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    for (index, stream) in crowd.iter_mut().enumerate() {
        let target = if index % 4 == 0 { "a".to_owned() } else { format!("none-{index}") };
        let request = format!("GET /live/{target}.flv HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
    }
    let mut first = [0; 4_096];
    for stream in crowd.iter_mut().step_by(4) {
        // In the middle of a tag, most likely.
        assert!(stream.read(&mut first).is_ok_and(|len| len > 0));
    }
    let stay = crowd.split_off(100);
    drop(crowd);
    drop(publisher);
    for (index, mut stream) in stay.into_iter().enumerate() {
        if index % 4 == 0 {
            continue;
        }
        let mut line = [0; 12];
        stream.read_exact(&mut line).expect("an answer");
        assert_eq!(line, *b"HTTP/1.1 404", "{index}");
    }
    let deadline = Instant::now() + millstream_tests::program::PATIENCE;
    while open_files(&server) > files {
        assert!(Instant::now() < deadline, "{} files, {files} before", open_files(&server));
        thread::sleep(Duration::from_millis(50));
    }
}

fn row_088_heads_old_clients_and_half_closed_ones_are_served() {
    let server = Server::start();
    let _publisher = on_air(&server, "live/a");
    // HEAD of an endless body has an end, and the connection goes on or ends in order.
    for end in ["flv", "ts", "m3u8"] {
        let request =
            format!("HEAD /live/a.{end} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut stream = connect(&server);
        stream.write_all(request.as_bytes()).expect("sent");
        let said = String::from_utf8(read_all(&mut stream)).expect("a head is text");
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("\r\n\r\n"), "{said}");
        assert_eq!(said.matches("\r\n\r\n").count(), 1, "{said}");
    }
    // HTTP/1.0 knows no chunks.
    let mut stream = connect(&server);
    stream.write_all(b"GET /live/a.flv HTTP/1.0\r\n\r\n").expect("sent");
    let mut begin = Vec::new();
    (&mut stream).take(4_096).read_to_end(&mut begin).expect("media");
    let head = begin.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
    assert!(begin[head..].starts_with(b"FLV\x01"));
    assert!(!String::from_utf8_lossy(&begin[..head]).contains("chunked"));
    // Who has said all may close that half.
    let mut stream = connect(&server);
    stream.write_all(b"GET /api/v1/version HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    stream.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(answers(&read_all(&mut stream))[0].status, 200);
    // In the middle of a request, nothing is owed.
    let mut stream = connect(&server);
    stream.write_all(b"GET /api/v1/version HTTP/1.1\r\nHo").expect("sent");
    stream.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(answers(&read_all(&mut stream)), []);
}

fn row_090_questions_of_low_latency_players_do_not_block() {
    let server = Server::start();
    let _publisher = on_air(&server, "live/a");
    for query in [
        "_HLS_msn=18446744073709551615",
        "_HLS_msn=-1",
        "_HLS_msn=0&_HLS_part=0",
        "_HLS_part=3",
        "_HLS_skip=YES",
    ] {
        let answer = get(&server, &format!("/live/a.m3u8?{query}"), "");
        assert_eq!(answer.status, 200, "{query}");
        assert!(!answer.text().contains("CAN-BLOCK-RELOAD"), "it promises none");
    }
}

fn row_091_what_a_playlist_names_can_be_fetched() {
    let scratch = Scratch::new("row-091");
    let server = on_disk(&scratch);
    let _publisher = on_air(&server, "live/a");
    let folder = scratch.file("hls").join("live");
    let (begin, mut seen) = (Instant::now(), std::collections::BTreeSet::new());
    wait_for_file(&folder.join("a.m3u8"));
    let mut last = Vec::new();
    while seen.len() <= last.len() || begin.elapsed() < Duration::from_secs(3) {
        assert!(begin.elapsed() < millstream_tests::program::PATIENCE, "the window never moves");
        let served = get(&server, "/live/a.m3u8", "");
        let on_disk = fs::read(folder.join("a.m3u8")).expect("it is always there");
        let on_disk = Answer { status: 200, head: String::new(), body: on_disk };
        assert!(on_disk.text().starts_with("#EXTM3U\n") && on_disk.text().ends_with(".ts\n"));
        for path in segments(&served) {
            if seen.insert(path.clone()) {
                let segment = get(&server, &path, "");
                assert_eq!((segment.status, segment.body.len() % 188), (200, 0), "{path}");
            }
        }
        for path in segments(&on_disk) {
            let file = folder.join(path.trim_start_matches("/live/"));
            let len = fs::metadata(&file).map(|it| it.len());
            assert!(len.is_ok_and(|len| len > 0 && len % 188 == 0), "{path}");
        }
        last = segments(&served);
    }
    // What has left the playlist can still be fetched, by who is behind.
    let left = seen.iter().rev().find(|path| !last.contains(path)).expect("one has left");
    assert_eq!(get(&server, left, "").status, 200, "{left}");
}

fn row_094_names_of_strangers_are_data() {
    let server = Server::start();
    let name = "%3Cimg%20src=x%20onerror=alert(1)%3E";
    let _publisher = publish(&server, &format!("live/{name}"));
    let _other = on_air(&server, "live/a");
    for target in ["/api/v1/streams", "/api/v1/streams?callback=alert", "/api/v1/clients"] {
        let answer = get(&server, target, "User-Agent: </script><script>alert(1)</script>\r\n");
        let text = answer.text();
        assert!(!text.starts_with("alert"), "no JSONP: {text}");
        assert!(!text.contains("</script>"), "{text}");
        let kind = answer.field("content-type").expect("a type");
        assert!(kind.starts_with("application/json"), "{kind}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.field("access-control-allow-origin"), None, "pages of this host only");
    }
    let policy = get(&server, "/", "");
    let policy = policy.field("content-security-policy").expect("a policy");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
}

fn row_095_the_api_changes_nothing() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded"] {
            let request = format!(
                "{method} /api/v1/streams HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\n\
                 Content-Type: {kind}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            );
            let answers = say(&server, request.as_bytes());
            assert_eq!(answers.len(), 1);
            assert_eq!(answers[0].status, 405, "{method} {kind}");
        }
    }
}

fn row_096_lists_in_a_tight_loop_are_whole_while_streams_come_and_go() {
    let server = Server::start();
    let coming = ["a", "b", "c"].map(|app| {
        let mut command = Command::new(binary());
        let url = server.url(&format!("{app}/s-{{number}}"));
        command.args(["bench", "churn", &url, CLIP, "--for", "4s", "--stay", "300ms"]);
        Program::start(command)
    });
    let mut asked = 0;
    while coming.iter().any(|program| !program.has_ended()) {
        for target in ["/api/v1/streams?count=1000", "/api/v1/clients?count=1000", "/metrics"] {
            let answer = get(&server, target, "");
            assert_eq!(answer.status, 200, "{}", answer.text());
            if target.starts_with("/api") {
                let list: serde_json::Value =
                    serde_json::from_slice(&answer.body).expect("a whole document");
                assert!(list.is_object(), "{list}");
            }
            asked += 1;
        }
    }
    assert!(asked > 30, "{asked} answers");
}

fn requests_that_come_at_once_are_answered_in_their_order() {
    let server = Server::start();
    let _publisher = on_air(&server, "live/a");
    let one = "GET /api/v1/version HTTP/1.1\r\nHost: a\r\n\r\n";
    let two = "GET /live/a.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n";
    let three = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /live/a.m3u8 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let behind = "GET /after/the/end HTTP/1.1\r\nHost: a\r\n\r\n";
    let all = [one, two, three].concat().repeat(300) + last + behind;
    let statuses: Vec<_> = say(&server, all.as_bytes()).iter().map(|it| it.status).collect();
    let expected = [[200, 200, 404].repeat(300), vec![200]].concat();
    assert_eq!(statuses, expected);
    // Behind a body without end nothing is answered, and nothing is kept.
    let mut stream = connect(&server);
    let request = "GET /live/a.flv HTTP/1.1\r\nHost: a\r\n\r\n".to_owned() + &one.repeat(2_000);
    stream.write_all(request.as_bytes()).expect("sent");
    let mut begin = vec![0; 100_000];
    stream.read_exact(&mut begin).expect("media");
    let heads = begin.windows(9).filter(|part| part == b"HTTP/1.1 ").count();
    assert_eq!(heads, 1);
}

fn targets_may_be_absolute() {
    let server = Server::start();
    let _publisher = on_air(&server, "live/a");
    let address = server.http_url("").trim_start_matches("http://").to_owned();
    for (target, status) in [
        (format!("http://{address}api/v1/version"), 200),
        (format!("http://{address}live/a.m3u8"), 200),
        (format!("http://{address}live/../../etc/passwd"), 404),
        (format!("http://{address}"), 200),
        ("ftp://a/live/a.m3u8".to_owned(), 400),
        ("http://".to_owned(), 400),
    ] {
        assert_eq!(get(&server, &target, "").status, status, "{target}");
    }
    let options = "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answers = say(&server, options.as_bytes());
    assert_eq!(answers.len(), 1, "{answers:?}");
}
