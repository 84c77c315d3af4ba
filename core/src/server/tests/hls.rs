//! Playlists and segments by HTTP and on disk, from any shard.

use super::http::{answers, ask, get};
use super::shards::Cluster;
use super::world::World;
use super::*;
use crate::api::Scope;
use crate::config::{Hls, HlsStorage, Listener};
use crate::drive::{Input, Output, Service};
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::hls::segment_number;
use crate::job::{Job, JobResult};
use crate::time::Timestamp;
use pretty_assertions::assert_eq;

/// A second of audio is about 43 frames of AAC.
fn audio(frames: core::ops::Range<u32>) -> Vec<Frame> {
    let frame = |class, serial: u32, payload: &[u8]| Frame {
        kind: FrameKind::Audio,
        class,
        timestamp: Timestamp(serial * 1_024_000 / 44_100),
        payload: payload.to_vec().into(),
    };
    let header = frame(FrameClass::SequenceHeader, frames.start, &[0xAF, 0, 0x12, 0x10]);
    let mut all = std::vec![header];
    all.extend(frames.map(|serial| frame(FrameClass::Coded, serial, &[0xAF, 1, 0x21, 0x10, 5])));
    all
}

fn served(storage: HlsStorage) -> Config {
    let hls = Hls {
        fragment: Duration::from_secs(2),
        storage,
        window: Duration::from_secs(6),
        ..Hls::default()
    };
    let address = "127.0.0.1:8080".parse().unwrap();
    let listeners = std::vec![Listener { address, service: Service::Http }];
    Config { listeners, ..Config::with_default_vhost(Vhost { hls, ..vhost() }) }
}

/// A stream `live/NAME` of audio, so far.
fn publishing(name: &str, frames: core::ops::Range<u32>) -> (World, usize) {
    let mut world = World::new(served(HlsStorage::Memory));
    let publisher = world.client(Intent::Publish, "live", name);
    world.publish_frames(publisher, &audio(frames));
    (world, publisher)
}

fn last(world: &World, peer: usize) -> super::http::Answer {
    answers(&world.peers[peer]).pop().unwrap()
}

fn text(world: &World, peer: usize) -> String {
    String::from_utf8(last(world, peer).body).unwrap()
}

fn segments(playlist: &str) -> Vec<String> {
    playlist.lines().filter(|line| line.ends_with(".ts")).map(ToString::to_string).collect()
}

#[test]
fn a_stream_is_there_in_segments_as_soon_as_the_first_is_whole() {
    let mut world = World::new(served(HlsStorage::Memory));
    let early = get(&mut world, "/live/a.m3u8");
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish_frames(publisher, &audio(0..43));
    assert_eq!(world.peers[early].inbox, b"", "it waits for the first segment");
    world.publish_frames(publisher, &audio(43..300));
    let answer = last(&world, early);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("Content-Type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!(answer.field("Cache-Control"), Some("no-cache"));
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("*"));
    ask(&mut world, early, "/live/a.m3u8");
    let playlist = text(&world, early);
    assert!(playlist.starts_with("#EXTM3U\n"), "{playlist}");
    let names = segments(&playlist);
    assert!(names.len() >= 2, "{playlist}");
    for name in &names {
        ask(&mut world, early, &format!("/live/{name}"));
        let answer = last(&world, early);
        assert_eq!((answer.status, answer.body[0], answer.body.len() % 188), (200, 0x47, 0));
        assert_eq!(answer.field("Content-Type"), Some("video/mp2t"));
        assert_eq!(answer.field("Cache-Control"), Some("max-age=3600, immutable"));
    }
    let etag = last(&world, early).field("ETag").unwrap().to_string();
    let request = format!(
        "GET /live/{0} HTTP/1.1\r\nHost: h\r\nRange: bytes=188-375\r\n\r\n\
        GET /live/{0} HTTP/1.1\r\nHost: h\r\nIf-None-Match: {etag}\r\n\r\n",
        names[names.len() - 1]
    );
    world.send(early, request.as_bytes());
    let answers = answers(&world.peers[early]);
    let [.., part, unchanged] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((part.status, part.body.len(), part.body[0]), (206, 188, 0x47));
    assert_eq!(unchanged.status, 304);
}

