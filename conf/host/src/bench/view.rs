//! What one player sees of a stream, by whatever way it comes.

use super::mark::{Mark, unix_micros};
use super::tally::Tally;
use super::{Context, micros};
use crate::client::ClientError;
use crate::runtime::{Runtime, Timer as _};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Takes media until the end. `poll` gives the bytes of all that has come so far.
pub(super) async fn follow<R: Runtime>(
    context: &Context,
    mut poll: impl FnMut(&mut std::task::Context<'_>, &mut Tally) -> Poll<Result<u64, ClientError>>,
) -> Result<(), ClientError> {
    let live = &context.plan.live;
    let (mut end, mut told) = (R::Timer::new(), 0);
    end.set(context.plan.end());
    poll_fn(|cx| {
        loop {
            let mut tally = context.tally.borrow_mut();
            let stalls = tally.stalls;
            let polled = poll(cx, &mut tally);
            live.stalls.fetch_add(tally.stalls - stalls, Ordering::Relaxed);
            drop(tally);
            match polled {
                Poll::Ready(Ok(received)) => {
                    live.bytes.fetch_add(received - told, Ordering::Relaxed);
                    told = received;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
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
pub(super) struct View {
    started: Option<Instant>,
    started_unix_micros: u64,
    last_media: Option<Instant>,
    has_first_frame: bool,
    next_mark: Option<u32>,
}

impl View {
    /// The stream has started.
    pub(super) fn begin(&mut self) {
        self.started = Some(Instant::now());
        self.started_unix_micros = unix_micros();
    }

    pub(super) const fn started(&self) -> Option<Instant> {
        self.started
    }

    pub(super) fn take_frame(&mut self, frame: &Frame, tally: &mut Tally) {
        if !matches!(frame.class, FrameClass::Coded | FrameClass::Keyframe) {
            return;
        }
        let is_video = frame.kind == FrameKind::Video;
        self.take_media(is_video.then(|| Mark::read(&frame.payload)).flatten(), tally);
    }

    /// A frame came, which may have a mark.
    pub(super) fn take_media(&mut self, mark: Option<Mark>, tally: &mut Tally) {
        let now = Instant::now();
        if !std::mem::replace(&mut self.has_first_frame, true) {
            let waited = self.started.map_or(Duration::ZERO, |started| now - started);
            tally.first_frame_micros.record(micros(waited));
        }
        self.note_gap(now, tally);
        self.last_media = Some(now);
        if let Some(mark) = mark {
            self.note_latency(mark, tally);
            self.note_number(mark, tally);
        }
    }

    pub(super) fn note_latency(&self, mark: Mark, tally: &mut Tally) {
        // What lay in the server's cache is as old as its keyframe: no latency of the network.
        if mark.unix_micros >= self.started_unix_micros {
            tally.latency_micros.record(unix_micros().saturating_sub(mark.unix_micros));
        }
    }

    pub(super) fn note_number(&mut self, mark: Mark, tally: &mut Tally) {
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
    pub(super) fn finish(&self, now: Instant, tally: &mut Tally) {
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
    use millstream_core::time::Timestamp;
    use pretty_assertions::assert_eq;

    fn frame(mark: Option<Mark>) -> Frame {
        let mut frame = Frame {
            kind: FrameKind::Video,
            class: FrameClass::Coded,
            timestamp: Timestamp(0),
            payload: bytes::Bytes::from_static(&[0x27, 1, 0, 0, 0]),
        };
        if let Some(mark) = mark {
            frame.payload = mark.test_body();
        }
        frame
    }

    #[test]
    fn frames_of_the_cache_have_no_latency_and_lost_ones_are_counted() {
        let (mut view, mut tally) = (View::default(), Tally::default());
        view.begin();
        let old = view.started_unix_micros - 2_000_000;
        view.take_frame(&frame(Some(Mark { unix_micros: old, number: 7 })), &mut tally);
        assert_eq!((tally.latency_micros.count(), tally.lost_frames), (0, 0));
        assert_eq!(tally.first_frame_micros.count(), 1);
        let now = unix_micros();
        view.take_frame(&frame(Some(Mark { unix_micros: now, number: 8 })), &mut tally);
        view.take_frame(&frame(Some(Mark { unix_micros: now, number: 11 })), &mut tally);
        assert_eq!((tally.latency_micros.count(), tally.lost_frames), (2, 2));
        // The publisher began again.
        view.take_frame(&frame(Some(Mark { unix_micros: now, number: 0 })), &mut tally);
        view.take_frame(&frame(None), &mut tally);
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
