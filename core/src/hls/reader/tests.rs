use super::*;
use crate::hls::playlist::Date;
use pretty_assertions::assert_eq;
use std::{format, vec};

const WELL: &str = "#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T04:39:44.000Z
#EXTINF:2.000,
x-7.ts
#EXT-X-DISCONTINUITY
#EXTINF:1.5,title, more
x-8.ts
";

fn media(text: &str) -> MediaPlaylist {
    match read(text.as_bytes()) {
        (Playlist::Media(media), complaints) if complaints.is_empty() => media,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_playlist_is_read() {
    let first = Entry {
        uri: "x-7.ts".into(),
        duration_micros: 2_000_000,
        is_discontinuity: false,
        unix_millis: Some(1_795_408_784_000),
    };
    let second = Entry {
        uri: "x-8.ts".into(),
        duration_micros: 1_500_000,
        is_discontinuity: true,
        unix_millis: None,
    };
    let expected = MediaPlaylist {
        version: 3,
        target_secs: 2,
        media_sequence: 7,
        discontinuity_sequence: 1,
        is_ended: false,
        segments: vec![first, second],
    };
    assert_eq!(media(WELL), expected);
    assert_eq!(media(&WELL.replace('\n', "\r\n")), expected);
    let ended = MediaPlaylist { is_ended: true, ..expected };
    assert_eq!(media(&format!("{WELL}#EXT-X-ENDLIST\n")), ended);
}

#[test]
fn every_rule_is_seen_to() {
    #[track_caller]
    fn check(from: &str, to: &str, line: u32, rule: Rule) {
        assert!(from.is_empty() || WELL.contains(from));
        let text = if from.is_empty() { format!("{WELL}{to}") } else { WELL.replacen(from, to, 1) };
        assert_eq!(read(text.as_bytes()).1, [Complaint { line, rule }], "{text}");
    }
    check("#EXTM3U", "#EXTM3", 1, Rule::Begins);
    check("04:39:44.000Z", "04:39:44.000", 6, Rule::Date);
    check(
        "#EXTINF:1.5",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T04:39:46Z\n#EXTINF:2.501",
        0,
        Rule::DurationTooLong,
    );
    check(
        "#EXT-X-DISCONTINUITY\n",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T04:39:48Z\n",
        11,
        Rule::DateDrift,
    );
    check("", "#EXT-X-DISCONTINUITY\n", 12, Rule::DiscontinuityPlace);
    check("1.5,", "1.5", 10, Rule::Duration);
    check("1.5,", "x,", 10, Rule::Duration);
    check("", "#EXTINF:1,\n", 12, Rule::Duration);
    check("SEQUENCE:7", "SEQUENCE:x", 4, Rule::Number);
    check("", "#EXT-X-TARGETDURATION:2\n", 12, Rule::TagTwice);
    check("#EXT-X-TARGETDURATION:2\n", "", 0, Rule::TargetMissing);
    check("x-7.ts", "x\u{7}.ts", 8, Rule::Text);
    check("", "x-9.ts\n", 12, Rule::UriAlone);
    check("VERSION:3", "VERSION:2", 0, Rule::Version);
}

#[test]
fn a_master_playlist_is_read() {
    let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.42c00d,mp4a.40.2\",\
                RESOLUTION=320x180\nlow.m3u8\n#EXT-X-STREAM-INF:CODECS=\"x=,y\"\nhigh.m3u8\n";
    let (playlist, complaints) = read(text.as_bytes());
    assert_eq!(complaints, [Complaint { line: 4, rule: Rule::Attribute }]);
    let Playlist::Master(variants) = playlist else { panic!("{playlist:?}") };
    assert_eq!(
        variants[0],
        Variant {
            uri: "low.m3u8".into(),
            bandwidth: 800_000,
            codecs: Some("avc1.42c00d,mp4a.40.2".into()),
            resolution: Some("320x180".into()),
        }
    );
    assert_eq!(variants[1].codecs.as_deref(), Some("x=,y"));
}

#[test]
fn what_changes_between_two_reloads_has_rules() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut MediaPlaylist), expected: &[Rule]) {
        let before = media(WELL);
        let mut after = before.clone();
        change(&mut after);
        assert_eq!(compare(&before, &after), expected);
    }
    check(|_| {}, &[]);
    check(|after| after.target_secs = 3, &[Rule::TargetChange]);
    check(|after| after.media_sequence = 6, &[Rule::SequenceChange]);
    check(|after| after.segments[0].uri = "y.ts".into(), &[Rule::SequenceChange]);
    check(|after| drop(after.segments.pop()), &[Rule::SequenceChange]);
    check(|after| after.discontinuity_sequence = 2, &[Rule::DiscontinuityCount]);
    let slide = |after: &mut MediaPlaylist| {
        after.segments.remove(0);
        after.media_sequence += 1;
    };
    // The tag may stay at the head of the list, and is counted when it goes.
    check(slide, &[]);
    let strip = |after: &mut MediaPlaylist| after.segments[0].is_discontinuity = false;
    check(|after| (slide(after), strip(after)).1, &[Rule::DiscontinuityCount]);
    check(
        |after| {
            slide(after);
            strip(after);
            after.discontinuity_sequence += 1;
        },
        &[],
    );
}

#[test]
fn dates_are_read_as_they_are_written() {
    for unix_millis in
        [0, 951_782_400_000, 1_795_408_784_123, 4_107_542_399_999, 253_402_300_799_000]
    {
        let text = format!("{}", Date { unix_millis });
        assert_eq!(parse_date(&text), Some(unix_millis), "{text}");
    }
    assert_eq!(format!("{}", Date { unix_millis: 951_782_400_000 }), "2000-02-29T00:00:00.000Z");
    assert_eq!(format!("{}", Date { unix_millis: 1_795_408_784_123 }), "2026-11-23T04:39:44.123Z");
    assert_eq!(parse_date("2010-02-19T14:54:23.031+08:00"), Some(1_266_562_463_031));
    assert_eq!(parse_date("2010-02-19T14:54:23-0130"), Some(1_266_596_663_000));
    for bad in
        ["", "T", "2010-02-19", "2010-13-01T00:00:00Z", "2010-02-19T24:00:00Z", "2010-02-19T1:1:1"]
    {
        assert_eq!(parse_date(bad), None, "{bad}");
    }
}

#[test]
fn any_bytes_may_come() {
    fn property(text: Vec<u8>) {
        let _ = read(&text);
        let _ = read(&[b"#EXTM3U\n#EXTINF:".as_slice(), &text].concat());
    }
    quickcheck::quickcheck(property as fn(Vec<u8>));
}