#[test]
fn a_name_with_spaces_was_not_found_by_http() {
    let (mut world, publisher) = publishing("my stream", 0..300);
    for name in ["my%20stream", "mystream", "%20my%20%20stream%20"] {
        let peer = get(&mut world, &format!("/live/{name}.m3u8"));
        let names = segments(&text(&world, peer));
        assert!(names[0].starts_with("mystream-"), "{names:?}");
        let number = &names[0]["mystream-".len()..];
        for part in [".flv".to_string(), ".ts".to_string(), format!("-{number}")] {
            let peer = get(&mut world, &format!("/live/{name}{part}"));
            world.publish_frames(publisher, &audio(300..320)[1..]);
            assert_eq!(last(&world, peer).status, 200, "{name}{part}");
        }
    }
    for name in ["%20", "my%09stream", "my%C2%A0stream"] {
        let peer = get(&mut world, &format!("/live/{name}.flv"));
        assert_eq!(last(&world, peer).status, 404, "{name}");
    }
}

#[test]
fn what_ts_cannot_carry_was_waited_for() {
    let mut world = World::new(served(HlsStorage::Memory));
    let publisher = world.client(Intent::Publish, "live", "a");
    let speex = |serials: core::ops::Range<u32>| {
        let frame = |serial: u32| Frame {
            kind: FrameKind::Audio,
            class: FrameClass::Coded,
            timestamp: Timestamp(serial * 20),
            payload: std::vec![0xB2, 1, 2].into(),
        };
        serials.map(frame).collect::<Vec<_>>()
    };
    world.publish_frames(publisher, &speex(0..10));
    let early = get(&mut world, "/live/a.ts");
    let early_playlist = get(&mut world, "/live/a.m3u8");
    for peer in [early, early_playlist] {
        assert_eq!(answers(&world.peers[peer]).len(), 0, "other tracks may come");
    }
    world.sleep(Duration::from_secs(3));
    world.publish_frames(publisher, &speex(10..20));
    let late = get(&mut world, "/live/a.ts");
    let playlist = get(&mut world, "/live/a.m3u8");
    for peer in [early, early_playlist, late, playlist] {
        let answer = last(&world, peer);
        let words = String::from_utf8(answer.body).unwrap();
        assert!(answer.status == 404 && words.contains("MPEG-TS carries"), "{words}");
    }
    let flv = get(&mut world, "/live/a.flv");
    world.publish_frames(publisher, &speex(20..30));
    assert_eq!(last(&world, flv).status, 200);
    ask(&mut world, late, "/live/a.m3u8");
    assert_eq!(answers(&world.peers[late]).len(), 2, "the connection goes on");
}

#[test]
fn a_playlist_names_its_segments_relative_to_itself() {
    let (mut world, _) = publishing("cam/1", 0..300);
    let peer = get(&mut world, "/live/cam/1.m3u8");
    let names = segments(&text(&world, peer));
    assert!(names[0].starts_with("1-"), "{names:?}");
    ask(&mut world, peer, &format!("/live/cam/{}", names[0]));
    assert_eq!(last(&world, peer).status, 200);
}

#[test]
fn a_stream_that_is_back_after_its_end_has_no_playlist_that_is_complete() {
    for storage in [HlsStorage::Memory, HlsStorage::Disk { path: "/hls".into() }] {
        let mut world = World::new(served(storage));
        let publisher = world.client(Intent::Publish, "live", "a");
        world.publish_frames(publisher, &audio(0..300));
        world.hang_up(publisher);
        world.sleep(Duration::from_secs(16));
        let viewer = get(&mut world, "/live/a.m3u8");
        let ended = text(&world, viewer);
        assert!(ended.contains("#EXT-X-ENDLIST"), "{ended}");
        let publisher = world.client(Intent::Publish, "live", "a");
        world.publish_frames(publisher, &audio(0..10));
        ask(&mut world, viewer, "/live/a.m3u8");
        assert_eq!(answers(&world.peers[viewer]).len(), 1, "it waits for what is new");
        world.publish_frames(publisher, &audio(0..300)[11..]);
        let live = text(&world, viewer);
        assert!(live.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), "{live}");
        assert!(!live.contains("ENDLIST"), "{live}");
        let (old, new) = (segments(&ended), segments(&live));
        assert!(new.iter().all(|name| !old.contains(name)), "{ended}{live}");
        for name in old.iter().chain(&new) {
            ask(&mut world, viewer, &format!("/live/{name}"));
            assert_eq!(last(&world, viewer).status, 200, "who plays the old ones still can");
        }
    }
}

