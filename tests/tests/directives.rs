//! Each directive of RTMP and of the server as its users see it: before a reload, in the plan, and after.
use millstream_core::session::Intent;
use millstream_tests::operator::{Hall, Page, Row, VHOST, answer_to_page, check};
use millstream_tests::world::{Client, World};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

millstream_tests::on_both_transports!(
    directives_of_the_server,
    directives_of_who_may_come,
    directives_of_streams,
);

/// What is seen of something that must not happen is seen for so long.
const A_WHILE: Duration = Duration::from_millis(700);

fn directives_of_the_server() {
    check(
        "server",
        &[
            Row {
                directive: "listen, added",
                before: ("", "nobody listens"),
                after: (
                    "listen \"127.0.0.1:$RTMP\" \"127.0.0.1:$PORT\"",
                    "NetStream.Publish.Start",
                ),
                plan: &["open    RTMP on 127.0.0.1:", "keep    RTMP on 127.0.0.1:"],
                look: at_the_other_port,
            },
            Row {
                directive: "listen, removed",
                before: (
                    "listen \"127.0.0.1:$RTMP\" \"127.0.0.1:$PORT\"",
                    "NetStream.Publish.Start",
                ),
                after: ("", "nobody listens"),
                plan: &["close   RTMP on 127.0.0.1:", "; its connections go on"],
                look: at_the_other_port,
            },
            Row {
                directive: "http, added",
                before: ("", "None"),
                after: ("http \"127.0.0.1:$HTTP\" \"127.0.0.1:$PORT\"", "Some(200)"),
                plan: &["open    HTTP on 127.0.0.1:", "keep    HTTP on 127.0.0.1:"],
                look: page_at_the_other_port,
            },
            Row {
                directive: "http, off",
                before: ("http \"127.0.0.1:$HTTP\" \"127.0.0.1:$PORT\"", "Some(200)"),
                after: ("http off", "None"),
                plan: &["close   HTTP on 127.0.0.1:"],
                look: page_at_the_other_port,
            },
            Row {
                directive: "listen, all addresses and one",
                before: ("listen \":$RTMP\"", "NetStream.Publish.Start"),
                after: ("listen \"127.0.0.1:$RTMP\"", "nobody listens"),
                plan: &["rebind  RTMP on all addresses, port ", " -> RTMP on 127.0.0.1:"],
                look: at_another_address,
            },
            Row {
                directive: "listen, one address and all",
                before: ("listen \"127.0.0.1:$RTMP\"", "nobody listens"),
                after: ("listen \"0.0.0.0:$RTMP\" \"[::]:$RTMP\"", "NetStream.Publish.Start"),
                plan: &[
                    "rebind  RTMP on 127.0.0.1:",
                    "-> RTMP on 0.0.0.0:",
                    "open    RTMP on [::]:",
                ],
                look: at_another_address,
            },
            Row {
                directive: "listen, IPv4 beside IPv6",
                before: ("listen \"[::]:$RTMP\"", "NetStream.Publish.Start"),
                after: ("listen \"[::]:$RTMP\" \"127.0.0.1:$RTMP\"", "nobody listens"),
                plan: &["rebind  RTMP on [::]:", "-> RTMP on [::]:", "open    RTMP on 127.0.0.1:"],
                look: at_another_address,
            },
            Row {
                directive: "listen and http, exchanged",
                before: ("http \"127.0.0.1:$HTTP\" \"127.0.0.1:$PORT\"", "Some(200)"),
                after: (
                    "listen \"127.0.0.1:$RTMP\" \"127.0.0.1:$PORT\"\nhttp \"127.0.0.1:$HTTP\" \"127.0.0.1:$NEXT\"",
                    "None",
                ),
                plan: &["rebind  HTTP on 127.0.0.1:", "-> RTMP on 127.0.0.1:"],
                look: page_at_the_other_port,
            },
            Row {
                directive: "log, level",
                before: ("log info", "INFO on standard error"),
                after: ("log debug", "DEBUG INFO on standard error"),
                plan: &["log.level: \"info\" -> \"debug\" (at once)"],
                look: where_lines_go,
            },
            Row {
                directive: "log, format",
                before: ("log { level debug; format json; }", "{DEBUG} {INFO} on standard error"),
                after: ("log debug", "DEBUG INFO on standard error"),
                plan: &["log.format: \"json\" -> \"human\" (at once)"],
                look: where_lines_go,
            },
            Row {
                directive: "log, file",
                before: ("log debug", "DEBUG INFO on standard error"),
                after: ("log { level info; file \"$DIR/a.log\"; }", "INFO in a.log"),
                plan: &["log.file: nothing -> \"", "/a.log\" (at once)"],
                look: where_lines_go,
            },
            Row {
                directive: "log, file that was moved",
                before: ("log { level info; file \"$DIR/a.log\"; }", "INFO in a.log"),
                after: (
                    "log { level info; file \"$DIR/a.log\"; }\nchunk-size 9000",
                    "INFO in a.log, INFO in moved.log before",
                ),
                plan: &["chunk-size: "],
                look: where_lines_go_when_the_file_is_moved,
            },
            Row {
                directive: "workers",
                before: ("", "2 shards"),
                after: ("workers 3", "2 shards"),
                plan: &["workers: 2 -> 3 (restart)"],
                look: shards,
            },
            Row {
                directive: "pithy-print",
                before: ("pithy-print \"1h\"", "silent"),
                after: ("pithy-print \"1s\"", "reports"),
                plan: &["pithy-print.publish: \"1h\" -> \"1s\" (at once)"],
                look: reports,
            },
            Row {
                directive: "max-connections",
                before: ("", "NetStream.Publish.Start"),
                after: ("max-connections 1", "closed"),
                plan: &["max-connections: 10000 -> 1 (at once)"],
                look: a_publish_of_anybody,
            },
            Row {
                directive: "limits",
                before: ("", "NetStream.Publish.Start"),
                after: ("limits stream-name=8", "NetStream.Publish.BadName"),
                plan: &["limits.stream-name: ", " -> 8 (at once)"],
                look: a_publish_with_a_long_name,
            },
            // The last one: `millstream reload` looks where the file says that the server is.
            Row {
                directive: "pid",
                before: ("pid \"$DIR/a.pid\"", "a.pid a.pid.settings"),
                after: ("pid \"$DIR/b.pid\"", "b.pid b.pid.settings"),
                plan: &["pid: \"", "/b.pid\" (at once)"],
                look: files_of_the_process_id,
            },
        ],
    );
}

