use super::*;
use millstream_core::config::transcode::{Audio, Engine, Fps, Scope, Video};
use millstream_core::config::{HlsStorage, Network, PublishPolicy, SendDelay, TimeJitter, Vhost};
use pretty_assertions::assert_eq;
use problem::Look;
use quickcheck::quickcheck;
use std::time::Duration;

fn load(text: &str) -> Loaded {
    parse("test.kdl", text.as_bytes()).unwrap_or_else(|problems| {
        panic!("{}", problems.render(Look::Plain));
    })
}

fn vhost(text: &str) -> Vhost {
    let loaded = load(&format!("vhost \"a.example\" {{\n{text}\n}}"));
    Vhost::clone(&loaded.settings.config.vhosts["a.example"])
}

#[test]
fn an_empty_file_changes_nothing() {
    for text in ["", "\n", "// nothing\n", "\u{FEFF}", "/- chunk-size 1\n", "/* { */"] {
        assert_eq!(load(text).settings, Settings::default(), "{text:?}");
    }
    assert_eq!(Settings::default().write(), "");
}

#[test]
fn every_key_of_the_top_reaches_its_place() {
    let check = |text: &str, change: fn(&mut Settings)| {
        let mut expected = Settings::default();
        change(&mut expected);
        assert_eq!(load(text).settings, expected, "{text}");
        assert_ne!(expected, Settings::default(), "{text}");
    };
    check("listen 1936 \"[::1]:1937\"\nlisten \"127.0.0.1:0\"", |settings| {
        settings.listen = [":1936", "[::1]:1937", "127.0.0.1:0"]
            .map(|text| Listen::parse(text).unwrap())
            .to_vec();
    });
    check("http 8080", |settings| settings.http_listen = vec![Listen::Any { port: 8080 }]);
    check(
        "http {\n api #true {\n allow \"private\" \"8.8.0.0/16\"\n host example.com\n}\n}",
        |settings| {
            let public = Network::parse("8.8.0.0/16").expect("a network");
            settings.config.api.allow = vec![Network::Private, public];
            settings.config.api.hosts = vec!["example.com".into()];
        },
    );
    check("http {\n api off\n}", |settings| settings.config.api.enabled = false);
    check("http {\n listen \":8080\"\n}", |settings| {
        settings.http_listen = vec![Listen::Any { port: 8080 }];
    });
    check("workers 3", |settings| settings.workers = Some(3));
    check("chunk-size 4096", |settings| settings.config.chunk_size = 4_096);
    check("max-connections 7", |settings| settings.config.limits.connections_max = 7);
    check("log debug", |settings| settings.log_level = LogLevel::Debug);
    check("log level=\"warn\" format=json", |settings| {
        settings.log_level = LogLevel::Warn;
        settings.log_format = LogFormat::Json;
    });
    check("pithy-print \"1500ms\"", |settings| {
        let every = Duration::from_millis(1_500);
        settings.config.pithy_print = millstream_core::config::PithyPrint::every(every);
    });
    check("pithy-print \"10s\" hls=\"2m\"", |settings| {
        settings.config.pithy_print.hls = Duration::from_secs(120);
    });
    check("pithy-print 0", |settings| {
        settings.config.pithy_print = millstream_core::config::PithyPrint::every(kind::NEVER);
    });
    check("pid \"/run/a.pid\"", |settings| settings.pid_file = Some("/run/a.pid".into()));
    check("limits streams=9 gop=\"4MiB\" play-wait=\"1.5s\"", |settings| {
        settings.config.limits.sources_max = 9;
        settings.config.limits.gop_bytes_max = 4 << 20;
        settings.config.limits.play_wait = Duration::from_millis(1_500);
    });
}

