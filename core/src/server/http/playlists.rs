//! Requests for playlists and segments, which lie at the home of their stream.

use super::super::Server;
use super::super::conn::Conn;
use super::super::hls::Asker;
use super::viewers::not_published;
use super::{Asked, Awaited};
use crate::hls::{segment_name, start_sequence};
use crate::http::{Body, Cache, Cors, EntityTag, Request, Response, Status};
use crate::name::StreamName;
use crate::shard::{Fetch, Found, HlsPart, ShardMessage};
use alloc::boxed::Box;
use core::time::Duration;
use smallvec::SmallVec;

/// How long others may keep a segment: longer than any playlist that names it.
const SEGMENT_AGE_SECONDS: u32 = 3_600;

/// The home of a stream answers in time; this is for when it does not.
const HOME_SLACK: Duration = Duration::from_secs(2);

impl Server {
    /// A request for a part of a stream.
    pub(super) fn serve_part(
        &mut self,
        conn: &mut Conn,
        request: Request,
        name: StreamName,
        part: HlsPart,
    ) {
        // The publisher may come just before the first wait is over.
        let wait = self.config.limits.http_play_wait.saturating_add(self.hls_wait(&name));
        let give_up_at = Some(self.now.after(wait.saturating_add(HOME_SLACK)));
        let fetch = Fetch { conn: conn.id, serial: self.next_fetch };
        self.next_fetch = self.next_fetch.wrapping_add(1);
        if let Some(http) = &mut conn.http {
            let waits_for = Awaited::Part(fetch, name.clone(), part);
            http.asked = Some(Asked { give_up_at, request: Box::new(request), waits_for });
        }
        let own = self.shards.placement.own;
        match self.shards.home_elsewhere(&name) {
            Some(home) => self.tell(home, ShardMessage::Fetch { fetch, name, part }),
            // The connection is not in its place while it is served: its answer comes after this.
            None => self.fetches.push((Asker { fetch, shard: own }, name, part)),
        }
    }

    /// What the home of a stream has, for a connection of this shard.
    pub(in crate::server) fn fetched(&mut self, fetch: Fetch, found: Option<Found>) {
        self.with_conn(fetch.conn, |server, conn| {
            let Some(http) = &mut conn.http else { return };
            let is_it = |asked: &Asked| {
                matches!(&asked.waits_for, Awaited::Part(waiting, _, _) if *waiting == fetch)
            };
            let Some(asked) = http.asked.take_if(|asked| is_it(asked)) else { return };
            let Awaited::Part(_, name, part) = asked.waits_for else { return };
            if let (HlsPart::Segment(sequence), None) = (part, &found)
                && let Some(name) = server.whole_stream(&name, sequence)
            {
                return server.view_ts(conn, *asked.request, name);
            }
            let response =
                found.map_or_else(|| not_there(part), |found| respond_with(part, &found));
            server.http_respond(conn, &asked.request, response);
        });
    }

    /// The stream whose name looks like that of a segment, if it could be one.
    fn whole_stream(&self, name: &StreamName, sequence: u64) -> Option<StreamName> {
        // Segments are counted in half seconds since 2020: there are none from the time to come.
        let segments_max = start_sequence(self.wall_clock()).saturating_add(NUMBERS_OF_STREAMS_MAX);
        if sequence > NUMBERS_OF_STREAMS_MAX && sequence <= segments_max {
            return None;
        }
        let stream = segment_name(name.stream(), sequence);
        let stream = stream.strip_suffix(".ts")?;
        StreamName::new(name.vhost(), name.app(), stream, self.name_limits()).ok()
    }
}

/// The numbers of segments are larger; streams may have smaller ones in their names, or the seconds
/// since 1970, which are far larger.
const NUMBERS_OF_STREAMS_MAX: u64 = 99_999_999;

/// The stream and the number in the name of a segment, without its `.ts`.
pub(super) fn segment_of(stem: &str) -> Option<(&str, u64)> {
    let (stream, digits) = stem.rsplit_once('-')?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_written_so = is_number && (digits == "0" || !digits.starts_with('0'));
    let sequence = digits.parse().ok().filter(|_| is_written_so)?;
    (!stream.is_empty() && !stream.ends_with('/')).then_some((stream, sequence))
}

/// The home of a stream does not say why there is nothing.
pub(super) fn not_there(part: HlsPart) -> Response {
    let words = match part {
        HlsPart::Playlist => {
            "Nobody publishes this stream, or it has sent nothing yet that MPEG-TS carries."
        }
        HlsPart::Segment(_) => return not_published(),
    };
    Response { cors: Cors::Any, ..Response::words(Status::NotFound, words) }
}

fn respond_with(part: HlsPart, found: &Found) -> Response {
    let body = Body::Bytes(SmallVec::from_iter(found.bytes.iter().cloned()));
    let (content_type, cache, kind) = match part {
        HlsPart::Playlist => ("application/vnd.apple.mpegurl", Cache::Ask, 'p'),
        HlsPart::Segment(_) => ("video/mp2t", Cache::Immutable(SEGMENT_AGE_SECONDS), 's'),
    };
    Response {
        cache,
        cors: Cors::Any,
        etag: EntityTag::new(&alloc::format!("{kind}{:x}", found.tag)),
        ..Response::new(Status::Ok, content_type, body)
    }
}
