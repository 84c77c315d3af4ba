//! What a publisher sends, and when: a plan made into frames, each noted in the ledger.

use crate::entropy::Entropy;
use crate::media::{Ledger, Note, Stamp, frame, muxable_frame};
use crate::net::Micros;
use crate::scenario::MediaPlan;
use millstream_core::frame::{Frame, FrameClass, FrameKind};

/// When a publisher without media sends its next frame: after the end of every run.
const NEVER_MS: u64 = 1 << 40;

#[derive(Debug)]
pub(super) struct Publisher {
    audio_at: u64,
    epoch: u32,
    gop_left: u64,
    gops: u32,
    has_headers: bool,
    jump: i64,
    /// Kinds whose next frame is the first one after a jump: audio, video.
    jumps: [bool; 2],
    lead_left: u32,
    plan: MediaPlan,
    started: Micros,
    versions: [u32; 2],
    video_at: u64,
    videos: u32,
}

impl Publisher {
    pub(super) const fn new(plan: MediaPlan, epoch: u32, now: Micros) -> Self {
        Self {
            audio_at: 0,
            epoch,
            gop_left: 0,
            gops: 0,
            has_headers: false,
            jump: 0,
            jumps: [false; 2],
            lead_left: plan.lead,
            plan,
            started: now,
            versions: [0; 2],
            video_at: 0,
            videos: 0,
        }
    }

    /// Makes all frames that are due; `send` gives the bytes made so far.
    pub(super) fn publish(
        &mut self,
        now: Micros,
        ledger: &mut Ledger,
        entropy: &mut Entropy,
        mut send: impl FnMut(&Frame) -> u64,
    ) {
        let until = (now - self.started) / 1_000;
        let make = if self.plan.muxable { muxable_frame } else { frame };
        let mut out = Out { epoch: self.epoch, ledger, make, now, send: &mut send };
        loop {
            let video = (self.plan.video_ms > 0).then_some(self.video_at);
            let audio = (self.plan.audio_ms > 0).then_some(self.audio_at);
            let Some(at) = video.into_iter().chain(audio).min().filter(|at| *at <= until) else {
                break;
            };
            if !self.has_headers {
                self.has_headers = true;
                self.headers(at, [true, true], &mut out);
            }
            if video == Some(at) {
                self.video(at, entropy, &mut out);
                self.video_at += u64::from(self.plan.video_ms);
            } else {
                self.audio(at, entropy, &mut out);
                self.audio_at += u64::from(self.plan.audio_ms);
            }
        }
    }

    /// When the next frames are due.
    pub(super) fn next_after(&self, now: Micros) -> Micros {
        let at = |wanted: u32, at: u64| if wanted > 0 { at } else { NEVER_MS };
        let next = at(self.plan.video_ms, self.video_at).min(at(self.plan.audio_ms, self.audio_at));
        let next = (self.started + next * 1_000).saturating_sub(now);
        next.max(u64::from(self.plan.tick_ms) * 1_000).max(1)
    }

    fn time(&self, at: u64) -> u32 {
        (i64::from(self.plan.start) + at as i64 + self.jump) as u32
    }

    /// Metadata, and the sequence headers of video and audio where they are wanted.
    fn headers(&mut self, at: u64, wanted: [bool; 2], out: &mut Out<'_>) {
        let time = self.time(at);
        out.header(FrameKind::Data, FrameClass::Metadata, self.versions[1], time, self.versions);
        let class = FrameClass::SequenceHeader;
        if self.plan.video_ms > 0 && wanted[1] {
            out.header(FrameKind::Video, class, self.versions[1], time, self.versions);
        }
        if self.plan.audio_ms > 0 && wanted[0] {
            out.header(FrameKind::Audio, class, self.versions[0], time, self.versions);
        }
    }

    fn video(&mut self, at: u64, entropy: &mut Entropy, out: &mut Out<'_>) {
        let MediaPlan { jump_every, jump_ms, gop_min, gop_max, .. } = self.plan;
        self.videos += 1;
        if jump_every > 0 && self.videos.is_multiple_of(jump_every) {
            self.jump += i64::from(jump_ms);
            self.jumps = [true; 2];
            out.ledger.epochs[self.epoch as usize].jumped = true;
        }
        let mut class = FrameClass::Coded;
        if self.lead_left > 0 {
            self.lead_left -= 1;
        } else if self.gop_left == 0 {
            class = FrameClass::Keyframe;
            self.gop_left = entropy.range(u64::from(gop_min)..=u64::from(gop_max.max(gop_min)));
            self.gop_left = self.gop_left.max(1) - 1;
            self.begin_gop(at, out);
        } else {
            self.gop_left -= 1;
        }
        let jumps = std::mem::take(&mut self.jumps[1]);
        let len_max = u64::from(self.plan.len_max);
        let largest = if class == FrameClass::Keyframe { len_max } else { len_max / 4 };
        let len = entropy.range(0..=largest) as usize;
        out.coded(FrameKind::Video, class, self.time(at), jumps, self.versions, len);
    }

    fn begin_gop(&mut self, at: u64, out: &mut Out<'_>) {
        let MediaPlan { repeat_every, change_every, .. } = self.plan;
        if change_every > 0 && self.gops > 0 && self.gops.is_multiple_of(change_every) {
            self.versions[1] += 1;
            self.headers(at, [false, true], out);
        } else if repeat_every > 0 && self.gops > 0 && self.gops.is_multiple_of(repeat_every) {
            self.headers(at, [true, true], out);
        }
        self.gops += 1;
    }

    fn audio(&mut self, at: u64, entropy: &mut Entropy, out: &mut Out<'_>) {
        let jumps = std::mem::take(&mut self.jumps[0]);
        let len = entropy.range(0..=u64::from(self.plan.len_max.min(300)) / 4) as usize;
        let class = FrameClass::Coded;
        out.coded(FrameKind::Audio, class, self.time(at), jumps, self.versions, len);
    }
}

struct Out<'a> {
    epoch: u32,
    ledger: &'a mut Ledger,
    make: fn(FrameKind, FrameClass, Stamp, u32, usize) -> Frame,
    now: Micros,
    send: &'a mut dyn FnMut(&Frame) -> u64,
}

impl Out<'_> {
    fn header(
        &mut self,
        kind: FrameKind,
        class: FrameClass,
        version: u32,
        time: u32,
        versions: [u32; 2],
    ) {
        let stream = self.ledger.epoch(self.epoch).stream;
        let stamp = Stamp { stream, epoch: self.epoch, serial: version, timestamp: 0 };
        self.send(&(self.make)(kind, class, stamp, time, 0), time, false, versions);
    }

    fn coded(
        &mut self,
        kind: FrameKind,
        class: FrameClass,
        time: u32,
        jumps: bool,
        versions: [u32; 2],
        len: usize,
    ) {
        let epoch = &mut self.ledger.epochs[self.epoch as usize];
        let serial = epoch.notes.len() as u32;
        if class == FrameClass::Keyframe {
            epoch.keyframe = Some((serial, self.now));
        }
        let stamp = Stamp { stream: epoch.stream, epoch: self.epoch, serial, timestamp: time };
        self.send(&(self.make)(kind, class, stamp, time, len), time, jumps, versions);
    }

    fn send(&mut self, frame: &Frame, time: u32, jumps: bool, versions: [u32; 2]) {
        let end = (self.send)(frame);
        let (kind, class) = (frame.kind, frame.class);
        let note = Note { kind, class, timestamp: time, jumps, versions, end };
        self.ledger.epochs[self.epoch as usize].notes.push(note);
    }
}
