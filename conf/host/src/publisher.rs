//! Publishes a clip in real time, again and again.

use crate::bench::mark::Marker;
use crate::client::{Client, ClientError};
use crate::clip::{Clip, Loop};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Bytes that may wait for the server; above it the publisher falls behind instead of growing.
const UNSENT_MAX: usize = 4 << 20;

/// How often a publisher that waits for the server looks at the clock.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// Frames that are due this soon go with those that are due now: one wake and one write for both.
const AHEAD: Duration = Duration::from_millis(1);

/// Publishes until `until`, or until the server ends it. With a marker, video frames carry the
/// time at which they were sent; `told` gets the bytes of frames each time that some were sent.
pub(crate) async fn publish(
    client: &mut Client,
    clip: Arc<Clip>,
    mut marker: Option<Marker>,
    until: Option<Instant>,
    mut told: impl FnMut(u64),
) -> Result<(), ClientError> {
    let start = Instant::now();
    let mut position = Loop::new(clip);
    let sleep = sleep_until(start);
    tokio::pin!(sleep);
    loop {
        let now = Instant::now();
        if until.is_some_and(|until| until <= now) {
            return Ok(());
        }
        let mut sent = 0;
        while client.unsent() < UNSENT_MAX && start + position.due() <= now + AHEAD {
            let Some(mut frame) = position.next_frame() else { continue };
            if let Some(marker) = &mut marker {
                marker.mark(&mut frame);
            }
            client.send(&frame);
            sent += frame.payload.len() as u64;
        }
        if sent > 0 {
            client.flush()?;
            told(sent);
        }
        let is_full = client.unsent() >= UNSENT_MAX;
        let due = if is_full { now + FULL_PAUSE } else { start + position.due() };
        sleep.as_mut().reset(until.map_or(due, |until| due.min(until)));
        tokio::select! {
            ready = client.ready() => {
                ready?;
                client.receive(|_| {})?;
                client.flush()?;
            }
            () = &mut sleep => {}
        }
    }
}
