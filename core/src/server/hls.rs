//! Segments and playlists of the streams that are at home here, and who waits for them.
//!
//! They outlive the publish and all players: who is behind still gets what the playlist names. So
//! they lie beside the streams, under ids of their own. Where nobody can ask for them, for want of
//! a listener for HTTP and of a directory, none are made.

mod disk;
mod viewing;

use super::Server;
use super::measure::SHOWN_AFTER;
use super::timers::Owner;
use crate::config::{Config, HlsStorage, Vhost};
use crate::drive::Service;
use crate::event::Event;
use crate::frame::{Frame, FrameClass};
use crate::hls::{Ending, HlsConfig, HlsMuxer, HlsOutput, start_sequence};
use crate::id::{ConnId, JobId, SourceId};
use crate::name::StreamName;
use crate::shard::{Fetch, Found, HlsPart, ShardId, ShardMessage};
use crate::time::{Deadline, Instant, TimerKind};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use disk::Disk;
use viewing::Viewing;

/// The segments of one stream; a number is used once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct HlsId(u64);

/// Who asks for a part of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Asker {
    pub(super) fetch: Fetch,
    pub(super) shard: ShardId,
}

/// All streams that have segments, or are asked for some.
#[derive(Default)]
pub(super) struct HlsTable {
    all: BTreeMap<HlsId, Box<HlsStream>>,
    ids: BTreeMap<StreamName, HlsId>,
    /// Which stream's files a job is about.
    jobs: BTreeMap<JobId, HlsId>,
    next: u64,
}

struct HlsStream {
    /// Its files, if it has some.
    disk: Option<Disk>,
    /// All is forgotten after this.
    dispose_at: Option<Instant>,
    /// The playlist says that it is complete after this.
    end_at: Option<Instant>,
    is_live: bool,
    /// A publish has shown its codecs after this.
    look_at: Option<Instant>,
    muxer: Option<HlsMuxer>,
    name: StreamName,
    timer_at: Option<Instant>,
    viewing: Viewing,
    /// Who waits for the first playlist, and until when.
    waiting: Vec<(Instant, Asker)>,
}

impl HlsStream {
    fn deadline(&self) -> Option<Instant> {
        let muxer = self.muxer.as_ref().and_then(HlsMuxer::poll_timeout);
        let waiting = self.waiting.iter().map(|(until, _)| *until).min();
        let disk = self.disk.as_ref().and_then(Disk::wake_at);
        let all = [muxer, waiting, disk, self.look_at, self.end_at, self.dispose_at];
        all.into_iter().flatten().min()
    }

    fn viewers(&self, now: Instant) -> u32 {
        let target = self.muxer.as_ref().map(HlsMuxer::target_duration);
        target.map_or(0, |target| self.viewing.viewers(now, target))
    }

    fn is_over(&self) -> bool {
        let is_empty = self.muxer.as_ref().is_none_or(|muxer| muxer.kept_len() == 0);
        let is_written = self.disk.as_ref().is_none_or(Disk::is_idle);
        !self.is_live
            && self.end_at.is_none()
            && self.dispose_at.is_none()
            && is_empty
            && is_written
            && self.waiting.is_empty()
    }

    /// No more will come: the last segment is cut, and the playlist says so.
    fn end(&mut self, now: Instant) {
        self.end_at = None;
        if let Some(muxer) = &mut self.muxer {
            muxer.finish(now, Ending::EndList);
        }
    }

    /// Goes on as a vhost says now: with what is there already.
    fn configure(&mut self, now: Instant, vhost: &Vhost) {
        let Some(muxer) = &mut self.muxer else { return };
        muxer.configure(hls_config(vhost));
        let directory = match &vhost.hls.storage {
            HlsStorage::Memory if self.disk.is_none() => return,
            HlsStorage::Memory => None,
            HlsStorage::Disk { path } => Some(&**path),
        };
        let disk = self.disk.get_or_insert_with(|| Disk::new(&self.name));
        // Who plays what an earlier run has left gets as long as after the end of a publish.
        let sweep_at = now.after(stay_of(vhost));
        disk.go_to(directory, &self.name, muxer, sweep_at);
    }

