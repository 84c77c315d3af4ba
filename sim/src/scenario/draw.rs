//! Swarm testing: which dangers exist in a run, and how often, is drawn before anything else.

mod reloads;
mod segments;
mod servers;

use super::{
    ATTACKED_STREAMS, ActorPlan, AttackPlan, Fault, FaultKind, MediaPlan, OWN_STREAMS, OwnVhost,
    PlayPlan, Role, Scenario, ServerPlan,
};
use crate::entropy::Entropy;
use crate::net::LinkProfile;
use millstream_core::config::TimeJitter;

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;
/// Some of the biggest frames that are drawn.
const LAG_OF_BIG_FRAMES: u64 = 2 << 20;

/// The dangers of one run.
struct Swarm {
    bad_links: bool,
    bad_media: bool,
    churn: bool,
    jumps: bool,
    big_frames: bool,
    kinds: Vec<FaultKind>,
}

pub(super) fn draw(entropy: &mut Entropy) -> Scenario {
    let duration = entropy.range(6..=20) * SECOND;
    let swarm = draw_swarm(entropy);
    let mut server = draw_server(entropy);
    let tame = |server: &mut ServerPlan| {
        if swarm.big_frames {
            // Who may lag by less than a few frames may never get a whole one: no promise covers
            // that.
            server.lag_bytes_max = server.lag_bytes_max.max(LAG_OF_BIG_FRAMES);
            server.gop_bytes_max = server.gop_bytes_max.max(LAG_OF_BIG_FRAMES);
            server.lag_max = server.lag_max.max(10 * SECOND);
        }
    };
    tame(&mut server);
    let streams = 1 + entropy.range(0..=2).saturating_sub(1) as u32;
    let mut actors = Vec::new();
    let has_own = entropy.one_in(2);
    for stream in 0..streams {
        let stream = own_or(stream, has_own);
        actors.push(publisher(entropy, &swarm, stream));
        actors.push(player(entropy, &swarm, stream, 0));
        for _ in 0..entropy.range(0..=3) {
            let start = entropy.range(0..=duration / 2);
            actors.push(player(entropy, &swarm, stream, start));
        }
        if entropy.one_in(3) {
            let start = entropy.range(0..=duration / 2);
            actors.push(ActorPlan { role: Role::View, ..player(entropy, &swarm, stream, start) });
        }
        if entropy.one_in(3) {
            // A second publisher: refused, or it takes the stream over, and leaves for ever.
            let mut second = publisher(entropy, &swarm, stream);
            second.start = entropy.range(MS..=duration / 2);
            second.stay = entropy.range(0..=4) * SECOND;
            second.again = 0;
            actors.push(second);
        }
    }
    if entropy.one_in(3) {
        let played = own_or(streams - 1, has_own);
        actors.extend((0..=entropy.range(0..=2)).map(|_| attacker(entropy, &swarm, played)));
    }
    if entropy.one_in(4) {
        let link = draw_link(entropy, &swarm);
        let (role, chunk_size) = (Role::Idle, 128);
        let start = entropy.range(0..=duration);
        actors.push(ActorPlan { role, start, chunk_size, link, ..ActorPlan::default() });
    }
    let faults = draw_faults(entropy, &swarm, duration, actors.len());
    let shutdown = entropy.one_in(12).then(|| entropy.range(0..=duration));
    if has_own {
        server.own_vhost = entropy.choose(&[OwnVhost::Served, OwnVhost::Absent]);
    }
    let reloads = reloads::draw_reloads(entropy, &server, duration, tame);
    let seed = entropy.range(0..=u64::from(u32::MAX));
    let entropy_len = if entropy.is_empty() { 0 } else { 1 << 18 };
    let mut scenario = Scenario {
        seed,
        entropy_len,
        duration,
        shutdown,
        server,
        actors,
        faults,
        reloads,
        ..Scenario::default()
    };
    // What came later is drawn last, so that the rest of a seed stays what it was.
    if scenario.reloads.is_empty() {
        servers::draw(entropy, &swarm, streams, &mut scenario);
        segments::draw(entropy, &swarm, streams, &mut scenario);
    }
    scenario
}

/// The last stream may be one of the other vhost.
const fn own_or(stream: u32, has_own: bool) -> u32 {
    if has_own && stream > 0 { OWN_STREAMS + stream } else { stream }
}

