//! One player, and what it sees.

use super::mark::{Mark, unix_micros};
use super::tally::Tally;
use super::{Context, bit_rate, micros};
use crate::client::{Client, ClientError};
use crate::runtime::{Runtime, Timer as _};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::session::{Intent, SessionEvent};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Plays from its turn to the end.
pub(super) async fn play<R: Runtime>(context: Rc<Context>, number: u32) {
    context.wait_for_turn::<R>(number).await;
    let begin = Instant::now();
    let mut view = View::default();
    let plan = &context.plan;
    let target = plan.target.numbered(number);
    let take = |event: &SessionEvent| view.take(event, &mut context.tally.borrow_mut());
    let (config, seed) = (plan.config.clone(), u64::from(number));
    let start = Client::<R>::start(plan.address, &target, Intent::Play, config, seed, take).await;
    let mut client = match start {
        Ok(client) => client,
        Err(error) => return context.not_started(&error),
    };
    let started = view.started.unwrap_or(begin);
    context.started(started - begin);
    let outcome = follow(&context, &mut client, &mut view).await;
    let now = Instant::now();
    {
        let mut tally = context.tally.borrow_mut();
        view.finish(now, &mut tally);
        tally.bits_per_second.record(bit_rate(client.received(), now - started));
        tally.bytes += client.received();
    }
    match outcome {
        Ok(()) => client.finish(),
        Err(error) => context.lost(&error),
    }
}

/// Takes media until the end.
async fn follow<R: Runtime>(
    context: &Context,
    client: &mut Client<R>,
    view: &mut View,
) -> Result<(), ClientError> {
    let live = &context.plan.live;
    let mut end = R::Timer::new();
    end.set(context.plan.end());
    poll_fn(|cx| {
        loop {
            let mut tally = context.tally.borrow_mut();
            let (stalls, told) = (tally.stalls, client.received());
            let polled = client.poll(cx, &mut |event| view.take(event, &mut tally));
            live.stalls.fetch_add(tally.stalls - stalls, Ordering::Relaxed);
            live.bytes.fetch_add(client.received() - told, Ordering::Relaxed);
            drop(tally);
            if let Poll::Ready(Err(error)) = polled {
                return Poll::Ready(Err(error));
            }
            if end.poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if polled.is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// What one player has seen.
#[derive(Debug, Default)]
struct View {
    started: Option<Instant>,
    started_unix_micros: u64,
    last_media: Option<Instant>,
    has_first_frame: bool,
    next_mark: Option<u32>,
}

impl View {
    fn take(&mut self, event: &SessionEvent, tally: &mut Tally) {
        if let SessionEvent::Started { .. } = event {
            self.started = Some(Instant::now());
            self.started_unix_micros = unix_micros();
        } else if let SessionEvent::Media { frame, .. } = event {
            self.take_frame(frame, tally);
        }
    }

    fn take_frame(&mut self, frame: &Frame, tally: &mut Tally) {
        if !matches!(frame.class, FrameClass::Coded | FrameClass::Keyframe) {
            return;
        }
        let now = Instant::now();
        if !std::mem::replace(&mut self.has_first_frame, true) {
            let waited = self.started.map_or(Duration::ZERO, |started| now - started);
            tally.first_frame_micros.record(micros(waited));
        }
        self.note_gap(now, tally);
        self.last_media = Some(now);
        if frame.kind == FrameKind::Video
            && let Some(mark) = Mark::read(&frame.payload)
        {
            self.take_mark(mark, tally);
        }
    }

    fn take_mark(&mut self, mark: Mark, tally: &mut Tally) {
        // What lay in the server's cache is as old as its keyframe: no latency of the network.
        if mark.unix_micros >= self.started_unix_micros {
            tally.latency_micros.record(unix_micros().saturating_sub(mark.unix_micros));
        }
        if let Some(expected) = self.next_mark
            && let Some(lost) = mark.number.checked_sub(expected)
        {
            tally.lost_frames += u64::from(lost);
        }
        self.next_mark = Some(mark.number.wrapping_add(1));
    }

    fn note_gap(&self, now: Instant, tally: &mut Tally) {
        if let Some(last) = self.last_media {
            tally.note_gap(now - last);
        }
    }

    /// The end of a player that waits for media in vain is a gap too.
    fn finish(&self, now: Instant, tally: &mut Tally) {
        self.note_gap(now, tally);
        if !self.has_first_frame {
            tally.silent += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::STALL;
    use super::*;
    use millstream_core::id::MessageStreamId;
    use millstream_core::time::Timestamp;
    use pretty_assertions::assert_eq;

    fn event(mark: Option<Mark>) -> SessionEvent {
        let mut frame = Frame {
            kind: FrameKind::Video,
            class: FrameClass::Coded,
            timestamp: Timestamp(0),
            payload: bytes::Bytes::from_static(&[0x27, 1, 0, 0, 0]),
        };
        if let Some(mark) = mark {
            frame.payload = mark.test_body();
        }
        SessionEvent::Media { stream: MessageStreamId(1), frame }
    }

    #[test]
    fn frames_of_the_cache_have_no_latency_and_lost_ones_are_counted() {
        let (mut view, mut tally) = (View::default(), Tally::default());
        view.take(&SessionEvent::Started { stream: MessageStreamId(1) }, &mut tally);
        let old = view.started_unix_micros - 2_000_000;
        view.take(&event(Some(Mark { unix_micros: old, number: 7 })), &mut tally);
        assert_eq!((tally.latency_micros.count(), tally.lost_frames), (0, 0));
        assert_eq!(tally.first_frame_micros.count(), 1);
        let now = unix_micros();
        view.take(&event(Some(Mark { unix_micros: now, number: 8 })), &mut tally);
        view.take(&event(Some(Mark { unix_micros: now, number: 11 })), &mut tally);
        assert_eq!((tally.latency_micros.count(), tally.lost_frames), (2, 2));
        // The publisher began again.
        view.take(&event(Some(Mark { unix_micros: now, number: 0 })), &mut tally);
        view.take(&event(None), &mut tally);
        assert_eq!((tally.latency_micros.count(), tally.lost_frames), (3, 2));
        assert_eq!(tally.first_frame_micros.count(), 1);
    }

    #[test]
    fn a_player_without_media_is_silent_and_one_that_waited_has_stalled() {
        let mut tally = Tally::default();
        View::default().finish(Instant::now(), &mut tally);
        assert_eq!((tally.silent, tally.stalls), (1, 0));
        let last = Instant::now();
        let view = View { last_media: Some(last), has_first_frame: true, ..View::default() };
        view.finish(last + STALL, &mut tally);
        assert_eq!(tally.stalls, 0);
        view.finish(last + STALL + Duration::from_millis(1), &mut tally);
        assert_eq!((tally.silent, tally.stalls), (1, 1));
    }
}
