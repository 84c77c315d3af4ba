use super::super::parse;
use super::super::problem::Look;
use super::*;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;

const LISTING: &str = "Encoders:
 V..... = Video
 A..... = Audio
 S..... = Subtitle
 .....D = Supports direct rendering method 1
 ------
 V....D h264_nvenc           NVIDIA NVENC H.264 encoder (codec h264)
 V....D libx264              libx264 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10 (codec h264)
 V....D libx264rgb           libx264 H.264 / AVC RGB (codec h264)
 VF...D png                  PNG (Portable Network Graphics) image
 A....D aac                  AAC (Advanced Audio Coding)
 A....D libopus              libopus Opus (codec opus)
 S..... ssa                  ASS (Advanced SubStation Alpha) subtitle (codec ass)
";

fn encoders() -> Encoders {
    Encoders::parse(LISTING).expect("a listing")
}

/// A file with one engine; `name` is what the engine says of video or audio.
fn lacking(name: &str) -> String {
    let text = format!(
        "vhost \"a.example\" {{\n    transcode \"live\" {{\n        engine \"sd\" {{\n            \
         {name}\n            output \"rtmp://127.0.0.1/live/[stream]_sd\"\n        }}\n    }}\n}}\n"
    );
    let loaded = parse("test.kdl", text.as_bytes()).expect("a sound file");
    let problems = loaded.lacking(&mut |_| Ok(encoders()));
    problems.lines().collect::<Vec<_>>().join("\n")
}

#[test]
fn a_listing_is_read() {
    let found: Vec<_> = encoders().0;
    assert_eq!(found.len(), 6);
    let opus = Encoder { medium: Medium::Audio, name: "libopus".into(), codec: "opus".into() };
    assert_eq!(found.last(), Some(&opus));
    let check = |listing: &str| assert_eq!(Encoders::parse(listing), None, "{listing}");
    check("");
    check(" V..... = Video\n A..... = Audio\n");
    check("------\n");
    check("------\n V.....\n S..... ssa\n");
    check(&LISTING.replace("------", "- -"));
}

#[test]
fn names_of_encoders_and_codecs_are_known_each_in_its_place() {
    let check = |name: &str, expected: &str| {
        let expected = match expected.is_empty() {
            true => String::new(),
            false => format!("test.kdl:4:19: {expected}"),
        };
        assert_eq!(lacking(name), expected, "{name}");
    };
    check("video \"libx264\"", "");
    check("video \"h264\"", "");
    check("audio \"opus\"", "");
    // What passes media on or drops them is no encoder.
    for word in ["copy", "off", "none", "vn"] {
        check(&format!("video \"{word}\""), "");
    }
    for word in ["copy", "off", "none", "an"] {
        check(&format!("audio \"{word}\""), "");
    }
    check("video \"libx246\"", "`ffmpeg` has no video encoder `libx246`; did you mean `libx264`?");
    check(
        "video \"h264_nvnec\"",
        "`ffmpeg` has no video encoder `h264_nvnec`; did you mean `h264_nvenc`?",
    );
    check(
        "video \"h264_vaapi\"",
        "`ffmpeg` has no video encoder `h264_vaapi`; for h264 it has `h264_nvenc`, `libx264`, `libx264rgb`",
    );
    check(
        "audio \"libfdk_aac\"",
        "`ffmpeg` has no audio encoder `libfdk_aac`; for aac it has `aac`",
    );
    check(
        "audio \"vorbis\"",
        "`ffmpeg` has no audio encoder `vorbis`; `ffmpeg -encoders` lists what it has",
    );
    check("audio \"libx264\"", "`libx264` encodes video; `ffmpeg -encoders` lists what it has");
    check("video \"aac\"", "`aac` encodes audio; `ffmpeg -encoders` lists what it has");
    check("audio { codec \"an\"; }", "");
}

#[test]
fn the_words_of_srs_take_no_options() {
    let text =
        "vhost \"a\" { transcode { engine \"x\" { video \"vn\" fps=25; output \"o\"; }; }; }";
    let problems = parse("test.kdl", text.as_bytes()).expect_err("options of nothing");
    assert!(problems.lines().any(|line| line.contains("has no options")), "{problems:?}");
    let both = "vhost \"a\" { transcode { engine \"x\" { video \"vn\"; audio \"an\"; output \"o\"; }; }; }";
    assert!(parse("test.kdl", both.as_bytes()).is_err(), "nothing is left");
    // Each word is that of its medium.
    let wrong = lacking("video \"an\"");
    assert!(wrong.contains("no video encoder `an`"), "{wrong}");
}

#[test]
fn each_program_is_asked_once_and_none_for_nothing() {
    let asked = |text: &str| {
        let loaded = parse("test.kdl", text.as_bytes()).expect("a sound file");
        let mut asked = Vec::new();
        let problems = loaded.lacking(&mut |program| {
            asked.push(program.to_owned());
            Ok(encoders())
        });
        assert!(problems.list.is_empty(), "{problems:?}");
        asked
    };
    assert_eq!(asked(""), [""; 0]);
    let engine = "engine \"sd\" { output \"o\"; }";
    let other = "engine \"sd\" { output \"p\"; }";
    assert_eq!(
        asked(&format!("vhost \"a\" {{ transcode enabled=#false {{ {engine}; }}; }}")),
        [""; 0]
    );
    let two = format!(
        "vhost \"a\" {{ transcode {{ {engine}; }}; transcode \"live\" {{ {engine}; }}; \
         transcode \"vod\" {{ ffmpeg \"/opt/ffmpeg\"; {other}; }}; }}\n\
         vhost \"b\" {{ transcode {{ {engine}; }}; }}"
    );
    assert_eq!(asked(&two), ["ffmpeg", "/opt/ffmpeg"]);
}

#[test]
fn problems_are_shown_in_the_file() {
    let text = "vhost \"a.example\" {
    transcode \"live\" {
        engine \"sd\" {
            video \"libx246\" fps=25
            output \"o\"
        }
    }
    transcode \"vod\" {
        ffmpeg \"/nowhere/ffmpeg\"
        engine \"sd\" { output \"o\"; }
    }
}
";
    let loaded = parse("test.kdl", text.as_bytes()).expect("a sound file");
    let problems = loaded.lacking(&mut |program| match program {
        "ffmpeg" => Ok(encoders()),
        _ => Err("cannot be run: No such file or directory".into()),
    });
    let shown = problems.render(Look::Plain);
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    let expected = "  × `ffmpeg` has no video encoder `libx246`
   ╭─[test.kdl:4:19]
 3 │         engine \"sd\" {
 4 │             video \"libx246\" fps=25
   ·                   ────┬────
   ·                       ╰── it does not know this name
 5 │             output \"o\"
   ╰────
  help: did you mean `libx264`?

  × `/nowhere/ffmpeg` cannot be run: No such file or directory
    ╭─[test.kdl:9:16]
  8 │     transcode \"vod\" {
  9 │         ffmpeg \"/nowhere/ffmpeg\"
    ·                ────────┬────────
    ·                        ╰── the engines of this transcode need it
 10 │         engine \"sd\" { output \"o\"; }
    ╰────
  help: install ffmpeg, or write ffmpeg \"PATH\"
";
    assert_eq!(shown, expected.lines().chain([""]).collect::<Vec<_>>());
}

quickcheck! {
    fn any_text_is_a_listing_or_none(lines: Vec<String>) -> bool {
        let listing = format!("------\n{}", lines.join("\n"));
        Encoders::parse(&listing).is_none_or(|found| found.0.len() <= lines.len() * 2 + 1)
    }
}
