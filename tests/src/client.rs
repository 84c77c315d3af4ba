//! The encoders and players that people use, started as people start them.
use crate::program::Program;
use crate::recording::{Recording, new_ffmpeg};
use crate::sample;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// A program that publishes a file at the pace of its timestamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoder {
    /// Debian's ffmpeg.
    Ffmpeg,
    /// GStreamer's own RTMP client.
    GstRtmp2Sink,
    /// GStreamer on librtmp, the library that OBS grew from.
    GstRtmpSink,
    /// The current ffmpeg.
    NewFfmpeg,
}

impl Encoder {
    /// Every encoder.
    pub const ALL: [Self; 4] =
        [Self::Ffmpeg, Self::GstRtmp2Sink, Self::GstRtmpSink, Self::NewFfmpeg];

    /// Publishes a file once, all of its tracks untouched.
    #[must_use]
    pub fn publish(self, file: &Path, url: &str) -> Program {
        Program::start(match self {
            Self::Ffmpeg => ffmpeg_publish(Path::new("ffmpeg"), &[], file, url),
            Self::NewFfmpeg => ffmpeg_publish(&new_ffmpeg(), &[], file, url),
            Self::GstRtmp2Sink => gst_publish(file, &["rtmp2sink", &format!("location={url}")]),
            Self::GstRtmpSink => {
                gst_publish(file, &["rtmpsink", &format!("location={url} live=1")])
            }
        })
    }

    /// Whether GStreamer's muxer makes its FLV anew.
    #[must_use]
    pub fn is_gstreamer(self) -> bool {
        matches!(self, Self::GstRtmp2Sink | Self::GstRtmpSink)
    }

    /// Waits until media flow.
    pub fn wait_for_media(self, publisher: &Program) {
        match self {
            Self::Ffmpeg | Self::NewFfmpeg => publisher.wait_for(&["out_time_ms="]),
            Self::GstRtmp2Sink | Self::GstRtmpSink => publisher.wait_for(&["New clock"]),
        };
    }
}

/// Publishes a file again and again with Debian's ffmpeg, until it is dropped, and waits for media.
#[must_use]
pub fn publish_forever(file: &Path, url: &str) -> Program {
    let command = ffmpeg_publish(Path::new("ffmpeg"), &["-stream_loop", "-1"], file, url);
    let publisher = Program::start(command);
    Encoder::Ffmpeg.wait_for_media(&publisher);
    publisher
}

fn ffmpeg_publish(ffmpeg: &Path, options: &[&str], file: &Path, url: &str) -> Command {
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "warning", "-nostats"]);
    command.args(["-progress", "pipe:1", "-stats_period", "0.2", "-re"]);
    command.args(options).arg("-i").arg(file);
    command.args(["-map", "0:v?", "-map", "0:a?", "-c", "copy", "-f", "flv", url]);
    command
}

fn gst_publish(file: &Path, sink: &[&str]) -> Command {
    let mut command = gst_launch();
    command.args(["-e", "filesrc"]).arg(format!("location={}", file.display()));
    command.args(["!", "flvdemux", "name=in", "flvmux", "name=out", "streamable=true", "!"]);
    command.args(sink);
    for track in ["video", "audio"] {
        command.args([&format!("in.{track}"), "!", "queue", "!", "identity", "sync=true", "!"]);
        command.arg(format!("out.{track}"));
    }
    command
}

