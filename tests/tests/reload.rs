//! Configurations from the user's side: files that are read, refused, and changed while a server runs.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
use millstream_tests::client::Scratch;
use millstream_tests::ports::free_port;
use millstream_tests::program::Program;
use millstream_tests::server::binary;
use pretty_assertions::assert_eq;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

millstream_tests::on_both_transports!(
    check_tells_all_problems_and_the_exit_code_says_whether_there_are_some,
    row_102_what_is_no_file_is_told_at_once,
    row_012_an_address_that_is_taken_is_shown_in_the_file,
    listeners_come_and_go_and_connections_stay,
    a_listener_that_cannot_be_replaced_comes_back,
    a_dry_run_tells_the_plan_and_changes_nothing,
    a_reload_tells_what_the_server_did_and_not_what_this_shell_would_do,
    a_pid_file_has_one_server_and_without_one_no_signal_is_sent,
    row_103_fifty_players_notice_no_reload_and_no_broken_file,
    samples_of_srs_are_served,
);

fn start(file: &Path, pid: &Path) -> Program {
    let mut command = Command::new(binary());
    command.args(["serve", "--workers", "2", "--http", "off", "--log", "debug", "-c"]);
    command.arg(file).arg("--pid").arg(pid);
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    let program = Program::start(command);
    program.wait_for(&["Ctrl-C ends"]);
    program
}

fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).env("NO_COLOR", "1").output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_open(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
}

/// Writes the file and lets the server read it; gives what `millstream reload` says.
fn reload(file: &Path, pid: &Path, content: &str) -> Output {
    fs::write(file, content).expect("it can be written");
    let (file, pid) = (file.to_string_lossy(), pid.to_string_lossy());
    run(&["reload", "-c", &file, "--pid", &pid])
}

fn check_tells_all_problems_and_the_exit_code_says_whether_there_are_some() {
    let scratch = Scratch::new("check");
    let file = scratch.file("a.kdl");
    let name = file.to_string_lossy().into_owned();
    fs::write(&file, "chunk-sice 4096\nvhost \"a.example\" {\n    grace 10\n}\n").unwrap();
    let output = run(&["check", "-c", &name]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), format!("{name}: 2 problems\n"));
    let report = text(&output.stderr);
    assert!(report.contains("did you mean `chunk-size`?"), "{report}");
    assert!(report.contains(&format!("{name}:3:11")), "{report}");
    let json = run(&["check", "--json", "-c", &name]);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(document["problems"][0]["line"], 1);
    // A server that is given such a file says the same, and does not start.
    let output = run(&["serve", "-c", &name]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did you mean `chunk-size`?"));
    fs::write(&file, "chunk-size 4096\n").unwrap();
    let output = run(&["check", "-c", &name]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), format!("{name}: good\n")));
}

fn row_102_what_is_no_file_is_told_at_once() {
    let scratch = Scratch::new("odd");
    let [fifo, empty, folder, link] =
        ["fifo", "empty", "folder", "link"].map(|name| scratch.file(name));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::write(&empty, "").unwrap();
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(&link, &link).unwrap();
    let check = |path: &Path, expected: &str| {
        let name = path.to_string_lossy();
        let output = run(&["check", "-c", &name]);
        let is_good = expected.is_empty();
        assert_eq!(output.status.code(), Some(if is_good { 0 } else { 1 }), "{name}");
        let report = text(&output.stderr);
        assert!(report.contains(expected) && (is_good || report.contains(&*name)), "{report}");
    };
    check(&fifo, "it is a pipe or a device, not a file");
    check(Path::new("/dev/zero"), "it is a pipe or a device, not a file");
    check(&folder, "it is a directory; name a file in it");
    check(&scratch.file("missing"), "there is no such file");
    check(&link, "Too many levels of symbolic links");
    check(&empty, "");
}

