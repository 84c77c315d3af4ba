//! A program on some of the cores, and what it uses.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take until it listens.
const START_TIME: Duration = Duration::from_secs(10);

/// Ticks of a second in `/proc` (`USER_HZ`): the same on all systems that we measure on.
const TICKS_PER_SECOND: u64 = 100;

/// A running program that stays on its cores; dropped, it is killed.
#[derive(Debug)]
pub(super) struct Pinned {
    child: Child,
    name: String,
}

/// What a program has used, and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    /// Bytes of resident memory.
    pub(super) resident: u64,
}

impl Pinned {
    pub(super) fn start(cores: &[u16], program: &Path, words: &[String]) -> Result<Self, String> {
        let name = program.display().to_string();
        let cores: Vec<String> = cores.iter().map(u16::to_string).collect();
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &cores.join(",")]).arg(program).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("taskset {name}: {error}"))?;
        Ok(Self { child, name })
    }

    /// A server, once it listens at `address`.
    pub(super) fn start_server(
        cores: &[u16],
        program: &Path,
        words: &[String],
        address: SocketAddr,
    ) -> Result<Self, String> {
        let mut process = Self::start(cores, program, words)?;
        let deadline = Instant::now() + START_TIME;
        while TcpStream::connect(address).is_err() {
            if process.has_ended() || Instant::now() > deadline {
                return Err(format!("{} does not start", process.name));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(process)
    }

    /// Waits for the end, and gives what it has written.
    pub(super) fn output(mut self) -> Result<String, String> {
        let mut text = String::new();
        let read = self.child.stdout.take().map(|mut output| output.read_to_string(&mut text));
        read.transpose().map_err(|error| format!("{}: {error}", self.name))?;
        Ok(text)
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// As the system tells it; taskset has become the program, so the process is its own.
    pub(super) fn usage(&self) -> Result<Usage, String> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.child.id());
            fs::read_to_string(&path)
                .map_err(|error| format!("{}: {path}: {error}; it has ended", self.name))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        usage(&stat, &status).ok_or_else(|| format!("{}: it has ended", self.name))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It may have ended by itself; both fail then and nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn own_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("this program is not to be found: {error}"))
}

pub(super) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener.and_then(|listener| listener.local_addr()).map_err(|error| error.to_string())
}

fn usage(stat: &str, status: &str) -> Option<Usage> {
    // The name of the program comes second, in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let cpu = Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND);
    Some(Usage { cpu, resident: resident << 10 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn usage_is_read_from_the_system_s_own_words() {
        let stat = "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        let status = "Name:\ta\nVmRSS:\t    2048 kB\nThreads:\t1\n";
        let expected = Usage { cpu: Duration::from_secs(3), resident: 2 << 20 };
        assert_eq!(usage(stat, status), Some(expected));
        assert_eq!(usage("7 (a) Z", status), None);
        assert_eq!(usage(stat, "Name:\ta\n"), None, "a program that has ended holds no memory");
    }
}
