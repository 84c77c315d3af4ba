//! Each directive about what is made of a stream that is published: before a reload, in the plan, and
//! after. The stream goes on all the while.
use millstream_tests::operator::{Hall, Row, check};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

millstream_tests::on_both_transports!(directives_of_hls, directives_of_forward_and_transcode);

fn directives_of_hls() {
    const ON: &str = "vhost \"row.example\" { hls fragment=\"600ms\" window=\"2s\"; }";
    const DISK: &str = "vhost \"row.example\" {
        hls fragment=\"600ms\" window=\"2s\" storage=disk path=\"$DIR/one\"
    }";
    check(
        "hls",
        &[
            Row {
                directive: "hls, on",
                before: ("vhost \"row.example\" { hls off; }", "Some(404)"),
                after: (ON, "Some(200)"),
                plan: &["vhost[row.example].hls.enabled: #false -> #true (at once)"],
                look: playlist_status,
            },
            Row {
                directive: "hls, off",
                before: (ON, "grows"),
                after: ("vhost \"row.example\" { hls off; }", "stands"),
                plan: &["vhost[row.example].hls.enabled: #true -> #false (at once)"],
                look: playlist_growth,
            },
            Row {
                directive: "hls.window",
                before: (ON, "7 or less"),
                after: (
                    "vhost \"row.example\" { hls fragment=\"600ms\" window=\"1m\"; }",
                    "10 or more",
                ),
                plan: &["vhost[row.example].hls.window: \"2s\" -> \"1m\" (at once)"],
                look: segments_of_the_playlist,
            },
            Row {
                directive: "hls.storage, disk",
                before: (ON, "nowhere"),
                after: (DISK, "whole in one"),
                plan: &["vhost[row.example].hls.storage: \"memory\" -> \"disk\" (at once)"],
                look: where_files_are,
            },
            Row {
                directive: "hls.path",
                before: (DISK, "whole in one"),
                after: (
                    "vhost \"row.example\" {
                        hls fragment=\"600ms\" window=\"2s\" storage=disk path=\"$DIR/two\"
                    }",
                    "whole in two",
                ),
                plan: &["vhost[row.example].hls.path: ", "/one\" -> ", "/two\" (at once)"],
                look: where_files_are,
            },
            Row {
                directive: "hls.storage, memory",
                before: (DISK, "whole in one"),
                after: (ON, "nowhere"),
                plan: &["vhost[row.example].hls.storage: \"disk\" -> \"memory\" (at once)"],
                look: where_files_are,
            },
            // The last one: a playlist with longer segments keeps more of them, for as long as it lives.
            Row {
                directive: "hls.fragment",
                before: ("vhost \"row.example\" { hls fragment=\"2s\" window=\"30s\"; }", "2.0"),
                after: ("vhost \"row.example\" { hls fragment=\"600ms\" window=\"30s\"; }", "0.6"),
                plan: &["vhost[row.example].hls.fragment: \"2s\" -> \"600ms\" (at once)"],
                look: newest_segment,
            },
        ],
    );
}

fn directives_of_forward_and_transcode() {
    const ONE: &str = "vhost \"row.example\"";
    const TO_ONE: &str = "vhost \"row.example\" { forward \"rtmp://$SINK/live/one\"; }";
    const SD: &str = "vhost \"row.example\" {
        transcode \"live\" {
            ffmpeg \"$DIR/ffmpeg\"
            engine \"sd\" { output \"rtmp://127.0.0.1:[port]/[app]?vhost=[vhost]/[stream]_[engine]\"; }
        }
    }";
    check(
        "outputs",
        &[
            Row {
                directive: "forward, added",
                before: (ONE, ""),
                after: (TO_ONE, "one"),
                plan: &["vhost[row.example].forward: nothing -> ", " (at once)"],
                look: forwarded,
            },
            Row {
                directive: "forward, changed",
                before: (TO_ONE, "one"),
                after: (
                    "vhost \"row.example\" {
                        forward \"rtmp://$SINK/live/two\" \"rtmp://$SINK/live/three\"
                    }",
                    "three two",
                ),
                plan: &["vhost[row.example].forward: "],
                look: forwarded,
            },
            Row {
                directive: "forward, removed",
                before: (TO_ONE, "one"),
                after: (ONE, ""),
                plan: &["vhost[row.example].forward: ", " -> nothing (at once)"],
                look: forwarded,
            },
            Row {
                directive: "transcode, added",
                before: (ONE, ""),
                after: (SD, "cam_sd"),
                plan: &["vhost[row.example].transcode[live].engine[sd].output: nothing -> "],
                look: renditions,
            },
            Row {
                directive: "transcode, changed",
                before: (SD, "cam_sd"),
                after: (
                    "vhost \"row.example\" {
                        transcode \"live\" {
                            ffmpeg \"$DIR/ffmpeg\"
                            engine \"hd\" { output \"rtmp://127.0.0.1:[port]/[app]?vhost=[vhost]/[stream]_[engine]\"; }
                        }
                    }",
                    "cam_hd",
                ),
                plan: &[
                    "vhost[row.example].transcode[live].engine[hd].output: nothing -> ",
                    "vhost[row.example].transcode[live].engine[sd].output: ",
                ],
                look: renditions,
            },
            Row {
                directive: "transcode, removed",
                before: (SD, "cam_sd"),
                after: (ONE, ""),
                plan: &["vhost[row.example].transcode[live].engine[sd].output: ", " -> nothing"],
                look: renditions,
            },
        ],
    );
}

