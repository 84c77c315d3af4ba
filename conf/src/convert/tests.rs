use super::*;
use crate::cli::LogLevel;
use crate::settings::kind::NEVER;
use crate::settings::problem::{Look, Severity};
use millstream_core::config::transcode::{Audio, Video};
use millstream_core::config::{HlsStorage, TimeJitter};
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::path::Path;
use std::time::Duration;

/// The settings that a text becomes, and what was said about it.
fn settings_of(text: &str) -> (settings::Settings, Vec<String>) {
    let converted = convert("srs.conf", text.as_bytes());
    let report = converted.problems.render(Look::Plain);
    assert!(!converted.problems.are_fatal(), "{report}");
    let loaded = settings::parse("converted.kdl", converted.text.as_bytes());
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(Look::Plain)));
    let told = converted.problems.list.iter();
    (loaded.settings, told.map(|problem| problem.message.clone()).collect())
}

fn problem_of(text: &str) -> (String, (usize, usize)) {
    let converted = convert("srs.conf", text.as_bytes());
    let error = converted.problems.list.iter().find(|it| it.severity == Severity::Error);
    let error = error.unwrap_or_else(|| panic!("{text}: {}", converted.text));
    (error.message.clone(), converted.problems.position(error.span.start))
}

#[test]
fn everything_of_srs_0_7_has_its_equal() {
    let (settings, told) = settings_of(
        "listen 1935 19350;
        chunk_size 65000; # a comment
        pithy_print { publish 1000; play 2000; forwarder 3000; }
        vhost __defaultVhost__ {
            enabled on; gop_cache off; hls on; hls_path /srv/hls; hls_fragment 5; hls_window 30;
            forward 127.0.0.1:1936 127.0.0.1:1937;
            refer github.com github.io; refer_publish a.com; refer_play b.com;
            transcode live {
                enabled on; ffmpeg ./objs/ffmpeg/bin/ffmpeg;
                engine ff {
                    enabled on;
                    vfilter { i ./logo.png; filter_complex 'overlay=10:10'; }
                    vcodec libx264; vbitrate 1200; vfps 25; vwidth 1383; vheight 769; vthreads 12;
                    vprofile main; vpreset medium; vparams { t 100; }
                    acodec libaacplus; abitrate 70; asample_rate 44100; achannels 2;
                    aparams { profile:a aac_low; }
                    output rtmp://127.0.0.1:[port]/[app]?vhost=[vhost]/[stream]_[engine];
                }
                engine idle { enabled off; }
            }
        }",
    );
    assert_eq!(told, ["no ffmpeg of today has libaacplus", "this engine is not enabled"]);
    assert_eq!(settings.listen.len(), 2);
    assert_eq!(settings.config.chunk_size, 65_000);
    assert_eq!(settings.config.pithy_print.forward, Duration::from_secs(3));
    let vhost = &settings.config.vhosts["__defaultVhost__"];
    assert!(!vhost.gop_cache && vhost.hls.enabled);
    assert_eq!(vhost.hls.storage, HlsStorage::Disk { path: "/srv/hls".into() });
    assert_eq!(vhost.hls.fragment, Duration::from_secs(5));
    assert_eq!(vhost.forwards.len(), 2);
    assert_eq!(vhost.refer.all.len(), 2);
    assert_eq!((vhost.refer.publish.len(), vhost.refer.play.len()), (1, 1));
    let [transcode] = &vhost.transcodes[..] else { panic!("{:?}", vhost.transcodes) };
    let [engine] = &transcode.engines[..] else { panic!("{:?}", transcode.engines) };
    let Video::Encode(video) = &engine.video else { panic!("{engine:?}") };
    assert_eq!((video.size, video.bitrate), (Some((1_382, 768)), Some(1_200_000)));
    let Audio::Encode(audio) = &engine.audio else { panic!("{engine:?}") };
    assert_eq!((&*audio.codec, audio.bitrate), ("aac", Some(70_000)));
    assert_eq!((engine.video_filter.len(), video.params.len(), audio.params.len()), (2, 1, 1));
}