#[test]
fn who_asked_long_before_the_publish_waits_for_the_first_segment() {
    let mut world = World::new(served(HlsStorage::Memory));
    let early = get(&mut world, "/live/a.m3u8");
    world.sleep(Duration::from_secs(4));
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish_frames(publisher, &audio(0..10));
    world.sleep(Duration::from_secs(4));
    assert_eq!(answers(&world.peers[early]).len(), 0);
    world.publish_frames(publisher, &audio(0..300)[11..]);
    assert_eq!(last(&world, early).status, 200);
}

#[test]
fn a_name_may_end_in_the_time() {
    let (mut world, publisher) = publishing("a-1764540001", 0..30);
    let viewer = get(&mut world, "/live/a-1764540001.ts");
    world.publish_frames(publisher, &audio(0..60)[31..]);
    assert_eq!(last(&world, viewer).status, 200);
}

#[test]
fn who_fetches_segments_watches() {
    let (mut world, _) = publishing("a", 0..300);
    let viewers = |world: &World| {
        let streams = world.server.snapshot(Scope::Streams);
        (streams.server.hls_viewers, streams.streams[0].hls_viewers, streams.streams[0].players)
    };
    let peer = get(&mut world, "/live/a.m3u8");
    let names = segments(&text(&world, peer));
    assert_eq!(viewers(&world), (0, 0, 0), "who only looks does not watch");
    for _ in 0..3 {
        // One after the other on one connection, as through a proxy.
        ask(&mut world, peer, &format!("/live/{}", names[0]));
    }
    ask(&mut world, peer, "/live/a-7.ts");
    assert_eq!(viewers(&world), (3, 3, 0));
    world.sleep(Duration::from_secs(12));
    assert_eq!(viewers(&world), (0, 0, 0), "they have gone");
}

#[test]
fn what_is_not_there_is_told_in_time() {
    let mut world = World::new(served(HlsStorage::Memory));
    let none = get(&mut world, "/live/none.m3u8");
    world.sleep(Duration::from_millis(5_100));
    assert_eq!(last(&world, none).status, 404);
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish_frames(publisher, &audio(0..300));
    ask(&mut world, none, "/live/a-340000099.ts");
    assert_eq!(last(&world, none).status, 404, "a segment is not waited for");
    assert_eq!(answers(&world.peers[none]).len(), 2);
    let silent = world.client(Intent::Publish, "live", "silent");
    ask(&mut world, none, "/live/silent.m3u8");
    world.sleep(Duration::from_millis(15_900));
    assert_eq!(answers(&world.peers[none]).len(), 2, "a keyframe may come as late as this");
    world.sleep(Duration::from_millis(1_200));
    assert_eq!(answers(&world.peers[none]).len(), 3, "of a live one it comes or it does not");
    let gone = get(&mut world, "/live/other.m3u8");
    world.hang_up(gone);
    world.hang_up(silent);
    world.sleep(Duration::from_secs(60));
    let hls = format!("{:?}", world.server.stats());
    assert!(hls.contains("segment_bytes: 0"), "{hls}");
}

#[test]
fn what_was_published_stays_for_a_while_and_then_goes() {
    let (mut world, publisher) = publishing("a", 0..300);
    world.hang_up(publisher);
    assert_eq!(world.server.stats().streams, 0);
    let viewer = get(&mut world, "/live/a.m3u8");
    assert!(!text(&world, viewer).contains("ENDLIST"), "the publisher may come back");
    world.sleep(Duration::from_secs(16));
    ask(&mut world, viewer, "/live/a.m3u8");
    let playlist = text(&world, viewer);
    assert!(playlist.contains("#EXT-X-ENDLIST"), "{playlist}");
    for name in segments(&playlist) {
        ask(&mut world, viewer, &format!("/live/{name}"));
        assert_eq!(last(&world, viewer).status, 200);
    }
    assert!(world.server.stats().segment_bytes > 0);
    world.sleep(Duration::from_secs(13));
    assert_eq!(world.server.stats().segment_bytes, 0);
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish_frames(publisher, &audio(0..300));
    let again = get(&mut world, "/live/a.m3u8");
    let numbers = |playlist: &str| segments(playlist)[0].clone();
    assert!(numbers(&text(&world, again)) > numbers(&playlist), "numbers are used once");
}

