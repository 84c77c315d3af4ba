//! One viewer of HLS: it asks as players do (RFC 8216, section 6.3), and what it sees.
//!
//! The playlist is asked for again after a target duration, or after half of it when nothing was
//! new; each segment is fetched once, in order, on the connection that is kept. Nothing is held of a
//! segment but the frame that is being read.

mod playing;

use super::http::{Head, HttpClient};
use super::mark::Mark;
use super::tally::Tally;
use super::view::View;
use super::{Context, bit_rate, micros};
use crate::client::{ClientError, START_TIME, Target};
use crate::runtime::{Runtime, sleep_until, within};
use millstream_core::hls::reader::{self, MediaPlaylist, Playlist};
use millstream_core::ts::reader::{TsEvent, TsReader};
use playing::{Playhead, fetch_from, locate};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Bytes of a playlist.
const PLAYLIST_LEN_MAX: usize = 1 << 20;

/// A playlist is not asked for more often, whatever it says.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// Bytes of a transport packet.
const PACKET_LEN: u64 = 188;

/// Views from its turn to the end.
pub(super) async fn view<R: Runtime>(context: Rc<Context>, number: u32) {
    context.wait_for_turn::<R>(number).await;
    let begin = Instant::now();
    let mut viewer = Viewer::<R>::new(context.clone(), number);
    let first = within::<R, _>(START_TIME, viewer.ask_for_playlist()).await;
    let first = match first.unwrap_or(Err(ClientError::Timeout)) {
        Ok(playlist) => playlist.unwrap_or_default(),
        Err(error) => return context.not_started(&error),
    };
    viewer.view.begin();
    let started = Instant::now();
    context.started(started - begin);
    let left = context.plan.end().saturating_duration_since(started);
    let outcome = within::<R, _>(left, viewer.play(first)).await.unwrap_or(Ok(()));
    viewer.finish(started);
    if let Err(error) = outcome {
        context.lost(&error);
    }
}

struct Viewer<R: Runtime> {
    context: Rc<Context>,
    target: Target,
    client: Option<HttpClient<R>>,
    /// Of connections that have ended.
    received_before: u64,
    /// The server keeps the connection.
    keeps: bool,
    etag: Option<String>,
    playhead: Playhead,
    /// The sequence number that comes next.
    next: Option<u64>,
    view: View,
}

impl<R: Runtime> Viewer<R> {
    fn new(context: Rc<Context>, number: u32) -> Self {
        let target = context.plan.target.numbered(number);
        Self {
            context,
            target,
            client: None,
            received_before: 0,
            keeps: false,
            etag: None,
            playhead: Playhead::default(),
            next: None,
            view: View::default(),
        }
    }

    /// Takes segments until the stream ends.
    async fn play(&mut self, first: MediaPlaylist) -> Result<(), ClientError> {
        let (mut playlist, mut asked) = (Some(first), Instant::now());
        let mut target = Duration::ZERO;
        loop {
            let is_new = match &playlist {
                Some(playlist) => {
                    target = Duration::from_secs(playlist.target_secs);
                    self.take_new(playlist).await?
                }
                None => false,
            };
            if playlist.is_some_and(|playlist| playlist.is_ended) {
                return Err(ClientError::Ended(String::new()));
            }
            let pause = if is_new { target } else { target / 2 };
            sleep_until::<R>(asked + pause.max(PAUSE_MIN)).await;
            asked = Instant::now();
            playlist = self.ask_for_playlist().await?;
        }
    }

    /// The playlist; `None` if it is the same as before.
    async fn ask_for_playlist(&mut self) -> Result<Option<MediaPlaylist>, ClientError> {
        let asked = Instant::now();
        let (path, condition) = (self.target.path(), self.etag.take());
        let head = self.ask(&path, condition.as_deref()).await?;
        let mut text = Vec::new();
        self.read_body(|bytes| {
            text.extend_from_slice(bytes);
            let is_too_long = text.len() > PLAYLIST_LEN_MAX;
            if is_too_long {
                Err(ClientError::Unreadable("its playlist has no end"))
            } else {
                Ok(())
            }
        })
        .await?;
        if head.status == 304 {
            self.etag = condition;
        } else {
            head.require_ok()?;
            self.etag = head.etag;
        }
        let mut tally = self.context.tally.borrow_mut();
        if self.view.started().is_some() {
            // The first one may have to wait for the first segment; that is time of the set-up.
            tally.playlist_micros.record(micros(asked.elapsed()));
        }
        if head.status == 304 {
            return Ok(None);
        }
        let (Playlist::Media(playlist), complaints) = reader::read(&text) else {
            return Err(ClientError::Unreadable("a list of playlists: name one of them"));
        };
        tally.faults += complaints.len() as u64;
        Ok(Some(playlist))
    }