#[test]
fn the_later_directives_are_known() {
    let (settings, told) = settings_of(
        "listen 1935; pid ./objs/srs.pid; daemon on; max_connections 500; srs_log_level trace;
        ff_log_dir ./objs; http_api { enabled on; listen 1985; }
        http_stream { enabled on; listen 8080; dir ./html; }
        vhost a.example {
            queue_length 30; time_jitter zero; chunk_size 4096; mode local; atc on;
            hls { enabled on; hls_fragment 2.5; }
            dvr { enabled off; } ingest one { enabled off; } ingest two { enabled off; }
            transcode { enabled on; ffmpeg f; engine x { enabled on; vcodec vn; acodec copy; abitrate 7; output o; } }
        }
        vhost b.example { enabled off; hls { enabled off; } }",
    );
    let no_equal: Vec<&str> = told.iter().map(String::as_str).collect();
    let expected = [
        "`daemon` has no equal",
        "`ff_log_dir` has no equal",
        "`http_api` has no equal",
        "files of a directory are not served by HTTP",
        "`mode` has no equal",
        "`atc` has no equal",
        "`dvr` has no equal",
        "`ingest` has no equal",
        "`ingest` has no equal",
    ];
    assert_eq!(no_equal, expected);
    assert_eq!(settings.http_listen.len(), 1);
    let vhost = &settings.config.vhosts["a.example"];
    assert_eq!(vhost.queue_length.time_max, Duration::from_secs(30));
    assert_eq!((vhost.time_jitter, vhost.chunk_size), (TimeJitter::Zero, Some(4_096)));
    assert_eq!(vhost.hls.fragment, Duration::from_millis(2_500));
    assert_eq!(vhost.transcodes[0].engines[0].video, Video::Off);
    assert_eq!(vhost.transcodes[0].log_directory.as_deref(), Some("./objs"));
    assert!(!settings.config.vhosts["b.example"].enabled);
}

#[test]
fn a_pithy_print_of_nothing_flooded_the_log() {
    let (settings, told) = settings_of("pithy_print { play 0; publish 1000; }");
    assert_eq!(told, [""; 0]);
    assert_eq!(settings.config.pithy_print.play, NEVER);
    assert_eq!(problem_of("pithy_print { play 10; }"), ("wrong argument".to_owned(), (1, 20)));
}

#[test]
fn what_srs_ignores_is_left_out() {
    let (settings, told) = settings_of(
        "listen 1935;
        vhost a.example { gop_cache off; }
        vhost b.example {
            transcode { enabled on; ffmpeg f; engine x { enabled off; } }
            transcode live { enabled on; ffmpeg f; }
            transcode { enabled off; ffmpeg f; engine x { enabled on; output o; } }
        }
        vhost a.example { gop_cache on; }
        vhost c.example { hls { enabled on; } }
        vhost d.example { hls { enabled on; } }",
    );
    assert_eq!(
        told,
        [
            "no engine of this transcode is enabled",
            "no engine of this transcode is enabled",
            "this transcode is not enabled",
            "`a.example` is there twice",
        ]
    );
    assert_eq!(settings.config.vhosts.len(), 4);
    assert!(!settings.config.vhosts["a.example"].gop_cache, "the first one counts");
    assert_eq!(settings.config.vhosts["b.example"].transcodes, []);
}

#[test]
fn the_log_is_one_block() {
    let check = |text: &str, level: LogLevel, file: Option<&str>| {
        let (settings, told) = settings_of(text);
        assert_eq!(told, [""; 0], "{text}");
        assert_eq!((settings.log_level, settings.log_file.as_deref()), (level, file), "{text}");
    };
    check("srs_log_level info;", LogLevel::Debug, None);
    check("srs_log_file a.log;", LogLevel::Info, Some("a.log"));
    check("srs_log_tank console; srs_log_file a.log;", LogLevel::Info, None);
    check("srs_log_tank file; srs_log_level error;", LogLevel::Warn, Some("./objs/srs.log"));
    check(
        "srs_log_level warn; srs_log_file a.log; srs_log_tank file;",
        LogLevel::Warn,
        Some("a.log"),
    );
    assert_eq!(problem_of("srs_log_tank disk;"), ("wrong argument".to_owned(), (1, 14)));
}

#[test]
fn the_grammar_is_that_of_srs() {
    let listen = |text: &str| settings_of(text).0.listen;
    let one = listen("listen 1936;");
    for text in [
        "listen\n\t1936\r\n;",
        "listen '1936';",
        "listen \"1936\";#}",
        "# ; { }\nlisten # inside\n 1936;",
        "listen 1936;listen 1937;",
        "listen 1936; vhost a {}",
        "listen 1936; vhost a{ }",
    ] {
        assert_eq!(listen(text), one, "{text}");
    }
    let check = |text: &str, message: &str, position: (usize, usize)| {
        assert_eq!(problem_of(text), (message.to_owned(), position), "{text}");
    };
    check("listen 1935", "the directive has no end", (1, 8));
    check(";", "nothing stands before this", (1, 1));
    check("{ }", "nothing stands before this", (1, 1));
    check("listen 1935;\n}", "no block is open", (2, 1));
    check("vhost a {\n gop_cache on;", "the block has no end", (1, 9));
    check("vhost a { gop_cache on }", "the directive has no end", (1, 24));
    check("listen \"1935", "the quotes are not closed", (1, 8));
    check("listen '1935'x;", "unexpected character behind quotes", (1, 14));
    check("listen many;", "wrong argument", (1, 8));
    check("vhost a { hls on; hls_window -1; }", "wrong argument", (1, 30));
    check(&"a {".repeat(40), "more than 32 blocks within each other", (1, 99));
}