    fn find(&self, part: HlsPart) -> Option<Found> {
        let muxer = self.muxer.as_ref()?;
        match part {
            HlsPart::Playlist => {
                let text = muxer.playlist();
                (!text.is_empty()).then(|| {
                    let hash = text.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
                        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
                    });
                    Found { bytes: Arc::from([text.clone()]), tag: hash }
                })
            }
            HlsPart::Segment(sequence) => {
                let segment = muxer.segment(sequence)?;
                // A sequence number is used once, also by the next run of the server.
                Some(Found { bytes: Arc::from(&segment.blocks[..]), tag: sequence })
            }
        }
    }
}

impl Server {
    /// A stream that is at home here got a publisher.
    pub(super) fn hls_published(&mut self, source: SourceId) {
        let config = self.config.clone();
        let Some(stream) = self.stream(source) else { return };
        let is_home = stream.replica.is_none() && !self.is_shutting_down;
        if !is_home || !is_wanted(&config, &stream.vhost) {
            return;
        }
        let (name, vhost) = (stream.name.clone(), stream.vhost.clone());
        let Some(id) = self.hls_id(&name) else { return };
        let (now, first) = (self.now, start_sequence(self.wall_clock()));
        let Some(hls) = self.hls.all.get_mut(&id) else { return };
        hls.is_live = true;
        hls.look_at = Some(now.after(SHOWN_AFTER));
        hls.dispose_at = None;
        hls.end_at = None;
        let wait = playlist_wait(&config, &vhost);
        for (until, _) in &mut hls.waiting {
            *until = (*until).max(now.after(wait));
        }
        match &mut hls.muxer {
            Some(muxer) => {
                if muxer.resume(now)
                    && let Some(disk) = &mut hls.disk
                {
                    disk.unlist();
                }
            }
            None => {
                // A playlist names its segments relative to itself.
                let stem = name.stream().rsplit('/').next().unwrap_or_default();
                hls.muxer = Some(HlsMuxer::new(hls_config(&vhost), stem, first));
            }
        }
        // It may be older than a reload.
        hls.configure(now, &vhost);
        if let Some(stream) = self.stream_mut(source) {
            stream.hls = Some(id);
        }
        self.hls_progress(id);
    }

    /// The configuration has changed. Lengths and places change at once; a stream that begins to
    /// have segments has none for its media so far.
    pub(super) fn hls_reloaded(&mut self, source: SourceId) {
        let now = self.now;
        let Some(stream) = self.stream(source) else { return };
        let is_live = stream.source.publisher().is_some() && stream.replica.is_none();
        let is_wanted = is_live && is_wanted(&self.config, &stream.vhost);
        match (stream.hls, is_wanted) {
            (Some(id), true) => {
                let vhost = stream.vhost.clone();
                if let Some(hls) = self.hls.all.get_mut(&id) {
                    hls.configure(now, &vhost);
                }
                self.hls_progress(id);
            }
            (Some(_), false) => self.hls_unpublished(source),
            (None, true) => {
                let headers = stream.source.snapshot().into_iter();
                let headers = headers.filter(|frame| frame.class == FrameClass::SequenceHeader);
                let headers: Vec<Frame> = headers.collect();
                self.hls_published(source);
                let Some(id) = self.stream(source).and_then(|stream| stream.hls) else { return };
                for frame in &headers {
                    self.hls_frame(id, frame);
                }
            }
            (None, false) => {}
        }
    }