#[test]
fn every_key_of_a_vhost_reaches_its_place() {
    let check = |text: &str, change: fn(&mut Vhost)| {
        let mut expected = Vhost::default();
        change(&mut expected);
        assert_eq!(vhost(text), expected, "{text}");
        assert_ne!(expected, Vhost::default(), "{text}");
    };
    check("enabled off", |vhost| vhost.enabled = false);
    check("chunk-size 128", |vhost| vhost.chunk_size = Some(128));
    check("gop-cache #false", |vhost| vhost.gop_cache = false);
    check("time-jitter zero", |vhost| vhost.time_jitter = TimeJitter::Zero);
    check("queue-length \"30s\"", |vhost| vhost.queue_length.time_max = Duration::from_secs(30));
    check("queue-bytes \"1MiB\"", |vhost| vhost.queue_length.bytes_max = 1 << 20);
    check("send-delay 0", |vhost| vhost.send_delay = SendDelay::Adaptive(Duration::ZERO));
    check("send-delay \"fixed:0ms\"", |vhost| {
        vhost.send_delay = SendDelay::Fixed(Duration::ZERO);
    });
    check("send-delay \"350ms\"", |vhost| {
        vhost.send_delay = SendDelay::Adaptive(Duration::from_millis(350));
    });
    check("send-delay \"fixed:20ms\"", |vhost| {
        vhost.send_delay = SendDelay::Fixed(Duration::from_millis(20));
    });
    check("publish takeover", |vhost| vhost.publish_policy = PublishPolicy::Takeover);
    check("grace \"0s\"", |vhost| vhost.grace = Duration::ZERO);
    check("refer \"A.example\" \"b.example\" {\n play \"c.example\"\n}", |vhost| {
        vhost.refer.all = vec!["a.example".into(), "b.example".into()];
        vhost.refer.play = vec!["c.example".into()];
    });
    check("hls off", |vhost| vhost.hls.enabled = false);
    check("hls fragment=\"2s\" storage=disk path=\"/srv/hls\"", |vhost| {
        vhost.hls.fragment = Duration::from_secs(2);
        vhost.hls.storage = HlsStorage::Disk { path: "/srv/hls".into() };
    });
    check("hls path=\"/srv/hls\" window=\"20s\"", |vhost| {
        vhost.hls.window = Duration::from_secs(20);
        vhost.hls.storage = HlsStorage::Disk { path: "/srv/hls".into() };
    });
    check("http-flv off\nhttp-ts off", |vhost| {
        vhost.http_flv = false;
        vhost.http_ts = false;
    });
    let forwards = vhost("forward \"b.example:1936\"\nforward \"rtmp://c.example/x/{stream}\"");
    assert_eq!(forwards.forwards.len(), 2);
    assert_eq!(forwards.forwards[1].stream.as_deref(), Some("{stream}"));
}

