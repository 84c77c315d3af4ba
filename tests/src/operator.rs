//! Who runs a server: writes its file, reloads it, and looks at what it does.
//!
//! All the while somebody publishes and plays on a vhost of their own, and must not notice.
mod broadcast;
mod page;
mod row;

pub use broadcast::Broadcast;
pub use page::{Page, answer_to_page};
pub use row::{Hall, Row, check};

use crate::client::Scratch;
use crate::ports::free_port;
use crate::program::{PATIENCE, Program};
use crate::server::{Server, binary};
use crate::world::World;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The vhost whose settings change.
pub const VHOST: &str = "row.example";

/// The vhost of those who must not notice.
const ASIDE: &str = "aside.example";

/// A server, its file, and who is there.
#[derive(Debug)]
pub struct Operator {
    aside: Option<Broadcast>,
    /// Streams of tests have names of their own.
    names: u32,
    /// Ports that nobody uses, for what a file says of ports.
    ports: [u16; 4],
    program: Program,
    scratch: Scratch,
    /// Another server, for what goes there.
    sink: Server,
}

impl Operator {
    /// Starts a server, and a publisher and player whom nothing is about.
    #[must_use]
    pub fn start(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let ports = [(); 4].map(|()| free_port());
        let sink = Server::start_with(&["--http", "127.0.0.1:0"]);
        fs::write(scratch.file("a.kdl"), text(&scratch, ports, &sink, "")).expect("a file");
        let mut command = Command::new(binary());
        command.args(["serve", "-c"]).arg(scratch.file("a.kdl"));
        command.env("NO_COLOR", "1").env_remove("RUST_LOG").stdin(Stdio::null());
        let program = Program::start(command);
        program.wait_for(&["Ctrl-C ends"]);
        let mut operator = Self { aside: None, names: 0, ports, program, scratch, sink };
        operator.aside = Some(Broadcast::watched(operator.rtmp(), ASIDE, "aside"));
        operator
    }

