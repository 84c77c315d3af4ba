//! `millstream reload`: asks a server for a reload, and tells what came of it.

use super::state::{self, State, state_file, without_name};
use super::{PATIENCE, pid_path};
use millstream_conf::cli::Reload;
use millstream_conf::program::{Printed, render};
use millstream_conf::settings::plan::Plan;
use millstream_conf::settings::problem::Look;
use millstream_conf::settings::{self, Settings, Source};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the answer of the server is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How often it may be missing: a server that goes to another file removes two, one after the other.
const MISSING_MAX: u32 = 25;

/// `millstream reload`.
#[must_use]
pub fn run(args: &Reload, look: Look) -> Printed {
    let warning = warning(&args.serve.source());
    match attempt(args, look) {
        Ok(out) => Printed { out, err: warning, failed: false },
        Err(err) => Printed { err: warning + &err, failed: true, ..Printed::default() },
    }
}

/// Flags that are given here and not to the server, which keeps its own.
fn warning(source: &Source) -> String {
    let flags = source.flags.iter().map(|given| given.flag).filter(|flag| *flag != "--pid");
    match flags.collect::<Vec<_>>().join(", ") {
        flags if flags.is_empty() => flags,
        flags => format!("{flags}: changes nothing, a server that runs keeps its own flags\n"),
    }
}

fn attempt(args: &Reload, look: Look) -> Result<String, String> {
    let source = args.serve.source();
    let loaded = source.load().map_err(|problems| render(&problems, look))?;
    let Some(pid_file) = pid_path(&loaded) else {
        return Err("no file with the process id is known: give --pid FILE, or `pid` in the \
                    configuration, to the server and here\n"
            .into());
    };
    let pid = pid_of_server(&pid_file)?;
    let before = State::read(&pid_file).map_err(|error| untold(&pid_file, &error))?;
    check_file(&before, source.file.as_deref())?;
    let expected = || plan(&before, source.file.clone(), look);
    if args.dry_run {
        return expected();
    }
    hang_up(&pid)?;
    match answer(&pid_file, &before.words)? {
        Some(plan) => Ok(plan),
        // It has taken the file away: to the place that the new configuration names.
        None => expected(),
    }
}

/// A server reloads the file that it was started with, whatever is named here.
fn check_file(state: &State, named: Option<&Path>) -> Result<(), String> {
    let Some(named) = named else { return Ok(()) };
    let is_same = |own: &Path| match (own.canonicalize(), named.canonicalize()) {
        (Ok(own), Ok(named)) => own == named,
        _ => std::path::absolute(named).is_ok_and(|named| named == own),
    };
    match &state.file {
        Some(own) if is_same(own) => Ok(()),
        Some(own) => Err(format!("the server reads {}, not {}\n", own.display(), named.display())),
        None if state::can_be_told(named) => {
            Err(format!("the server reads no file, and so not {}\n", named.display()))
        }
        None => Ok(()),
    }
}

