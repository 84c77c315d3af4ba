//! Destinations that refuse, vanish, are slow, or speak nonsense.

use super::*;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;

/// The back-off doubles from a second to half a minute, each a little less by chance.
fn assert_backs_off(waits: &[Duration], more: Duration) {
    let expected = [1.5, 3.0, 6.0, 12.0, 24.0, 30.0, 30.0, 30.0];
    for (index, (wait, longest)) in waits.iter().zip(expected).enumerate() {
        let wait = (*wait).saturating_sub(more).as_secs_f64();
        let shortest = (longest * 2.0 / 3.0_f64).max(1.0);
        assert!((shortest - 0.01..longest + 0.01).contains(&wait), "{index}: {waits:?}");
    }
}

#[test]
fn row_125_a_destination_that_refuses_connections_is_tried_again() {
    let (mut net, publisher, _) = pair(forwarding(&["x"]));
    net.publish_live(publisher, 0..3_000, 10);
    let dials = net.servers[0].dials.len();
    assert!((7..=9).contains(&dials), "{:?}", net.servers[0].dials);
    assert_backs_off(&net.servers[0].waits(), Duration::ZERO);
    assert_eq!(net.servers[0].lines(), std::vec!["cam dial_refused, again"; dials]);
    // It is there now: the stream begins at the newest keyframe.
    net.hosts.insert("x", Host::Server(1));
    net.publish_live(publisher, 3_000..3_400, 10);
    let player = net.client(1, Intent::Play, "cam");
    net.publish_live(publisher, 3_400..3_800, 10);
    let serials = net.serials(player);
    assert!(serials[0] >= 3_000 && serials[0] % 10 == 0, "{}", serials[0]);
    assert_eq!(serials, (serials[0]..3_800).collect::<Vec<_>>());
    assert!(net.servers[0].lines().contains(&"cam -> rtmp://x/live/cam".into()));
}

#[test]
fn row_125_a_destination_that_does_not_answer_is_given_up() {
    let mut net = Net::new(&[forwarding(&["x"])]);
    net.hosts.insert("x", Host::BlackHole);
    let publisher = net.client(0, Intent::Publish, "cam");
    net.publish_live(publisher, 0..1_500, 10);
    let (dials, abandoned) = (net.servers[0].dials.len(), net.servers[0].abandoned);
    assert!(dials >= 4 && abandoned + 1 >= dials, "{dials} {abandoned}");
    assert_backs_off(&net.servers[0].waits(), seconds(5));
    assert_eq!(net.servers[0].lines()[0], "cam dial_timeout, again");
}

#[test]
fn row_125_a_destination_that_says_nothing_is_given_up() {
    let mut net = Net::new(&[forwarding(&["x"])]);
    net.hosts.insert("x", Host::Mute);
    let publisher = net.client(0, Intent::Publish, "cam");
    net.publish_live(publisher, 0..1_500, 10);
    // The handshake has ten seconds; then the connection lingers a little.
    assert_backs_off(&net.servers[0].waits(), seconds(10));
    assert_eq!(net.servers[0].lines()[0], "cam timeout, again");
    net.stop(publisher);
    net.sleep(seconds(40));
    is_empty(&net, 0);
}

#[test]
fn row_125_a_reset_in_the_middle_resumes_with_what_a_player_needs() {
    let (mut net, publisher, player) = pair(forwarding(&["b"]));
    net.publish_live(publisher, 0..33, 100);
    net.cut(net.dialled(0)[0], Some(IoFailure::Reset));
    net.publish_live(publisher, 33..100, 100);
    let serials = net.serials(player);
    let resumed = *serials.iter().find(|serial| **serial >= 33).unwrap();
    assert_eq!(resumed % 10, 0);
    assert_eq!(serials, (0..33).chain(resumed..100).collect::<Vec<_>>());
    // A second or so without frames is a gap of time there, and no more.
    let times = net.times(player);
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{times:?}");
    assert_eq!(net.servers[0].lines()[1], "cam io, again");
}

#[test]
fn row_125_a_restarted_origin_or_destination_is_found_again() {
    let (mut net, publisher, _) = pair(forwarding(&["b"]));
    net.publish_live(publisher, 0..20, 100);
    net.restart(1, config());
    let player = net.client(1, Intent::Play, "cam");
    net.publish_live(publisher, 20..90, 100);
    let serials = net.serials(player);
    assert_eq!(serials, (serials[0]..90).collect::<Vec<_>>());
    assert_eq!(serials[0] % 10, 0);
    // The origin comes back with another publisher: the destination's name is free again.
    net.restart(0, forwarding(&["b"]));
    let publisher = net.client(0, Intent::Publish, "cam");
    moment(&mut net);
    net.publish_live(publisher, 200..250, 100);
    assert_eq!(net.serials(player)[serials.len()..], (200..250).collect::<Vec<_>>());
}