#[test]
fn what_ends_with_long_segments_stays_until_it_can_have_been_played() {
    let mut config = served(HlsStorage::Memory);
    let mut long = Vhost::clone(&config.vhosts["__defaultVhost__"]);
    long.hls.fragment = Duration::from_secs(10);
    config.vhosts.insert(Arc::from("__defaultVhost__"), Arc::new(long));
    let mut world = World::new(config);
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish_frames(publisher, &audio(0..1_800));
    world.hang_up(publisher);
    // Until it is told that there will be no more, and for most of what it lists.
    world.sleep(Duration::from_secs(15 + 29));
    let viewer = get(&mut world, "/live/a.m3u8");
    let playlist = text(&world, viewer);
    assert!(playlist.contains("#EXTINF:10.0"), "{playlist}");
    let last_of_all = segments(&playlist).pop().unwrap();
    ask(&mut world, viewer, &format!("/live/{last_of_all}"));
    assert_eq!(last(&world, viewer).status, 200);
    world.sleep(Duration::from_secs(30));
    assert_eq!(world.server.stats().segment_bytes, 0);
}

#[test]
fn any_shard_serves_what_is_at_home_on_another() {
    for name in ["a", "b", "c", "d"] {
        let mut cluster = Cluster::new(3, 1, &served(HlsStorage::Memory));
        let early = get(&mut cluster.worlds[1], &format!("/live/{name}.m3u8"));
        cluster.settle();
        let publisher = cluster.client(0, Intent::Publish, name);
        cluster.settle();
        cluster.worlds[0].publish_frames(publisher.1, &audio(0..300));
        cluster.settle();
        assert_eq!(last(&cluster.worlds[1], early).status, 200);
        for shard in 0..3 {
            let viewer = get(&mut cluster.worlds[shard], &format!("/live/{name}.m3u8"));
            cluster.settle();
            let playlist = text(&cluster.worlds[shard], viewer);
            let segment = segments(&playlist).remove(0);
            ask(&mut cluster.worlds[shard], viewer, &format!("/live/{segment}"));
            cluster.settle();
            let answer = last(&cluster.worlds[shard], viewer);
            assert_eq!((answer.status, answer.body[0]), (200, 0x47), "{name} on {shard}");
            let flv = get(&mut cluster.worlds[shard], &format!("/live/{name}.flv"));
            cluster.settle();
            cluster.worlds[0].publish_frames(publisher.1, &audio(300..400)[1..]);
            cluster.settle();
            assert_eq!(last(&cluster.worlds[shard], flv).status, 200);
        }
    }
}

#[test]
fn a_stream_as_one_transport_stream_is_whole_packets() {
    let (mut world, publisher) = publishing("a-1", 0..100);
    let viewer = get(&mut world, "/live/a-1.ts");
    world.publish_frames(publisher, &audio(100..200)[1..]);
    let answer = last(&world, viewer);
    assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("video/mp2t")));
    assert!(answer.body.len() > 10 * 188);
    assert!(answer.body.chunks(188).all(|packet| packet.len() == 188 && packet[0] == 0x47));
}

/// What lies on a disk.
type Files = std::collections::BTreeMap<String, Vec<u8>>;

/// Does the jobs that the server asks for in memory; `fails` says which do not work.
fn work(world: &mut World, files: &mut Files, fails: impl Fn(&str) -> bool) {
    while let Some(output) = world.asked.pop() {
        let Output::Start { job, work } = output else { panic!("{output:?}") };
        let path = match &work {
            Job::Write { path, .. } | Job::Remove { path } => path.clone(),
            Job::Sweep { stem, .. } => stem.clone(),
            other => panic!("{other:?}"),
        };
        let result = if fails(&path) {
            JobResult::Failed { reason: Arc::from("No space left on device") }
        } else {
            perform(files, work);
            JobResult::Done
        };
        assert!(world.asked.is_empty(), "one job at a time");
        world.input(Input::JobDone { job, result });
    }
}

fn perform(files: &mut Files, work: Job) {
    match work {
        Job::Write { path, bytes } => {
            files.insert(path.to_string(), bytes.concat());
        }
        Job::Remove { path } => {
            files.remove(&*path);
        }
        Job::Sweep { stem, numbers } => {
            let (folder, stream) = stem.rsplit_once('/').unwrap();
            files.retain(|path, _| {
                let (of, file) = path.rsplit_once('/').unwrap();
                let number = segment_number(file, stream).filter(|_| of == folder);
                !number.is_some_and(|number| numbers.contains(&number))
            });
        }
        Job::Run { .. } => panic!("{work:?}"),
    }
}