fn directives_of_who_may_come() {
    const ONE: &str = "vhost \"row.example\"";

    check(
        "who",
        &[
            Row {
                directive: "vhost, added",
                before: ("", "NetConnection.Connect.InvalidApp"),
                after: (ONE, "NetStream.Publish.Start"),
                plan: &["add     vhost row.example", "keep    vhost aside.example"],
                look: a_publish,
            },
            Row {
                directive: "vhost, removed",
                before: (ONE, "cam goes on, others NetStream.Publish.Start"),
                after: ("", "cam has ended, others NetConnection.Connect.InvalidApp"),
                plan: &["drop    vhost row.example, with its connections"],
                look: a_publish_beside_another,
            },
            Row {
                directive: "enabled",
                before: (ONE, "cam goes on, others NetStream.Publish.Start"),
                after: (
                    "vhost \"row.example\" enabled=off",
                    "cam has ended, others NetConnection.Connect.InvalidApp",
                ),
                plan: &[
                    "drop    vhost row.example, with its connections",
                    "vhost[row.example].enabled: #true -> #false (at once)",
                ],
                look: a_publish_beside_another,
            },
            Row {
                directive: "__defaultVhost__, removed",
                before: (
                    "vhost \"__defaultVhost__\"",
                    "cam goes on, others NetStream.Publish.Start",
                ),
                after: ("", "cam has ended, others NetConnection.Connect.InvalidApp"),
                plan: &["drop    vhost __defaultVhost__, with its connections"],
                look: a_publish_beside_another,
            },
            Row {
                directive: "refer",
                before: (ONE, "play own, other, none; publish own, other, none"),
                after: (
                    "vhost \"row.example\" { refer \"own.example\"; }",
                    "play own; publish own",
                ),
                plan: &[
                    "vhost[row.example].refer.all: nothing -> \"own.example\" (next connection)",
                ],
                look: who_comes_from_where,
            },
            Row {
                directive: "refer publish",
                before: (ONE, "play own, other, none; publish own, other, none"),
                after: (
                    "vhost \"row.example\" { refer { publish \"own.example\"; }; }",
                    "play own, other, none; publish own",
                ),
                plan: &[
                    "vhost[row.example].refer.publish: nothing -> \"own.example\" (next publish)",
                ],
                look: who_comes_from_where,
            },
            Row {
                directive: "refer play",
                before: (
                    "vhost \"row.example\" { refer { play \"own.example\"; }; }",
                    "play own; publish own, other, none",
                ),
                after: (ONE, "play own, other, none; publish own, other, none"),
                plan: &[
                    "vhost[row.example].refer.play: \"own.example\" -> nothing (next connection)",
                ],
                look: who_comes_from_where,
            },
        ],
    );
}