fn draw_swarm(entropy: &mut Entropy) -> Swarm {
    let kinds = [
        FaultKind::Stall(0),
        FaultKind::Reset,
        FaultKind::HalfClose,
        FaultKind::Vanish,
        FaultKind::TimeOut,
        FaultKind::ZeroWindow(0),
    ];
    Swarm {
        bad_links: entropy.one_in(2),
        bad_media: entropy.one_in(2),
        churn: entropy.one_in(2),
        jumps: entropy.one_in(4),
        big_frames: entropy.one_in(4),
        kinds: kinds.into_iter().filter(|_| entropy.one_in(3)).collect(),
    }
}

fn draw_server(entropy: &mut Entropy) -> ServerPlan {
    let default = ServerPlan::default();
    ServerPlan {
        step: entropy.choose(&[5, 1, 30, 200, 1_000]),
        chunk_size: entropy.choose(&[60_000, 128, 4_096, 1_000]),
        gop_cache: !entropy.one_in(4),
        gop_bytes_max: entropy.choose(&[default.gop_bytes_max, default.gop_bytes_max, 20_000]),
        grace: entropy.choose(&[4, 1, 8]) * SECOND,
        play_wait: entropy.choose(&[6, 2, 9]) * SECOND,
        idle: entropy.choose(&[5, 3]) * SECOND,
        lag_bytes_max: entropy.choose(&[8 << 20, 100_000, 20_000, 300_000]),
        lag_max: entropy.choose(&[10, 1, 3]) * SECOND,
        takeover: entropy.one_in(3),
        send_delay: entropy.choose(&[None, Some(0), Some(350_000), Some(50_000)]),
        jitter: entropy.choose(&[
            TimeJitter::Full,
            TimeJitter::Full,
            TimeJitter::Full,
            TimeJitter::Zero,
            TimeJitter::Off,
        ]),
        shards: entropy.choose(&[1, 1, 2, 3, 4]),
        shard_delay: entropy.choose(&[1_000, 0, 30_000, 300_000]),
        engines: entropy.choose(&[0, 0, 0, 1, 2]),
        hls: entropy.one_in(4),
        failing_one_in: entropy.choose(&[0, 1, 3]),
        stubborn_one_in: entropy.choose(&[0, 1, 3]),
        connections_max: 0,
        hls_fragment: entropy.choose(&[1, 2, 4]) * SECOND,
        hls_window: entropy.choose(&[5, 9]) * SECOND,
        own_vhost: OwnVhost::Absent,
        pages: default.pages,
    }
}

fn draw_link(entropy: &mut Entropy, swarm: &Swarm) -> LinkProfile {
    let mut link = LinkProfile::default();
    if swarm.bad_links {
        link.latency = entropy.choose(&[1_000, 100, 30_000, 200_000]);
        link.jitter = entropy.choose(&[0, 5_000, 100_000]);
        link.rate = entropy.choose(&[0, 0, 1_000_000, 60_000]);
        link.capacity = entropy.choose(&[256 << 10, 3_000, 16 << 10, 64 << 10]);
        link.segment_len_max = entropy.choose(&[0, 1_448, 64, 7]);
        link.short_write_one_in = entropy.choose(&[0, 2, 20]);
        link.short_read_one_in = entropy.choose(&[0, 2, 20]);
    }
    link
}

