//! Time as the machines see it: a monotonic instant, the wall clock, and RTMP timestamps.

mod calendar;

pub(crate) use calendar::Calendar;
use core::num::NonZeroU64;
use core::time::Duration;

/// A point on the monotonic clock of one shard, in microseconds since an arbitrary epoch.
///
/// The driver hands out strictly growing instants: equal instants never arrive twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The instant `micros` after the epoch; saturates one below the end of the range.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        match NonZeroU64::new(micros.saturating_add(1)) {
            Some(value) => Self(value),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0.get().saturating_sub(1)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.as_micros() / 1_000
    }

    /// This instant plus `duration`, saturating.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        let micros = duration.as_micros();
        let micros = if micros > u64::MAX as u128 { u64::MAX } else { micros as u64 };
        Self(self.0.saturating_add(micros))
    }

    /// Time from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.get().saturating_sub(earlier.0.get()))
    }
}

/// The wall clock, used for names and absolute dates only, never for timers.
///
/// A server is told it once, at its start, and counts on by the monotonic clock: a step of the
/// machine's clock, such as NTP makes, is never seen, and dates go on without a jump.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct WallClock {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_millis: u64,
}

/// An RTMP timestamp in milliseconds modulo 2^32 (Adobe RTMP 1.0, section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// Signed distance from `earlier` to this timestamp, across the 2^32 wrap (RFC 1982).
    #[must_use]
    pub const fn delta(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// This timestamp moved by `millis`, modulo 2^32.
    #[must_use]
    pub const fn offset(self, millis: i32) -> Self {
        Self(self.0.wrapping_add(millis as u32))
    }
}

/// When a machine wants to be called next, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    /// Call `handle` with `Input::Timeout` at this instant or later.
    pub at: Instant,
    /// What the deadline is for; for logs and traces.
    pub reason: TimerKind,
}

/// Why a deadline exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum TimerKind {
    /// The peer has not completed `connect` since the handshake ended.
    Connect,
    /// Merged media are due for their players.
    Flush,
    /// A forward dials too long, waits for its next attempt, or ends.
    Forward,
    /// The handshake has not completed.
    Handshake,
    /// A segment is let go of, a playlist ends, or a file is to be written again.
    Hls,
    /// A publisher sent no media, or a player made no progress.
    Idle,
    /// A process is to be started again, or has not ended when it was asked to.
    Job,
    /// A kept HTTP connection has no request.
    KeepAlive,
    /// A peer gets a little time to read the reason of its refusal before the close.
    Linger,
    /// A periodic progress report ("pithy print") is due.
    Progress,
    /// An HTTP request is not complete.
    Request,
    /// A connected peer has neither published nor played.
    Role,
    /// The players of a stream without publisher have waited long enough.
    SourceLinger,
}

const _: () = assert!(size_of::<Instant>() == 8 && size_of::<Option<Instant>>() == 8);