/// Publishes the very tags of an FLV file with librtmp, timestamps and all, once.
///
/// librtmp sends the timestamps that it is given, where ffmpeg and flvmux count from zero.
#[must_use]
pub fn publish_tags(file: &Path, url: &str) -> Program {
    let mut command = gst_launch();
    command.args(["fdsrc", "fd=0", "!", "rtmpsink", &format!("location={url} live=1")]);
    command.stdin(Stdio::piped());
    let mut program = Program::start(command);
    let mut pipe = program.take_stdin().expect("the input is a pipe");
    let bytes = fs::read(file).expect("a sample can be read");
    thread::spawn(move || {
        // Nobody holds the other end but this thread, so a receive is a wait until a tag is due.
        let (_open, due) = mpsc::channel::<()>();
        let started = Instant::now();
        let mut begin = 0;
        let tags = sample::tags(&bytes);
        let first = tags.first().map_or(0, |tag| tag.timestamp);
        for tag in tags {
            let at = Duration::from_millis(u64::from(tag.timestamp.wrapping_sub(first)));
            let left = at.saturating_sub(started.elapsed());
            let waited = due.recv_timeout(left);
            debug_assert_eq!(waited, Err(RecvTimeoutError::Timeout));
            // The pipe breaks when the test ends the program early.
            if pipe.write_all(bytes.get(begin..tag.end).unwrap_or_default()).is_err() {
                return;
            }
            begin = tag.end;
        }
    });
    program
}

/// How long mpv and VLC play before they end by themselves.
pub const SHOWN_SECONDS: u32 = 4;

/// A program that plays a stream and keeps what it plays in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Player {
    /// Debian's ffmpeg.
    Ffmpeg,
    /// GStreamer's own RTMP client.
    GstRtmp2Src,
    /// GStreamer on librtmp.
    GstRtmpSrc,
    /// mpv, which plays while it records.
    Mpv,
    /// The current ffmpeg.
    NewFfmpeg,
    /// rtmpdump, the program of librtmp.
    Rtmpdump,
    /// VLC without a window.
    Vlc,
}

impl Player {
    /// Whether it must hand over the very last packet; the others keep some in a buffer.
    #[must_use]
    pub fn is_prompt(self) -> bool {
        matches!(self, Self::GstRtmp2Src | Self::Rtmpdump)
    }

    /// Whether it ends by itself after [`SHOWN_SECONDS`].
    #[must_use]
    pub fn ends_itself(self) -> bool {
        matches!(self, Self::Mpv | Self::Vlc)
    }

    /// Plays into a file until it is interrupted.
    #[must_use]
    pub fn record(self, url: &str, file: &Path) -> Program {
        Program::start(match self {
            Self::Ffmpeg => ffmpeg_record(Path::new("ffmpeg"), &[], url, file),
            // By itself it waits longer for a second track than the short samples last.
            Self::NewFfmpeg => {
                ffmpeg_record(&new_ffmpeg(), &["-analyzeduration", "1500000"], url, file)
            }
            Self::GstRtmp2Src => gst_record(&["rtmp2src", &format!("location={url}")], file),
            Self::GstRtmpSrc => gst_record(&["rtmpsrc", &format!("location={url} live=1")], file),
            Self::Rtmpdump => {
                let mut command = Command::new("rtmpdump");
                command.args(["--live", "--timeout", "60", "--rtmp", url, "--flv"]).arg(file);
                command
            }
            Self::Mpv => {
                let mut command = Command::new("mpv");
                command.args(["--no-config", "--vo=null", "--ao=null", "--msg-level=all=warn"]);
                command.arg(format!("--length={SHOWN_SECONDS}"));
                command.arg(format!("--stream-record={}", file.display())).arg(url);
                command
            }
            Self::Vlc => {
                let mut command = as_nobody("cvlc");
                let sink = format!("#std{{access=file,mux=ts,dst={}}}", file.display());
                command.args(["--no-interact", &format!("--run-time={SHOWN_SECONDS}")]);
                command.args(["--sout", &sink, url, "vlc://quit"]);
                command
            }
        })
    }

    /// Ends it so that its file holds all that it got.
    pub fn stop(self, playing: Program) {
        match self {
            // While ffmpeg waits for the network the first signal is only counted.
            Self::Ffmpeg | Self::NewFfmpeg => {
                playing.signal("INT");
                playing.signal("TERM");
            }
            // GStreamer ends with the next packet, which may never come; its file has no buffer.
            Self::GstRtmp2Src | Self::GstRtmpSrc => playing.signal("KILL"),
            Self::Mpv | Self::Rtmpdump | Self::Vlc => playing.signal("INT"),
        }
        drop(playing.finish());
    }

