//! Scenarios as KDL: what is as usual is left out. Times are in microseconds, unless they say `ms`.

use super::{
    ActorPlan, AttackPlan, Fault, FaultKind, MediaPlan, OwnVhost, PeerKind, PeerPlan, PlayPlan,
    Reload, Role, Scenario, SegmentsPlan, ServerFault, ServerFaultKind, ServerPlan,
};
use crate::net::LinkProfile;
use crate::transport::{Failing, OPERATIONS};
use kdl::{KdlDocument, KdlNode, KdlValue};
use millstream_core::config::TimeJitter;
use std::fmt::{self, Write as _};

/// Why a text is no scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

/// A value of a property.
trait Word: Sized + PartialEq {
    fn write(&self) -> String;
    fn read(value: &KdlValue) -> Option<Self>;
}

macro_rules! number_words {
    ($($kind:ty),*) => {$(
        impl Word for $kind {
            fn write(&self) -> String {
                self.to_string()
            }

            fn read(value: &KdlValue) -> Option<Self> {
                Self::try_from(value.as_integer()?).ok()
            }
        }
    )*};
}

number_words!(u32, u64, i32, usize);

impl Word for bool {
    fn write(&self) -> String {
        format!("#{self}")
    }

    fn read(value: &KdlValue) -> Option<Self> {
        value.as_bool()
    }
}

impl<T: Word> Word for Option<T> {
    fn write(&self) -> String {
        self.as_ref().map_or_else(|| "#null".to_owned(), Word::write)
    }

    fn read(value: &KdlValue) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::read(value).map(Some) }
    }
}

const JITTERS: [(TimeJitter, &str); 3] =
    [(TimeJitter::Full, "full"), (TimeJitter::Off, "off"), (TimeJitter::Zero, "zero")];

impl Word for TimeJitter {
    fn write(&self) -> String {
        let known = JITTERS.iter().find(|(jitter, _)| jitter == self);
        format!("{:?}", known.map_or("full", |(_, name)| name))
    }

    fn read(value: &KdlValue) -> Option<Self> {
        let name = value.as_string()?;
        JITTERS.iter().find(|(_, known)| *known == name).map(|(jitter, _)| *jitter)
    }
}

const PEER_KINDS: [(PeerKind, &str); 4] = [
    (PeerKind::Server, "server"),
    (PeerKind::Refuse, "refuse"),
    (PeerKind::BlackHole, "black-hole"),
    (PeerKind::Mute, "mute"),
];

impl Word for PeerKind {
    fn write(&self) -> String {
        let known = PEER_KINDS.iter().find(|(kind, _)| kind == self);
        format!("{:?}", known.map_or("server", |(_, name)| name))
    }