const TRANSCODE: &str = r#"
transcode "live/cam" {
    ffmpeg "/opt/ffmpeg"
    log-directory "/var/log/ffmpeg"
    engine "sd" {
        input-format off
        video-filter { vf "scale=640:-2"; i "logo.png" }
        video codec="libx264" bitrate="1.5Mbps" fps=29.97 size="640x360" threads=2 profile="main" {
            preset "veryfast"
            params { t 100; coder 1 }
        }
        audio codec="aac" bitrate="64kbps" rate=44100 channels=2
        output "rtmp://127.0.0.1:[port]/[app]?vhost=[vhost]/[stream]_[engine]"
    }
    engine "audio" output="rtmp://127.0.0.1/audio/[stream]" { video off; }
    engine "unused" enabled=#false
}
transcode { enabled #false; }
"#;

#[test]
fn transcodes_are_read() {
    let vhost = vhost(TRANSCODE);
    let [transcode] = &vhost.transcodes[..] else { panic!("{:?}", vhost.transcodes) };
    assert_eq!(transcode.scope, Scope::parse("live/cam"));
    assert_eq!(&*transcode.ffmpeg, "/opt/ffmpeg");
    let [sd, audio] = &transcode.engines[..] else { panic!("{:?}", transcode.engines) };
    let Engine { video: Video::Encode(video), audio: Audio::Encode(sound), .. } = sd else {
        panic!("{sd:?}");
    };
    assert_eq!((video.bitrate, video.fps), (Some(1_500_000), Some(Fps(2_997))));
    assert_eq!((video.size, video.threads), (Some((640, 360)), Some(2)));
    assert_eq!(video.params.len(), 2);
    assert_eq!((sound.bitrate, sound.channels), (Some(64_000), Some(2)));
    assert_eq!((sd.input_format.as_deref(), sd.output_format.as_deref()), (None, Some("flv")));
    assert_eq!(sd.video_filter.len(), 2);
    assert_eq!((&audio.video, &audio.audio), (&Video::Off, &Audio::Copy));
}

#[test]
fn durations_of_nothing_flooded_the_log_and_closed_everybody() {
    let check = |text: &str, label: &str| {
        let problems = parse("test.kdl", text.as_bytes()).unwrap_err();
        let labels: Vec<&str> = problems.list.iter().map(|problem| &*problem.label).collect();
        assert_eq!(labels, [label], "{text}");
    };
    for interval in ["1us", "200ms", "999ms"] {
        check(&format!("pithy-print \"{interval}\""), "this is too short");
        check(&format!("pithy-print play=\"{interval}\""), "this is too short");
    }
    check("pithy-print \"25h\"", "this is too long");
    for name in [
        "handshake-timeout",
        "connect-timeout",
        "role-timeout",
        "role-again-timeout",
        "publisher-idle-timeout",
        "player-idle-timeout",
        "gop-span",
    ] {
        check(&format!("limits {name}=\"0s\""), "this is too short");
        check(&format!("limits {name}=0"), "this is too short");
        check(&format!("limits {name}=\"99ms\""), "this is too short");
        let _ = load(&format!("limits {name}=\"100ms\""));
    }
    for setting in ["queue-length 0", "hls window=0", "hls fragment=\"50ms\""] {
        check(&format!("vhost a.example {{\n{setting}\n}}"), "this is too short");
    }
    // Here nothing means something.
    let _ = load("limits play-wait=0\nvhost a.example grace=0 send-delay=0");
    let variable = ("MILLSTREAM_LIMITS_HANDSHAKE_TIMEOUT".to_owned(), "0s".to_owned());
    let source = Source { environment: vec![variable], ..Source::default() };
    let problems = source.load().unwrap_err();
    assert_eq!(problems[0].list[0].label, "this is too short");
}

#[test]
fn what_was_written_reads_as_the_same() {
    let text = format!(
        "listen 1936\nhttp 8080\nchunk-size 4096\nworkers 2\nlog format=json\n\
         limits gop=\"3000B\" handshake-timeout=\"1000500us\"\npithy-print play=\"1h\" hls=\"0s\"\n\
         vhost \"a.example\" {{\n refer all=\"x.example\"\n forward \"[::1]:1\" \"h?vhost=v\"\n \
         hls path=\"/a \\\"b\\\"\"\n send-delay \"fixed:7ms\"\n{TRANSCODE}}}\n\
         vhost \"__DEFAULTVHOST__\" enabled=off\n"
    );
    let loaded = load(&text);
    let written = loaded.settings.write();
    assert_eq!(load(&written).settings, loaded.settings, "{written}");
    assert_eq!(load(&written).settings.write(), written);
}

#[test]
fn flags_override_variables_and_these_the_file() {
    let folder = std::env::temp_dir().join(format!("millstream-conf-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a.kdl");
    std::fs::write(&path, "chunk-size 1000\nworkers 1\nmax-connections 1\nvhost \"b.example\" grace=\"1s\"\nvhost \"c.example\"\n").unwrap();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let source = Source {
        environment: vec![
            variable("MILLSTREAM_WORKERS", "2"),
            variable("MILLSTREAM_MAX_CONNECTIONS", "2"),
            variable("MILLSTREAM_VHOST_GRACE", "2s"),
            variable("MILLSTREAM_LISTEN", "1936, 127.0.0.1:1937"),
            variable("MILLSTREAM_RENEW", "1"),
            variable("MILLSTREAM_WORKER", "9"),
        ],
        file: Some(path.clone()),
        flags: vec![Override {
            flag: "--max-connections",
            path: "max-connections",
            values: vec![Value::Number(3)],
        }],
        ..Source::default()
    };
    let loaded = source.load().unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.config.chunk_size, 1_000);
    assert_eq!(settings.workers, Some(2));
    assert_eq!(settings.config.limits.connections_max, 3);
    assert_eq!(settings.listen.len(), 2);
    for vhost in settings.config.vhosts.values() {
        assert_eq!(vhost.grace, Duration::from_secs(2));
    }
    let name = path.display();
    let check = |path: &str, origin: &str| assert_eq!(loaded.origin(path, 0), origin, "{path}");
    check("chunk-size", &format!("{name}:1:12"));
    check("workers", "MILLSTREAM_WORKERS");
    check("max-connections", "--max-connections");
    check("vhost[c.example].grace", "MILLSTREAM_VHOST_GRACE");
    check("log.level", "default");
    let warnings: Vec<&str> =
        loaded.warnings.list.iter().map(|problem| &*problem.message).collect();
    assert_eq!(warnings, ["unknown variable MILLSTREAM_WORKER; did you mean MILLSTREAM_WORKERS?"]);
    let shown = show::text(&loaded);
    assert!(shown.contains("max-connections"), "{shown}");
    // A wrong variable is as fatal as a wrong file.
    let wrong =
        Source { environment: vec![variable("MILLSTREAM_WORKERS", "many")], ..Source::default() };
    let problems = wrong.load().unwrap_err();
    assert!(problems[0].render(Look::Plain).contains("environment:1:20"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_was_wrong_together_was_right_when_a_variable_or_a_flag_said_it() {
    let check = |variables: &[(&str, &str)], flags: &[Override], expected: &str| {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let problems = Source::of(None, flags.to_vec(), variables).load().unwrap_err();
        let report: String = problems.iter().map(|it| it.render(Look::Plain)).collect();
        assert!(report.contains(expected), "{report}");
        assert_eq!(problems.iter().map(|it| it.list.len()).sum::<usize>(), 1, "{report}");
    };
    let flag = |flag, path, listen: &str| {
        let listen = Value::Address(Listen::parse(listen).unwrap());
        Override { flag, path, values: vec![listen] }
    };
    check(&[("MILLSTREAM_VHOST_HLS_WINDOW", "1s")], &[], "MILLSTREAM_VHOST_HLS_WINDOW=1s");
    check(&[("MILLSTREAM_VHOST_HLS_FRAGMENT", "1h")], &[], "a duration from");
    check(&[("MILLSTREAM_VHOST_HLS_STORAGE", "disk")], &[], "segments on disk need a path");
    check(&[("MILLSTREAM_LISTEN", "8080"), ("MILLSTREAM_HTTP_LISTEN", "8080")], &[], "share port");
    check(&[], &[flag("--http", "http.listen", "1935")], "--http \":1935\"");
    check(
        &[("MILLSTREAM_HTTP_LISTEN", "80")],
        &[flag("--rtmp", "listen", "80")],
        "two listeners share port 80",
    );
}

#[test]
fn a_variable_can_mend_what_a_file_lacks() {
    let folder = folder_with("mend", "vhost a.example { hls storage=disk; }\n");
    let path = |text: &str| ("MILLSTREAM_VHOST_HLS_PATH".to_owned(), text.to_owned());
    let mut source = Source { file: Some(folder.join("a.kdl")), ..Source::default() };
    assert!(source.load().is_err());
    source.environment.push(path("/srv/hls"));
    let loaded = source.load().unwrap();
    assert_eq!(loaded.warnings.list, []);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_no_text_was_ignored() {
    use std::os::unix::ffi::OsStringExt as _;
    let of = |name: &str| {
        let value = OsString::from_vec(vec![b'9', 0xFF]);
        Source::of(None, Vec::new(), std::iter::once((name.into(), value)))
    };
    let problems = of("MILLSTREAM_WORKERS").load().unwrap_err();
    assert_eq!(problems[0].list[0].message, "the value of MILLSTREAM_WORKERS is not UTF-8");
    assert!(of("MILLSTREAM_OF_OTHERS").load().is_ok());
    // A path may be no text.
    assert!(of(FILE_VARIABLE).file.is_some());
}

/// A new folder with a file `a.kdl`.
fn folder_with(name: &str, text: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("millstream-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.kdl"), text).unwrap();
    folder
}

#[test]
fn outputs_that_cannot_be_were_good() {
    let check = |output: &str, expected: &[&str]| {
        let text = format!(
            "vhost a.example {{\ntranscode live {{\nengine x output=\"{output}\"\n}}\n}}\n"
        );
        let told = match parse("test.kdl", text.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.list,
        };
        let told: Vec<&str> = told.iter().map(|problem| &*problem.message).collect();
        assert_eq!(told, expected, "{output}");
    };
    let unknown = "the output has an unknown name in brackets";
    check("rtmp://127.0.0.1:[port]/[app]/[stream]_[engin]", &[unknown]);
    check("rtmp://b/[App]/[stream]", &[unknown]);
    check("rtmp://[fe80::1]:[port]/[app]/[stream]_[engine]", &[]);
    check("rtmp://[::1]/[vhost]/[stream]", &[]);
    let own = "the output of an engine is its own source";
    check("rtmp://127.0.0.1:[port]/[app]?vhost=[vhost]/[stream]", &[own]);
    check("rtmp://localhost/live/[stream]?vhost=a.example", &[own]);
    check("rtmp://[::1]:1935/[app]/[stream]?vhost=[vhost]", &[own]);
    check("rtmp://127.0.0.1:[port]/[app]?vhost=[vhost]/[stream]_[engine]", &[]);
    check("rtmp://127.0.0.1:1936/[app]?vhost=[vhost]/[stream]", &[]);
    check("rtmp://127.0.0.1/[app]/[stream]", &[]);
    check("rtmp://127.0.0.1/other?vhost=[vhost]/[stream]", &[]);
}

#[test]
fn two_engines_of_one_output_were_good() {
    let check = |outputs: [&str; 2], is_good: bool| {
        let [one, other] = outputs;
        let text = format!(
            "vhost a.example {{\ntranscode {{\nengine x output=\"{one}\"\n\
             engine y output=\"{other}\"\n}}\n}}\n"
        );
        assert_eq!(parse("test.kdl", text.as_bytes()).is_ok(), is_good, "{outputs:?}");
    };
    check(["rtmp://b/[app]/[stream]_hd"; 2], false);
    check(["rtmp://b/[app]/[stream]_[engine]", "rtmp://b/[app]/[stream]_x"], false);
    check(["rtmp://b/[app]/[stream]_[engine]"; 2], true);
}

#[test]
fn a_path_without_storage_is_told() {
    let check = |hls: &str, is_on_disk: bool, expected: &[&str]| {
        let loaded = load(&format!("vhost a.example {{\nhls {hls}\n}}\n"));
        let told: Vec<&str> = loaded.warnings.list.iter().map(|it| &*it.message).collect();
        assert_eq!(told, expected, "{hls}");
        let storage = &loaded.settings.config.vhosts["a.example"].hls.storage;
        assert_eq!(*storage != HlsStorage::Memory, is_on_disk, "{hls}");
    };
    check("path=\"/a\"", true, &["a path puts segments on disk"]);
    let unused = "the path is not used: segments are in memory";
    check("path=\"/a\" storage=memory", false, &[unused]);
    check("storage=memory path=\"/a\"", false, &[unused]);
    check("storage=disk path=\"/a\"", true, &[]);
}

#[test]
fn what_was_no_address_and_no_port_was_something_else() {
    let check = |text: &str, label: &str, help: &str| {
        let problems = parse("test.kdl", text.as_bytes()).unwrap_err();
        let problem = &problems.list[0];
        assert_eq!(problem.label, label, "{text}");
        assert!(problem.help.as_ref().is_some_and(|found| found.contains(help)), "{problem:?}");
    };
    let forward = |to: &str| format!("vhost a.example {{\nforward \"{to}\"\n}}");
    for to in ["rtmp://me:pw@h/app/s", "me@h:1935", "rtmp://me:1935@[::1]/a"] {
        check(&forward(to), "user and password are not supported here", "host:port");
    }
    check(&forward("rtmp://h:pw/app/s@x"), "a port is 1 to 65535", "host:port");
    let allow = |network: &str| format!("http {{\napi {{\nallow \"{network}\"\n}}\n}}");
    let label = "this is an address within a network";
    check(&allow("10.0.0.1/8"), label, "write \"10.0.0.0/8\"");
    check(&allow("10.0.0.1/0"), label, "write \"0.0.0.0/0\"");
    check(&allow("fd00::7/64"), label, "write \"fd00::/64\"");
    check(&allow("10.0.0.1/33"), "these are no addresses", "an address or a network");
}

#[test]
fn row_102_what_is_no_file_is_not_read() {
    let check = |path: &str, expected: &str| {
        let source = Source { file: Some(path.into()), ..Source::default() };
        let problems = source.load().unwrap_err();
        let report = problems[0].render(Look::Plain);
        assert!(report.contains(expected), "{report}");
    };
    check("/dev/zero", "/dev/zero: it is a pipe or a device, not a file");
    check("/", "/: it is a directory; name a file in it");
    check("/does/not/exist.kdl", "/does/not/exist.kdl: there is no such file");
    check("/dev/null/a.kdl", "/dev/null/a.kdl: it cannot be read: Not a directory");
    check("", ": there is no such file");
}

#[test]
fn row_105_keys_of_streams_are_not_shown() {
    let loaded = load(
        "vhost \"a.example\" {\n forward \"rtmp://b.example/live/sesame?token=sesame\"\n \
         transcode { engine x { output \"rtmp://c.example/live/sesame\"; }; }\n}",
    );
    let shown = [
        show::text(&loaded),
        show::json(&loaded).to_string(),
        format!("{:?}", loaded.settings.config),
        plan::Plan::new(&Settings::default(), &loaded.settings).to_string(),
    ];
    for shown in shown {
        assert!(!shown.contains("sesame"), "{shown}");
    }
    assert!(loaded.settings.write().contains("sesame"));
}

#[test]
fn a_plan_tells_what_changes() {
    let old = load(
        "listen 1935 1936\nchunk-size 4096\nvhost \"a.example\" gop-cache=on\n\
         vhost \"b.example\"\nvhost \"c.example\"\nvhost \"d.example\" enabled=off\n",
    );
    let new = load(
        "listen 1936 1937\nchunk-size 8192\nvhost \"a.example\" gop-cache=off\n\
         vhost \"b.example\"\nvhost \"d.example\"\nvhost \"e.example\"\n",
    );
    let plan = plan::Plan::new(&old.settings, &new.settings);
    let expected = "\
open    RTMP on all addresses, port 1937
close   RTMP on all addresses, port 1935; its connections go on
keep    RTMP on all addresses, port 1936
keep    HTTP on all addresses, port 8080
add     vhost e.example
drop    vhost c.example, with its connections
change  chunk-size: 4096 -> 8192 (next connection)
change  vhost[a.example].gop-cache: #true -> #false (at once)
change  vhost[d.example].enabled: #false -> #true (at once)
keep    vhost b.example
";
    assert_eq!(plan.to_string(), expected);
    assert!(plan::Plan::new(&old.settings, &old.settings).is_empty());
}

#[test]
fn a_plan_tells_what_takes_the_port_of_what() {
    let check = |old: &str, new: &str, expected: &str| {
        let plan = plan::Plan::new(&load(old).settings, &load(new).settings);
        let expected = format!("{expected}keep    vhost __defaultVhost__\n");
        assert_eq!(plan.to_string(), expected, "{old} -> {new}");
    };
    check(
        "listen \":1935\"\nhttp off",
        "listen \"127.0.0.1:1935\" \"[::1]:1935\"\nhttp off",
        "open    RTMP on [::1]:1935\n\
         rebind  RTMP on all addresses, port 1935 -> RTMP on 127.0.0.1:1935; its connections go on\n",
    );
    // With an address of IPv4 beside it [::] is for IPv6 alone.
    check(
        "listen \"[::]:1935\"\nhttp off",
        "listen \"[::]:1935\" \"0.0.0.0:1935\"\nhttp off",
        "open    RTMP on 0.0.0.0:1935\n\
         rebind  RTMP on [::]:1935 -> RTMP on [::]:1935; its connections go on\n",
    );
    check(
        "listen \"127.0.0.1:80\"\nhttp \"127.0.0.1:81\"",
        "listen \"127.0.0.1:81\"\nhttp \"127.0.0.1:80\"",
        "rebind  HTTP on 127.0.0.1:81 -> RTMP on 127.0.0.1:81; its connections go on\n\
         rebind  RTMP on 127.0.0.1:80 -> HTTP on 127.0.0.1:80; its connections go on\n",
    );
    check(
        "listen 0\nhttp off",
        "listen \"127.0.0.1:0\"\nhttp off",
        "\
open    RTMP on 127.0.0.1:0
close   RTMP on all addresses, port 0; its connections go on
",
    );
}

#[test]
fn what_needs_a_restart_is_told_at_each_reload_until_then() {
    let old = load("workers 2\nchunk-size 500");
    let mut new = load("workers 3\nchunk-size 600").settings;
    new.keep_until_restart(&old.settings);
    assert_eq!((new.workers, new.config.chunk_size), (Some(2), 600));
    let mut usual = load("chunk-size 600").settings;
    usual.keep_until_restart(&old.settings);
    assert_eq!(usual.workers, Some(2));
    let mut some = load("workers 3").settings;
    some.keep_until_restart(&Settings::default());
    assert_eq!(some.workers, None);
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("SETTINGS.md");
    let found = reference::markdown();
    if std::env::var_os("MILLSTREAM_RENEW").is_some() {
        std::fs::write(path, found).unwrap();
    } else {
        let kept = std::fs::read_to_string(path).unwrap();
        assert_eq!(found, kept, "renew it: millstream config doc > conf/SETTINGS.md");
    }
}

#[test]
fn the_sample_can_be_used() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("millstream.kdl");
    let text = std::fs::read_to_string(path).unwrap();
    let loaded = load(&text);
    assert_eq!(loaded.warnings.list, []);
    // What is commented out is right too.
    let all = text.replace("/-", "");
    let all = load(&all);
    assert!(all.settings.config.vhosts.len() > loaded.settings.config.vhosts.len());
}

quickcheck! {
    fn any_text_is_read_or_explained(words: Vec<u8>) -> bool {
        // Words that mean something, in any order.
        const WORDS: [&str; 24] = [
            "vhost ", "\"a.example\" ", "{", "}", "\n", ";", "gop-cache ", "#true ", "off ", "/-",
            "\"", "hls ", "fragment=", "\"5s\" ", "chunk-size ", "4096 ", "transcode ", "engine ",
            "x ", "output ", "listen ", "=", "#", "\\",
        ];
        let text: String =
            words.iter().map(|word| WORDS[usize::from(*word) % WORDS.len()]).collect();
        fuzz::read(text.as_bytes());
        fuzz::read(&words);
        true
    }
}