/// Publishes for so many seconds, from a time on.
fn publish(world: &mut World, publisher: usize, files: &mut Files, seconds: core::ops::Range<u32>) {
    for second in seconds {
        let frames = audio(second * 43..second * 43 + 43);
        world.publish_frames(publisher, if second == 0 { &frames } else { &frames[1..] });
        world.sleep(Duration::from_secs(1));
        work(world, files, |_| false);
    }
}

#[test]
fn a_playlist_on_disk_was_left_open_by_a_shutdown() {
    // The publisher is there, has just gone, or has been away for longer than it is awaited.
    for (away, lists) in [(None, true), (Some(1), true), (Some(20), true), (Some(60), false)] {
        let mut world = World::new(served(HlsStorage::Disk { path: Arc::from("/srv/hls") }));
        let mut files = Files::new();
        let publisher = world.client(Intent::Publish, "live", "a");
        publish(&mut world, publisher, &mut files, 0..5);
        if let Some(seconds) = away {
            world.hang_up(publisher);
            for _ in 0..seconds {
                world.sleep(Duration::from_secs(1));
                work(&mut world, &mut files, |_| false);
            }
        }
        world.input(Input::Shutdown);
        work(&mut world, &mut files, |_| false);
        assert!(world.server.is_drained(), "{away:?}");
        let playlist = files.get("/srv/hls/live/a.m3u8").cloned().unwrap_or_default();
        let playlist = String::from_utf8(playlist).unwrap();
        assert_eq!(playlist.ends_with("#EXT-X-ENDLIST\n"), lists, "{away:?}: {playlist}");
        let written = segments(&playlist);
        assert_eq!(files.len(), written.len() + usize::from(lists), "{files:?}");
        for name in written {
            assert!(files.contains_key(&format!("/srv/hls/live/{name}")), "{away:?}: {name}");
        }
        let seconds = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
        let seconds = seconds.map(|line| line.trim_end_matches(',').parse::<f64>().unwrap());
        let seconds: f64 = seconds.sum();
        assert!(!lists || (4.9..5.1).contains(&seconds), "the last segment is there: {playlist}");
    }
}

#[test]
fn segments_of_an_earlier_run_stayed_for_ever() {
    let mut world = World::new(served(HlsStorage::Disk { path: Arc::from("/srv/hls") }));
    let at = |name: &str| std::format!("/srv/hls/{name}");
    // Half seconds since 2020: a run of an hour before. What is not of this stream stays.
    let old = [at("live/a-244319200.ts"), at("live/a-244319201.ts"), at("live/a-100000000.ts")];
    let others = [
        at("live/a-7.ts"),
        at("live/a-0244319200.ts"),
        at("live/a-344319200.ts"),
        at("live/a-b-244319200.ts"),
        at("live/b-244319200.ts"),
        at("a-244319200.ts"),
    ];
    let mut files: Files =
        old.iter().chain(&others).map(|path| (path.clone(), Vec::new())).collect();
    let publisher = world.client(Intent::Publish, "live", "a");
    publish(&mut world, publisher, &mut files, 0..8);
    let has = |files: &Files, all: &[String]| all.iter().all(|path| files.contains_key(path));
    assert!(has(&files, &old), "who plays it can go on");
    publish(&mut world, publisher, &mut files, 8..20);
    assert!(old.iter().all(|path| !files.contains_key(path)), "{:?}", files.keys());
    assert!(has(&files, &others), "{:?}", files.keys());
    let playlist = get(&mut world, "/live/a.m3u8");
    let names = segments(&text(&world, playlist));
    let listed: Vec<_> = names.iter().map(|name| at("live/") + name).collect();
    assert!(!listed.is_empty() && has(&files, &listed), "{:?}", files.keys());
    files.insert(old[0].clone(), Vec::new());
    publish(&mut world, publisher, &mut files, 20..40);
    assert!(has(&files, &old[..1]), "it is swept once: {:?}", files.keys());
}

