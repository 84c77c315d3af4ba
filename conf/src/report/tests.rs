use super::*;
use millstream_core::amf::Text;
use millstream_core::event::RefuseReason;
use millstream_core::flv::tag::Codec;
use millstream_core::handshake::{HandshakeError, HandshakeKind};
use millstream_core::id::{ListenerId, SourceId};
use millstream_core::name::NameLimits;
use millstream_core::session::{Ignored, SessionError};
use pretty_assertions::assert_eq;
use std::time::Duration;

const CONN: ConnId = ConnId { slot: 2, generation: 5 };
const SOURCE: SourceId = SourceId { slot: 0, generation: 0 };
const PEER: &str = "192.0.2.7:50000";

fn name() -> StreamName {
    let limits = NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };
    StreamName::new("vhost", "live", "demo", limits).expect("a legal name")
}

fn accepted(conn: ConnId) -> Event {
    Event::Accepted { conn, listener: ListenerId(0), peer: PEER.parse().expect("an address") }
}

fn closed(conn: ConnId, reason: CloseReason) -> Event {
    let age = Duration::from_secs(80);
    Event::Closed { conn, reason, received: 3_073, sent: 4_200_000, age }
}

fn published() -> Event {
    Event::Published { conn: CONN, name: name(), players: 2 }
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

/// The line for `event` on a connection that was accepted before.
fn line(event: &Event) -> Line {
    let mut report = Report::new();
    report.line(at(0), &accepted(CONN));
    report.line(at(1), event).expect("a line")
}

#[test]
fn a_connection_whose_vhost_is_gone_is_told_from_others() {
    let line = line(&closed(CONN, CloseReason::Unserved));
    assert!(line.text.contains("the vhost is gone or disabled"), "{}", line.text);
    assert_eq!(line.reason, Some("unserved"));
}

#[test]
fn events_become_words() {
    let check = |event: Event, level: LogLevel, text: &str| {
        let line = line(&event);
        assert_eq!((line.text.as_str(), line.level), (text, level));
    };
    let (info, debug) = (LogLevel::Info, LogLevel::Debug);
    let age = Duration::from_secs(80);
    check(accepted(CONN), debug, "connection from 192.0.2.7:50000");
    check(
        Event::Connected {
            conn: CONN,
            app: "vhost/live".into(),
            client: "FMLE/3.0".into(),
            handshake: HandshakeKind::ComplexSchema1,
        },
        debug,
        "connected to vhost/live with FMLE/3.0, complex (schema 1) handshake",
    );
    check(published(), info, "publish vhost/live/demo began, 2 players wait for it");
    check(
        Event::Codec {
            source: SOURCE,
            name: name(),
            codec: Codec::H264,
            description: "H.264 High 4.0 1920x1080".into(),
        },
        info,
        "vhost/live/demo has H.264 High 4.0 1920x1080",
    );
    check(
        Event::Progress {
            conn: CONN,
            name: name(),
            publisher: true,
            age,
            bits_per_second: 512_000,
            frames_per_second: 25,
            lag_bytes: 0,
        },
        info,
        "publish vhost/live/demo 25 fps 512 kb/s 1m20s",
    );
    check(
        Event::Progress {
            conn: CONN,
            name: name(),
            publisher: false,
            age,
            bits_per_second: 4_200_000,
            frames_per_second: 0,
            lag_bytes: 70_000,
        },
        info,
        "play vhost/live/demo 4.2 Mb/s 1m20s, 70 kB behind",
    );
    check(
        Event::Refused { conn: CONN, reason: RefuseReason::Busy, subject: "live/demo".into() },
        info,
        "refused live/demo: the stream has a publisher",
    );
    check(
        closed(CONN, CloseReason::Error(SessionError::Handshake(HandshakeError::Tls))),
        info,
        "closed: TLS on a plain RTMP port; received 3 kB, sent 4.2 MB in 1m20s",
    );
}

#[test]
fn the_default_vhost_is_not_written() {
    let limits = NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };
    let name = StreamName::new(DEFAULT_VHOST, "live", "demo", limits).expect("a legal name");
    let line = line(&Event::Played { conn: CONN, source: SOURCE, name, live: false });
    assert_eq!(line.text, "play live/demo began, waits for a publisher");
    assert_eq!(line.stream.map(|name| name.to_string()), Some("__defaultVhost__/live/demo".into()));
}

#[test]
fn a_line_names_connection_peer_stream_and_reason() {
    let published = line(&published());
    assert_eq!(published.conn, Some(CONN));
    assert_eq!(published.peer, PEER.parse().ok());
    assert_eq!(published.stream, Some(name()));
    let closed = line(&closed(CONN, CloseReason::SlowReader));
    assert_eq!((closed.event, closed.reason), ("closed", Some("slow_reader")));
    assert_eq!(closed.peer, PEER.parse().ok());
}

#[test]
fn the_peer_of_an_earlier_user_of_a_slot_is_forgotten() {
    let mut report = Report::new();
    report.line(at(0), &accepted(CONN));
    report.line(at(1), &closed(CONN, CloseReason::Peer));
    let line = report.line(at(2), &published()).expect("a line");
    assert_eq!(line.peer, None);
    let next = ConnId { generation: CONN.generation + 1, ..CONN };
    report.line(at(3), &accepted(next));
    let line = report.line(at(4), &published()).expect("a line");
    assert_eq!(line.peer, None);
}

#[test]
fn an_end_is_worth_a_line_only_if_it_says_something_new() {
    let check = |before: Option<Event>, reason: CloseReason, level: LogLevel| {
        let mut report = Report::new();
        report.line(at(0), &accepted(CONN));
        if let Some(event) = before {
            report.line(at(1), &event);
        }
        let line = report.line(at(2), &closed(CONN, reason)).expect("a line");
        assert_eq!(line.level, level, "{reason:?}");
    };
    let busy = RefuseReason::Busy;
    let refused = Event::Refused { conn: CONN, reason: busy, subject: "live/demo".into() };
    check(None, CloseReason::Peer, LogLevel::Debug);
    check(Some(published()), CloseReason::Peer, LogLevel::Info);
    check(Some(refused), CloseReason::Refused(busy), LogLevel::Debug);
    check(None, CloseReason::Refused(busy), LogLevel::Info);
    check(None, CloseReason::Error(SessionError::State), LogLevel::Info);
    check(None, CloseReason::SlowReader, LogLevel::Info);
}

#[test]
fn row_129_names_of_peers_stay_on_one_line() {
    let name = Text(bytes::Bytes::from_static(b"a\r\nb\x1b[31m%n%s\xff"));
    let line = line(&Event::Ignored { conn: CONN, what: Ignored::Command { name } });
    assert!(line.text.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{:?}", line.text);
    let name = Text(vec![b'x'; 1 << 20].into());
    let long = self::line(&Event::Ignored { conn: CONN, what: Ignored::Command { name } });
    assert!(long.text.len() < 400, "{}", long.text.len());
}

#[test]
fn row_130_a_flood_of_refusals_is_counted_not_written() {
    let mut report = Report::new();
    let refusal = || Event::Refused {
        conn: CONN,
        reason: RefuseReason::ConnectionsPerIp,
        subject: "192.0.2.7".into(),
    };
    let lines: Vec<_> = (0..3_000).filter_map(|milli| report.line(at(milli), &refusal())).collect();
    assert_eq!(lines.len(), 12);
    assert_eq!(
        lines.last().map(|line| line.text.as_str()),
        Some(
            "refused 192.0.2.7: too many connections from this address (and 999 more of this kind)"
        )
    );
}