/// The process id in a file that a server holds.
fn pid_of_server(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| {
        format!(
            "no server has left {}: {error}\n(where its `pid` has changed: send it SIGHUP, or name \
             the file of before by --pid FILE)\n",
            path.display()
        )
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut pid = String::new();
    file.read_to_string(&mut pid).map_err(unreadable)?;
    let pid = pid.trim();
    if !state::has_server(&file) {
        return Err(format!(
            "no server runs that has written {}: it is left over from an earlier one; nothing was \
             sent to process {pid}\n",
            path.display()
        ));
    }
    Ok(pid.to_owned())
}

/// Why a server that runs has not left its settings.
fn untold(pid_file: &Path, error: &io::Error) -> String {
    format!(
        "the server has not written {}: {error}\n(it has just started, or the disk is full; its log \
         says so, and SIGHUP lets it reload all the same)\n",
        state_file(pid_file).display()
    )
}

/// What a reload would change: the server reads `file`, or its own, but keeps what its flags and its
/// environment say.
fn plan(state: &State, file: Option<PathBuf>, look: Look) -> Result<String, String> {
    let old = settings::parse("settings in force", state.settings.as_bytes())
        .map_err(|problems| problems.render(look))?
        .settings;
    let file = file.or_else(|| state.file.clone());
    let source = Source { file, ..Source::default() };
    let mut new = source.load().map_err(|problems| render(&problems, look))?.settings;
    keep_fixed(state, &old, &mut new);
    Ok(Plan::new(&old, &new).to_string())
}

fn keep_fixed(state: &State, old: &Settings, new: &mut Settings) {
    for row in old.rows() {
        let path = without_name(&row.path);
        if state.fixed.contains(&path) {
            new.set(&path, &row.values);
        }
    }
}

/// Waits for the end of a reload: gives what it has changed, and nothing when the server has gone
/// with its file to another place.
fn answer(pid_file: &Path, before: &str) -> Result<Option<String>, String> {
    let begun = Instant::now();
    let mut missing = 0;
    while begun.elapsed() < PATIENCE {
        match State::read(pid_file) {
            Ok(State { plan, words, .. }) if words != before && words.ends_with(" done") => {
                return Ok(Some(plan));
            }
            Ok(State { words, .. }) if words != before && words.ends_with(" refused") => {
                return Err("the server has refused it; its log says why\n".into());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !pid_file.exists() {
                    return Ok(None);
                }
                missing += 1;
                if missing > MISSING_MAX {
                    return Err(untold(pid_file, &error));
                }
            }
            Ok(_) | Err(_) => {}
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Err(format!("the server has not answered within {} s\n", PATIENCE.as_secs()))
}

#[cfg(unix)]
fn hang_up(pid: &str) -> Result<(), String> {
    let number = pid.parse().ok().filter(|number| *number > 0);
    let number = number.and_then(rustix::process::Pid::from_raw);
    let pid = number.ok_or_else(|| format!("`{pid}` is no process id\n"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::HUP)
        .map_err(|error| format!("the server cannot be told: {error}\n"))
}

#[cfg(not(unix))]
fn hang_up(_pid: &str) -> Result<(), String> {
    Err("reloading needs signals, which this system does not have\n".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_conf::cli::Listen;
    use millstream_conf::settings::Override;
    use millstream_conf::settings::kind::Value;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_dry_run_keeps_what_the_flags_of_the_server_say() {
        let flags = vec![
            Override {
                flag: "--rtmp",
                path: "listen",
                values: vec![Value::Address(Listen::parse("127.0.0.1:29350").expect("an address"))],
            },
            Override { flag: "--http", path: "http.listen", values: vec![Value::Word("off")] },
            Override {
                flag: "--grace",
                path: "vhost.grace",
                values: vec![Value::Duration(Duration::from_secs(5))],
            },
        ];
        let source = Source { flags, ..Source::default() };
        let loaded = source.load().expect("good settings");
        let state = State::new("started".into(), String::new(), &loaded, &source);
        let state = State { settings: state.write(), ..state };
        let check = |content: Option<&str>, expected: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            let file = content.map(|content| {
                let file = folder.path().join("a.kdl");
                std::fs::write(&file, content).expect("a file");
                file
            });
            assert_eq!(plan(&state, file, Look::Plain).as_deref(), Ok(expected));
        };
        check(None, "nothing changes\n");
        check(Some("vhost \"__defaultVhost__\" grace=\"9s\"\nhttp off\n"), "nothing changes\n");
        check(
            Some("chunk-size 4096\n"),
            "keep    RTMP on 127.0.0.1:29350\nchange  chunk-size: 60000 -> 4096 (next connection)\n\
             keep    vhost __defaultVhost__\n",
        );
    }

    #[test]
    fn a_file_that_the_server_does_not_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let [own, other] = ["a.kdl", "b.kdl"].map(|name| folder.path().join(name));
        std::fs::write(&own, "").expect("a file");
        std::fs::write(&other, "").expect("a file");
        let state = State { file: Some(own.clone()), ..State::default() };
        let winding = folder.path().join(".").join("a.kdl");
        for named in [None, Some(&*own), Some(&*winding)] {
            assert_eq!(check_file(&state, named), Ok(()));
        }
        let words = format!("the server reads {}, not {}\n", own.display(), other.display());
        assert_eq!(check_file(&state, Some(&other)), Err(words));
        let error = check_file(&State::default(), Some(&other)).expect_err("it has none");
        assert!(error.contains("reads no file"), "{error}");
        // The server could not write this name.
        assert_eq!(check_file(&State::default(), Some(&folder.path().join("a\nb"))), Ok(()));
    }

    #[test]
    fn flags_that_the_server_does_not_get_are_warned_of() {
        let flag = |flag, path| Override { flag, path, values: Vec::new() };
        let flags = vec![flag("--grace", "vhost.grace"), flag("--pid", "pid")];
        let text = warning(&Source { flags, ..Source::default() });
        assert!(text.starts_with("--grace: changes nothing"), "{text}");
        let flags = vec![flag("--pid", "pid")];
        assert_eq!(warning(&Source { flags, ..Source::default() }), "");
    }

    #[test]
    fn a_stale_pid_file_sends_no_signal() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.pid");
        std::fs::write(&path, "4242\n").expect("a file");
        let error = pid_of_server(&path).expect_err("nobody holds it");
        assert!(error.contains("left over") && error.contains("process 4242"), "{error}");
    }
}