    /// Its publisher has gone.
    pub(super) fn hls_unpublished(&mut self, source: SourceId) {
        let now = self.now;
        let Some(stream) = self.stream_mut(source) else { return };
        let (grace, mut stay) = (stream.vhost.grace, stay_of(&stream.vhost));
        let Some(id) = stream.hls.take() else { return };
        let Some(hls) = self.hls.all.get_mut(&id) else { return };
        hls.is_live = false;
        hls.look_at = None;
        if let Some(muxer) = &mut hls.muxer {
            muxer.finish(now, Ending::Pause);
            stay = stay.max(muxer.grace());
        }
        hls.end_at = Some(now.after(grace));
        hls.dispose_at = Some(now.after(grace).after(stay));
        self.hls_progress(id);
    }

    /// The server ends: so do all streams, also those whose publisher could have come back. Their
    /// files stay.
    pub(super) fn hls_shutdown(&mut self) {
        let now = self.now;
        let sources: Vec<SourceId> = self.names.values().copied().collect();
        for source in sources {
            self.hls_unpublished(source);
        }
        let ids: Vec<HlsId> = self.hls.all.keys().copied().collect();
        for id in ids {
            if let Some(hls) = self.hls.all.get_mut(&id).filter(|hls| hls.end_at.is_some()) {
                hls.end(now);
                self.hls_progress(id);
            }
        }
    }

    /// A frame of a stream that has segments, with its mended time.
    pub(super) fn hls_frame(&mut self, id: HlsId, frame: &Frame) {
        let (now, wall) = (self.now, self.wall_clock());
        let hls = self.hls.all.get_mut(&id);
        let Some(muxer) = hls.and_then(|hls| hls.muxer.as_mut()) else { return };
        muxer.push(now, wall, frame);
        if muxer.has_output() {
            self.hls_progress(id);
        }
    }

