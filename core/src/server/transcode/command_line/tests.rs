use super::*;
use crate::config::transcode::{Fps, Output};
use crate::name::{DEFAULT_VHOST, NameLimits};
use pretty_assertions::assert_eq;

fn name(vhost: &str, app: &str, stream: &str) -> StreamName {
    let limits = NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };
    StreamName::new(vhost, app, stream, limits).unwrap()
}

fn engine(video: Video, audio: Audio, output: &str) -> Engine {
    let flv = || Some(Arc::from("flv"));
    Engine {
        audio,
        input_format: flv(),
        name: "sd".into(),
        output: Output(output.into()),
        output_format: flv(),
        video,
        video_filter: Vec::new(),
    }
}

fn option(name: &str, value: &str) -> FfmpegOption {
    FfmpegOption { name: name.into(), value: value.into() }
}

const OUTPUT: &str = "rtmp://127.0.0.1:[port]/[app]?vhost=[vhost]/[stream]_[engine]";
const BEGIN: &str = "ffmpeg -nostdin -hide_banner -nostats -loglevel warning -progress pipe:1";

fn check(engine: &Engine, name: &StreamName, expected: &str) {
    let server = "127.0.0.1:19350".parse().unwrap();
    let line = command_line(&"ffmpeg".into(), engine, name, server);
    let line: Vec<String> = line.iter().map(|word| word.replace(' ', "_")).collect();
    assert_eq!(line.join(" "), format!("{BEGIN} {expected}"));
}

#[test]
fn every_option_has_its_place() {
    let video = Video::Encode(VideoEncoder {
        bitrate: Some(300_000),
        codec: "libx264".into(),
        fps: Some(Fps(2_500)),
        params: [option("t", "100"), option("coder", "1")].into(),
        preset: Some("veryfast".into()),
        profile: Some("main".into()),
        size: Some((640, 360)),
        threads: Some(4),
    });
    let audio = Audio::Encode(AudioEncoder {
        bitrate: Some(64_000),
        channels: Some(2),
        codec: "aac".into(),
        params: [option("profile:a", "aac_low")].into(),
        sample_rate: Some(44_100),
    });
    let mut engine = engine(video, audio, OUTPUT);
    engine.video_filter.push(option("vf", "drawtext=text='a b'"));
    let expected = "-f flv -analyzeduration 5000000 \
        -rtmp_flashver FMLE/3.0_(compatible;_millstream-engine) -protocol_whitelist rtmp,tcp \
        -i rtmp://127.0.0.1:19350/live?vhost=v.example/cam -vf drawtext=text='a_b' \
        -vcodec libx264 -b:v 300000 -r 25.00 -s 640x360 -aspect 640:360 -threads 4 \
        -profile:v main -preset veryfast -t 100 -coder 1 \
        -acodec aac -b:a 64000 -ar 44100 -ac 2 -profile:a aac_low \
        -f flv -rtmp_flashver FMLE/3.0_(compatible;_millstream-engine) \
        -y rtmp://127.0.0.1:19350/live?vhost=v.example/cam_sd";
    check(&engine, &name("v.example", "live", "cam"), expected);
}

#[test]
fn what_is_absent_leaves_no_trace() {
    let mut copy = engine(Video::Copy, Audio::Off, "/rec/[app]/[stream].flv");
    copy.input_format = None;
    copy.output_format = None;
    let expected = "-analyzeduration 5000000 \
        -rtmp_flashver FMLE/3.0_(compatible;_millstream-engine) -protocol_whitelist rtmp,tcp \
        -i rtmp://127.0.0.1:19350/live?vhost=__defaultVhost__/cam \
        -vcodec copy -an -y /rec/live/cam.flv";
    check(&copy, &name(DEFAULT_VHOST, "live", "cam"), expected);
    let off = engine(Video::Off, Audio::Copy, "srt://host/[x][");
    let expected = "-f flv -analyzeduration 5000000 \
        -rtmp_flashver FMLE/3.0_(compatible;_millstream-engine) -protocol_whitelist rtmp,tcp \
        -i rtmp://127.0.0.1:19350/live?vhost=__defaultVhost__/cam \
        -vn -acodec copy -f flv -y srt://host/[x][";
    check(&off, &name(DEFAULT_VHOST, "live", "cam"), expected);
}

#[test]
fn row_118_names_are_words_within_urls() {
    for stream in ["$(id)", ";id", "|sh", "concat:x", "[app][engine]", "a&b", "`id`"] {
        let engine = engine(Video::Copy, Audio::Copy, OUTPUT);
        let name = name(DEFAULT_VHOST, "live", stream);
        let server = "[::1]:1935".parse().unwrap();
        let line = command_line(&"ffmpeg".into(), &engine, &name, server);
        let with_name: Vec<_> = line.iter().filter(|word| word.contains(stream)).collect();
        let input = format!("rtmp://[::1]:1935/live?vhost=__defaultVhost__/{stream}");
        let output = format!("rtmp://127.0.0.1:1935/live?vhost=__defaultVhost__/{stream}_sd");
        assert_eq!(with_name, [&*input, &*output].map(Arc::from).iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_listener_is_reached_from_this_machine() {
    let check = |listener: &str, expected: &str| {
        assert_eq!(reachable(listener.parse().unwrap()).to_string(), expected);
    };
    check("0.0.0.0:1935", "127.0.0.1:1935");
    check("[::]:1935", "127.0.0.1:1935");
    check("[::1]:2935", "[::1]:2935");
    check("192.0.2.1:1", "192.0.2.1:1");
}
