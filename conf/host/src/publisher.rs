//! Publishes a clip in real time, again and again.

use crate::bench::mark::Marker;
use crate::client::{Client, ClientError};
use crate::clip::{Clip, Loop};
use crate::runtime::{Runtime, Timer as _};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Bytes that may wait for the server; above it the publisher falls behind instead of growing.
const UNSENT_MAX: usize = 4 << 20;

/// How often a publisher that waits for the server looks at the clock.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// Frames that are due this soon go with those that are due now: one wake and one write for both.
const AHEAD: Duration = Duration::from_millis(1);

/// Publishes until `until`, or until the server ends it. With a marker, video frames carry the
/// time at which they were sent; `told` gets the bytes of frames each time that some were sent.
pub(crate) async fn publish<R: Runtime>(
    client: &mut Client<R>,
    clip: Arc<Clip>,
    marker: Option<Marker>,
    until: Option<Instant>,
    mut told: impl FnMut(u64),
) -> Result<(), ClientError> {
    let mut timer = R::Timer::new();
    let mut publisher = Publisher { start: Instant::now(), position: Loop::new(clip), marker };
    poll_fn(|cx| {
        loop {
            let now = Instant::now();
            if until.is_some_and(|until| until <= now) {
                return Poll::Ready(Ok(()));
            }
            let sent = publisher.send_due(client, now);
            if sent > 0 {
                told(sent);
            }
            receive(client, cx)?;
            let is_full = client.unsent() >= UNSENT_MAX;
            let due = if is_full { now + FULL_PAUSE } else { publisher.next() };
            timer.set(until.map_or(due, |until| due.min(until)));
            if timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Sends what is unsent, and takes all that the server says.
fn receive<R: Runtime>(client: &mut Client<R>, cx: &mut Context<'_>) -> Result<(), ClientError> {
    while let Poll::Ready(outcome) = client.poll(cx, &mut |_| {}) {
        outcome?;
    }
    Ok(())
}

struct Publisher {
    start: Instant,
    position: Loop,
    marker: Option<Marker>,
}

impl Publisher {
    /// Queues what is due; gives its bytes.
    fn send_due<R: Runtime>(&mut self, client: &mut Client<R>, now: Instant) -> u64 {
        let mut sent = 0;
        while client.unsent() < UNSENT_MAX && self.next() <= now + AHEAD {
            let Some(mut frame) = self.position.next_frame() else { continue };
            if let Some(marker) = &mut self.marker {
                marker.mark(&mut frame);
            }
            client.send(&frame);
            sent += frame.payload.len() as u64;
        }
        sent
    }

    /// When the next frame is due.
    fn next(&self) -> Instant {
        self.start + self.position.due()
    }
}