    /// Takes what the muxer gives, answers who waited for it, and arms the next deadline.
    fn hls_progress(&mut self, id: HlsId) {
        let now = self.now;
        let Some(hls) = self.hls.all.get_mut(&id) else { return };
        let mut warnings = Vec::new();
        while let Some(output) = hls.muxer.as_mut().and_then(HlsMuxer::poll_output) {
            if let HlsOutput::Segment(segment) = &output {
                hls.viewing.list(now, segment.sequence);
            }
            if let HlsOutput::Warning(warning) = output {
                warnings.push(warning);
            } else if let Some(disk) = &mut hls.disk {
                disk.push(output);
            }
        }
        let found = hls.find(HlsPart::Playlist);
        let waiting = core::mem::take(&mut hls.waiting);
        let (over, waiting): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(until, _)| found.is_some() || *until <= now);
        hls.waiting = waiting;
        let name = hls.name.clone();
        for warning in warnings {
            self.event(Event::HlsWarning { name: name.clone(), warning });
        }
        for (_, asker) in over {
            self.answer_fetch(asker, found.clone());
        }
        self.hls_write(id);
        self.hls_settle(id);
    }

    /// Begins the next write of a stream's files, if none is under way.
    fn hls_write(&mut self, id: HlsId) {
        let now = self.now;
        let Some(hls) = self.hls.all.get_mut(&id) else { return };
        let work = hls.disk.as_mut().and_then(|disk| disk.poll_job(now));
        if let Some(work) = work {
            let job = self.start(work);
            self.hls.jobs.insert(job, id);
        }
    }

    /// A job is over; false if it is not about a stream's files.
    pub(super) fn hls_job_done(&mut self, job: JobId, result: &crate::job::JobResult) -> bool {
        let now = self.now;
        let Some(id) = self.hls.jobs.remove(&job) else { return false };
        let Some(hls) = self.hls.all.get_mut(&id) else { return true };
        let name = hls.name.clone();
        let failure = hls.disk.as_mut().and_then(|disk| disk.handle_done(now, result));
        if let Some((path, reason)) = failure {
            self.event(Event::HlsFailed { name, path, reason });
        }
        self.hls_write(id);
        self.hls_settle(id);
        true
    }

    pub(super) fn hls_timeout(&mut self, id: HlsId, at: Instant) {
        let now = self.now;
        let Some(hls) = self.hls.all.get_mut(&id) else { return };
        if hls.timer_at != Some(at) {
            return;
        }
        hls.timer_at = None;
        if hls.look_at.is_some_and(|at| at <= now) {
            hls.look_at = None;
            let name = hls.name.clone();
            if self.is_beyond_ts(&name) {
                self.hls_refuse(id);
            }
        }
        let Some(hls) = self.hls.all.get_mut(&id) else { return };
        if hls.end_at.is_some_and(|at| at <= now) {
            hls.end(now);
        }
        let is_over = hls.dispose_at.is_some_and(|at| at <= now);
        if let Some(muxer) = &mut hls.muxer {
            muxer.handle_timeout(now);
            if is_over {
                muxer.dispose();
            }
        }
        if is_over {
            hls.dispose_at = None;
            if let Some(disk) = &mut hls.disk {
                disk.unlist();
            }
        }
        self.hls_progress(id);
    }

    /// There will be no playlist, however long it is waited for.
    fn is_beyond_ts(&self, name: &StreamName) -> bool {
        let source = self.names.get(name).and_then(|source| self.stream(*source));
        source.is_some_and(|stream| stream.measure.is_beyond_ts(self.now))
    }

    /// Who waits is told so now.
    fn hls_refuse(&mut self, id: HlsId) {
        let waiting = self.hls.all.get_mut(&id).map(|hls| core::mem::take(&mut hls.waiting));
        for (_, asker) in waiting.into_iter().flatten() {
            self.answer_fetch(asker, None);
        }
    }

    /// Arms the next deadline of a stream, or forgets it.
    fn hls_settle(&mut self, id: HlsId) {
        let now = self.now;
        let Some(hls) = self.hls.all.get_mut(&id) else { return };
        if hls.is_over() {
            let name = hls.name.clone();
            self.hls.all.remove(&id);
            self.hls.ids.remove(&name);
        } else if let Some(at) = hls.deadline() {
            let deadline = Deadline { at, reason: TimerKind::Hls };
            self.timers.arm(now, &mut hls.timer_at, deadline, Owner::Hls(id));
        }
    }

    fn hls_id(&mut self, name: &StreamName) -> Option<HlsId> {
        if let Some(&id) = self.hls.ids.get(name) {
            return Some(id);
        }
        if self.hls.all.len() >= self.config.limits.sources_max as usize {
            return None;
        }
        let id = HlsId(self.hls.next);
        self.hls.next = self.hls.next.wrapping_add(1);
        let hls = HlsStream {
            disk: None,
            dispose_at: None,
            end_at: None,
            is_live: false,
            look_at: None,
            muxer: None,
            name: name.clone(),
            timer_at: None,
            viewing: Viewing::default(),
            waiting: Vec::new(),
        };
        self.hls.all.insert(id, Box::new(hls));
        self.hls.ids.insert(name.clone(), id);
        Some(id)
    }

    /// How long the first playlist of a stream is waited for once it is live.
    pub(super) fn hls_wait(&self, name: &StreamName) -> Duration {
        let vhost = self.config.vhost(name.vhost());
        vhost.map_or(Duration::ZERO, |vhost| playlist_wait(&self.config, vhost))
    }

    /// Looks for a part of a stream that is at home here, for a connection of any shard. A playlist
    /// is waited for.
    pub(super) fn fetch(&mut self, asker: Asker, name: &StreamName, part: HlsPart) {
        let known = self.hls.ids.get(name).and_then(|id| self.hls.all.get(id));
        let found = known.and_then(|hls| hls.find(part));
        let is_live = known.is_some_and(|hls| hls.is_live);
        if let (HlsPart::Segment(sequence), Some(_), Some(id)) =
            (part, &found, self.hls.ids.get(name))
            && let Some(hls) = self.hls.all.get_mut(id)
        {
            hls.viewing.count(sequence);
        }
        if found.is_some() || part != HlsPart::Playlist {
            self.answer_fetch(asker, found);
            return;
        }
        if self.is_beyond_ts(name) {
            self.answer_fetch(asker, None);
            return;
        }
        let wait = if is_live { self.hls_wait(name) } else { self.config.limits.http_play_wait };
        let until = self.now.after(wait);
        match self.hls_id(name) {
            Some(id) => {
                if let Some(hls) = self.hls.all.get_mut(&id) {
                    hls.waiting.push((until, asker));
                }
                self.hls_settle(id);
            }
            None => self.answer_fetch(asker, None),
        }
    }

    fn answer_fetch(&mut self, asker: Asker, found: Option<Found>) {
        let Asker { fetch, shard } = asker;
        if shard == self.shards.placement.own {
            self.fetched(fetch, found);
        } else {
            self.tell(shard, ShardMessage::Fetched { fetch, found });
        }
    }

    /// A connection has gone: it waits for nothing. Who waits from other shards is told in time.
    pub(super) fn hls_forget(&mut self, conn: ConnId, name: &StreamName) {
        let own = self.shards.placement.own;
        let Some(&id) = self.hls.ids.get(name) else { return };
        if let Some(hls) = self.hls.all.get_mut(&id) {
            hls.waiting.retain(|(_, asker)| asker.shard != own || asker.fetch.conn != conn);
        }
        self.hls_settle(id);
    }

    /// All files are written, as far as they can be now.
    pub(super) fn hls_is_written(&self) -> bool {
        self.hls.all.values().filter_map(|hls| hls.disk.as_ref()).all(Disk::is_settled)
    }

    /// How many watch a stream that is at home here by HLS.
    pub(super) fn hls_viewers_of(&self, name: &StreamName) -> u32 {
        let hls = self.hls.ids.get(name).and_then(|id| self.hls.all.get(id));
        hls.map_or(0, |hls| hls.viewers(self.now))
    }

    /// How many watch the streams that are at home here by HLS.
    pub(super) fn hls_viewers(&self) -> u32 {
        let viewers = self.hls.all.values().map(|hls| hls.viewers(self.now));
        viewers.fold(0, u32::saturating_add)
    }

    /// Bytes of all segments.
    pub(super) fn hls_bytes(&self) -> u64 {
        let muxers = self.hls.all.values().filter_map(|hls| hls.muxer.as_ref());
        muxers.map(|muxer| muxer.kept_len() as u64).fold(0, u64::saturating_add)
    }
}

/// Somebody can ask for the segments of a vhost.
fn is_wanted(config: &Config, vhost: &Vhost) -> bool {
    let mut listeners = config.listeners.iter();
    let is_served = listeners.any(|listener| listener.service == Service::Http);
    vhost.hls.enabled && (is_served || vhost.hls.storage != HlsStorage::Memory)
}

/// How long the first playlist of a stream that is live is waited for: its first segment is cut by
/// then, with a keyframe or without.
fn playlist_wait(config: &Config, vhost: &Vhost) -> Duration {
    let first = hls_config(vhost).forced().saturating_add(Duration::from_secs(1));
    config.limits.http_playlist_wait.max(first)
}

/// How long segments stay that nobody adds to, at least.
const fn stay_of(vhost: &Vhost) -> Duration {
    vhost.hls.window.saturating_mul(2)
}

fn hls_config(vhost: &Vhost) -> HlsConfig {
    let hls = &vhost.hls;
    HlsConfig {
        fragment: hls.fragment.max(FRAGMENT_MIN),
        window: hls.window,
        ..HlsConfig::default()
    }
}

/// Shorter segments are not made.
const FRAGMENT_MIN: Duration = Duration::from_millis(500);