    /// Where it speaks RTMP, whatever a row is about.
    #[must_use]
    pub fn rtmp(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[0]))
    }

    /// Where a text says `$PORT`.
    #[must_use]
    pub fn other(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[2]))
    }

    /// Its sockets, for a client of a test.
    #[must_use]
    pub fn world(&self) -> World {
        World::at(self.rtmp())
    }

    /// The program, for its log.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// A file beside that of the server: `$DIR` in a text.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.file(name)
    }

    /// The name of a stream that there was not before.
    pub fn fresh(&mut self) -> String {
        self.names += 1;
        format!("s{}", self.names)
    }

    /// Somebody publishes `live/cam` on the vhost of the test.
    #[must_use]
    pub fn publish(&self) -> Broadcast {
        Broadcast::unwatched(self.rtmp(), VHOST, "cam")
    }

    /// Writes a file and has the server read it by `millstream reload`; gives the plan.
    ///
    /// # Panics
    /// It is refused, or the server does not answer.
    #[must_use]
    pub fn reload(&self, settings: &str) -> String {
        self.write(settings);
        let output = self.command(&["reload"]);
        let (plan, errors) = (words(&output.stdout), words(&output.stderr));
        assert!(output.status.success(), "{errors}\n{}", self.program.log());
        plan
    }

    /// Writes a file and has the server read it by SIGHUP; gives what the log says.
    ///
    /// # Panics
    /// It is refused, or the server does not answer.
    #[must_use]
    pub fn hang_up(&self, settings: &str) -> String {
        self.write(settings);
        let read = |name| fs::read_to_string(self.file(name)).unwrap_or_default();
        // Where the process id goes may change too.
        let states = || [read("a.pid.settings"), read("b.pid.settings")].concat();
        let logs = || [self.program.log(), read("a.log")];
        let (before, logs_before) = (states(), logs());
        self.program.signal("HUP");
        let is_answer = |state: &str| state.contains(" done\n") || state.contains(" refused\n");
        wait_until("an answer to the signal", || {
            let state = states();
            state.lines().next() != before.lines().next() && is_answer(&state)
        });
        assert!(states().contains(" done\n"), "{}", self.program.log());
        let new = |(log, before): (String, String)| -> Vec<String> {
            log.lines().skip(before.lines().count()).map(str::to_owned).collect()
        };
        let is_told = |lines: &[String]| lines.iter().any(|line| line.contains(": done"));
        let mut told = Vec::new();
        wait_until("the end of the plan", || {
            told = logs().into_iter().zip(logs_before.clone()).flat_map(new).collect();
            is_told(&told)
        });
        told.join("\n")
    }

    /// Writes a file that the server is to refuse; gives what `millstream reload` says.
    ///
    /// # Panics
    /// It is not refused.
    #[must_use]
    pub fn reload_in_vain(&self, settings: &str) -> String {
        self.write(settings);
        let output = self.command(&["reload"]);
        assert!(!output.status.success(), "{}", words(&output.stdout));
        words(&output.stderr)
    }

    /// The by-standers are there, and have lost nothing.
    ///
    /// # Panics
    /// They have.
    pub fn assert_undisturbed(&self) {
        let aside = self.aside.as_ref().expect("it is there until the end");
        assert!(!aside.has_ended(), "the by-standers are gone: {}", self.program.log());
    }

    /// What a path gives by HTTP: status and body.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        get(SocketAddr::from(([127, 0, 0, 1], self.ports[1])), path)
    }

    /// The names of the streams that are published to the server that streams are forwarded to.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    pub fn forwarded(&self) -> String {
        let url = self.sink.http_url("");
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let address = address.parse().expect("an address");
        let (_, body) = get(address, "/api/v1/streams").expect("an answer");
        let list: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let streams = list["streams"].as_array().expect("a list").iter();
        let live = streams.filter(|stream| stream["live"] == true);
        let mut names: Vec<&str> = live.filter_map(|stream| stream["name"].as_str()).collect();
        names.sort_unstable();
        names.join(" ")
    }

    /// Ends the server; the by-standers have got all that they sent until then.
    ///
    /// # Panics
    /// They have not, or the server does not end well.
    pub fn finish(mut self) {
        self.aside.take().expect("it is there until the end").finish();
        self.program.signal("TERM");
        let (status, log) = self.program.finish();
        assert!(status.success(), "{log}");
    }

    fn write(&self, settings: &str) {
        let text = text(&self.scratch, self.ports, &self.sink, settings);
        fs::write(self.file("a.kdl"), text).expect("it can be written");
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).arg("-c").arg(self.file("a.kdl")).env("NO_COLOR", "1");
        command.output().expect("it starts")
    }
}

/// The file: what all rows have, but for what this one has instead, and the row's own.
fn text(scratch: &Scratch, ports: [u16; 4], sink: &Server, settings: &str) -> String {
    const HEAD: [&str; 6] = [
        "listen \"127.0.0.1:$RTMP\"",
        "http \"127.0.0.1:$HTTP\"",
        "log \"debug\"",
        "pid \"$DIR/a.pid\"",
        "pithy-print \"1h\"",
        "workers 2",
    ];
    let first_word = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let is_said = |line: &str| settings.lines().any(|own| first_word(own) == first_word(line));
    let head = HEAD.iter().filter(|line| !is_said(line)).flat_map(|line| [*line, "\n"]);
    let text: String = head.chain([settings, "\nvhost \"", ASIDE, "\"\n"]).collect();
    [
        ("$RTMP", ports[0].to_string()),
        ("$HTTP", ports[1].to_string()),
        ("$PORT", ports[2].to_string()),
        ("$NEXT", ports[3].to_string()),
        ("$SINK", sink.address().to_string()),
        ("$DIR", scratch.file("").to_string_lossy().trim_end_matches('/').to_owned()),
    ]
    .into_iter()
    .fold(text, |text, (name, value)| text.replace(name, &value))
}

/// Looks until it holds; only a failing test waits for long.
///
/// # Panics
/// It never holds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it never came: {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// Status and body of an answer by HTTP; none when nobody listens, or says nothing for a while.
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = words(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Ports that nobody uses now; all are open at the same time, so none is given twice.
fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