fn directives_of_streams() {
    const ONE: &str = "vhost \"row.example\"";
    check(
        "streams",
        &[
            Row {
                directive: "chunk-size",
                before: ("chunk-size 5000\nvhost \"row.example\"", "[5000]"),
                after: ("chunk-size 300\nvhost \"row.example\"", "[300]"),
                plan: &["chunk-size: 5000 -> 300 (next connection)"],
                look: chunk_size_of_a_publisher,
            },
            Row {
                directive: "chunk-size of a vhost",
                before: (ONE, "60000"),
                after: ("vhost \"row.example\" chunk-size=700", "700"),
                plan: &["vhost[row.example].chunk-size: nothing -> 700 (next connection)"],
                look: chunk_size_of_a_new_stream,
            },
            Row {
                directive: "gop-cache",
                before: (ONE, "at once"),
                after: ("vhost \"row.example\" gop-cache=off", "at the next keyframe"),
                plan: &["vhost[row.example].gop-cache: #true -> #false (at once)"],
                look: when_players_start,
            },
            Row {
                directive: "time-jitter",
                before: (ONE, "from 0"),
                after: ("vhost \"row.example\" time-jitter=off", "from 40000"),
                plan: &["vhost[row.example].time-jitter: \"full\" -> \"off\" (next publish)"],
                look: times_of_a_new_stream,
            },
            Row {
                directive: "queue-length",
                before: ("vhost \"row.example\" queue-length=\"1h\" queue-bytes=\"1GiB\"", "all"),
                after: (
                    "vhost \"row.example\" queue-length=\"200ms\" queue-bytes=\"1GiB\"",
                    "not all",
                ),
                plan: &["vhost[row.example].queue-length: \"1h\" -> \"200ms\" (at once)"],
                look: what_a_slow_player_gets,
            },
            Row {
                directive: "send-delay",
                before: ("vhost \"row.example\" send-delay=\"fixed:0ms\"", "one by one"),
                after: ("vhost \"row.example\" send-delay=\"fixed:500ms\"", "merged"),
                plan: &["vhost[row.example].send-delay: \"fixed:0s\" -> \"fixed:500ms\" (at once)"],
                look: how_media_come,
            },
            Row {
                directive: "publish",
                before: (ONE, "the second gets NetStream.Publish.BadName"),
                after: ("vhost \"row.example\" publish=takeover", "the first has ended"),
                plan: &["vhost[row.example].publish: \"busy\" -> \"takeover\" (at once)"],
                look: two_publishers,
            },
            Row {
                directive: "grace",
                before: ("vhost \"row.example\" grace=\"1m\"", "goes on"),
                after: ("vhost \"row.example\" grace=0", "ends"),
                plan: &["vhost[row.example].grace: \"1m\" -> \"0s\" (at once)"],
                look: a_player_whose_publisher_goes,
            },
        ],
    );
}

fn at_the_other_port(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    let page = Page { intent: Intent::Publish, url: None, stream: &stream, vhost: "aside.example" };
    answer_to_page(hall.operator.other(), page).1
}

/// All of 127.0.0.0/8 is this machine; nobody who listens at 127.0.0.1 alone listens there.
fn at_another_address(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    let page = Page { intent: Intent::Publish, url: None, stream: &stream, vhost: "aside.example" };
    let port = hall.operator.rtmp().port();
    answer_to_page(([127, 0, 0, 2], port).into(), page).1
}

fn page_at_the_other_port(hall: &mut Hall) -> String {
    let answer = millstream_tests::operator::get(hall.operator.other(), "/api/v1/version");
    format!("{:?}", answer.map(|(status, _)| status))
}

fn shards(hall: &mut Hall) -> String {
    let tasks = fs::read_dir(format!("/proc/{}/task", hall.operator.program().id()));
    let tasks = tasks.into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    format!("{} shards", names.filter(|name| name.trim() == "shard").count())
}

