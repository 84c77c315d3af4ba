//! Transport streams.

use super::track::{Frame, TICKS, Track, millis};
use super::{Frames, Pid, Report, Severity, codec};
use millstream_core::ts::reader::{Clock, Fault, Pes, ProgrammeMap, TsEvent, TsReader};
use millstream_core::ts::{PACKET_LEN, SYNC};
use std::collections::BTreeMap;

/// The longest step of the clock (ISO/IEC 13818-1, section 2.7.2).
const CLOCK_STEP_MAX: i64 = 100 * TICKS;

/// Whether the bytes begin with packets.
pub(super) fn is_transport_stream(bytes: &[u8]) -> bool {
    bytes.first() == Some(&SYNC) && bytes.get(PACKET_LEN).is_none_or(|byte| *byte == SYNC)
}

pub(super) fn report(bytes: &[u8], frames: Frames) -> Report {
    let mut state = State::new(frames);
    state.read(bytes);
    state.finish(bytes.len() as u64)
}

/// What is gathered while packets are read; several segments may be read in turn.
#[derive(Debug)]
pub(super) struct State {
    frames: Frames,
    report: Report,
    reader: TsReader,
    maps: Vec<ProgrammeMap>,
    /// `stream_type` and index of the track of each PID.
    streams: BTreeMap<u16, (u8, usize)>,
    /// Times of 33 bits without their wraps.
    latest: Option<i64>,
    clock: Option<i64>,
    clocks: u64,
    clock_step_max: i64,
    /// The first decoding time of the segment that is read, and the end of its media.
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    /// The first picture of the segment that is read is a keyframe.
    pub(super) starts_with_keyframe: Option<bool>,
    /// The tables stood before all media of the segment.
    is_told: bool,
}

impl State {
    pub(super) fn new(frames: Frames) -> Self {
        Self {
            frames,
            report: Report::new("MPEG-TS", 0),
            reader: TsReader::new(),
            maps: Vec::new(),
            streams: BTreeMap::new(),
            latest: None,
            clock: None,
            clocks: 0,
            clock_step_max: 0,
            start: None,
            end: None,
            starts_with_keyframe: None,
            is_told: false,
        }
    }

    /// Another segment begins.
    pub(super) fn begin_segment(&mut self) {
        self.start = None;
        self.end = None;
        self.starts_with_keyframe = None;
    }

    /// The time line of what follows is another one.
    pub(super) fn forget_time(&mut self) {
        self.latest = None;
        self.clock = None;
        self.report.tracks.iter_mut().for_each(Track::forget_time);
    }

    pub(super) fn read(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while let Some(event) = self.reader.read(&mut input) {
            self.take(event);
        }
    }

    /// What has no end of its own ends here.
    pub(super) fn end_input(&mut self) {
        while let Some(event) = self.reader.finish() {
            self.take(event);
        }
    }

    pub(super) fn finish(mut self, bytes: u64) -> Report {
        self.end_input();
        let mut report = self.report;
        report.bytes = bytes;
        if self.maps.is_empty() {
            report.problem(Severity::Bad, "no programme map (PMT)", "");
        }
        for map in &self.maps {
            let value = format!(
                "PMT on PID {}, version {}, clock on PID {}",
                map.pid, map.version, map.pcr_pid
            );
            report.fact(&format!("programme {}", map.number), value);
        }
        let step = millis(self.clock_step_max);
        report.fact("clocks", format!("{}, at most {step} ms apart", self.clocks));
        if self.clocks == 0 && !self.maps.is_empty() {
            report.problem(Severity::Bad, "no clock (PCR)", "");
        }
        if self.clock_step_max > CLOCK_STEP_MAX {
            let text = "clocks (PCR) more than 100 ms apart";
            report.problem(Severity::Flaw, text, format!("{step} ms at most"));
        }
        for (pid, packets) in self.reader.packets() {
            let role = match self.streams.get(&pid).and_then(|(_, at)| report.tracks.get(*at)) {
                Some(track) => track.codec.clone(),
                None if pid == 0 => "PAT".to_owned(),
                None if self.maps.iter().any(|map| map.pid == pid) => "PMT".to_owned(),
                None => "other".to_owned(),
            };
            report.pids.push(Pid { pid, role, packets });
        }
        report.judge_tracks();
        report
    }

    fn take(&mut self, event: TsEvent) {
        match event {
            TsEvent::Clock(clock) => self.take_clock(clock),
            TsEvent::Fault { offset, pid, fault } => {
                let is_flaw = matches!(fault, Fault::Duplicate | Fault::UnknownPid);
                let severity = if is_flaw { Severity::Flaw } else { Severity::Bad };
                // Numbers go to the place, for equal texts are one problem.
                let text = if matches!(fault, Fault::Continuity { .. }) {
                    "packets are missing (continuity counter)".to_owned()
                } else if matches!(fault, Fault::LostSync { .. }) {
                    "bytes that are no packet".to_owned()
                } else if matches!(fault, Fault::PesLength { .. }) {
                    "PES packets of another length than told".to_owned()
                } else {
                    fault.to_string()
                };
                let pid = pid.map_or(String::new(), |pid| format!("PID {pid}, "));
                self.report.problem(severity, text, format!("{pid}byte {offset}: {fault}"));
            }
            TsEvent::Map(map) => self.take_map(map),
            TsEvent::Pes(pes) => self.take_pes(&pes),
            _ => {}
        }
    }

