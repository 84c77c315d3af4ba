//! Processes that transcode streams, without any process: their ends are told as inputs.

use super::*;
use crate::config::Listener;
use crate::config::transcode::{Audio, Engine, Output as Destination, Scope, Transcode, Video};
use crate::drive::{Output, Service};
use crate::event::{RenditionEnd, RenditionRefusal};
use crate::id::JobId;
use crate::job::{Exit, Job, JobNews, JobResult, Signal};
use crate::rendition::{RenditionState, RenditionStatus};
use crate::shard::{Placement, ShardMessage};
use alloc::vec::Vec;
use pretty_assertions::assert_eq;
use std::format;
use std::string::String;
use std::vec;

fn engine(name: &str) -> Engine {
    Engine {
        audio: Audio::Copy,
        input_format: Some("flv".into()),
        name: name.into(),
        output: Destination("rtmp://127.0.0.1:[port]/[app]/[stream]_[engine]?key=secret".into()),
        output_format: Some("flv".into()),
        video: Video::Copy,
        video_filter: Vec::new(),
    }
}

pub(super) fn config(scope: &str, engines: &[&str]) -> Config {
    let transcode = Transcode {
        engines: engines.iter().map(|name| engine(name)).collect(),
        ffmpeg: "ffmpeg".into(),
        log_directory: Some("/logs".into()),
        scope: Scope::parse(scope),
    };
    let vhost = Vhost { transcodes: vec![transcode], ..vhost() };
    let rtmp = Listener { address: "[::]:1935".parse().unwrap(), service: Service::Rtmp };
    Config { listeners: vec![rtmp], ..Config::with_default_vhost(vhost) }
}

/// What the server has asked for since the last look: `start 0 cam_sd`, `term 0`, `kill 0`.
fn asked(world: &mut World) -> Vec<String> {
    let words = world.asked.drain(..).map(|output| match output {
        Output::Start { job, work: Job::Run { argv, .. } } => {
            let output = argv.last().unwrap().rsplit('/').next().unwrap();
            format!("start {} {}", job.0, output.split('?').next().unwrap())
        }
        Output::Signal { job, signal: Signal::Terminate } => format!("term {}", job.0),
        Output::Signal { job, signal: Signal::Kill } => format!("kill {}", job.0),
        other => panic!("{other:?}"),
    });
    words.collect()
}

fn exit(world: &mut World, job: u32, code: i32) {
    let last_words = "rtmp://127.0.0.1:1935/live/cam_sd?key=secret: refused".into();
    let exit = Exit { code: Some(code), signal: None, was_silent: false, last_words };
    world.input(Input::JobDone { job: JobId(job), result: JobResult::Exited(exit) });
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn each_engine_runs_while_the_stream_is_published() {
    let mut world = World::new(config("live", &["sd", "hd"]));
    let publisher = world.client(Intent::Publish, "live", "cam");
    assert_eq!(asked(&mut world), ["start 0 cam_sd", "start 1 cam_hd"]);
    let other = world.client(Intent::Publish, "vod", "cam");
    assert_eq!(asked(&mut world), [""; 0]);
    world.hang_up(other);
    world.hang_up(publisher);
    assert_eq!(asked(&mut world), ["term 0", "term 1"]);
    exit(&mut world, 0, 255);
    world.sleep(6 * SECOND);
    assert_eq!(asked(&mut world), ["kill 1"]);
    exit(&mut world, 1, 255);
    world.sleep(600 * SECOND);
    assert_eq!(asked(&mut world), [""; 0]);
    assert_eq!(world.server.stats().timers, 0);
}

#[test]
fn row_117_a_process_that_exits_is_started_again_ever_later() {
    let mut world = World::new(config("", &["sd"]));
    let publisher = world.client(Intent::Publish, "live", "cam");
    let mut serial = 0;
    // The publisher is not silent meanwhile.
    let mut pass = |world: &mut World, time: Duration| {
        for _ in 0..time.as_millis() / 250 {
            world.publish(publisher, serial..serial + 1);
            serial += 1;
            world.sleep(Duration::from_millis(250));
        }
    };
    assert_eq!(asked(&mut world), ["start 0 cam_sd"]);
    for (job, pause) in (0..).zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        exit(&mut world, job, 1);
        pass(&mut world, pause * SECOND - Duration::from_millis(250));
        assert_eq!(asked(&mut world), [""; 0], "{pause}");
        pass(&mut world, Duration::from_millis(250));
        assert_eq!(asked(&mut world), [format!("start {} cam_sd", job + 1)]);
    }
    // One that ran for long has done nothing wrong.
    pass(&mut world, 61 * SECOND);
    exit(&mut world, 8, 0);
    pass(&mut world, SECOND);
    assert_eq!(asked(&mut world), ["start 9 cam_sd"]);
}

