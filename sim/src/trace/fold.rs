//! Golden traces: what is the same over and over is folded.

use std::fmt::Write as _;

/// Folds the transfer of bytes: lines that only say that bytes moved, that the clock was read or
/// that the loop waits become one line with their sums. What is left is what happened.
#[must_use]
pub fn fold(trace: &str) -> String {
    let mut folded = String::new();
    let mut reads = (0_u64, 0_u64);
    let mut writes = (0_u64, 0_u64);
    let mut now = "0";
    for line in trace.lines() {
        let shard = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
        let bare = shard.map_or(line, |(_, bare)| bare);
        let mut words = bare.split(' ');
        let (verb, _, len) = (words.next(), words.next(), words.next().unwrap_or_default());
        match verb {
            Some("now") => now = bare.get(4..).unwrap_or_default(),
            Some("wait" | "deadline") => {}
            Some("ready") if !bare.starts_with("ready accepted") => {}
            Some("shard") if matches!(len, "" | "frames" | "published") => {}
            Some("do") if ["frames", "published"].contains(&words.next().unwrap_or_default()) => {}
            Some("read") if len != "end" && len != "failed" => {
                reads.0 += u64::from(len != "pending");
                reads.1 += len.parse::<u64>().unwrap_or(0);
            }
            Some("write") if len != "failed" => {
                writes.0 += 1;
                let taken = len.split('/').next().and_then(|len| len.parse::<u64>().ok());
                writes.1 += taken.unwrap_or(0);
            }
            _ => {
                flush(&mut folded, &mut reads, &mut writes);
                let _ = writeln!(folded, "{now} {line}");
            }
        }
    }
    flush(&mut folded, &mut reads, &mut writes);
    folded
}

fn flush(folded: &mut String, reads: &mut (u64, u64), writes: &mut (u64, u64)) {
    for (what, sums) in [("read", reads), ("wrote", writes)] {
        let (times, bytes) = std::mem::take(sums);
        if times > 0 {
            let _ = writeln!(folded, "    {what} {bytes} bytes, {times} times");
        }
    }
}