#[test]
fn a_byte_order_mark_ate_the_first_directive() {
    let (settings, told) = settings_of("\u{FEFF}listen 1936;");
    assert_eq!((settings.listen.len(), told), (1, Vec::new()));
    assert_eq!(settings.listen[0].port(), 1936);
    assert_eq!(problem_of("\u{FEFF}listen many;"), ("wrong argument".to_owned(), (1, 8)));
}

#[test]
fn blocks_of_later_versions_were_lost() {
    let (settings, told) = settings_of(
        "vhost a.example {
            refer { enabled on; all a.com b.com; publish c.com; play d.com; }
            forward { enabled on; destination 127.0.0.1:1936 127.0.0.1:1937; }
        }
        vhost b.example { refer { all a.com; } forward { destination 127.0.0.1:1936; } }
        vhost c.example { refer { enabled off; all a.com; } forward { enabled on; } }",
    );
    let vhost = |name: &str| &settings.config.vhosts[name];
    let refer = &vhost("a.example").refer;
    assert_eq!((refer.all.len(), refer.publish.len(), refer.play.len()), (2, 1, 1));
    assert_eq!(vhost("a.example").forwards.len(), 2);
    assert_eq!((vhost("b.example").refer.all.len(), vhost("b.example").forwards.len()), (1, 0));
    assert_eq!(vhost("c.example").refer.all.len(), 0);
    assert_eq!(
        told,
        [
            "SRS ignores this without `enabled on`",
            "this forward is not enabled",
            "this refer is not enabled",
            "this forward has no destination",
        ]
    );
    let lost = problem_of("vhost a {\n refer_play { all a.com; }\n}");
    assert_eq!(lost, ("`refer_play` has no argument".to_owned(), (2, 2)));
    let lost = problem_of("vhost a {\n queue_length { x 1; }\n}");
    assert_eq!(lost, ("`queue_length` has no argument".to_owned(), (2, 2)));
}

#[test]
fn problems_of_the_result_stood_at_the_first_line() {
    let check = |text: &str, message: &str, position: (usize, usize)| {
        let message = format!("the result has a problem: {message}");
        assert_eq!(problem_of(text), (message, position), "{text}");
    };
    let engine = |engine: &str| {
        format!(
            "listen 1935;\nvhost a {{\n transcode {{\n  enabled on; ffmpeg f;\n  \
             engine x {{ enabled on; {engine} }}\n }}\n}}"
        )
    };
    let text = engine("vcodec vn; acodec an; output o;");
    check(&text, "an engine without audio and video makes nothing", (5, 3));
    let text = engine("output rtmp://b/[param];");
    check(&text, "the output has an unknown name in brackets", (5, 3));
    let text = "listen 1935;\nvhost a {\n hls on;\n hls_fragment 10; hls_window 5;\n}";
    check(text, "the window of HLS is shorter than a fragment", (3, 2));
}

#[test]
fn samples_of_srs_convert() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/srs");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        count += 1;
        let (settings, told) = settings_of(&std::fs::read_to_string(&path).unwrap());
        let said: String = told.iter().map(|line| format!("// {line}\n")).collect();
        let found = format!("{said}{}", settings.write());
        let kept = path.with_extension("kdl");
        if std::env::var_os("MILLSTREAM_RENEW").is_some() {
            std::fs::write(kept, found).unwrap();
        } else {
            assert_eq!(found, std::fs::read_to_string(kept).unwrap_or_default(), "{path:?}");
        }
    }
    assert!(count >= 10, "{count}");
}

quickcheck! {
    fn any_text_is_converted_or_explained(words: Vec<u8>) -> bool {
        const WORDS: [&str; 20] = [
            "vhost ", "a.example ", "{", "}", "\n", "; ", "gop_cache ", "on ", "'", "# ",
            "hls ", "hls_fragment ", "5 ", "transcode ", "engine ", "enabled ", "output ",
            "listen ", "1935 ", "forward ",
        ];
        let text: String =
            words.iter().map(|word| WORDS[usize::from(*word) % WORDS.len()]).collect();
        fuzz::read(text.as_bytes());
        fuzz::read(&words);
        true
    }
}
