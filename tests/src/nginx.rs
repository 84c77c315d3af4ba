//! nginx with its RTMP module, as a server to forward to and from.
use crate::client::Scratch;
use crate::program::Program;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where Debian has the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// A running nginx; dropped, it is killed.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    program: Program,
}

impl Nginx {
    /// Starts it at `address` with an application `live`; `push` is where it pushes each stream.
    ///
    /// # Panics
    /// When it does not start: `tests/run` installs it.
    #[must_use]
    pub fn start(address: SocketAddr, push: Option<&str>, scratch: &Scratch) -> Self {
        let push = push.map(|url| format!("push {url}; push_reconnect 1s;")).unwrap_or_default();
        let pid = scratch.file("nginx.pid");
        let text = format!(
            "daemon off; master_process off; error_log stderr info; pid {};\n\
             load_module {MODULE}; events {{ }}\n\
             rtmp {{ server {{ listen {address}; application live {{ live on; {push} }} }} }}\n",
            pid.display()
        );
        let file = scratch.file("nginx.conf");
        fs::write(&file, text).expect("a folder of our own");
        let program = Path::new("/usr/sbin/nginx");
        let mut command = Command::new(if program.exists() { program } else { "nginx".as_ref() });
        command.arg("-p").arg(scratch.file("")).arg("-c").arg(&file).stdin(Stdio::null());
        let program = Program::start(command);
        program.wait_until("that it listens", |_| TcpStream::connect(address).is_ok());
        Self { address, program }
    }

    /// The URL of a stream, given as `app/stream`.
    #[must_use]
    pub fn url(&self, stream: &str) -> String {
        format!("rtmp://{}/{stream}", self.address)
    }

    /// The program itself, for its log.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }
}
