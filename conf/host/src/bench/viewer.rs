//! One viewer of an endless body, HTTP-FLV or HTTP-TS, and what it sees.

use super::http::HttpClient;
use super::mark::Mark;
use super::tally::Tally;
use super::view::{View, follow};
use super::{Context, bit_rate};
use crate::client::{ClientError, START_TIME, Target};
use crate::runtime::{Runtime, within};
use millstream_core::flv::classify;
use millstream_core::flv::file::FlvReader;
use millstream_core::frame::Frame;
use millstream_core::ts::reader::{TsEvent, TsReader};
use std::rc::Rc;
use std::time::Instant;

/// Bytes of one FLV tag; the memory grows with what has come of it.
const TAG_LEN_MAX: u32 = 8 << 20;

/// Views from its turn to the end.
pub(super) async fn view<R: Runtime>(context: Rc<Context>, number: u32) {
    context.wait_for_turn::<R>(number).await;
    let begin = Instant::now();
    let target = context.plan.target.numbered(number);
    let opened = within::<R, _>(START_TIME, open::<R>(&context, &target)).await;
    let mut client = match opened.unwrap_or(Err(ClientError::Timeout)) {
        Ok(client) => client,
        Err(error) => return context.not_started(&error),
    };
    let (mut view, mut media) = (View::default(), Media::of(&target));
    view.begin();
    let started = Instant::now();
    context.started(started - begin);
    let outcome = follow::<R>(&context, |cx, tally| {
        let polled = client.poll_body(cx, &mut |bytes| media.take(bytes, &mut view, tally));
        polled.map(|is_whole| match is_whole? {
            true => Err(ClientError::Ended(String::new())),
            false => Ok(client.received()),
        })
    });
    let outcome: Result<(), ClientError> = outcome.await;
    let now = Instant::now();
    let mut tally = context.tally.borrow_mut();
    view.finish(now, &mut tally);
    tally.bits_per_second.record(bit_rate(client.received(), now - started));
    tally.bytes += client.received();
    drop(tally);
    if let Err(error) = outcome {
        context.lost(&error);
    }
}

async fn open<R: Runtime>(
    context: &Context,
    target: &Target,
) -> Result<HttpClient<R>, ClientError> {
    let mut client = HttpClient::<R>::connect(context.plan.address).await?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: millstream-bench\r\n\r\n",
        target.path(),
        target.authority()
    );
    client.ask(&request).await?.require_ok()?;
    Ok(client)
}

/// What the body is.
enum Media {
    Flv(FlvReader),
    Ts(Box<TsReader>),
}

impl Media {
    /// By the end of the path.
    fn of(target: &Target) -> Self {
        let path = target.stream.split('?').next().unwrap_or_default();
        if path.ends_with(".ts") {
            Self::Ts(Box::default())
        } else {
            Self::Flv(FlvReader::new(TAG_LEN_MAX))
        }
    }

    fn take(
        &mut self,
        mut bytes: &[u8],
        view: &mut View,
        tally: &mut Tally,
    ) -> Result<(), ClientError> {
        match self {
            Self::Flv(reader) => {
                let unreadable = |_| ClientError::Unreadable("the body is not FLV");
                while let Some(tag) = reader.read(&mut bytes).map_err(unreadable)? {
                    let Ok(class) = classify(tag.kind, &tag.payload) else {
                        tally.faults += 1;
                        continue;
                    };
                    let (kind, timestamp, payload) = (tag.kind, tag.timestamp, tag.payload);
                    view.take_frame(&Frame { kind, class, timestamp, payload }, tally);
                }
            }
            // A frame is known to be whole once the next one of its track begins.
            Self::Ts(reader) => {
                while let Some(event) = reader.read(&mut bytes) {
                    if let TsEvent::Pes(pes) = event {
                        view.take_media(Mark::find(&pes.payload), tally);
                    } else if let TsEvent::Fault { .. } = event {
                        tally.faults += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::Clip;
    use bytes::BytesMut;
    use millstream_core::flv::file::{FlvHeader, FlvWriter};
    use millstream_core::ts::stream::TsStream;
    use pretty_assertions::assert_eq;

    #[test]
    fn each_marked_picture_is_seen_in_both_containers() {
        let clip = Clip::demo().expect("a clip");
        let mut flv = FlvWriter::new(BytesMut::new(), FlvHeader::AUDIO_VIDEO).expect("room");
        let (mut stream, mut ts) = (TsStream::new(), BytesMut::new());
        let (mut marker, mut frames) = (super::super::mark::Marker::default(), 0);
        for frame in clip.frames() {
            let mut frame = frame.clone();
            marker.mark(&mut frame);
            frames += u64::from(Mark::read(&frame.payload).is_some());
            flv.write(frame.kind, frame.timestamp, &frame.payload).expect("room");
            stream.push(&frame, &mut ts);
        }
        stream.flush(&mut ts);
        for (stream, bytes) in [("a.flv?x=.ts", flv.into_inner()), ("a.ts?x", ts)] {
            let target = Target { stream: stream.into(), ..TARGET.clone() };
            let (mut media, mut view, mut tally) =
                (Media::of(&target), View::default(), Tally::default());
            for part in bytes.chunks(1_000) {
                media.take(part, &mut view, &mut tally).expect("readable");
            }
            // The last picture of a transport stream has no end.
            let seen = tally.latency_micros.count();
            assert!((frames - 1..=frames).contains(&seen), "{stream}: {seen} of {frames}");
            assert_eq!((tally.faults, tally.lost_frames), (0, 0), "{stream}");
        }
    }

    const TARGET: Target =
        Target { host: String::new(), port: 0, app: String::new(), stream: String::new() };

    #[test]
    fn what_is_no_flv_is_told() {
        let (mut media, mut view) = (Media::of(&TARGET), View::default());
        let outcome = media.take(b"<html></html>", &mut view, &mut Tally::default());
        assert!(matches!(outcome, Err(ClientError::Unreadable(_))), "{outcome:?}");
    }
}