#[test]
fn row_111_files_follow_the_playlist_and_a_full_disk_ends_nothing() {
    let mut config = served(HlsStorage::Disk { path: Arc::from("/srv/hls/") });
    config.listeners.clear();
    let mut world = World::new(config);
    let mut files = Files::new();
    let publisher = world.client(Intent::Publish, "live", "a");
    for second in 0..60 {
        let frames = audio(second * 43..second * 43 + 43);
        world.publish_frames(publisher, if second == 0 { &frames } else { &frames[1..] });
        world.sleep(Duration::from_secs(1));
        let is_full = (20..30).contains(&second);
        work(&mut world, &mut files, |_| is_full);
        if !files.is_empty() {
            assert!(files.len() <= 20, "{files:?}");
        }
    }
    let failed = world.events.iter().filter(|event| matches!(event, Event::HlsFailed { .. }));
    assert_eq!(failed.count(), 1, "it is told once");
    assert_eq!(closed(&world, world.peers[publisher].id), None);
    assert!(files.contains_key("/srv/hls/live/a.m3u8"), "{files:?}");
    assert!(files.keys().any(|path| path.starts_with("/srv/hls/live/a-24")), "{files:?}");
    world.input(Input::Shutdown);
    assert!(!world.server.is_drained(), "the last segment is to be written");
    work(&mut world, &mut files, |_| false);
    assert!(world.server.is_drained());

    let mut world = World::new(served(HlsStorage::Disk { path: Arc::from("/srv/hls") }));
    files.clear();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish_frames(publisher, &audio(0..400));
    work(&mut world, &mut files, |_| false);
    assert!(files.len() > 3, "{files:?}");
    world.hang_up(publisher);
    for _ in 0..40 {
        world.sleep(Duration::from_secs(1));
        work(&mut world, &mut files, |_| false);
    }
    assert_eq!(files.len(), 0, "{files:?}");
}

#[test]
fn files_move_with_their_directory_and_none_is_left_behind() {
    let at = |path: &str| HlsStorage::Disk { path: Arc::from(path) };
    for (before, after) in [
        (HlsStorage::Memory, at("/one")),
        (at("/one"), at("/two")),
        (at("/one"), at("/two/")),
        (at("/one"), HlsStorage::Memory),
    ] {
        // The move comes while the disk works, while it does not, and while a job is under way.
        for moment in 0..3 {
            let mut world = World::new(served(before.clone()));
            let mut files = Files::new();
            let publisher = world.client(Intent::Publish, "live", "a");
            world.publish_frames(publisher, &audio(0..900));
            work(&mut world, &mut files, |_| moment == 1);
            if moment == 2 {
                world.publish_frames(publisher, &audio(900..1_000)[1..]);
            }
            world.input(Input::Reload(Arc::new(served(after.clone()))));
            work(&mut world, &mut files, |_| false);
            for second in 0..20 {
                let frames = 1_000 + second * 43..1_043 + second * 43;
                world.publish_frames(publisher, &audio(frames)[1..]);
                world.sleep(Duration::from_secs(1));
                work(&mut world, &mut files, |_| false);
            }
            let playlist = get(&mut world, "/live/a.m3u8");
            let playlist = text(&world, playlist);
            let folder = match &after {
                HlsStorage::Disk { path } => std::format!("{}/live/", path.trim_end_matches('/')),
                HlsStorage::Memory => {
                    assert!(files.is_empty(), "{before:?}, {moment}: {files:?}");
                    continue;
                }
            };
            let case = std::format!("{before:?} -> {after:?}, {moment}: {files:?}");
            assert!(files.keys().all(|path| path.starts_with(&folder)), "{case}");
            assert_eq!(
                files.get(&(folder.clone() + "a.m3u8")),
                Some(&playlist.clone().into_bytes()),
                "{case}"
            );
            for name in segments(&playlist) {
                assert!(files.contains_key(&(folder.clone() + &name)), "{case}: {name}");
            }
            // What was there before the move is no new period.
            assert!(!playlist.contains("#EXT-X-DISCONTINUITY\n"), "{playlist}");
        }
    }
}

#[test]
fn a_stream_that_comes_back_after_a_reload_is_cut_as_it_says() {
    let (mut world, publisher) = publishing("a", 0..400);
    world.hang_up(publisher);
    let mut next = served(HlsStorage::Memory);
    let mut changed = Vhost::clone(&next.vhosts["__defaultVhost__"]);
    changed.hls.fragment = Duration::from_secs(5);
    next.vhosts.insert(Arc::from("__defaultVhost__"), Arc::new(changed));
    world.input(Input::Reload(Arc::new(next)));
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish_frames(publisher, &audio(0..1_000));
    let playlist = get(&mut world, "/live/a.m3u8");
    let playlist = text(&world, playlist);
    assert!(playlist.contains("#EXTINF:5.0"), "{playlist}");
}