#[test]
fn row_125_a_destination_that_has_forgotten_all_gets_all_that_a_decoder_needs() {
    let (mut net, publisher, _) = pair(forwarding(&["b"]));
    let headers = [
        metadata(),
        header(FrameKind::Video, &[0x17, 0, 0, 0, 0, 1]),
        header(FrameKind::Audio, &[0xAF, 0, 0x12, 0x10]),
    ];
    for header in &headers {
        net.publish_frame(publisher, header);
    }
    net.publish_live(publisher, 0..20, 100);
    for round in 0..3 {
        net.restart(1, config());
        // Time enough for the longest pause before an attempt.
        let serial = 20 + round * 200;
        net.publish_live(publisher, serial..serial + 200, 100);
        let player = net.client(1, Intent::Play, "cam");
        moment(&mut net);
        let frames = &net.clients[player].frames;
        let kept: Vec<_> = frames.iter().take(3).map(|frame| &frame.payload).collect();
        assert_eq!(kept, headers.iter().map(|frame| &frame.payload).collect::<Vec<_>>());
        assert_eq!(frames.get(3).map(|frame| frame.class), Some(FrameClass::Keyframe));
    }
}

#[test]
fn row_125_a_slow_destination_goes_on_at_the_newest_keyframe() {
    let (mut net, publisher, player) = pair(forwarding(&["b"]));
    let witness = net.client(0, Intent::Play, "cam");
    net.publish_live(publisher, 0..50, 10_000);
    let link = net.dialled(0)[0];
    net.set_room(link, Some(12_345));
    net.publish_live(publisher, 50..400, 10_000);
    net.set_room(link, None);
    net.publish_live(publisher, 400..500, 10_000);
    let serials = net.serials(player);
    let gap = serials.windows(2).position(|pair| pair[1] != pair[0] + 1).unwrap();
    assert_eq!(serials[gap + 1] % 10, 0);
    assert!(serials[gap] >= 50 && serials[gap + 1] > 300, "{:?}", &serials[gap..gap + 2]);
    assert_eq!(serials[gap + 1..], (serials[gap + 1]..500).collect::<Vec<_>>());
    // Nobody else has noticed, and the connection is the same.
    assert_eq!(net.serials(witness), (0..500).collect::<Vec<_>>());
    assert_eq!(net.servers[0].dials.len(), 1);
    let lines = net.servers[0].lines();
    assert_eq!(lines, ["cam -> rtmp://b/live/cam", "cam skipped"]);
    let status = net.servers[0].server.forwards().remove(0);
    assert!(status.skipped > 1_000_000 && status.sent > 1_000_000, "{status:?}");
}

#[test]
fn row_125_a_destination_that_takes_nothing_any_more_is_given_up() {
    // A server that does not look after silent publishers.
    let mut patient = config();
    patient.limits.publisher_idle_timeout = seconds(100);
    let mut net = Net::new(&[forwarding(&["b"]), patient]);
    let publisher = net.client(0, Intent::Publish, "cam");
    let player = net.client(1, Intent::Play, "cam");
    moment(&mut net);
    net.publish_live(publisher, 0..50, 1_000);
    net.set_room(net.dialled(0)[0], Some(0));
    net.publish_live(publisher, 50..900, 1_000);
    let lines = net.servers[0].lines();
    assert_eq!(lines[1..3], ["cam skipped", "cam stalled, again"]);
    let last = *net.serials(player).last().unwrap();
    assert_eq!(last, 899, "{lines:?}");
}

#[test]
fn row_125_what_a_destination_will_not_take_ends_with_the_stream() {
    let (mut net, publisher, player) = pair(forwarding(&["b"]));
    net.publish_live(publisher, 0..50, 1_000);
    net.set_room(net.dialled(0)[0], Some(0));
    net.publish_live(publisher, 50..60, 1_000);
    net.stop(publisher);
    net.sleep(seconds(8));
    assert_eq!(net.serials(player), (0..50).collect::<Vec<_>>());
    assert_eq!(net.servers[0].lines(), ["cam -> rtmp://b/live/cam", "cam ended"]);
    net.sleep(seconds(40));
    is_empty(&net, 0);
}