const PLAYLIST: &str = "/live/cam.m3u8?vhost=row.example";

fn playlist_status(hall: &mut Hall) -> String {
    hall.cam();
    format!("{:?}", hall.operator.get(PLAYLIST).map(|(status, _)| status))
}

fn playlist(hall: &mut Hall) -> String {
    hall.cam();
    let answer = hall.operator.get(PLAYLIST);
    answer.filter(|(status, _)| *status == 200).map(|(_, text)| text).unwrap_or_default()
}

fn playlist_growth(hall: &mut Hall) -> String {
    let before = playlist(hall);
    let published = hall.cam().published();
    // A segment has 15 pictures.
    millstream_tests::operator::wait_until("three segments", || {
        hall.cam().published() > published + 45
    });
    if playlist(hall) == before { "stands".into() } else { "grows".into() }
}

fn durations(hall: &mut Hall) -> Vec<String> {
    let playlist = playlist(hall);
    let lines = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    lines.filter_map(|line| line.get(..3)).map(str::to_owned).collect()
}

fn newest_segment(hall: &mut Hall) -> String {
    durations(hall).pop().unwrap_or_default()
}

fn segments_of_the_playlist(hall: &mut Hall) -> String {
    match durations(hall).len() {
        0 => "none".into(),
        1..=7 => "7 or less".into(),
        8..=9 => "some".into(),
        10.. => "10 or more".into(),
    }
}

/// The folders that have files, and whether all is there that the playlist of each names.
fn where_files_are(hall: &mut Hall) -> String {
    // Where there is nothing it must stay so: a stream that plays has segments.
    if !playlist(hall).contains(".ts") {
        return "no segment yet".into();
    }
    let mut found = Vec::new();
    for name in ["one", "two"] {
        let folder = hall.operator.file(name).join("row.example/live");
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names: BTreeSet<String> = names.filter(|name| !name.starts_with('.')).collect();
        if names.is_empty() {
            continue;
        }
        let playlist = fs::read_to_string(folder.join("cam.m3u8")).unwrap_or_default();
        let mut named = playlist.lines().filter(|line| line.ends_with(".ts")).peekable();
        let is_whole = named.peek().is_some() && named.all(|segment| names.contains(segment));
        found.push(format!("{} {name}", if is_whole { "whole in" } else { "not whole in" }));
    }
    if found.is_empty() { "nowhere".into() } else { found.join(", ") }
}

fn forwarded(hall: &mut Hall) -> String {
    hall.cam();
    hall.operator.forwarded()
}

/// What the processes are to make that the server runs, as their last argument says.
fn renditions(hall: &mut Hall) -> String {
    let script = hall.operator.file("ffmpeg");
    if !script.exists() {
        // Written beside, so that it is never run half.
        let half = hall.operator.file("ffmpeg.half");
        // It is asked for its encoders too, and has none.
        let text = "#!/bin/sh\ncase \"$*\" in *cam_*) sleep 1000 & wait ;; esac\n";
        fs::write(&half, text).expect("a script");
        fs::set_permissions(&half, fs::Permissions::from_mode(0o755)).expect("a file of our own");
        fs::rename(half, script).expect("a file of our own");
    }
    hall.cam();
    let tasks = fs::read_dir(format!("/proc/{}/task", hall.operator.program().id()));
    let tasks = tasks.into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let lists: Vec<String> = lists.collect();
    let children = lists.iter().flat_map(|list| list.split_whitespace());
    let commands = children.filter_map(|id| fs::read_to_string(format!("/proc/{id}/cmdline")).ok());
    let outputs = commands.filter_map(|command| {
        let output = command.trim_end_matches('\0').rsplit('\0').next()?;
        Some(output.rsplit('/').next()?.to_owned())
    });
    let outputs: BTreeSet<String> = outputs.collect();
    outputs.into_iter().collect::<Vec<_>>().join(" ")
}
