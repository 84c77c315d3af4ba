//! The servers: how each is started, and how load is put on it.

use crate::bench::process::{Pinned, free_address, own_program};
use millstream_conf::cli::BenchCompare;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Connections that others are set up for besides those of the players. SRS does not start with more
/// than the limit of open files leaves room for.
const CONNECTIONS_MORE: u32 = 100;

/// A server and a way to run it.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    program: Program,
}

#[derive(Clone, Debug)]
enum Program {
    Millstream { send_delay: Option<&'static str> },
    Nginx(PathBuf),
    Null { send_delay: &'static str },
    Srs { program: PathBuf, is_low_latency: bool },
}

/// A server that listens.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) process: Pinned,
}

/// All servers that are here and wanted.
pub(super) fn all(args: &BenchCompare) -> Vec<Kind> {
    let millstream = |name, send_delay| Kind { name, program: Program::Millstream { send_delay } };
    let null = |name, send_delay| Kind { name, program: Program::Null { send_delay } };
    let mut kinds = vec![
        millstream("millstream", None),
        millstream("millstream, send-delay 0", Some("0")),
        millstream("millstream, send-delay 350", Some("350")),
        millstream("millstream, fixed:350", Some("fixed:350")),
    ];
    if is_there(&args.nginx) {
        kinds.push(Kind { name: "nginx-rtmp", program: Program::Nginx(args.nginx.clone()) });
    }
    if let Some(program) = &args.srs {
        for (name, is_low_latency) in [("SRS", false), ("SRS, low latency", true)] {
            let program = Program::Srs { program: program.clone(), is_low_latency };
            kinds.push(Kind { name, program });
        }
    }
    kinds.push(null("null server", "0s"));
    kinds.push(null("null server, merging 350 ms", "350ms"));
    let is_wanted = |name: &str| {
        args.only.is_empty() || args.only.iter().any(|word| name.contains(word.as_str()))
    };
    kinds.retain(|kind| is_wanted(kind.name));
    kinds
}

impl Kind {
    /// Starts the server on `core`, and waits until it listens.
    pub(super) fn start(
        &self,
        args: &BenchCompare,
        core: u16,
        folder: &Path,
    ) -> Result<Running, String> {
        let address = free_address()?;
        let (program, words) = self.command(args, address, folder)?;
        let process = Pinned::start_server(&[core], &program, &words, address)?;
        Ok(Running { address, process })
    }

    /// The arguments of this program that put the load on.
    pub(super) fn load(
        &self,
        args: &BenchCompare,
        address: SocketAddr,
        players: u32,
        time: Duration,
    ) -> Vec<String> {
        let mut words = match &self.program {
            Program::Null { .. } => vec!["bench".into(), "null-play".into(), address.to_string()],
            Program::Millstream { .. } | Program::Nginx(_) | Program::Srs { .. } => {
                let url = format!("rtmp://{address}/live/compare");
                let file = args.file.display().to_string();
                vec!["bench".into(), "play".into(), url, "--publish".into(), file]
            }
        };
        let numbers = [
            ("--players", players.to_string()),
            ("--for", format!("{}ms", time.as_millis())),
            ("--rate", args.rate.to_string()),
            ("--threads", "1".to_owned()),
        ];
        words.extend(numbers.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        words.push("--json".into());
        words
    }

    fn command(
        &self,
        args: &BenchCompare,
        address: SocketAddr,
        folder: &Path,
    ) -> Result<(PathBuf, Vec<String>), String> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(path.display().to_string())
        };
        let players = args.players.iter().copied().max().unwrap_or_default();
        let connections = players.saturating_add(CONNECTIONS_MORE);
        Ok(match &self.program {
            Program::Millstream { send_delay } => {
                let at = address.to_string();
                let mut words = ["serve", "--workers", "1", "--rtmp"].map(str::to_owned).to_vec();
                words.push(at);
                let send_delay = send_delay.map(|delay| ["--send-delay", delay]);
                words.extend(send_delay.iter().flatten().map(|word| (*word).to_owned()));
                (own_program()?, words)
            }
            Program::Null { send_delay } => {
                let words = ["bench", "null-serve", "--send-delay", send_delay, "--listen"];
                let mut words = words.map(str::to_owned).to_vec();
                words.extend([address.to_string(), args.file.display().to_string()]);
                (own_program()?, words)
            }
            Program::Nginx(program) => {
                let file = write("nginx.conf", nginx(address, folder, connections))?;
                let prefix = folder.display().to_string();
                (program.clone(), vec!["-p".into(), prefix, "-c".into(), file])
            }
            Program::Srs { program, is_low_latency } => {
                let text = srs(address, folder, connections, *is_low_latency);
                let file = write("srs.conf", text)?;
                (program.clone(), vec!["-c".into(), file])
            }
        })
    }
}

/// One process, so that it is on one core and its use is told as one.
fn nginx(address: SocketAddr, folder: &Path, connections: u32) -> String {
    let folder = folder.display();
    format!(
        "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
         daemon off;\nmaster_process off;\nworker_processes 1;\n\
         worker_rlimit_nofile {};\n\
         pid {folder}/nginx.pid;\nerror_log {folder}/nginx.log crit;\n\
         events {{ worker_connections {connections}; }}\n\
         rtmp {{ access_log off; server {{ listen {address}; application live {{ live on; }} }} }}\n",
        connections.saturating_add(CONNECTIONS_MORE)
    )
}

fn srs(address: SocketAddr, folder: &Path, connections: u32, is_low_latency: bool) -> String {
    let folder = folder.display();
    let (publish, play) = if is_low_latency {
        ("publish { mr off; }", "play { gop_cache on; mw_latency 0; mw_msgs 0; }")
    } else {
        ("", "")
    };
    let low = if is_low_latency { "min_latency on; tcp_nodelay on;" } else { "" };
    format!(
        "listen {address};\nmax_connections {connections};\ndaemon off;\n\
         srs_log_tank file;\nsrs_log_file {folder}/srs.log;\nsrs_log_level error;\n\
         pid {folder}/srs.pid;\nhttp_api {{ enabled off; }}\n\
         vhost __defaultVhost__ {{ {low} {publish} {play} }}\n"
    )
}

fn is_there(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