#[test]
fn row_125_a_name_that_is_taken_there_is_tried_again() {
    let (mut net, publisher, player) = pair(forwarding(&[]));
    let there = net.client(1, Intent::Publish, "cam");
    net.reload(0, forwarding(&["b"]));
    net.publish_live(publisher, 0..100, 10);
    let busy = "cam refused (NetStream.Publish.BadName: The stream is being published by another \
                client: stop it, or use another name.), again";
    assert_eq!(net.servers[0].lines()[0], busy);
    assert_eq!(net.serials(player), [0; 0]);
    net.stop(there);
    net.publish_live(publisher, 100..300, 10);
    assert_eq!(*net.serials(player).last().unwrap(), 299);
    assert_eq!(net.servers[0].lines().last().unwrap(), "cam -> rtmp://b/live/cam");
}

#[test]
fn row_125_a_destination_that_closes_each_minute_is_tried_again_soon() {
    let check = |lasts: u32, soon: bool| {
        let (mut net, publisher, _) = pair(forwarding(&["b"]));
        let mut serial = 0;
        for _ in 0..6 {
            while net.dialled(0).is_empty() {
                net.publish_live(publisher, serial..serial + 1, 10);
                serial += 1;
            }
            net.publish_live(publisher, serial..serial + lasts * 25, 10);
            serial += lasts * 25;
            net.cut(net.dialled(0)[0], None);
        }
        let ends = net.servers[0].events.iter().filter_map(|(_, event)| match event {
            Event::ForwardFailed { failure: ForwardFailure::Closed, retry_in, .. } => *retry_in,
            _ => None,
        });
        let waits: Vec<Duration> = ends.collect();
        assert_eq!(waits.len(), 6);
        let is_soon = waits.iter().all(|wait| *wait <= Duration::from_millis(1_500));
        assert_eq!(is_soon, soon, "{waits:?}");
        if !soon {
            assert_backs_off(&waits, Duration::ZERO);
        }
    };
    check(61, true);
    check(5, false);
}

#[test]
fn row_125_an_unpublish_while_connecting_leaves_nothing() {
    for host in [Host::BlackHole, Host::Mute, Host::Refused, Host::Server(1)] {
        let mut net = Net::new(&[forwarding(&["x"]), config()]);
        net.hosts.insert("x", host);
        let publisher = net.client(0, Intent::Publish, "cam");
        net.publish(publisher, 0..5);
        if host != Host::Server(1) {
            moment(&mut net);
        }
        net.stop(publisher);
        net.sleep(seconds(3));
        assert_eq!(net.servers[0].lines().last().unwrap(), "cam ended", "{host:?}");
        let is_abandoned = net.servers[0].abandoned == 1;
        assert_eq!(is_abandoned, host == Host::BlackHole, "{host:?}");
        net.sleep(seconds(40));
        (0..2).for_each(|server| is_empty(&net, server));
    }
}

#[test]
fn row_125_a_connection_that_comes_too_late_is_closed() {
    let mut net = Net::new(&[forwarding(&["x"])]);
    net.hosts.insert("x", Host::BlackHole);
    let publisher = net.client(0, Intent::Publish, "cam");
    moment(&mut net);
    net.stop(publisher);
    net.sleep(seconds(3));
    let server = &mut net.servers[0].server;
    let now = Instant::from_micros(u64::try_from(Duration::from_secs(60).as_micros()).unwrap());
    let conn = ConnId { slot: 50, generation: 1 };
    server.handle(now, Input::Opened { conn, via: Via::Dial(DialId(0)), peer: net::PEER });
    assert_eq!(server.poll_output(), Some(Output::Close { conn }));
    assert_eq!(server.poll_output(), None);
    let failure = IoFailure::Other;
    server.handle(now.after(seconds(1)), Input::DialFailed { dial: DialId(0), failure });
    assert_eq!(server.poll_output(), None);
}

quickcheck! {
    fn row_126_nonsense_from_a_destination_ends_its_connection_alone(seed: u64) -> bool {
        let mut net = Net::new(&[forwarding(&["x"])]);
        net.hosts.insert("x", Host::Noise(seed));
        let publisher = net.client(0, Intent::Publish, "cam");
        let player = net.client(0, Intent::Play, "cam");
        // Nonsense may look like a message that is not complete; then time tells.
        net.publish_live(publisher, 0..400, 100);
        let is_well = net.serials(player) == (0..400).collect::<Vec<_>>();
        let lines = net.servers[0].lines();
        let failed = lines.iter().all(|line| line.contains("again"));
        net.stop(publisher);
        net.hang_up(player);
        net.sleep(seconds(60));
        is_empty(&net, 0);
        is_well && failed && !lines.is_empty()
    }
}
