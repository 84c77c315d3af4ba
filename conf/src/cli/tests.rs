use super::*;
use crate::settings::HttpListeners;
use clap::CommandFactory as _;
use millstream_core::config::{Config, PithyPrint, PublishPolicy, TimeJitter, Vhost};
use pretty_assertions::assert_eq;

fn parse(line: &str) -> Result<Command, String> {
    Cli::try_parse_from(line.split_whitespace())
        .map(Cli::into_command)
        .map_err(|error| error.to_string())
}

fn serve(line: &str) -> ServeArgs {
    match parse(line) {
        Ok(Command::Serve(args) | Command::Demo(args)) => args,
        other => panic!("{line}: {other:?}"),
    }
}

/// What flags alone make of the settings.
fn settings(args: &ServeArgs) -> Settings {
    let source = Source { flags: args.overrides(), ..Source::default() };
    source.load().expect("flags are right by themselves").settings
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn serve_is_the_default() {
    let check = |line: &str| {
        let args = serve(line);
        assert_eq!(settings(&args), Settings::default(), "{line}");
    };
    check("millstream");
    check("millstream serve");
    check("millstream demo");
    assert!(matches!(parse("millstream demo --rtmp :0"), Ok(Command::Demo(_))));
}

#[test]
fn http_is_served_beside_rtmp_unless_it_is_off() {
    let check = |flags: &str, listen: &[&str], is_default: bool| {
        let listeners = settings(&serve(&format!("millstream {flags}"))).http_listeners();
        let parse = |text: &&str| Listen::parse(text).expect(text);
        let listen = listen.iter().map(parse).collect();
        assert_eq!(listeners, HttpListeners { listen, is_default }, "{flags}");
    };
    check("", &["8080"], true);
    check("--rtmp 2935", &["8080"], true);
    check("--rtmp 127.0.0.1:2935 --rtmp :1", &["127.0.0.1:8080"], true);
    check("--rtmp 127.0.0.1:0", &["127.0.0.1:0"], true);
    check("--rtmp :0", &["0"], true);
    check("--http 80 --http [::1]:81", &["80", "[::1]:81"], false);
    check("--http off", &[], false);
    assert!(parse("millstream --http on").is_err());
}

#[test]
fn flags_reach_the_configuration() {
    let check = |flags: &str, change: fn(&mut Config, &mut Vhost)| {
        let (mut expected, mut vhost) = (Config::default(), Vhost::default());
        change(&mut expected, &mut vhost);
        expected.vhosts.insert("__defaultVhost__".into(), vhost.into());
        for command in ["", "serve ", "demo "] {
            let line = format!("millstream {command}{flags}");
            assert_eq!(settings(&serve(&line)).config, expected, "{line}");
        }
    };
    check("--send-delay 350", |_, vhost| {
        vhost.send_delay = SendDelay::Adaptive(Duration::from_millis(350));
    });
    check("--send-delay 0", |_, vhost| vhost.send_delay = SendDelay::Adaptive(Duration::ZERO));
    check("--send-delay fixed:0", |_, vhost| vhost.send_delay = SendDelay::Fixed(Duration::ZERO));
    check("--send-delay fixed:50", |_, vhost| {
        vhost.send_delay = SendDelay::Fixed(Duration::from_millis(50));
    });
    check("--chunk-size 4096", |config, _| config.chunk_size = 4096);
    check("--publish takeover", |_, vhost| vhost.publish_policy = PublishPolicy::Takeover);
    check("--time-jitter zero", |_, vhost| vhost.time_jitter = TimeJitter::Zero);
    check("--time-jitter off", |_, vhost| vhost.time_jitter = TimeJitter::Off);
    check("--forward b.example:2935 --forward rtmp://c/{app}/{stream}_2?k=1", |_, vhost| {
        let texts = ["b.example:2935", "rtmp://c/{app}/{stream}_2?k=1"];
        vhost.forwards = texts.map(|text| Forward::parse(text).expect("a destination")).into();
    });
    check("--grace 3", |_, vhost| vhost.grace = Duration::from_secs(3));
    check("--no-gop-cache", |_, vhost| vhost.gop_cache = false);
    check("--max-connections 7", |config, _| config.limits.connections_max = 7);
    check("--pithy-print 1", |config, _| {
        config.pithy_print = PithyPrint::every(Duration::from_secs(1));
    });
    check("--pithy-print 0", |config, _| config.pithy_print = PithyPrint::every(NEVER));
}

#[test]
fn addresses_are_read_in_every_form() {
    let check = |text: &str, expected: Listen| {
        let args = serve(&format!("millstream --rtmp {text}"));
        assert_eq!(settings(&args).listen, [expected]);
    };
    let at = |text: &str| Listen::At(text.parse().expect(text));
    check("1935", Listen::Any { port: 1935 });
    check(":1936", Listen::Any { port: 1936 });
    check("0", Listen::Any { port: 0 });
    check("0.0.0.0:1935", at("0.0.0.0:1935"));
    check("127.0.0.1:0", at("127.0.0.1:0"));
    check("[::]:1935", at("[::]:1935"));
    let both = settings(&serve("millstream --rtmp 127.0.0.1:1 --rtmp [::1]:1")).listen;
    assert_eq!(both, [at("127.0.0.1:1"), at("[::1]:1")]);
}

#[test]
fn errors_teach() {
    let check = |line: &str, hint: &str| {
        let error = parse(line).expect_err(line);
        assert!(error.contains(hint), "{line}: {error}");
    };
    check("millstream --rtmp 127.0.0.1", "the port is missing: 127.0.0.1:1935");
    check("millstream --rtmp ::1", "[::1]:1935");
    check("millstream --rtmp 70000", "from 0 to 65535");
    check("millstream --rtmp localhost:1935", "127.0.0.1:1935");
    check("millstream --rtmp rtmp://a", "not a URL");
    check("millstream --rtmp x", "expected a port");
    check("millstream --chunk-size 1", "128..=16777215");
    check("millstream --send-delay soon", "milliseconds from 0 to 10000");
    check("millstream --send-delay 10001", "milliseconds from 0 to 10000");
    check("millstream --pithy-print 1ms", "or 0 for never");
    check("millstream --grace=-1", "expected seconds");
    check("millstream --grace 90000", "86400");
    check("millstream --forward rtmps://b/live", "plain RTMP");
    check("millstream --forward rtmp://me:pw@b/live", "user and password");
    check("millstream --forward b:0", "from 1 to 65535");
    check("millstream --forward rtmp://{app}/live", "host name");
    check("millstream --forward rtmp://b/{name}", "{vhost}, {app} and {stream}");
    check("millstream --publish both", "busy, takeover");
    check("millstream --log-formt json", "--log-format");
    check("millstream serv", "serve");
    check("millstream bench play", "<URL>");
    check("millstream bench play rtmp://a/b/c --for soon", "write 20s");
    check("millstream sim run", "<--seed <SEED>|FILE>");
    check("millstream sim run --seed 1 x.kdl", "cannot be used with");
    check("millstream sim run --seed x", "invalid digit");
    check("millstream sim swarm --for soon", "write 20s");
}

#[test]
fn bench_has_its_own_flags() {
    let line = "millstream bench play rtmp://h/a/s --players 7 --for 3s --publish x.flv --json";
    let Ok(Command::Bench(Bench::Play(play))) = parse(line) else { panic!("{line}") };
    assert_eq!(play.url, "rtmp://h/a/s");
    assert_eq!(play.players, 7);
    assert_eq!(play.publish, Some("x.flv".into()));
    assert_eq!(play.load.time, Duration::from_secs(3));
    assert!(play.load.json);
    let line = "millstream bench publish rtmp://h/a/s-{number} x.flv --publishers 3 --rate 10";
    let Ok(Command::Bench(Bench::Publish(publish))) = parse(line) else { panic!("{line}") };
    assert_eq!((publish.publishers, publish.load.rate), (3, 10));
    assert_eq!(publish.load.time, Duration::from_secs(20));
}

/// Where clap meets `{n}` it breaks the line.
#[test]
fn help_says_what_stands_for_the_number() {
    for (words, times) in [("play", 1), ("publish", 3), ("churn", 2)] {
        let mut command = Cli::command();
        let bench = command.find_subcommand_mut("bench").expect("a command");
        let help = bench.find_subcommand_mut(words).expect("a command").render_long_help();
        assert_eq!(help.to_string().matches("{number}").count(), times, "{help}");
    }
}

#[test]
fn a_trace_follows_one_worker_unless_there_are_to_be_more() {
    let workers = |flags: &str| {
        let args = serve(&format!("millstream {flags}"));
        args.workers(&settings(&args))
    };
    assert_eq!(workers("--workers 3"), 3);
    assert_eq!(workers("--trace x"), 1);
    assert_eq!(workers("demo --trace x --workers 2"), 2);
}

#[test]
fn sim_takes_seeds_and_files() {
    let run = |line: &str| match parse(line) {
        Ok(Command::Sim(Sim::Run(run))) => (run.scenario.seed, run.scenario.file, run.trace),
        other => panic!("{line}: {other:?}"),
    };
    let seed = Some(u64::MAX);
    assert_eq!(run(&format!("millstream sim run --seed {}", u64::MAX)), (seed, None, false));
    let file = Some("x.kdl".into());
    assert_eq!(run("millstream sim run x.kdl --trace"), (None, file, true));
    let Ok(Command::Sim(Sim::Swarm(swarm))) = parse("millstream sim swarm") else { panic!() };
    assert_eq!((swarm.time, swarm.from), (Duration::from_secs(60), None));
    let line = "millstream sim shrink --seed 3 --write y.kdl";
    let Ok(Command::Sim(Sim::Shrink(shrink))) = parse(line) else { panic!("{line}") };
    assert_eq!((shrink.scenario.seed, shrink.write), (Some(3), Some("y.kdl".into())));
    assert!(matches!(parse("millstream sim explain 1"), Ok(Command::Sim(Sim::Explain(_)))));
}

#[test]
fn help_and_version_are_offered() {
    let check = |line: &str, hint: &str| {
        let text = parse(line).expect_err(line);
        assert!(text.contains(hint), "{line}: {text}");
    };
    check("millstream --help", "millstream demo");
    check("millstream --version", env!("CARGO_PKG_VERSION"));
    check("millstream demo --help", "--rtmp");
}