fn publisher(entropy: &mut Entropy, swarm: &Swarm, stream: u32) -> ActorPlan {
    let mut media = MediaPlan {
        video_ms: entropy.choose(&[40, 100, 66, 0]),
        audio_ms: entropy.choose(&[46, 100, 0, 64]),
        gop_min: entropy.choose(&[10, 1, 5, 30]),
        len_max: entropy.choose(&[300, 3_000, 50]),
        tick_ms: entropy.choose(&[0, 100, 500]),
        ..MediaPlan::default()
    };
    if media.video_ms == 0 && media.audio_ms == 0 {
        media.video_ms = 40;
    }
    media.gop_max = media.gop_min + entropy.choose(&[0, 3, 40]);
    if swarm.big_frames {
        media.len_max = entropy.choose(&[20_000, 100_000, 66_000]);
        media.video_ms = media.video_ms.max(100);
        media.audio_ms = media.audio_ms.max(100);
    }
    media.start = entropy.choose(&[
        0,
        1_234_567,
        (1 << 24) - 3_000,
        (1 << 31) - 3_000,
        u32::MAX - 3_000,
        0xFF_FFFF,
    ]);
    if swarm.bad_media {
        media.lead = entropy.choose(&[0, 0, 4]);
        media.repeat_every = entropy.choose(&[0, 1, 3]);
        media.change_every = entropy.choose(&[0, 0, 2]);
    }
    if swarm.jumps {
        media.jump_every = entropy.choose(&[0, 37, 90]);
        media.jump_ms = entropy.choose(&[5_000, -5_000, 700, -400, i32::MAX, 20_000_000]);
    }
    let mut link = draw_link(entropy, swarm);
    if swarm.big_frames {
        // A link that is much slower than its stream only collects bytes.
        link.rate = link.rate.max(1_000_000);
        link.capacity = 256 << 10;
    }
    let (stay, again) = leave_and_return(entropy, swarm);
    ActorPlan {
        role: Role::Publish(media),
        stream,
        start: entropy.range(0..=3) * 700 * MS,
        stay,
        again,
        chunk_size: entropy.choose(&[60_000, 128, 4_096]),
        link,
        server: 0,
    }
}

fn player(entropy: &mut Entropy, swarm: &Swarm, stream: u32, start: u64) -> ActorPlan {
    let (stay, again) = leave_and_return(entropy, swarm);
    let mut plan = PlayPlan::default();
    if swarm.churn && entropy.one_in(3) {
        plan.pause_after = entropy.range(200..=5_000) * MS;
        plan.pause_for = entropy.range(0..=4_000) * MS;
    }
    if entropy.one_in(4) {
        plan.ask_every = entropy.choose(&[500, 30, 7]) * MS;
    }
    if swarm.churn && entropy.one_in(4) {
        plan.switch_every = entropy.range(100..=3_000) * MS;
    }
    if entropy.one_in(5) {
        plan.rate = entropy.choose(&[100_000, 20_000, 3_000, 300]);
    }
    ActorPlan {
        role: Role::Play(plan),
        stream,
        start,
        stay,
        again,
        chunk_size: 60_000,
        link: draw_link(entropy, swarm),
        server: 0,
    }
}

fn leave_and_return(entropy: &mut Entropy, swarm: &Swarm) -> (u64, u64) {
    let again = 1_000 * MS;
    if swarm.churn && entropy.one_in(2) {
        let stay = entropy.range(300..=6_000) * MS;
        return (stay, entropy.choose(&[again, 50 * MS, 3_000 * MS]));
    }
    (0, again)
}

fn attacker(entropy: &mut Entropy, swarm: &Swarm, played: u32) -> ActorPlan {
    let publishes = entropy.one_in(2);
    let damage_one_in = entropy.choose(&[10, 2, 4, 50]);
    ActorPlan {
        role: Role::Attack(AttackPlan { publishes, damage_one_in }),
        // An attacker that publishes has a stream of its own: a name belongs to who holds it.
        stream: if publishes { ATTACKED_STREAMS + entropy.range(0..=1) as u32 } else { played },
        start: entropy.range(0..=5) * SECOND,
        stay: 0,
        again: 300 * MS,
        chunk_size: entropy.choose(&[128, 4_096]),
        link: draw_link(entropy, swarm),
        server: 0,
    }
}

fn draw_faults(entropy: &mut Entropy, swarm: &Swarm, duration: u64, actors: usize) -> Vec<Fault> {
    if swarm.kinds.is_empty() {
        return Vec::new();
    }
    let count = entropy.range(0..=8);
    let mut faults: Vec<Fault> = (0..count)
        .map(|_| {
            let at = entropy.range(0..=duration);
            let lasts = entropy.range(10..=9_000) * MS;
            let kind = match entropy.choose(&swarm.kinds) {
                FaultKind::Stall(_) => FaultKind::Stall(lasts.min(duration - at)),
                FaultKind::ZeroWindow(_) => FaultKind::ZeroWindow(lasts.min(duration - at)),
                kind @ (FaultKind::Reset
                | FaultKind::HalfClose
                | FaultKind::TimeOut
                | FaultKind::Vanish) => kind,
            };
            Fault { at, actor: entropy.range(0..=actors as u64 - 1) as usize, kind }
        })
        .collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}