#[test]
fn a_stream_that_comes_back_waits_for_the_process_before() {
    let mut world = World::new(config("live/cam", &["sd"]));
    let publisher = world.client(Intent::Publish, "live", "cam");
    world.hang_up(publisher);
    let _again = world.client(Intent::Publish, "live", "cam");
    assert_eq!(asked(&mut world), ["start 0 cam_sd", "term 0"]);
    exit(&mut world, 0, 255);
    assert_eq!(asked(&mut world), ["start 1 cam_sd"]);
}

#[test]
fn a_rendition_is_not_transcoded() {
    let placements =
        [Placement::SINGLE, Placement { count: 2.try_into().unwrap(), ..Placement::SINGLE }];
    for placement in placements {
        let mut world = World::new_shard(config("", &["sd"]), placement);
        let engine = world.raw("127.0.0.1");
        let version = crate::server::transcode::ENGINE_VERSION;
        let properties = wire::object(&[
            ("app", wire::text("live")),
            ("tcUrl", wire::text("rtmp://any.name/live")),
            ("flashVer", wire::text(version)),
        ]);
        world.send(engine, &wire::handshake());
        world.send(engine, &wire::command(0, "connect", 1.0, &[properties]));
        world.send(engine, &wire::command(0, "createStream", 2.0, &[crate::amf::Value::Null]));
        let publish = [crate::amf::Value::Null, wire::text("cam_sd"), wire::text("live")];
        world.send(engine, &wire::command(1, "publish", 3.0, &publish));
        assert_eq!(asked(&mut world), [""; 0]);
        let claims = world.said.drain(..).filter_map(|(_, message)| match message {
            ShardMessage::Claim { is_rendition, .. } => Some(is_rendition),
            _ => None,
        });
        match world.server.stats().publishers {
            0 => assert_eq!(claims.collect::<Vec<_>>(), [true], "its home is told"),
            _ => {
                drop(claims);
                world.hang_up(engine);
                let _own = world.client(Intent::Publish, "live", "cam_sd");
                assert_eq!(asked(&mut world), ["start 0 cam_sd_sd"], "a name is no sign");
            }
        }
    }
}

