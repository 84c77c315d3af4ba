//! A running `millstream`, as a user starts it.
use crate::program::Program;
use crate::transport::Transport;
use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A server of one test's own, on a free port of the loopback interface.
///
/// With `MILLSTREAM_TEST_SERVER=HOST:PORT` the tests turn to a server that runs already, which
/// shows whether a failure is the server's or the test's.
#[derive(Debug)]
pub struct Server {
    program: Option<Program>,
    address: SocketAddr,
    http: Option<SocketAddr>,
}

impl Server {
    /// Starts it and waits for the banner that says where to publish.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with further arguments.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    /// Starts it at an address, such as that of one that has ended.
    #[must_use]
    pub fn start_at(listen: &str, arguments: &[&str]) -> Self {
        if let Ok(address) = env::var("MILLSTREAM_TEST_SERVER") {
            let address = address.parse().expect("MILLSTREAM_TEST_SERVER is HOST:PORT");
            return Self { program: None, address, http: None };
        }
        let mut command = Command::new(binary());
        command.args(["serve", "--rtmp", listen]).args(arguments);
        command.env("NO_COLOR", "1").env_remove("RUST_LOG").stdin(Stdio::null());
        let program = Program::start(command);
        let banner = program.wait_for(&["rtmp://127.0.0.1:"]);
        let address = banner.split("rtmp://").nth(1).and_then(|url| url.split('/').next());
        let address = address.and_then(|address| address.trim().parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in the banner: {banner}"));
        let http = program.log().lines().find_map(|line| {
            line.strip_prefix("HTTP on ").map(|at| at.parse().expect("an address"))
        });
        Self { program: Some(program), address, http }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a stream, given as `app/stream`.
    #[must_use]
    pub fn url(&self, stream: &str) -> String {
        format!("rtmp://{}/{stream}", self.address)
    }

    /// The URL of a path by HTTP, given without its first slash.
    ///
    /// # Panics
    /// When the server does not speak HTTP.
    #[must_use]
    pub fn http_url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.http.expect("the server speaks HTTP"))
    }

    /// The program itself, for its log and signals.
    ///
    /// # Panics
    /// When the server is not ours, as `MILLSTREAM_TEST_SERVER` says.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.program.as_ref().expect("this test needs a server of its own")
    }

    /// Gives up the server for the program, to see how it ends.
    ///
    /// # Panics
    /// As [`Self::program`].
    #[must_use]
    pub fn into_program(self) -> Program {
        self.program.expect("this test needs a server of its own")
    }
}

/// The program under test.
#[must_use]
pub fn binary() -> PathBuf {
    Transport::under_test().binary()
}