    /// Waits until a recording has all that will come of `published`, then ends the player.
    #[must_use]
    pub fn finish(self, playing: Program, file: &Path, published: &Recording) -> Recording {
        if self.ends_itself() {
            drop(playing.finish());
            return Recording::of(file);
        }
        let mut before = None;
        playing.wait_until("the last packets", |_| {
            let now = Recording::read(file);
            let all = now.as_ref().is_some_and(|now| now.is_nearly_all_of(published));
            let settled = all && (now == before || playing.has_ended());
            before = now;
            settled
        });
        self.stop(playing);
        if self == Self::GstRtmpSrc {
            sample::drop_cut_tag(file);
        }
        Recording::of(file)
    }

    /// How the name of its file must end.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Mpv => "mkv",
            Self::Vlc => "ts",
            Self::Ffmpeg
            | Self::GstRtmp2Src
            | Self::GstRtmpSrc
            | Self::NewFfmpeg
            | Self::Rtmpdump => "flv",
        }
    }
}

fn ffmpeg_record(ffmpeg: &Path, options: &[&str], url: &str, file: &Path) -> Command {
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "warning", "-nostats"]).args(options).args(["-i", url]);
    command.args(["-map", "0:v?", "-map", "0:a?", "-c", "copy", "-flush_packets", "1"]);
    command.args(["-f", "flv", "-y"]).arg(file);
    command
}

fn gst_record(source: &[&str], file: &Path) -> Command {
    let mut command = gst_launch();
    command.args(source).args(["!", "filesink", "buffer-mode=unbuffered", "sync=false"]);
    command.arg(format!("location={}", file.display()));
    command
}

/// Plays on a screen and a loudspeaker that are not there, and tells of each picture shown.
#[must_use]
pub fn ffplay(url: &str) -> Program {
    let mut command = Command::new("ffplay");
    command.args(["-v", "info", "-nostats", "-vf", "showinfo", url]).stdin(Stdio::null());
    command.env("SDL_VIDEODRIVER", "dummy").env("SDL_AUDIODRIVER", "dummy");
    Program::start(command)
}

/// VLC does not run as root, so root starts it as nobody.
fn as_nobody(program: &str) -> Command {
    let is_root = fs::metadata("/proc/self")
        .is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    let mut command = Command::new(if is_root { "setpriv" } else { program });
    if is_root {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", program]);
    }
    command.env("HOME", scratch_home());
    command
}

/// GStreamer's launcher. Its list of plug-ins is made once, before anything is launched: several
/// programs that make it at the same time read each other's halves, and crash. A crash ends it at
/// once, so that a test says so.
fn gst_launch() -> Command {
    static PLUGINS: Once = Once::new();
    PLUGINS.call_once(|| {
        let mut inspect = Command::new("gst-inspect-1.0");
        inspect.arg("rtmpsink").env("HOME", scratch_home()).stdout(Stdio::null());
        let status = inspect.status().expect("gst-inspect-1.0 can be started");
        assert!(status.success(), "GStreamer has no rtmpsink");
    });
    let mut command = Command::new("gst-launch-1.0");
    command.arg("--no-fault").env("HOME", scratch_home()).env("GST_REGISTRY_UPDATE", "no");
    command
}

fn scratch_home() -> PathBuf {
    Scratch::folder("home")
}

/// A folder of one test's own, removed when its test has passed.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes the folder; any user may write to it, since some players run as nobody.
    #[must_use]
    pub fn new(name: &str) -> Self {
        // The same test runs on another transport at the same time.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self { folder: Self::folder(&format!("{name}-{}-{number}", std::process::id())) }
    }

    /// A file of the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join("millstream-tests").join(name);
        fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
        let anyone = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&folder, anyone).expect("a folder of our own");
        folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A failed test leaves its files to be looked at, and the system clears the folder.
        if !thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}