    /// Fetches what is new; true if anything was.
    async fn take_new(&mut self, playlist: &MediaPlaylist) -> Result<bool, ClientError> {
        let (from, lost) = fetch_from(playlist, self.next);
        self.context.tally.borrow_mut().lost_segments += lost;
        let skipped = usize::try_from(from - playlist.media_sequence).unwrap_or(usize::MAX);
        self.next = Some(from);
        let mut is_new = false;
        for entry in playlist.segments.iter().skip(skipped) {
            is_new = true;
            self.next = self.next.map(|next| next.saturating_add(1));
            self.fetch(&entry.uri, Duration::from_micros(entry.duration_micros)).await?;
        }
        Ok(is_new)
    }

    /// Fetches one segment, and holds it to what a segment has to be.
    async fn fetch(&mut self, uri: &str, duration: Duration) -> Result<(), ClientError> {
        let path = locate(&self.target, uri);
        let path = path.ok_or(ClientError::Unreadable("a segment of another host"))?;
        let asked = Instant::now();
        let head = self.ask(&path, None).await?;
        let (mut segment, context) = (Segment::default(), self.context.clone());
        let body = self.read_body(|bytes| {
            segment.take(bytes);
            context.plan.live.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            Ok(())
        });
        body.await?;
        let now = Instant::now();
        let mut tally = self.context.tally.borrow_mut();
        if head.status != 200 {
            tally.lost_segments += 1;
            return Ok(());
        }
        segment.finish();
        tally.faults += segment.faults;
        tally.segments += 1;
        tally.segment_micros.record(micros(now - asked));
        if self.playhead.segments() == 0 {
            let waited = self.view.started().map_or(Duration::ZERO, |started| now - started);
            tally.first_frame_micros.record(micros(waited));
        }
        if let Some(mark) = segment.last {
            self.view.note_latency(mark, &mut tally);
        }
        for number in &segment.numbers {
            self.view.note_number(Mark { unix_micros: 0, number: *number }, &mut tally);
        }
        let late = self.playhead.take(now, duration);
        self.note_late(late, &mut tally);
        Ok(())
    }

    fn note_late(&self, late: Duration, tally: &mut Tally) {
        tally.longest_gap_micros = tally.longest_gap_micros.max(micros(late));
        if !late.is_zero() {
            tally.stalls += 1;
            self.context.plan.live.stalls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks on the connection there is. One that the server has closed meanwhile is replaced.
    async fn ask(&mut self, path: &str, etag: Option<&str>) -> Result<Head, ClientError> {
        let condition = etag.map(|etag| format!("If-None-Match: {etag}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: millstream-bench\r\n{condition}\r\n",
            self.target.authority()
        );
        if !self.keeps {
            self.leave();
        }
        if let Some(client) = &mut self.client {
            let before = client.received();
            match client.ask(&request).await {
                Ok(head) => {
                    self.keeps = head.keeps;
                    return Ok(head);
                }
                Err(ClientError::Closed | ClientError::Io(_)) if client.received() == before => {}
                Err(error) => return Err(error),
            }
            self.leave();
        }
        let client = HttpClient::connect(self.context.plan.address).await?;
        let client = self.client.insert(client);
        let head = client.ask(&request).await?;
        self.keeps = head.keeps;
        Ok(head)
    }

    async fn read_body(
        &mut self,
        take: impl FnMut(&[u8]) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        match &mut self.client {
            Some(client) => client.read_body(take).await,
            None => Err(ClientError::Closed),
        }
    }

    /// Gives the connection up.
    fn leave(&mut self) {
        self.received_before += self.client.take().map_or(0, |client| client.received());
    }

    fn finish(&mut self, started: Instant) {
        let now = Instant::now();
        self.leave();
        let mut tally = self.context.tally.borrow_mut();
        tally.bytes += self.received_before;
        tally.bits_per_second.record(bit_rate(self.received_before, now - started));
        self.note_late(self.playhead.late_at(now), &mut tally);
        tally.silent += u64::from(self.playhead.segments() == 0);
    }
}

/// What a segment has shown so far.
#[derive(Debug, Default)]
struct Segment {
    reader: TsReader,
    len: u64,
    faults: u64,
    /// The numbers of its marks.
    numbers: Vec<u32>,
    last: Option<Mark>,
}

impl Segment {
    fn take(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        while let Some(event) = self.reader.read(&mut bytes) {
            self.note(&event);
        }
    }

    /// The segment is whole.
    fn finish(&mut self) {
        while let Some(event) = self.reader.finish() {
            self.note(&event);
        }
        if self.len == 0 || !self.len.is_multiple_of(PACKET_LEN) {
            self.faults += 1;
        }
    }

    fn note(&mut self, event: &TsEvent) {
        if let TsEvent::Pes(pes) = event {
            if let Some(mark) = Mark::find(&pes.payload) {
                self.numbers.push(mark.number);
                self.last = Some(mark);
            }
        } else if let TsEvent::Fault { .. } = event {
            self.faults += 1;
        }
    }
}
