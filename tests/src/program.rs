//! A child process whose lines are kept, with waits that have an end.
use std::io::Read;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that takes a moment; only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// How often a condition that no line announces is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// A running program; dropped, it is killed.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    output: Arc<Output>,
    status: Option<ExitStatus>,
}

#[derive(Debug, Default)]
struct Output {
    state: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    open_pipes: usize,
}

impl Program {
    /// Starts `command` with its standard output and error kept, line by line.
    ///
    /// # Panics
    /// When it cannot be started: `tests/run` installs what the tests need.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.spawn();
        let mut child = spawned.unwrap_or_else(|error| {
            panic!("cannot start {name} ({error}); tests/run installs what is missing")
        });
        let output = Arc::new(Output::default());
        output.lock().open_pipes = 2;
        keep_lines(child.stdout.take().expect("the output is a pipe"), Arc::clone(&output));
        keep_lines(child.stderr.take().expect("the errors are a pipe"), Arc::clone(&output));
        Self { name, child, output, status: None }
    }

    /// The end of a pipe to its standard input, when the command asked for one.
    #[must_use]
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has closed its output, as it does when it ends.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.output.lock().open_pipes == 0
    }

    /// All lines so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.output.lock().lines.join("\n")
    }

    /// Waits for a line that holds all of `words`, and gives the first one.
    ///
    /// # Panics
    /// When the program ends without it, or after [`PATIENCE`].
    pub fn wait_for(&self, words: &[&str]) -> String {
        let holds_all = |line: &&String| words.iter().all(|word| line.contains(word));
        let mut found = None;
        self.wait_until(&format!("a line with {words:?}"), |lines| {
            found = lines.iter().find(holds_all).cloned();
            found.is_some()
        });
        found.unwrap_or_default()
    }

    /// Waits until `condition` holds for the lines so far; it is looked at again with each new
    /// line and several times a second.
    ///
    /// # Panics
    /// When the program ends first, or after [`PATIENCE`].
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut(&[String]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The condition may be slow, so the pipes must not wait for it.
            let (lines, ended) = {
                let state = self.output.lock();
                (state.lines.clone(), state.open_pipes == 0)
            };
            if condition(&lines) {
                return;
            }
            if ended || Instant::now() > deadline {
                let why = if ended { "ended" } else { "ran" };
                panic!("{} {why} without {what}:\n{}", self.name, tail(&lines));
            }
            let state = self.output.lock();
            if state.lines.len() == lines.len() && state.open_pipes > 0 {
                drop(self.output.changed.wait_timeout(state, LOOK_AGAIN));
            }
        }
    }

    /// Sends a signal such as `INT` or `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(sent.expect("kill can be started").success(), "no {} to signal", self.name);
    }

    /// Waits for the end and gives the exit status and all lines.
    ///
    /// # Panics
    /// When it still runs after [`PATIENCE`].
    pub fn finish(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.output.lock();
        while state.open_pipes > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = self.output.changed.wait_timeout(state, left);
            let (next, timeout) = waited.expect("a reader of lines panicked");
            state = next;
            if timeout.timed_out() {
                let lines = tail(&state.lines);
                drop(state);
                panic!("{} still runs:\n{lines}", self.name);
            }
        }
        drop(state);
        let status = self.child.wait().expect("a child can be waited for");
        self.status = Some(status);
        (status, self.log())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.status.is_none() {
            // It may have ended by itself; both calls fail then and nothing is left to do.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.state.lock().expect("a reader of lines panicked")
    }
}

/// Starts a program, waits for its end and gives its standard output.
///
/// # Panics
/// When it cannot be started or fails.
#[must_use]
pub fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("cannot start {command:?} ({error}); tests/run installs what is missing")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{errors}");
    output.stdout
}

/// The last lines, enough to see what a program was about.
fn tail(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Programs that show a status line end it with a carriage return, so that ends a line too.
fn keep_lines(mut pipe: impl Read + Send + 'static, output: Arc<Output>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        let mut line = Vec::new();
        while let Ok(len) = pipe.read(&mut bytes)
            && len > 0
        {
            for &byte in bytes.iter().take(len) {
                if byte != b'\n' && byte != b'\r' {
                    line.push(byte);
                } else if !line.is_empty() {
                    output.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                    line.clear();
                }
            }
            output.changed.notify_all();
        }
        let mut state = output.lock();
        if !line.is_empty() {
            state.lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        state.open_pipes -= 1;
        drop(state);
        output.changed.notify_all();
    });
}
