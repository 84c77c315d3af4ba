//! The log: lines to standard error or to a file, written by a thread of their own.
//!
//! A blocked terminal, pipe or disk never blocks the media: lines wait in a bounded queue, and are
//! counted, not kept, when it is full. All that is set of the log changes while the program runs;
//! a file is opened anew by each reload, so that the old one can be moved away before.

use millstream_conf::cli::{LogFormat, LogLevel};
use millstream_conf::report::{Line, Report};
use millstream_conf::settings::problem::Problems;
use millstream_conf::settings::{Loaded, Settings};
use millstream_core::event::Event;
use millstream_core::shard::Placement;
use millstream_core::time::Instant;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer as FormatWriter;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::{Layer, Layered, SubscriberExt as _};
use tracing_subscriber::{Registry, reload};

/// Lines that wait to be written.
const LINES_MAX: usize = 8_192;

/// How long the end of the program waits for a blocked log.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// The log of this process; flushed when dropped.
pub struct Log {
    is_json: Arc<AtomicBool>,
    level: reload::Handle<LevelFilter, Layered<reload::Layer<Lines, Registry>, Registry>>,
    lines: reload::Handle<Lines, Registry>,
    queue: Queue,
}

/// Makes lines of events.
type Lines = Box<dyn Layer<Registry> + Send + Sync>;

impl Log {
    /// Starts the log of the process. A second start has no effect.
    #[must_use]
    pub fn start(settings: &Settings, file: Option<File>) -> Self {
        let (to, is_coloured) = destination(file);
        let is_json = Arc::new(AtomicBool::new(settings.log_format == LogFormat::Json));
        let queue = Queue::new(to, is_json.clone());
        let lines = lines(&queue, settings.log_format, is_coloured);
        let (lines, lines_handle) = reload::Layer::new(lines);
        let (level, level_handle) = reload::Layer::new(filter(settings.log_level));
        let subscriber = Registry::default().with(lines).with(level);
        let _ = tracing::subscriber::set_global_default(subscriber);
        Self { is_json, level: level_handle, lines: lines_handle, queue }
    }

    /// Goes on as the settings say now: what is told from now on goes to `file`.
    pub fn change(&self, settings: &Settings, file: Option<File>) {
        let (to, is_coloured) = destination(file);
        self.queue.redirect(to);
        self.is_json.store(settings.log_format == LogFormat::Json, Ordering::Relaxed);
        // They fail only when the log was not the first of the process.
        let _ = self.lines.reload(lines(&self.queue, settings.log_format, is_coloured));
        let _ = self.level.reload(filter(settings.log_level));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.flush(FLUSH_TIME);
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("is_json", &self.is_json).finish_non_exhaustive()
    }
}

/// Why a log file cannot be written.
#[derive(Debug)]
pub struct OpenError {
    error: io::Error,
    path: Arc<str>,
}

impl OpenError {
    /// With the line that names the file.
    #[must_use]
    pub fn explain(&self, loaded: &Loaded) -> Problems {
        let message = format!("the log cannot be written to {}: {}", self.path, self.error);
        let at = loaded.problem_at("log.file", 0, &message);
        at.unwrap_or_else(|| Problems::unreadable("log", message))
    }
}

/// Opens the file that the settings name, to be appended to; none for the standard error.
///
/// # Errors
/// As the system gives them.
pub fn open(settings: &Settings) -> Result<Option<File>, OpenError> {
    let Some(path) = &settings.log_file else { return Ok(None) };
    let file = File::options().append(true).create(true).open(Path::new(&**path));
    file.map(Some).map_err(|error| OpenError { error, path: path.clone() })
}

/// Where lines go, and whether colours are seen there.
fn destination(file: Option<File>) -> (Box<dyn Write + Send>, bool) {
    match file {
        Some(file) => (Box::new(file), false),
        None => (Box::new(io::stderr()), io::stderr().is_terminal()),
    }
}