fn row_012_an_address_that_is_taken_is_shown_in_the_file() {
    let scratch = Scratch::new("taken");
    let file = scratch.file("a.kdl");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let content = format!("http off\nlisten \"127.0.0.1:0\" \"127.0.0.1:{port}\"\n");
    fs::write(&file, content).unwrap();
    let output = run(&["serve", "-c", &file.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output.stderr);
    assert!(report.contains(":2:22"), "{report}");
    assert!(report.contains("another program uses this port"), "{report}");
}

fn listeners_come_and_go_and_connections_stay() {
    let scratch = Scratch::new("listeners");
    let (file, pid) = (scratch.file("a.kdl"), scratch.file("a.pid"));
    let [first, second] = [free_port(), free_port()];
    let listen = |ports: &[u16]| {
        let ports = ports.iter().map(|port| format!(" \"127.0.0.1:{port}\""));
        format!("listen{}\n", ports.collect::<String>())
    };
    fs::write(&file, listen(&[first])).unwrap();
    let server = start(&file, &pid);
    let early = TcpStream::connect(("127.0.0.1", first)).unwrap();
    assert!(is_open(first) && !is_open(second));
    let output = reload(&file, &pid, &listen(&[first, second]));
    assert!(output.status.success(), "{} {}", text(&output.stderr), server.log());
    assert!(text(&output.stdout).contains(&format!("open    RTMP on 127.0.0.1:{second}")));
    server.wait_for(&["reload 1: done"]);
    assert!(is_open(first) && is_open(second));
    // An address that is taken changes nothing, and the log shows the place in the file.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = reload(&file, &pid, &listen(&[second, port]));
    assert_eq!(output.status.code(), Some(1));
    server.wait_for(&["reload 2: refused"]);
    assert!(server.log().contains("another program uses this port"), "{}", server.log());
    assert!(is_open(first) && is_open(second));
    drop(taken);
    assert!(reload(&file, &pid, &listen(&[second])).status.success());
    server.wait_for(&["reload 3: done"]);
    thread::sleep(Duration::from_millis(300));
    assert!(!is_open(first) && is_open(second));
    // The connection of the listener that is gone is still there.
    early.set_nonblocking(true).unwrap();
    let peeked = early.peek(&mut [0]);
    let is_quiet = matches!(&peeked, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(is_quiet, "{peeked:?}");
    server.signal("TERM");
    let (status, _) = server.finish();
    assert!(status.success());
    assert!(!pid.exists(), "the file of the process id goes with the process");
}

fn a_listener_that_cannot_be_replaced_comes_back() {
    let scratch = Scratch::new("back");
    let (file, pid) = (scratch.file("a.kdl"), scratch.file("a.pid"));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    fs::write(&file, format!("listen \"127.0.0.2:{port}\"\n")).unwrap();
    let server = start(&file, &pid);
    let connect = || TcpStream::connect(("127.0.0.2", port));
    let early = connect().unwrap();
    // Both the old listener and another program are in its way; only one of them goes.
    let output = reload(&file, &pid, &format!("listen \":{port}\"\n"));
    assert_eq!(output.status.code(), Some(1));
    server.wait_for(&[&format!("127.0.0.2:{port} is open again")]);
    server.wait_for(&["another program uses this port"]);
    server.wait_for(&["reload 1: refused"]);
    connect().unwrap();
    drop(other);
    assert!(reload(&file, &pid, &format!("listen \":{port}\"\n")).status.success());
    connect().unwrap();
    assert!(is_open(port));
    early.set_nonblocking(true).unwrap();
    let peeked = early.peek(&mut [0]);
    let is_quiet = matches!(&peeked, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(is_quiet, "{peeked:?}");
}

fn a_dry_run_tells_the_plan_and_changes_nothing() {
    let scratch = Scratch::new("dry");
    let (file, pid) = (scratch.file("a.kdl"), scratch.file("a.pid"));
    fs::write(&file, "listen \"127.0.0.1:0\"\nvhost \"a.example\"\nvhost \"b.example\"\n").unwrap();
    let server = start(&file, &pid);
    fs::write(&file, "listen \"127.0.0.1:0\"\nvhost \"a.example\" gop-cache=off\n").unwrap();
    let (name, pid) = (file.to_string_lossy(), pid.to_string_lossy());
    let arguments = ["reload", "--dry-run", "-c", &name, "--pid", &pid];
    let output = run(&arguments);
    let plan = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(plan.contains("drop    vhost b.example"), "{plan}");
    assert!(plan.contains("vhost[a.example].gop-cache: #true -> #false (at once)"), "{plan}");
    assert!(!server.log().contains("reload 1"), "{}", server.log());
    fs::write(&file, "listen \"127.0.0.1:0\"\nvhost {\n").unwrap();
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(":2:"), "{}", text(&output.stderr));
    let other = scratch.file("b.kdl");
    fs::write(&other, "chunk-size 4096\n").unwrap();
    let other = other.to_string_lossy();
    for arguments in
        [&["--dry-run", "-c", &other, "--pid", &pid][..], &["-c", &other, "--pid", &pid]]
    {
        let output = run(&[&["reload"], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        let report = text(&output.stderr);
        assert!(report.contains("the server reads") && report.contains("b.kdl"), "{report}");
    }
}

fn a_reload_tells_what_the_server_did_and_not_what_this_shell_would_do() {
    let scratch = Scratch::new("told");
    let (file, pid) = (scratch.file("a.kdl"), scratch.file("a.pid"));
    fs::write(&file, "chunk-size 4096\n").unwrap();
    let mut command = Command::new(binary());
    command.args(["--rtmp", "127.0.0.1:0", "--http", "off", "--grace", "5", "-c"]).arg(&file);
    command.arg("--pid").arg(&pid).env("NO_COLOR", "1").env("MILLSTREAM_LIMITS_STREAMS", "77");
    command.stdin(Stdio::null());
    let server = Program::start(command);
    server.wait_for(&["Ctrl-C ends"]);
    let pid = pid.to_string_lossy();
    let check = |expected: &str| {
        for arguments in [&["reload", "--dry-run", "--pid", &pid][..], &["reload", "--pid", &pid]] {
            let output = run(arguments);
            assert_eq!(text(&output.stderr), "");
            assert!(
                output.status.success() && text(&output.stdout).contains(expected),
                "{output:?}"
            );
            assert!(!text(&output.stdout).contains("grace"), "{output:?}");
        }
    };
    check("nothing changes\n");
    fs::write(&file, "chunk-size 8192\nlimits streams=5\n").unwrap();
    check("change  chunk-size: 4096 -> 8192 (next connection)\n");
    server.wait_for(&["reload 2: change  chunk-size: 4096 -> 8192"]);
}

fn a_pid_file_has_one_server_and_without_one_no_signal_is_sent() {
    let scratch = Scratch::new("pid");
    let (file, pid) = (scratch.file("a.kdl"), scratch.file("a.pid"));
    fs::write(&file, "listen \"127.0.0.1:0\"\n").unwrap();
    let first = start(&file, &pid);
    let (name, pid_name) = (file.to_string_lossy(), pid.to_string_lossy());
    let output = run(&["serve", "--http", "off", "-c", &name, "--pid", &pid_name]);
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output.stderr);
    assert!(report.contains(&format!("the process id {};", first.id())), "{report}");
    assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", first.id()));
    // It is killed and leaves its file; the number is of a stranger then, who lives on.
    first.signal("KILL");
    first.finish();
    let mut stranger = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(&pid, format!("{}\n", stranger.id())).unwrap();
    let output = run(&["reload", "-c", &name, "--pid", &pid_name]);
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output.stderr);
    assert!(report.contains("left over") && report.contains("nothing was sent"), "{report}");
    thread::sleep(Duration::from_millis(100));
    assert!(stranger.try_wait().unwrap().is_none(), "nobody has ended it");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    let next = start(&file, &pid);
    assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", next.id()));
}

fn row_103_fifty_players_notice_no_reload_and_no_broken_file() {
    let scratch = Scratch::new("many");
    let (file, pid) = (scratch.file("a.kdl"), scratch.file("a.pid"));
    let port = free_port();
    let head = format!("listen \"127.0.0.1:{port}\"\n");
    fs::write(&file, &head).unwrap();
    let server = start(&file, &pid);
    let url = format!("rtmp://127.0.0.1:{port}/live/many");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/host/assets/demo.flv");
    let mut bench = Command::new(binary());
    bench.args(["bench", "play", &url, "--players", "50", "--for", "12s", "--json", "--publish"]);
    bench.arg(&sample).stdout(Stdio::piped()).stderr(Stdio::piped());
    let bench = bench.spawn().unwrap();
    let variants = [
        "vhost \"__defaultVhost__\" gop-cache=off\n",
        "vhost \"__defaultVhost__\" {\n",
        "chunk-size 4096\nvhost \"__defaultVhost__\" grace=\"3s\"\nvhost \"a.example\"\n",
        "chunk-size many\n",
        "limits streams=77\npithy-print \"1s\"\n",
        "\u{0}",
    ];
    for variant in variants.iter().cycle().take(40) {
        fs::write(&file, format!("{head}{variant}")).unwrap();
        server.signal("HUP");
        thread::sleep(Duration::from_millis(250));
    }
    let output = bench.wait_with_output().unwrap();
    let result: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let log = server.log();
    let count = |word: &str| log.lines().filter(|line| line.contains(word)).count();
    assert!(count(": done") >= 10 && count(": refused") >= 10, "{log}");
    for name in ["failed", "lost", "lost_frames", "silent"] {
        assert_eq!(result[name], 0, "{name}: {result}");
    }
    assert_eq!(result["started"], 50, "{result}");
    // The machine is shared and busy; a reload that stopped the media would show all the same.
    assert!(result["longest_gap_us"].as_u64() < Some(1_000_000), "{result}");
}

fn samples_of_srs_are_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/tests/srs");
    let scratch = Scratch::new("srs");
    for name in ["full-0.7.conf", "realtime.conf", "refer.conf", "transcode-copy.conf"] {
        let output = run(&["convert", &folder.join(name).to_string_lossy()]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let (file, pid) = (scratch.file("a.kdl"), scratch.file("a.pid"));
        // On ports of its own: the samples share theirs.
        let printed = text(&output.stdout);
        let content = printed
            .lines()
            .map(|line| if line.starts_with("listen ") { "listen \"127.0.0.1:0\"" } else { line });
        let content: String = content.flat_map(|line| [line, "\n"]).collect();
        fs::write(&file, content).unwrap();
        let server = start(&file, &pid);
        server.signal("TERM");
        assert!(server.finish().0.success(), "{name}");
    }
}
