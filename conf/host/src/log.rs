//! The log: lines to standard error, written by a thread of their own.
//!
//! A blocked terminal, pipe or disk never blocks the media: lines wait in a bounded queue, and are
//! counted, not kept, when it is full.

use millstream_conf::cli::{LogFormat, LogLevel};
use millstream_conf::report::{Line, Report};
use millstream_core::event::Event;
use millstream_core::shard::Placement;
use millstream_core::time::Instant;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written.
const LINES_MAX: usize = 8_192;

/// How long the end of the program waits for a blocked log.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// The log of this process; flushed when dropped.
#[derive(Debug)]
pub struct Log {
    queue: Queue,
}

impl Log {
    /// Starts the log of the process. A second start has no effect.
    #[must_use]
    pub fn start(format: LogFormat, level: LogLevel) -> Self {
        let queue = Queue::new(io::stderr(), format);
        let filter = match level {
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        let builder = tracing_subscriber::fmt()
            .with_max_level(filter)
            .with_target(false)
            .with_writer(queue.clone());
        match format {
            LogFormat::Human => {
                let subscriber = builder.with_ansi(io::stderr().is_terminal()).finish();
                let _ = tracing::subscriber::set_global_default(subscriber);
            }
            LogFormat::Json => {
                let subscriber = builder.json().flatten_event(true).finish();
                let _ = tracing::subscriber::set_global_default(subscriber);
            }
        }
        Self { queue }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.flush(FLUSH_TIME);
    }
}

/// Gives each event of a server its line.
pub fn events_to_log(
    format: LogFormat,
    placement: Placement,
) -> impl FnMut(Instant, Event) + Send + 'static {
    let mut report = Report::new();
    // With one shard its number says nothing.
    let shard = (placement.count.get() > 1).then_some(placement.own.0);
    move |now, event| {
        if let Some(line) = report.line(now, &event) {
            write(&line, format, shard);
        }
    }
}

/// People read the words, which name the stream; programs read the fields.
fn write(line: &Line, format: LogFormat, shard: Option<u16>) {
    let is_json = format == LogFormat::Json;
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

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    Flush,
}

impl Queue {
    fn new(to: impl Write + Send + 'static, format: LogFormat) -> Self {
        let lost = Arc::new(AtomicU64::new(0));
        let (sender, items) = sync_channel(LINES_MAX);
        let (flushed_sender, flushed) = sync_channel(1);
        let writer_lost = lost.clone();
        // Without a thread all lines are counted as lost: a server without log still serves.
        let _ = thread::Builder::new().name("log".into()).spawn(move || {
            write_all(to, format, &items, &writer_lost, &flushed_sender);
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

    /// Waits until all lines so far are written, but not for long.
    fn flush(&self, time: Duration) {
        let start = std::time::Instant::now();
        while let Err(TrySendError::Full(_)) = self.sender.try_send(Item::Flush) {
            if start.elapsed() >= time {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let flushed = self.flushed.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = flushed.recv_timeout(time.saturating_sub(start.elapsed()));
    }
}

fn write_all(
    mut to: impl Write,
    format: LogFormat,
    items: &Receiver<Item>,
    lost: &AtomicU64,
    flushed: &SyncSender<()>,
) {
    while let Ok(item) = items.recv() {
        match item {
            Item::Line(line) => drop(to.write_all(&line)),
            Item::Flush => {
                let _ = to.flush();
                let _ = flushed.try_send(());
            }
        }
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = to.write_all(lost_line(count, format).as_bytes());
        }
    }
}

/// Written past the queue, which was full.
fn lost_line(count: u64, format: LogFormat) -> String {
    match format {
        LogFormat::Human => format!("WARN {count} log lines were lost\n"),
        LogFormat::Json => {
            format!("{{\"level\":\"WARN\",\"event\":\"log_lost\",\"lost\":{count}}}\n")
        }
    }
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
        let queue = Queue::new(gate, LogFormat::Human);
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
}