fn lines(queue: &Queue, format: LogFormat, is_coloured: bool) -> Lines {
    let layer = tracing_subscriber::fmt::layer().with_target(false).with_writer(queue.clone());
    match format {
        LogFormat::Human => layer.with_ansi(is_coloured).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Gives each event of a server its line.
pub fn events_to_log(
    log: &Log,
    placement: Placement,
) -> impl FnMut(Instant, Event) + Send + 'static {
    let mut report = Report::new();
    // With one shard its number says nothing.
    let shard = (placement.count.get() > 1).then_some(placement.own.0);
    let is_json = log.is_json.clone();
    move |now, event| {
        if let Some(line) = report.line(now, &event) {
            write(&line, is_json.load(Ordering::Relaxed), shard);
        }
    }
}

/// People read the words, which name the stream; programs read the fields.
fn write(line: &Line, is_json: bool, shard: Option<u16>) {
    macro_rules! write_at {
        ($level:ident) => {
            tracing::$level!(
                event = is_json.then_some(line.event),
                shard,
                conn = line.conn.map(tracing::field::display),
                peer = line.peer.map(tracing::field::display),
                stream = line.stream.as_ref().filter(|_| is_json).map(tracing::field::display),
                reason = line.reason,
                "{}",
                line.text
            )
        };
    }
    match line.level {
        LogLevel::Warn => write_at!(warn),
        LogLevel::Info => write_at!(info),
        LogLevel::Debug => write_at!(debug),
        LogLevel::Trace => write_at!(trace),
    }
}

/// The way of lines from the media thread to the thread that writes.
#[derive(Clone, Debug)]
struct Queue {
    lost: Arc<AtomicU64>,
    sender: SyncSender<Item>,
    flushed: Arc<Mutex<Receiver<()>>>,
}

enum Item {
    Flush,
    Line(Vec<u8>),
    /// Further lines go there.
    Redirect(Box<dyn Write + Send>),
}

impl Queue {
    fn new(to: Box<dyn Write + Send>, is_json: Arc<AtomicBool>) -> Self {
        let lost = Arc::new(AtomicU64::new(0));
        let (sender, items) = sync_channel(LINES_MAX);
        let (flushed_sender, flushed) = sync_channel(1);
        let writer_lost = lost.clone();
        // Without a thread all lines are counted as lost: a server without log still serves.
        let _ = thread::Builder::new().name("log".into()).spawn(move || {
            write_all(to, &is_json, &items, &writer_lost, &flushed_sender);
        });
        Self { lost, sender, flushed: Arc::new(Mutex::new(flushed)) }
    }

    fn push(&self, line: &[u8]) {
        match self.sender.try_send(Item::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lines so far go where they went, later ones to another place. Where the old one is blocked
    /// it is for the thread that calls to wait, and not for long.
    fn redirect(&self, to: Box<dyn Write + Send>) {
        let _ = self.send(Item::Redirect(to), FLUSH_TIME);
    }

    /// Waits for room in the queue, but not for long; false when there is none.
    fn send(&self, mut item: Item, time: Duration) -> bool {
        let start = std::time::Instant::now();
        while let Err(TrySendError::Full(same)) = self.sender.try_send(item) {
            if start.elapsed() >= time {
                return false;
            }
            item = same;
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Waits until all lines so far are written, but not for long.
    fn flush(&self, time: Duration) {
        let start = std::time::Instant::now();
        if !self.send(Item::Flush, time) {
            return;
        }
        let flushed = self.flushed.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = flushed.recv_timeout(time.saturating_sub(start.elapsed()));
    }
}

fn write_all(
    to: Box<dyn Write + Send>,
    is_json: &AtomicBool,
    items: &Receiver<Item>,
    lost: &AtomicU64,
    flushed: &SyncSender<()>,
) {
    let mut sink = Sink { is_inside_line: false, to };
    while let Ok(item) = items.recv() {
        let written = match item {
            Item::Line(line) => sink.write_line(&line).inspect_err(|_| {
                lost.fetch_add(1, Ordering::Relaxed);
            }),
            Item::Flush => {
                tell_lost(&mut sink, lost, is_json);
                let _ = sink.to.flush();
                let _ = flushed.try_send(());
                continue;
            }
            Item::Redirect(to) => {
                // It may be the same file, opened anew.
                let is_inside_line = sink.is_inside_line && sink.write(b"\n").is_err();
                sink = Sink { is_inside_line, to };
                Ok(())
            }
        };
        // Where no line could be written, none about it can.
        if written.is_ok() {
            tell_lost(&mut sink, lost, is_json);
        }
    }
}

/// Lines are counted as lost until that is told.
fn tell_lost(sink: &mut Sink, lost: &AtomicU64, is_json: &AtomicBool) {
    let count = lost.load(Ordering::Relaxed);
    if count == 0 {
        return;
    }
    let line = lost_line(count, is_json.load(Ordering::Relaxed));
    if sink.write_line(line.as_bytes()).is_ok() {
        lost.fetch_sub(count, Ordering::Relaxed);
    }
}

/// Where lines are written, one after the other.
struct Sink {
    /// A line was begun and not ended, such as on a disk that became full.
    is_inside_line: bool,
    to: Box<dyn Write + Send>,
}

impl Sink {
    /// The next line begins on its own, whatever became of the one before.
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_inside_line {
            self.write(b"\n")?;
        }
        self.write(line)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let len = match self.to.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (written, rest) = bytes.split_at(len.min(bytes.len()));
            self.is_inside_line = written.last() != Some(&b'\n');
            bytes = rest;
        }
        Ok(())
    }
}

/// Written past the queue, which was full.
fn lost_line(count: u64, is_json: bool) -> String {
    if !is_json {
        return format!("WARN {count} log lines were lost\n");
    }
    let mut time = String::new();
    // A text takes all that is written to it.
    let _ = SystemTime.format_time(&mut FormatWriter::new(&mut time));
    format!(
        "{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"message\":\"{count} log lines were lost\",\
         \"event\":\"log_lost\",\"lost\":{count}}}\n"
    )
}

/// One formatted line; tracing-subscriber writes each line by one call.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    /// A sink that blocks until it is opened.
    #[derive(Clone)]
    struct Gate {
        written: Arc<Mutex<Vec<u8>>>,
        open: Arc<Mutex<()>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _open = self.open.lock().expect("the gate");
            self.written.lock().expect("the sink").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn row_130_a_blocked_log_loses_lines_and_says_how_many() {
        let gate = Gate { written: Arc::default(), open: Arc::default() };
        let (written, open) = (gate.written.clone(), gate.open.clone());
        let queue = Queue::new(Box::new(gate), Arc::default());
        let blocked = open.lock().expect("the gate");
        let pushed = LINES_MAX + 1_000;
        for _ in 0..pushed {
            queue.push(b"line\n");
        }
        drop(blocked);
        queue.flush(Duration::from_secs(20));
        queue.push(b"last\n");
        queue.flush(Duration::from_secs(20));
        let written = String::from_utf8(written.lock().expect("the sink").clone()).expect("text");
        let lines = written.lines().filter(|line| *line == "line").count();
        let lost: usize = written
            .lines()
            .filter_map(|line| line.strip_prefix("WARN ")?.strip_suffix(" log lines were lost"))
            .filter_map(|count| count.parse::<usize>().ok())
            .sum();
        assert_eq!(lines + lost, pushed);
        assert!(lost >= 998, "{lost}");
        assert!(written.contains("last"));
    }

    /// A disk with room for so many bytes.
    #[derive(Clone)]
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (room, written) = &mut *self.0.lock().expect("the disk");
            let len = bytes.len().min(*room);
            *room -= len;
            written.extend_from_slice(&bytes[..len]);
            if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_glues_no_lines_and_what_is_lost_is_told() {
        let disk = Disk(Arc::new(Mutex::new((15, Vec::new()))));
        let queue = Queue::new(Box::new(disk.clone()), Arc::new(AtomicBool::new(true)));
        let patience = Duration::from_secs(20);
        for number in 0..5 {
            queue.push(format!("{{\"line\":{number}}}\n").as_bytes());
        }
        queue.flush(patience);
        disk.0.lock().expect("the disk").0 = usize::MAX;
        queue.push(b"{\"line\":5}\n");
        queue.flush(patience);
        let text = String::from_utf8(disk.0.lock().expect("the disk").1.clone()).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["{\"line\":0}", "{\"li", "{\"line\":5}"], "{text}");
        let notice: serde_json::Value = serde_json::from_str(lines[3]).expect("a line of JSON");
        assert_eq!((&notice["lost"], lines.len()), (&4.into(), 4), "{text}");
        assert_eq!(notice["message"], "4 log lines were lost");
        let time = notice["timestamp"].as_str().expect("a time");
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
}