    fn take_map(&mut self, map: ProgrammeMap) {
        self.is_told = true;
        for stream in &map.streams {
            let (kind, name) = codec::name(stream.stream_type, stream.registration);
            let tracks = &mut self.report.tracks;
            let entry = self.streams.entry(stream.pid).or_insert_with(|| {
                tracks.push(Track::new(kind, format!("PID {}", stream.pid)));
                (stream.stream_type, tracks.len() - 1)
            });
            if entry.0 != stream.stream_type || tracks[entry.1].codec.is_empty() {
                entry.0 = stream.stream_type;
                tracks[entry.1].codec = name;
            }
        }
        self.maps.retain(|known| known.pid != map.pid);
        self.maps.push(map);
    }

    fn take_clock(&mut self, clock: Clock) {
        self.clocks += 1;
        let ticks = (clock.ticks / 300).cast_signed();
        if let Some(before) = self.clock.filter(|_| !clock.is_discontinuity) {
            let step = signed(ticks - before);
            self.clock_step_max = self.clock_step_max.max(step);
            if step < 0 {
                let place = format!("byte {}", clock.offset);
                self.report.problem(Severity::Bad, "the clock (PCR) goes back", place);
            }
        }
        if clock.is_discontinuity {
            self.latest = None;
            self.report.tracks.iter_mut().for_each(Track::forget_time);
        }
        self.clock = Some(ticks);
    }

    fn take_pes(&mut self, pes: &Pes) {
        let place = format!("PID {}, byte {}", pes.pid, pes.offset);
        let Some((stream_type, index)) = self.streams.get(&pes.pid).copied() else { return };
        let (Some(pts), Some(dts)) = (pes.pts, pes.dts) else {
            return self.report.problem(Severity::Flaw, "PES packets without times", place);
        };
        let dts = self.unwrap(dts);
        let pts = dts + signed(pts.cast_signed() - dts);
        let shown = codec::look(stream_type, &pes.payload);
        if let Some(fault) = shown.fault {
            self.report.problem(Severity::Bad, fault, &*place);
        }
        if pts < dts {
            let text = "frames that are presented before they are decoded (PTS below DTS)";
            self.report.problem(Severity::Bad, text, &*place);
        }
        if let Some(clock) = self.clock
            && signed(dts - clock) < 0
        {
            let text = "frames that come after their time (DTS below PCR)";
            self.report.problem(Severity::Flaw, text, &*place);
        }
        let is_keyframe = shown.is_keyframe.unwrap_or_default() || pes.is_random_access;
        let track = &mut self.report.tracks[index];
        track.headers += shown.headers;
        if let Some(description) = shown.description {
            track.codec = description;
        }
        let (len, count) = (pes.payload.len(), shown.frames.max(1));
        track.take(Frame { dts, pts, len, is_keyframe, count });
        if track.kind == "video" {
            self.starts_with_keyframe.get_or_insert(is_keyframe);
        }
        // Merged frames of audio end later than their times say.
        self.start = Some(self.start.map_or(dts, |start| start.min(dts)));
        self.end = self.end.max(Some(dts));
        if self.frames == Frames::Listed {
            let kind = track.kind;
            let key = if is_keyframe { " key" } else { "" };
            let clock = self.clock.map_or(String::new(), |clock| {
                format!(" pcr {} ms dts-pcr {} ms", millis(clock), millis(signed(dts - clock)))
            });
            let units = if shown.units.is_empty() {
                String::new()
            } else {
                format!(" NAL {:?}", shown.units)
            };
            let (dts, cts) = (millis(dts), millis(pts - dts));
            self.report.frames.push(format!(
                "{kind} {place} dts {dts} ms cts {cts} ms{clock} {len} bytes {count} frames{key}{units}"
            ));
        }
    }

    /// A time of 33 bits as one that goes on from those before.
    fn unwrap(&mut self, ticks: u64) -> i64 {
        let ticks = ticks.cast_signed();
        let time = self.latest.map_or(ticks, |latest| latest + signed(ticks - latest));
        self.latest = Some(time);
        time
    }
}

/// A distance of times modulo 2^33 as the shortest one.
fn signed(distance: i64) -> i64 {
    const WRAP: i64 = 1 << 33;
    let distance = distance.rem_euclid(WRAP);
    if distance >= WRAP / 2 { distance - WRAP } else { distance }
}