/// The levels of the lines that a publish makes, in braces where they are JSON, and where they are.
fn where_lines_go(hall: &mut Hall) -> String {
    let logs = |hall: &Hall| {
        let file = fs::read_to_string(hall.operator.file("a.log")).unwrap_or_default();
        [hall.operator.program().log(), file]
    };
    let [error_before, file_before] = logs(hall).map(|log| log.lines().count());
    drop(a_publish_of_anybody(hall));
    // The lines are written by a thread of their own.
    std::thread::park_timeout(Duration::from_millis(30));
    let [error, file] = logs(hall);
    let error = levels(error.lines().skip(error_before), " on standard error");
    let file = levels(file.lines().skip(file_before), " in a.log");
    [error, file].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The first look moves the file away, once something was written to it.
fn where_lines_go_when_the_file_is_moved(hall: &mut Hall) -> String {
    let (file, moved) = (hall.operator.file("a.log"), hall.operator.file("moved.log"));
    let seen = where_lines_go(hall);
    if seen == "INFO in a.log" && !moved.exists() {
        fs::rename(file, moved).expect("it is there");
        return seen;
    }
    let before = fs::read_to_string(moved).unwrap_or_default();
    let before = levels(before.lines(), " in moved.log before");
    [Some(seen), before].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn levels<'a>(lines: impl Iterator<Item = &'a str>, place: &str) -> Option<String> {
    let level = |line: &str| {
        let level = ["DEBUG", "INFO", "WARN"].into_iter().find(|level| line.contains(level))?;
        Some(if line.starts_with('{') { format!("{{{level}}}") } else { level.to_owned() })
    };
    let levels = lines.filter(|line| line.contains("aside.example")).filter_map(level);
    let levels: BTreeSet<String> = levels.collect();
    (!levels.is_empty()).then(|| levels.into_iter().collect::<Vec<_>>().join(" ") + place)
}

fn files_of_the_process_id(hall: &mut Hall) -> String {
    let names = ["a.pid", "a.pid.settings", "b.pid", "b.pid.settings"];
    let there = names.into_iter().filter(|name| hall.operator.file(name).exists());
    there.collect::<Vec<_>>().join(" ")
}

/// The by-standers are reported, or nobody is.
fn reports(hall: &mut Hall) -> String {
    let count = || {
        let log = hall.operator.program().log();
        log.lines().filter(|line| line.contains("live/aside") && line.contains("/s")).count()
    };
    let (before, began) = (count(), Instant::now());
    // They come once in a second at most.
    while began.elapsed() < 3 * A_WHILE {
        if count() > before {
            return "reports".into();
        }
        std::thread::park_timeout(A_WHILE / 10);
    }
    "silent".into()
}

fn a_publish_of_anybody(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    answer(hall, "aside.example", None, Intent::Publish, &stream)
}

fn a_publish_with_a_long_name(hall: &mut Hall) -> String {
    let stream = format!("long-name-{}", hall.operator.fresh());
    answer(hall, "aside.example", None, Intent::Publish, &stream)
}

fn a_publish(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    answer(hall, VHOST, None, Intent::Publish, &stream)
}

fn a_publish_beside_another(hall: &mut Hall) -> String {
    let cam = if hall.cam().has_ended() { "has ended" } else { "goes on" };
    format!("cam {cam}, others {}", a_publish(hall))
}

fn who_comes_from_where(hall: &mut Hall) -> String {
    hall.cam();
    // The second ends like the first, but is not of its domain.
    let pages = [
        ("own", Some("http://www.own.example:8080/watch")),
        ("other", Some("http://notown.example/watch")),
        ("none", None),
    ];
    let mut admitted = |intent: Intent| {
        let mut names = Vec::new();
        for (name, page) in pages {
            let stream = match intent {
                Intent::Play => "cam".to_owned(),
                Intent::Publish => hall.operator.fresh(),
            };
            let code = answer(hall, VHOST, page, intent, &stream);
            if code.ends_with(".Start") {
                names.push(name);
            }
        }
        names.join(", ")
    };
    format!("play {}; publish {}", admitted(Intent::Play), admitted(Intent::Publish))
}

fn answer(hall: &Hall, vhost: &str, url: Option<&str>, intent: Intent, stream: &str) -> String {
    answer_to_page(hall.operator.rtmp(), Page { intent, url, stream, vhost }).1
}

fn chunk_size_of_a_publisher(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    let page = Page { intent: Intent::Publish, url: None, stream: &stream, vhost: VHOST };
    format!("{:?}", answer_to_page(hall.operator.rtmp(), page).0)
}

/// The last size counts: the vhost is known after `connect` only.
fn chunk_size_of_a_new_stream(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    let mut world = hall.operator.world();
    let _publisher = start(&mut world, Intent::Publish, &stream);
    let page = Page { intent: Intent::Play, url: None, stream: &stream, vhost: VHOST };
    let sizes = answer_to_page(hall.operator.rtmp(), page).0;
    format!("{}", sizes.last().copied().unwrap_or_default())
}

fn when_players_start(hall: &mut Hall) -> String {
    // A keyframe may come just then, so that the newest is also the next.
    for _ in 0..5 {
        let published = hall.cam().published();
        let mut world = hall.operator.world();
        let mut player = start(&mut world, Intent::Play, "cam");
        player.wait(&mut world, "a picture", |player| !player.pictures.is_empty());
        if player.pictures[0].0 < published {
            return "at once".into();
        }
    }
    "at the next keyframe".into()
}

fn times_of_a_new_stream(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    let mut world = hall.operator.world();
    let mut player = Client::on_vhost(&mut world, VHOST, Intent::Play, &stream);
    let mut publisher = start(&mut world, Intent::Publish, &stream);
    publisher.publish(&mut world, 1_000..1_010, 100);
    player.wait(&mut world, "a picture", |player| !player.pictures.is_empty());
    format!("from {}", player.pictures[0].1.0)
}

/// More than the sockets of a connection take comes while the player does not read.
fn what_a_slow_player_gets(hall: &mut Hall) -> String {
    const COUNT: u32 = 200;
    let stream = hall.operator.fresh();
    let mut world = hall.operator.world();
    let mut slow = Client::on_vhost(&mut world, VHOST, Intent::Play, &stream);
    slow.wait(&mut world, "the start", Client::has_started);
    let mut quick = start(&mut world, Intent::Play, &stream);
    let mut publisher = start(&mut world, Intent::Publish, &stream);
    for number in 0..COUNT {
        publisher.publish(&mut world, number..number + 1, 100_000);
        let is_there =
            |player: &Client| player.pictures.last().is_some_and(|(newest, _)| *newest == number);
        quick.wait(&mut world, "each picture", is_there);
    }
    let has_last =
        |slow: &Client| slow.pictures.last().is_some_and(|(number, _)| *number == COUNT - 1);
    slow.wait(&mut world, "the last picture", has_last);
    if slow.pictures.len() == COUNT as usize { "all".into() } else { "not all".into() }
}

/// Two seconds of pictures come at once, or in many parts.
fn how_media_come(hall: &mut Hall) -> String {
    const COUNT: usize = 40;
    hall.cam();
    let mut world = hall.operator.world();
    let mut player = start(&mut world, Intent::Play, "cam");
    player.wait(&mut world, "the newest group", |player| player.pictures.len() >= 15);
    let (first, mut parts) = (player.pictures.len(), 0);
    while player.pictures.len() < first + COUNT {
        assert!(player.receive(&mut world, Duration::from_secs(20)), "media come");
        parts += 1;
    }
    if parts <= 10 { "merged".into() } else { "one by one".into() }
}

fn two_publishers(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    let mut world = hall.operator.world();
    let mut first = start(&mut world, Intent::Publish, &stream);
    let mut second = Client::on_vhost(&mut world, VHOST, Intent::Publish, &stream);
    second.wait(&mut world, "an answer", |second| second.has_started() || second.has_ended());
    if let Some(code) = second.end_code() {
        return format!("the second gets {code}");
    }
    first.wait(&mut world, "the end", Client::has_ended);
    "the first has ended".into()
}

fn a_player_whose_publisher_goes(hall: &mut Hall) -> String {
    let stream = hall.operator.fresh();
    let mut world = hall.operator.world();
    let mut player = Client::on_vhost(&mut world, VHOST, Intent::Play, &stream);
    let mut publisher = start(&mut world, Intent::Publish, &stream);
    publisher.publish(&mut world, 0..5, 100);
    player.wait(&mut world, "five pictures", |player| player.pictures.len() == 5);
    publisher.finish(&mut world);
    let began = Instant::now();
    while began.elapsed() < A_WHILE && !player.has_ended() {
        player.receive(&mut world, A_WHILE / 10);
    }
    if player.has_ended() { "ends".into() } else { "goes on".into() }
}

fn start(world: &mut World, intent: Intent, stream: &str) -> Client {
    let mut client = Client::on_vhost(world, VHOST, intent, stream);
    client.wait(world, "the start", Client::has_started);
    client
}
