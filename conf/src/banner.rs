//! What a server says when it has started: where it listens, and how to try it.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// What the banner tells.
#[derive(Clone, Copy, Debug)]
pub struct Banner<'a> {
    /// The program and its version, such as `millstream 0.1.0`.
    pub program: &'a str,
    /// The addresses in use; the real port, not 0.
    pub listeners: &'a [SocketAddr],
    /// As `listeners`, for HTTP.
    pub http: &'a [SocketAddr],
    /// `app/stream` of a clip that the server itself publishes.
    pub demo: Option<&'a str>,
}

impl Banner<'_> {
    /// The banner as plain text of several lines.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", self.program);
        for address in self.listeners {
            let _ = writeln!(text, "RTMP on {address}");
        }
        for address in self.http {
            let _ = writeln!(text, "HTTP on {address}");
        }
        let Some(&first) = self.listeners.first() else { return text };
        let host = host_of(first, 1_935);
        let stream = self.demo.unwrap_or("live/test");
        text.push('\n');
        if self.demo.is_some() {
            let _ = writeln!(text, "A demo clip is published to {stream}. Watch it:");
        } else {
            let _ = writeln!(text, "Publish from OBS (Settings, Stream, Custom):");
            let _ = writeln!(text, "  Server      rtmp://{host}/live");
            let _ = writeln!(text, "  Stream key  test");
            let _ = writeln!(text, "or with ffmpeg:");
            let _ = writeln!(text, "  ffmpeg -re -i FILE -c copy -f flv rtmp://{host}/live/test");
            let _ = writeln!(text, "Play:");
        }
        let _ = writeln!(text, "  ffplay -fflags nobuffer rtmp://{host}/{stream}");
        let _ = writeln!(text, "  VLC: Media, Open Network Stream, rtmp://{host}/{stream}");
        if let Some(&http) = self.http.first() {
            let host = host_of(http, 80);
            let _ = writeln!(text, "  Browser:    http://{host}/");
            let _ = writeln!(text, "  HLS:        http://{host}/{stream}.m3u8");
            let _ = writeln!(text, "  HTTP-FLV:   http://{host}/{stream}.flv");
        }
        if first.ip().is_unspecified() {
            let _ =
                writeln!(text, "From other machines, write this machine's address for {}.", LOCAL);
        }
        let _ = writeln!(text, "Ctrl-C ends.");
        text
    }
}

const LOCAL: &str = "127.0.0.1";

/// The host part of a URL that reaches `address` from this machine.
fn host_of(address: SocketAddr, usual: u16) -> String {
    let host = match address {
        _ if address.ip().is_unspecified() => LOCAL.to_owned(),
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    if address.port() == usual { host } else { format!("{host}:{}", address.port()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn urls_reach_the_listener_from_this_machine() {
        let check = |address: &str, host: &str| {
            assert_eq!(host_of(address.parse().expect(address), 1_935), host);
        };
        check("0.0.0.0:1935", "127.0.0.1");
        check("[::]:1935", "127.0.0.1");
        check("0.0.0.0:2000", "127.0.0.1:2000");
        check("192.168.1.5:1935", "192.168.1.5");
        check("[::1]:1936", "[::1]:1936");
    }

    #[test]
    fn the_banner_says_where_to_publish_and_play() {
        let listeners = ["[::]:1935".parse().expect("an address")];
        let http = ["[::]:8080".parse().expect("an address")];
        let program = "millstream 0.1.0";
        let banner = Banner { program, listeners: &listeners, http: &http, demo: None };
        assert_eq!(
            banner.render(),
            "millstream 0.1.0\n\
             RTMP on [::]:1935\n\
             HTTP on [::]:8080\n\
             \n\
             Publish from OBS (Settings, Stream, Custom):\n\
             \x20 Server      rtmp://127.0.0.1/live\n\
             \x20 Stream key  test\n\
             or with ffmpeg:\n\
             \x20 ffmpeg -re -i FILE -c copy -f flv rtmp://127.0.0.1/live/test\n\
             Play:\n\
             \x20 ffplay -fflags nobuffer rtmp://127.0.0.1/live/test\n\
             \x20 VLC: Media, Open Network Stream, rtmp://127.0.0.1/live/test\n\
             \x20 Browser:    http://127.0.0.1:8080/\n\
             \x20 HLS:        http://127.0.0.1:8080/live/test.m3u8\n\
             \x20 HTTP-FLV:   http://127.0.0.1:8080/live/test.flv\n\
             From other machines, write this machine's address for 127.0.0.1.\n\
             Ctrl-C ends.\n"
        );
        let demo = Banner { demo: Some("live/demo"), ..banner }.render();
        assert!(demo.contains("rtmp://127.0.0.1/live/demo"), "{demo}");
        let silent = Banner { http: &[], ..banner }.render();
        assert!(!silent.contains("http://"), "{silent}");
        assert!(!demo.contains("OBS"), "{demo}");
    }
}