#[test]
fn neither_events_nor_their_words_hold_the_key_of_an_output() {
    let mut world = World::new(config("", &["sd"]));
    let _publisher = world.client(Intent::Publish, "live", "cam");
    exit(&mut world, 0, 1);
    let ends = world.events.iter().filter_map(|event| match event {
        Event::RenditionEnded { end: RenditionEnd::Exited { last_words, .. }, retry, .. } => {
            Some((&**last_words, *retry))
        }
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [("the output: refused", Some(SECOND))]);
    let events = format!("{:?}", world.events);
    assert!(!events.contains("secret"), "{events}");
}

fn tell(world: &mut World, job: u32, news: JobNews) {
    world.input(Input::JobTold { job: JobId(job), news });
}

/// The only rendition there is.
fn only(world: &mut World) -> RenditionStatus {
    // Time is what the last input says.
    world.input(Input::Timeout);
    let mut renditions = world.server.snapshot(crate::api::Scope::Streams).renditions;
    let only = renditions.pop().expect("a rendition");
    assert_eq!(renditions, []);
    only
}

/// `running 77 3`: what it does, its process, and seconds.
fn state(rendition: &RenditionStatus) -> String {
    let word = rendition.state.as_str();
    match rendition.state {
        RenditionState::Ending { process, age } | RenditionState::Running { process, age } => {
            format!("{word} {process:?} {:.1}", age.as_secs_f32())
        }
        RenditionState::Waiting { left } => format!("{word} {:.1}", left.as_secs_f32()),
    }
}

#[test]
fn the_state_of_a_process_is_told() {
    let mut world = World::new(config("live", &["sd"]));
    let publisher = world.client(Intent::Publish, "live", "cam");
    world.sleep(3 * SECOND);
    let unknown = only(&mut world);
    assert_eq!(state(&unknown), "running None 3.0");
    assert_eq!((&*unknown.scope, &*unknown.engine, unknown.restarts), ("live", "sd", 0));
    tell(&mut world, 0, JobNews::Began { process: 77 });
    let words = "a\nto rtmp://127.0.0.1:1935/live/cam_sd?key=secret";
    tell(&mut world, 0, JobNews::Said { last_words: words.into() });
    // Nobody has asked for this one.
    tell(&mut world, 9, JobNews::Began { process: 78 });
    let running = only(&mut world);
    assert_eq!(state(&running), "running Some(77) 3.0");
    assert_eq!(&*running.last_words, "a\nto the output");
    exit(&mut world, 0, 1);
    let waiting = only(&mut world);
    assert_eq!(state(&waiting), "waiting 1.0");
    assert_eq!((&*waiting.last_words, waiting.failures), ("the output: refused", 1));
    assert!(matches!(waiting.last_end, Some(RenditionEnd::Exited { code: Some(1), .. })));
    world.sleep(2 * SECOND);
    let again = only(&mut world);
    assert_eq!(state(&again), "running None 1.0");
    assert_eq!((again.restarts, again.age.as_secs()), (1, 5));
    assert_eq!(&*again.last_words, "the output: refused", "until it says something itself");
    tell(&mut world, 1, JobNews::Began { process: 79 });
    world.hang_up(publisher);
    assert_eq!(state(&only(&mut world)), "ending Some(79) 1.0");
    exit(&mut world, 1, 255);
    let snapshot = world.server.snapshot(crate::api::Scope::Streams);
    assert_eq!(snapshot.renditions, []);
    assert_eq!(snapshot.server.totals.rendition_restarts, 1, "an end that was asked for is none");
}

#[test]
fn last_words_that_are_shown_are_few_and_whole_lines() {
    let mut world = World::new(config("", &["sd"]));
    let _publisher = world.client(Intent::Publish, "live", "cam");
    let check = |world: &mut World, said: &str, expected: &str| {
        tell(world, 0, JobNews::Said { last_words: said.into() });
        assert_eq!(&*only(world).last_words, expected);
    };
    let line = |letter: &str| letter.repeat(99) + "\n";
    check(&mut world, "", "");
    check(&mut world, "one\ntwo", "one\ntwo");
    let lines: String = ["a", "b", "c"].map(|letter| line(letter).repeat(5)).concat();
    let kept = line("b").repeat(5) + &line("c").repeat(5);
    check(&mut world, &lines, &kept);
    check(&mut world, &"\u{e9}".repeat(2_000), &"\u{e9}".repeat(512));
}

#[test]
fn what_may_be_a_key_is_hidden_in_whatever_a_process_says() {
    let shown = |output: &str, said: &str| {
        let mut config = config("", &["sd"]);
        let vhost = Arc::make_mut(config.vhosts.values_mut().next().unwrap());
        vhost.transcodes[0].engines[0].output = Destination(output.into());
        let mut world = World::new(config);
        let _publisher = world.client(Intent::Publish, "live", "cam");
        tell(&mut world, 0, JobNews::Said { last_words: said.into() });
        String::from(&*only(&mut world).last_words)
    };
    let check = |output: &str, said: &str, expected: &str| {
        assert_eq!(shown(output, said), expected, "{output}");
    };
    check("rtmp://a/live/k3y-1?t=s3cret", "no k3y-1, t=s3cret", "no .., ..");
    check("rtmp://a/live/k3y-1?t=s3cret", "rtmp://a/live/k3y-1?t=s3cret: gone", "the output: gone");
    check("rtmp://a/live?vhost=b.example/[stream]_hd", "b.example cam_hd", "b.example cam_hd");
    check("rtmp://a/live/[stream]?key=abc", "cam key=abc", "cam ..");
    // Short words are parts of others.
    check("rtmp://a/live/x", "an example", "an example");
}

#[test]
fn a_limit_of_processes_holds() {
    let mut limited = config("", &["a", "b", "c"]);
    limited.limits.children_max = 2;
    let mut world = World::new(limited);
    let _publisher = world.client(Intent::Publish, "live", "cam");
    assert_eq!(asked(&mut world), ["start 0 cam_a", "start 1 cam_b"]);
    let refused = world.events.iter().filter_map(|event| match event {
        Event::RenditionRefused { engine, reason, .. } => Some((&**engine, *reason)),
        _ => None,
    });
    assert_eq!(refused.collect::<Vec<_>>(), [("c", RenditionRefusal::ChildrenMax)]);
}

#[test]
fn who_found_no_room_is_started_when_there_is_some() {
    let limited = |engines: &[&str], children_max| {
        let mut config = config("", engines);
        config.limits.children_max = children_max;
        config
    };
    let refusals = |world: &mut World| {
        let events = world.events.drain(..);
        events.filter(|event| matches!(event, Event::RenditionRefused { .. })).count()
    };
    let mut world = World::new(limited(&["sd"], 1));
    let first = world.client(Intent::Publish, "live", "a");
    let second = world.client(Intent::Publish, "live", "b");
    let third = world.client(Intent::Publish, "live", "c");
    assert_eq!(asked(&mut world), ["start 0 a_sd"]);
    assert_eq!(refusals(&mut world), 2);
    // One that fails keeps its place.
    exit(&mut world, 0, 1);
    world.sleep(SECOND);
    assert_eq!(asked(&mut world), ["start 1 a_sd"]);
    world.hang_up(first);
    assert_eq!(asked(&mut world), ["term 1"]);
    world.hang_up(second);
    exit(&mut world, 1, 255);
    assert_eq!(asked(&mut world), ["start 2 c_sd"]);
    // What a reload ends makes room for what it begins.
    let _fourth = world.client(Intent::Publish, "live", "d");
    assert_eq!(refusals(&mut world), 1);
    world.input(Input::Reload(Arc::new(limited(&["hd"], 2))));
    assert_eq!(asked(&mut world), ["term 2", "start 3 c_hd"]);
    exit(&mut world, 2, 255);
    assert_eq!(asked(&mut world), ["start 4 d_hd"]);
    assert_eq!(refusals(&mut world), 0);
    world.hang_up(third);
    world.input(Input::Shutdown);
    assert_eq!(asked(&mut world), ["term 3", "term 4"]);
    exit(&mut world, 3, 255);
    exit(&mut world, 4, 255);
    assert!(world.server.is_drained());
}

#[test]
fn a_changed_configuration_changes_the_processes_of_live_streams() {
    let mut world = World::new(config("", &["sd", "hd"]));
    let _publisher = world.client(Intent::Publish, "live", "cam");
    asked(&mut world);
    world.input(Input::Reload(Arc::new(config("", &["hd", "uhd"]))));
    assert_eq!(asked(&mut world), ["term 0", "start 2 cam_uhd"]);
    world.input(Input::Reload(Arc::new(config("", &[]))));
    assert_eq!(asked(&mut world), ["term 1", "term 2"]);
}

#[test]
fn a_shutdown_waits_for_the_processes() {
    let mut world = World::new(config("", &["sd"]));
    let _publisher = world.client(Intent::Publish, "live", "cam");
    world.input(Input::Shutdown);
    assert_eq!(asked(&mut world), ["start 0 cam_sd", "term 0"]);
    world.sleep(10 * SECOND);
    assert_eq!(asked(&mut world), ["kill 0"]);
    assert!(!world.server.is_drained());
    exit(&mut world, 0, 255);
    assert!(world.server.is_drained());
}
