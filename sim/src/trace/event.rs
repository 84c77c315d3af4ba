//! Events in words: `published conn=c1 stream=... players=2`.

use millstream_core::event::Event;
use millstream_core::id::ConnId;

/// One line for an event; `name` says what a connection is called.
#[must_use]
pub fn describe(event: &Event, name: &mut dyn FnMut(ConnId) -> String) -> String {
    match event {
        Event::Accepted { conn, listener, peer } => {
            format!("accepted conn={} listener={} peer={peer}", name(*conn), listener.0)
        }
        Event::Closed { conn, reason, received, sent, age } => format!(
            "closed conn={} reason={reason:?} received={received} sent={sent} age={age:?}",
            name(*conn)
        ),
        Event::Connected { conn, app, client, handshake } => format!(
            "connected conn={} app={app} client={client:?} handshake={handshake:?}",
            name(*conn)
        ),
        Event::Published { conn, name: stream, players, .. } => {
            format!("published conn={} stream={stream} players={players}", name(*conn))
        }
        Event::Unpublished { conn, name: stream, age, .. } => {
            format!("unpublished conn={} stream={stream} age={age:?}", name(*conn))
        }
        Event::Codec { name: stream, codec, .. } => format!("codec stream={stream} {codec:?}"),
        Event::Played { conn, name: stream, live, .. } => {
            format!("played conn={} stream={stream} live={live}", name(*conn))
        }
        Event::Stopped { conn, name: stream, age, .. } => {
            format!("stopped conn={} stream={stream} age={age:?}", name(*conn))
        }
        Event::Skipped { conn, name: stream, bytes } => {
            format!("skipped conn={} stream={stream} bytes={bytes}", name(*conn))
        }
        Event::Refused { conn, reason, subject } => {
            format!("refused conn={} reason={} subject={subject}", name(*conn), reason.as_str())
        }
        Event::Forwarding { forward, conn, peer, name: stream, destination } => format!(
            "forwarding forward={} conn={} peer={peer} stream={stream} to={destination}",
            forward.0,
            name(*conn)
        ),
        Event::ForwardFailed { forward, name: stream, destination, failure, words, retry_in } => {
            let retry_in = retry_in.map_or("never".to_owned(), |wait| format!("{wait:?}"));
            format!(
                "forward-failed forward={} stream={stream} to={destination} reason={} \
                 words={words:?} retry_in={retry_in}",
                forward.0,
                failure.as_str()
            )
        }
        Event::ForwardEnded { forward, name: stream, destination, age, sent } => format!(
            "forward-ended forward={} stream={stream} to={destination} age={age:?} sent={sent}",
            forward.0
        ),
        Event::Ignored { conn, what } => format!("ignored conn={} {what:?}", name(*conn)),
        Event::Jumped { name: stream, millis, .. } => {
            format!("jumped stream={stream} millis={millis}")
        }
        Event::RenditionStarted { name: stream, engine } => {
            format!("rendition started stream={stream} engine={engine}")
        }
        Event::RenditionEnded { name: stream, engine, end, ran, retry, .. } => {
            format!(
                "rendition ended stream={stream} engine={engine} {end:?} ran={ran:?} retry={retry:?}"
            )
        }
        Event::RenditionRefused { name: stream, engine, reason } => {
            format!("rendition refused stream={stream} engine={engine} {reason:?}")
        }
        Event::Progress {
            conn,
            name: stream,
            publisher,
            age,
            bits_per_second,
            frames_per_second,
            lag_bytes,
        } => format!(
            "progress conn={} stream={stream} publisher={publisher} age={age:?} \
             bits_per_second={bits_per_second} frames_per_second={frames_per_second} \
             lag_bytes={lag_bytes}",
            name(*conn)
        ),
        Event::StreamProgress {
            name: stream, live, players, bits_per_second, tape_bytes, ..
        } => format!(
            "stream stream={stream} live={live} players={players} \
             bits_per_second={bits_per_second} tape_bytes={tape_bytes}"
        ),
        Event::Answered { conn, method, path, status, body_len } => format!(
            "answered conn={} method={method:?} path={path:?} status={status:?} body_len={body_len}",
            name(*conn)
        ),
        other => format!("{other:?}"),
    }
}