    fn read(value: &KdlValue) -> Option<Self> {
        let name = value.as_string()?;
        PEER_KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

const OWN_VHOSTS: [(OwnVhost, &str); 3] =
    [(OwnVhost::Absent, "absent"), (OwnVhost::Disabled, "disabled"), (OwnVhost::Served, "served")];

impl Word for OwnVhost {
    fn write(&self) -> String {
        let known = OWN_VHOSTS.iter().find(|(own, _)| own == self);
        format!("{:?}", known.map_or("absent", |(_, name)| name))
    }

    fn read(value: &KdlValue) -> Option<Self> {
        let name = value.as_string()?;
        OWN_VHOSTS.iter().find(|(_, known)| *known == name).map(|(own, _)| *own)
    }
}

/// Makes the writer and the reader of the properties of a plan, from one table of their names.
macro_rules! properties {
    ($($plan:ident, $write:ident, $set:ident: { $($($field:ident).+ = $name:literal),* $(,)? })*) => {$(
        fn $write(plan: &$plan, usual: &$plan, out: &mut String) {
            $(if plan.$($field).+ != usual.$($field).+ {
                let _ = write!(out, concat!(" ", $name, "={}"), Word::write(&plan.$($field).+));
            })*
        }

        fn $set(plan: &mut $plan, name: &str, value: &KdlValue) -> Option<()> {
            match name {
                $($name => plan.$($field).+ = Word::read(value)?,)*
                _ => return None,
            }
            Some(())
        }
    )*};
}

properties! {
    Scenario, write_scenario, set_scenario: {
        seed = "seed",
        entropy_len = "entropy",
        duration = "duration",
        shutdown = "shutdown",
    }
    ServerPlan, write_server, set_server: {
        step = "step",
        chunk_size = "chunk-size",
        gop_cache = "gop-cache",
        gop_bytes_max = "gop-bytes-max",
        grace = "grace",
        play_wait = "play-wait",
        idle = "idle",
        lag_bytes_max = "lag-bytes-max",
        lag_max = "lag-max",
        takeover = "takeover",
        send_delay = "send-delay",
        jitter = "time-jitter",
        shards = "shards",
        shard_delay = "shard-delay",
        engines = "engines",
        hls = "hls",
        failing_one_in = "failing-one-in",
        stubborn_one_in = "stubborn-one-in",
        connections_max = "connections-max",
        hls_fragment = "hls-fragment",
        hls_window = "hls-window",
        own_vhost = "own-vhost",
        pages.all = "refer-all",
        pages.play = "refer-play",
        pages.publish = "refer-publish",
    }
    ActorPlan, write_actor, set_actor: {
        stream = "stream",
        start = "start",
        stay = "stay",
        again = "again",
        chunk_size = "chunk-size",
        server = "server",
    }
    LinkProfile, write_link, set_link: {
        latency = "latency",
        jitter = "jitter",
        rate = "rate",
        capacity = "capacity",
        segment_len_max = "segment-len-max",
        short_write_one_in = "short-write-one-in",
        short_read_one_in = "short-read-one-in",
    }
    MediaPlan, write_media, set_media: {
        start = "start-ms",
        video_ms = "video-ms",
        audio_ms = "audio-ms",
        gop_min = "gop-min",
        gop_max = "gop-max",
        len_max = "len-max",
        lead = "lead",
        tick_ms = "tick-ms",
        jump_every = "jump-every",
        jump_ms = "jump-ms",
        repeat_every = "repeat-every",
        change_every = "change-every",
        muxable = "muxable",
    }
    PlayPlan, write_play, set_play: {
        rate = "rate",
        pause_after = "pause-after",
        pause_for = "pause-for",
        ask_every = "ask-every",
        switch_every = "switch-every",
    }
    AttackPlan, write_attack, set_attack: {
        publishes = "publishes",
        damage_one_in = "damage-one-in",
    }
}

properties! {
    SegmentsPlan, write_segments, set_segments: {
        every = "every",
        nonsense_one_in = "nonsense-one-in",
    }
    PeerPlan, write_peer, set_peer: {
        kind = "kind",
        from = "from",
        returns = "returns",
    }
}

const USUAL_ATTACK: AttackPlan = AttackPlan { publishes: false, damage_one_in: 0 };

/// A scenario as KDL.
#[must_use]
pub fn write(scenario: &Scenario) -> String {
    let mut out = String::from("scenario");
    write_scenario(scenario, &Scenario::default(), &mut out);
    out.push_str("\nserver");
    write_server(&scenario.server, &ServerPlan::default(), &mut out);
    out.push('\n');
    for actor in &scenario.actors {
        let name = match actor.role {
            Role::Publish(_) => "publisher",
            Role::Play(_) => "player",
            Role::Attack(_) => "attacker",
            Role::View => "viewer",
            Role::Segments(_) => "segments",
            Role::Idle => "idle",
        };
        out.push_str(name);
        write_actor(actor, &ActorPlan::default(), &mut out);
        let mut inner = String::new();
        match &actor.role {
            Role::Publish(plan) => {
                child("media", |out| write_media(plan, &MediaPlan::default(), out), &mut inner);
            }
            Role::Play(plan) => {
                child("play", |out| write_play(plan, &PlayPlan::default(), out), &mut inner);
            }
            Role::Attack(plan) => {
                child("attack", |out| write_attack(plan, &USUAL_ATTACK, out), &mut inner);
            }
            Role::Segments(plan) => {
                let usual = SegmentsPlan::default();
                child("ask", |out| write_segments(plan, &usual, out), &mut inner);
            }
            Role::View | Role::Idle => {}
        }
        let usual = LinkProfile::default();
        child("link", |out| write_link(&actor.link, &usual, out), &mut inner);
        if !inner.is_empty() {
            let _ = write!(out, " {{\n{inner}}}");
        }
        out.push('\n');
    }
    for Fault { at, actor, kind } in &scenario.faults {
        let (name, lasts) = match kind {
            FaultKind::Stall(lasts) => ("stall", Some(lasts)),
            FaultKind::Reset => ("reset", None),
            FaultKind::HalfClose => ("half-close", None),
            FaultKind::Vanish => ("vanish", None),
            FaultKind::TimeOut => ("time-out", None),
            FaultKind::ZeroWindow(lasts) => ("zero-window", Some(lasts)),
        };
        let _ = write!(out, "fault \"{name}\" at={at} actor={actor}");
        if let Some(lasts) = lasts {
            let _ = write!(out, " lasts={lasts}");
        }
        out.push('\n');
    }
    for Reload { at, spread, plan } in &scenario.reloads {
        // It says what it changes of the first configuration.
        let _ = write!(out, "reload at={at} spread={spread}");
        write_server(plan, &scenario.server, &mut out);
        out.push('\n');
    }
    write_servers(scenario, &mut out);
    out
}

/// What there is besides the server under test and its clients.
fn write_servers(scenario: &Scenario, out: &mut String) {
    for peer in &scenario.peers {
        out.push_str("peer");
        write_peer(peer, &PeerPlan::default(), out);
        let mut link = String::new();
        child("link", |out| write_link(&peer.link, &LinkProfile::default(), out), &mut link);
        if !link.is_empty() {
            let _ = write!(out, " {{\n{link}}}");
        }
        out.push('\n');
    }
    for ServerFault { at, server, kind } in &scenario.server_faults {
        let (name, lasts) = match kind {
            ServerFaultKind::Part(lasts) => ("part", Some(lasts)),
            ServerFaultKind::Reset => ("reset", None),
            ServerFaultKind::Vanish => ("vanish", None),
            ServerFaultKind::Restart(lasts) => ("restart", Some(lasts)),
        };
        let _ = write!(out, "server-fault \"{name}\" at={at} server={server}");
        if let Some(lasts) = lasts {
            let _ = write!(out, " lasts={lasts}");
        }
        out.push('\n');
    }
    if let Some(Failing { operation, after }) = scenario.failing {
        let name = OPERATIONS.iter().find(|(known, _)| *known == operation);
        let name = name.map_or("", |(_, name)| name);
        let _ = writeln!(out, "failing \"{name}\" after={after}");
    }
}

fn child(name: &str, write: impl FnOnce(&mut String), out: &mut String) {
    let mut text = String::new();
    write(&mut text);
    if !text.is_empty() {
        let _ = writeln!(out, "    {name}{text}");
    }
}

/// Reads a scenario.
///
/// # Errors
/// The text is not KDL, or names something that scenarios do not have.
pub fn read(text: &str) -> Result<Scenario, ParseError> {
    let document = KdlDocument::parse(text).map_err(|error| ParseError(error.to_string()))?;
    let mut scenario = Scenario::default();
    for node in document.nodes() {
        match node.name().value() {
            "scenario" => read_properties(node, &mut scenario, set_scenario)?,
            "server" => read_properties(node, &mut scenario.server, set_server)?,
            "fault" => scenario.faults.push(read_fault(node)?),
            "peer" => scenario.peers.push(read_peer(node)?),
            "server-fault" => scenario.server_faults.push(read_server_fault(node)?),
            "failing" => scenario.failing = Some(read_failing(node)?),
            "reload" => {
                let mut reload = Reload { at: 0, spread: 0, plan: scenario.server };
                read_properties(node, &mut reload, set_reload)?;
                scenario.reloads.push(reload);
            }
            _ => scenario.actors.push(read_actor(node)?),
        }
    }
    let count = scenario.actors.len();
    match scenario.faults.iter().find(|fault| fault.actor >= count) {
        Some(fault) => Err(ParseError(format!("there is no actor {}", fault.actor))),
        None => check_servers(scenario),
    }
}

/// What is said of servers is about those that there are.
fn check_servers(scenario: Scenario) -> Result<Scenario, ParseError> {
    let actors = scenario.actors.iter().map(|actor| actor.server);
    let peers = scenario.peers.iter().map(|peer| peer.from);
    let faults = scenario.server_faults.iter().map(|fault| fault.server);
    let count = scenario.peers.len();
    match actors.chain(peers).chain(faults).find(|server| *server as usize > count) {
        Some(server) => Err(ParseError(format!("there is no server {server}"))),
        None => Ok(scenario),
    }
}

fn read_actor(node: &KdlNode) -> Result<ActorPlan, ParseError> {
    let mut actor = ActorPlan::default();
    read_properties(node, &mut actor, set_actor)?;
    let mut media = MediaPlan::default();
    let mut play = PlayPlan::default();
    let mut attack = USUAL_ATTACK;
    let mut segments = SegmentsPlan::default();
    for inner in node.children().map_or(&[][..], KdlDocument::nodes) {
        match (node.name().value(), inner.name().value()) {
            (_, "link") => read_properties(inner, &mut actor.link, set_link)?,
            ("publisher", "media") => read_properties(inner, &mut media, set_media)?,
            ("player", "play") => read_properties(inner, &mut play, set_play)?,
            ("segments", "ask") => read_properties(inner, &mut segments, set_segments)?,
            ("attacker", "attack") => read_properties(inner, &mut attack, set_attack)?,
            (outer, inner) => return Err(ParseError(format!("{outer} has no {inner}"))),
        }
    }
    actor.role = match node.name().value() {
        "publisher" => Role::Publish(media),
        "player" => Role::Play(play),
        "attacker" => Role::Attack(attack),
        "viewer" => Role::View,
        "segments" => Role::Segments(segments),
        "idle" => Role::Idle,
        other => return Err(ParseError(format!("{other} is not known"))),
    };
    Ok(actor)
}

fn read_peer(node: &KdlNode) -> Result<PeerPlan, ParseError> {
    let mut peer = PeerPlan::default();
    read_properties(node, &mut peer, set_peer)?;
    for inner in node.children().map_or(&[][..], KdlDocument::nodes) {
        match inner.name().value() {
            "link" => read_properties(inner, &mut peer.link, set_link)?,
            other => return Err(ParseError(format!("peer has no {other}"))),
        }
    }
    Ok(peer)
}

/// The name that a node begins with, and its numbers: each is one of `known`.
fn read_numbers<'a, const N: usize>(
    node: &'a KdlNode,
    known: [&str; N],
) -> Result<(&'a str, [u64; N]), ParseError> {
    let (mut name, mut numbers) = ("", [0; N]);
    for entry in node.entries() {
        let value = entry.value();
        let place = |name: &str| known.iter().position(|known| *known == name);
        let read = match entry.name().map(|name| name.value()) {
            None => value.as_string().map(|value| name = value),
            Some(property) => place(property).and_then(|at| {
                numbers[at] = Word::read(value)?;
                Some(())
            }),
        };
        let node = node.name().value();
        read.ok_or_else(|| ParseError(format!("{node}: {entry} is not known")))?;
    }
    Ok((name, numbers))
}

fn read_server_fault(node: &KdlNode) -> Result<ServerFault, ParseError> {
    let (name, [at, server, lasts]) = read_numbers(node, ["at", "server", "lasts"])?;
    let kind = match name {
        "part" => ServerFaultKind::Part(lasts),
        "reset" => ServerFaultKind::Reset,
        "vanish" => ServerFaultKind::Vanish,
        "restart" => ServerFaultKind::Restart(lasts),
        other => return Err(ParseError(format!("the fault {other:?} is not known"))),
    };
    let server = u32::try_from(server).map_err(|error| ParseError(error.to_string()))?;
    Ok(ServerFault { at, server, kind })
}

fn read_failing(node: &KdlNode) -> Result<Failing, ParseError> {
    let (name, [after]) = read_numbers(node, ["after"])?;
    let known = OPERATIONS.iter().find(|(_, known)| *known == name);
    let (operation, _) = known.ok_or_else(|| ParseError(format!("{name:?} is no operation")))?;
    Ok(Failing { operation: *operation, after })
}

fn read_fault(node: &KdlNode) -> Result<Fault, ParseError> {
    let (name, [at, actor, lasts]) = read_numbers(node, ["at", "actor", "lasts"])?;
    let actor = usize::try_from(actor).map_err(|error| ParseError(error.to_string()))?;
    let mut fault = Fault { at, actor, kind: FaultKind::Reset };
    fault.kind = match name {
        "stall" => FaultKind::Stall(lasts),
        "reset" => FaultKind::Reset,
        "half-close" => FaultKind::HalfClose,
        "vanish" => FaultKind::Vanish,
        "time-out" => FaultKind::TimeOut,
        "zero-window" => FaultKind::ZeroWindow(lasts),
        other => return Err(ParseError(format!("the fault {other:?} is not known"))),
    };
    Ok(fault)
}

fn set_reload(reload: &mut Reload, name: &str, value: &KdlValue) -> Option<()> {
    match name {
        "at" => reload.at = Word::read(value)?,
        "spread" => reload.spread = Word::read(value)?,
        _ => set_server(&mut reload.plan, name, value)?,
    }
    Some(())
}

fn read_properties<P>(
    node: &KdlNode,
    plan: &mut P,
    set: fn(&mut P, &str, &KdlValue) -> Option<()>,
) -> Result<(), ParseError> {
    for entry in node.entries() {
        let name = entry.name().map_or("", |name| name.value());
        set(plan, name, entry.value())
            .ok_or_else(|| ParseError(format!("{}: {entry} is not known", node.name().value())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn scenarios_are_read_as_they_were_written() {
        for seed in 0..200 {
            let scenario = Scenario::from_seed(seed);
            let text = write(&scenario);
            assert_eq!(read(&text).as_ref(), Ok(&scenario), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let texts = [
            "nobody start=1",
            "player start=\"soon\"",
            "player colour=3",
            "player { media }",
            "fault \"flood\"",
            "fault \"reset\" actor=1\nplayer",
            "player server=1",
            "peer from=2",
            "peer kind=\"ghost\"",
            "server-fault \"reset\" server=1",
            "server-fault \"flood\"",
            "failing \"hope\"",
            "reload after=3",
            "reload own-vhost=\"rented\"",
            "{",
        ];
        for text in texts {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
