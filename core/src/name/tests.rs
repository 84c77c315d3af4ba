use super::fuzz::fuzz_name;
use super::*;
use pretty_assertions::assert_eq;
use quickcheck::{TestResult, quickcheck};
use std::collections::BTreeSet;
use std::string::ToString;
use std::vec::Vec;

const LIMITS: NameLimits =
    NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };

/// Scheme, host, port, vhost, app and query.
type Expected<'a> = (&'a str, &'a str, u16, &'a str, &'a str, &'a str);

fn check_address(tc_url: &str, app: &str, expected: Expected<'_>) {
    let address = Address::parse(tc_url.as_bytes(), app.as_bytes(), LIMITS);
    let address = address.unwrap_or_else(|error| panic!("{tc_url:?} {app:?}: {error}"));
    let found: Expected<'_> = (
        &address.scheme,
        &address.host,
        address.port,
        &address.vhost,
        &address.app,
        &address.query,
    );
    assert_eq!(found, expected, "{tc_url:?} {app:?}");
}

fn check_address_error(tc_url: &[u8], app: &[u8], expected: NameError) {
    let found = Address::parse(tc_url, app, LIMITS);
    assert_eq!(found, Err(expected), "{:?}", escape(tc_url, 200));
}

fn check_vhost_and_app(tc_url: &str, vhost: &str, app: &str, query: &str) {
    check_address(tc_url, "", ("rtmp", "h", 1935, vhost, app, query));
}

#[test]
fn an_address_has_scheme_host_port_and_app() {
    for (tc_url, expected) in [
        ("rtmp://h/live", ("rtmp", "h", 1935, "h", "live", "")),
        ("RTMP://Live.Example.COM./Live", {
            ("rtmp", "live.example.com", 1935, "live.example.com", "Live", "")
        }),
        ("rtmp://127.0.0.1:29350/live", ("rtmp", "127.0.0.1", 29350, "127.0.0.1", "live", "")),
        ("rtmp://h:/live", ("rtmp", "h", 1935, "h", "live", "")),
        ("rtmp://h:65535/live", ("rtmp", "h", 65535, "h", "live", "")),
        ("rtmps://h/live", ("rtmps", "h", 443, "h", "live", "")),
        ("rtmpt://h/live", ("rtmpt", "h", 80, "h", "live", "")),
        ("rtmpe://h/live", ("rtmpe", "h", 1935, "h", "live", "")),
        ("rtmpte://h/live", ("rtmpte", "h", 80, "h", "live", "")),
        ("rtmpts://h:444/live", ("rtmpts", "h", 444, "h", "live", "")),
        ("rtmp://[::1]:29350/live", ("rtmp", "::1", 29350, "::1", "live", "")),
        ("rtmp://[FE80:0::1%25eth0]/live", ("rtmp", "fe80::1", 1935, "fe80::1", "live", "")),
        ("rtmp://2001:db8::1/live", ("rtmp", "2001:db8::1", 1935, "2001:db8::1", "live", "")),
        ("rtmp://user:p@ss@h:1936/live", ("rtmp", "h", 1936, "h", "live", "")),
        (" rtmp://h/live\r\n", ("rtmp", "h", 1935, "h", "live", "")),
    ] {
        check_address(tc_url, "ignored", expected);
    }
}

#[test]
fn the_app_property_counts_when_the_url_has_no_app() {
    for (tc_url, app, expected_app, query) in [
        ("rtmp://h", "live", "live", ""),
        ("rtmp://h/", "/live/", "live", ""),
        ("rtmp://h/", "live?token=1", "live", "token=1"),
        ("rtmp://h?a=1", "live?token=1", "live", "a=1"),
        ("rtmp://h/one", "two?token=1", "one", ""),
    ] {
        check_address(tc_url, app, ("rtmp", "h", 1935, "h", expected_app, query));
    }
    check_address("rtmp://h", "live?vhost=v", ("rtmp", "h", 1935, "v", "live", ""));
    check_address("rtmp://h/a?vhost=v/x/y/?k=1", "", ("rtmp", "h", 1935, "v", "a/x/y", "k=1"));
}

#[test]
fn an_app_keeps_inner_slashes_alone() {
    for (path, app) in [
        ("live/", "live"),
        ("/live//", "live"),
        ("live/inst", "live/inst"),
        ("live/inst/deep/", "live/inst/deep"),
        ("live/_definst_", "live"),
        ("live/_definst_/", "live"),
        ("live/room/_definst_", "live/room"),
        ("_definst_", "_definst_"),
        ("my live ", "mylive"),
        ("l\u{ef}ve+=@:~()", "l\u{ef}ve+=@:~()"),
        ("a..b/..c", "a..b/..c"),
        ("live,1&2", "live,1&2"),
    ] {
        check_vhost_and_app(&format!("rtmp://h/{path}"), "h", app, "");
    }
}

#[test]
fn a_vhost_is_read_in_every_shape() {
    for (path, vhost, query) in [
        ("live?vhost=v", "v", ""),
        ("live/?vhost=V.Example.com", "v.example.com", ""),
        ("live?Vhost=v", "v", ""),
        ("live?vhost=v/", "v", ""),
        ("live?vhost=v:1936", "v", ""),
        ("live?vhost=[::1]:1936", "::1", ""),
        ("live?vhost=::1", "::1", ""),
        ("live?vhost=__defaultvhost__", "__defaultVhost__", ""),
        ("live?vhost=v&key=1", "v", "key=1"),
        ("live?key=1&vhost=v", "v", "key=1"),
        ("live?a=1&vhost=v&b=x,y&&c", "v", "a=1&b=x,y&&c"),
        ("live?vhost=v?key=1", "v", "key=1"),
        ("live?vhost?v", "v", ""),
        ("live...vhost...v", "v", ""),
        ("live...vhost...v.w...key...1", "v.w", "key...1"),
        ("live...vhost=v", "v", ""),
        ("live?vhost...v", "v", ""),
        ("live,vhost,v", "v", ""),
        ("live,vhost,v,key,1", "v", "key,1"),
        ("live,vhost=v", "v", ""),
        ("live&vhost=v", "v", ""),
        ("live&&vhost=v", "v", ""),
        ("live/_definst_?vhost=v", "v", ""),
        ("live?vhost=&key=1", "h", "key=1"),
        ("live?vhost=&vhost=v", "v", ""),
        ("live?vhost=v&vhost=w", "v", ""),
        ("live?vhost", "h", "vhost"),
        ("live?key=vhost&xvhost=x", "h", "key=vhost&xvhost=x"),
        ("live?token=a%2F/b=", "h", "token=a%2F/b="),
    ] {
        // A single `&` in front of another `&` belongs to the app.
        let app = if path.starts_with("live&&") { "live&" } else { "live" };
        check_vhost_and_app(&format!("rtmp://h/{path}"), vhost, app, query);
    }
}

#[test]
fn row_063_odd_urls_are_refused_by_part() {
    use NameError::{Empty, Forbidden, Port, Scheme, TooLong};
    let long = [b"rtmp://h/".as_slice(), &[b'a'; 64 << 10]].concat();
    check_address_error(&long, b"", TooLong(Part::TcUrl));
    for (tc_url, expected) in [
        ("", Empty(Part::TcUrl)),
        (" ", Empty(Part::TcUrl)),
        ("rtmp://[::1]:99999/a", Port),
        ("rtmp://h:0/a", Port),
        ("rtmp://h:+80/a", Port),
        ("rtmp://h:8o/a", Port),
        ("http://h/a", Scheme),
        ("rtmp:/h/a", Scheme),
        ("//h/a", Scheme),
        ("h/a", Scheme),
        ("rtmpx://h/a", Scheme),
        ("rtmp://h", Empty(Part::App)),
        ("rtmp://h/", Empty(Part::App)),
        ("rtmp://h/?vhost=v", Empty(Part::App)),
        ("rtmp:///a", Empty(Part::Vhost)),
        ("rtmp://user@/a", Empty(Part::Vhost)),
        ("rtmp://h/a?vhost=../..", Forbidden(Part::Vhost)),
        ("rtmp://h/a?vhost=..", Forbidden(Part::Vhost)),
        ("rtmp://h/a?vhost=v/..", Forbidden(Part::App)),
        ("rtmp://h/a?vhost=-i", Forbidden(Part::Vhost)),
        ("rtmp://h/a?vhost=%2e%2e", Forbidden(Part::Vhost)),
        ("rtmp://h...vhost...x", Forbidden(Part::Vhost)),
        ("rtmp://h\\..\\b/a", Forbidden(Part::Vhost)),
        ("rtmp://h h/a", Forbidden(Part::Vhost)),
        ("rtmp://[::1/a", Forbidden(Part::Vhost)),
        ("rtmp://[h]/a", Forbidden(Part::Vhost)),
        ("rtmp://[::1]x/a", Forbidden(Part::Vhost)),
        ("rtmp://1:2:3/a", Forbidden(Part::Vhost)),
        ("rtmp://h/a//b", Forbidden(Part::App)),
        ("rtmp://h/../b", Forbidden(Part::App)),
        ("rtmp://h/a?k=\r\nx", Forbidden(Part::TcUrl)),
    ] {
        check_address_error(tc_url.as_bytes(), b"", expected);
    }
    check_address_error(b"rtmp://h/\xFF", b"", Forbidden(Part::TcUrl));
    check_address_error(b"rtmp://h/", b"\xFF", Forbidden(Part::App));
    check_address("rtmp://h/app...vhost...x", "", ("rtmp", "h", 1935, "x", "app", ""));
}

#[test]
fn dropped_spaces_made_an_app_that_no_stream_name_takes() {
    for app in ["a.. .b", "a. . .", "a, vhost=b", "a& vhost=b"] {
        let tc_url = format!("rtmp://h/{app}");
        check_address_error(tc_url.as_bytes(), b"", NameError::Forbidden(Part::App));
        check_address_error(b"rtmp://h", app.as_bytes(), NameError::Forbidden(Part::App));
    }
    check_address("rtmp://h/a . b", "", ("rtmp", "h", 1935, "h", "a.b", ""));
}

#[test]
fn a_stream_argument_is_cut_at_its_query() {
    for (argument, stream, query, vhost) in [
        ("test", "test", "", None),
        ("/test/", "test", "", None),
        (" my test\r\n", "mytest", "", None),
        ("deep/s2", "deep/s2", "", None),
        ("mp4:dir/a.mp4", "mp4:dir/a.mp4", "", None),
        ("x?token=abc", "x", "token=abc", None),
        ("obskey2?token=a&x=1", "obskey2", "token=a&x=1", None),
        ("s/?token=a?b=1", "s", "token=a?b=1", None),
        ("s?vhost=V", "s", "vhost=V", Some("v")),
        ("s?token=1&vhost=v&x=1", "s", "token=1&vhost=v&x=1", Some("v")),
        ("s?domain=d", "s", "domain=d", Some("d")),
        ("s?domain=d&vhost=v", "s", "domain=d&vhost=v", Some("v")),
        ("s?vhost=&x", "s", "vhost=&x", None),
        ("live_1-a+b=c@d:e~(f)[g]{h}!#$*;,.'\"", "live_1-a+b=c@d:e~(f)[g]{h}!#$*;,.'\"", "", None),
        ("\u{76F4}\u{64AD}", "\u{76F4}\u{64AD}", "", None),
        ("100%", "100%", "", None),
        ("my%20stream", "my%20stream", "", None),
        ("a...b", "a...b", "", None),
    ] {
        let expected = StreamArgument {
            stream: stream.into(),
            query: query.into(),
            vhost: vhost.map(Into::into),
        };
        assert_eq!(StreamArgument::parse(argument.as_bytes(), LIMITS), Ok(expected));
    }
}

#[test]
fn row_065_hostile_names_are_refused() {
    for name in [
        "../../../tmp/pwn",
        "a/../b",
        "a/./b",
        "a//b",
        "..",
        ".",
        "..%2f",
        "..%2F..%2Fx",
        "%2e%2e/x",
        "a/%2E.",
        "%252e%252e%252f",
        "a%5cb",
        "a%00",
        "a%0d%0ab",
        "%e2%80%ae",
        "%ff",
        "a\\..\\b",
        "a\0b",
        "a\r\nb",
        "a\tb",
        "a\u{1B}[31mb",
        "a\u{7F}",
        "a\u{85}b",
        "-i",
        "a\u{2215}b",
        "a\u{FF0F}b",
        "a\u{202E}b",
        "a\u{2066}b",
        "a\u{2028}b",
        "a\u{A0}b",
    ] {
        let expected = Err(NameError::Forbidden(Part::Stream));
        assert_eq!(StreamArgument::parse(name.as_bytes(), LIMITS), expected, "{name:?}");
        let found = StreamName::new("v", "a", name, LIMITS);
        assert_eq!(found, Err(NameError::Forbidden(Part::Stream)), "{name:?}");
        let found = StreamName::new("v", name, "s", LIMITS);
        assert_eq!(found, Err(NameError::Forbidden(Part::App)), "{name:?}");
        let url = format!("rtmp://h/{name}");
        check_address_error(url.as_bytes(), b"", NameError::Forbidden(Part::App));
        check_address_error(b"rtmp://h", name.as_bytes(), NameError::Forbidden(Part::App));
    }
    for argument in [&b"a\xFFb"[..], b"\xC0\xAE\xC0\xAE/", b"\xED\xA0\x80", b"s?k=\0"] {
        let expected = Err(NameError::Forbidden(Part::Stream));
        assert_eq!(StreamArgument::parse(argument, LIMITS), expected);
    }
    for argument in ["", " ", "/", "//", "?token=1", "\r\n"] {
        let expected = Err(NameError::Empty(Part::Stream));
        assert_eq!(StreamArgument::parse(argument.as_bytes(), LIMITS), expected);
    }
    let expected = Err(NameError::TooLong(Part::Stream));
    assert_eq!(StreamArgument::parse(&[b'a'; 4_096], LIMITS), expected);
    // Outer slashes are folded, so an absolute path names a stream below the app; file names are
    // made from whole components, so a device name is a name.
    for (argument, stream) in [("/etc/x", "etc/x"), ("con", "con"), ("a.", "a.")] {
        let found = StreamArgument::parse(argument.as_bytes(), LIMITS).unwrap();
        assert_eq!(&*found.stream, stream);
    }
}

#[test]
fn row_065_lengths_at_the_limit() {
    let limits = NameLimits { app_len_max: 4, stream_len_max: 6, tc_url_len_max: 20 };
    let name = |vhost, app, stream| StreamName::new(vhost, app, stream, limits).map(|_| ());
    assert_eq!(name("vvvv", "aaaa", "ssssss"), Ok(()));
    assert_eq!(name("vvvvv", "aaaa", "ssssss"), Err(NameError::TooLong(Part::Vhost)));
    assert_eq!(name("vvvv", "aaaaa", "ssssss"), Err(NameError::TooLong(Part::App)));
    assert_eq!(name("vvvv", "aaaa", "sssssss"), Err(NameError::TooLong(Part::Stream)));
    let address =
        |url: &str, app: &str| Address::parse(url.as_bytes(), app.as_bytes(), limits).map(|_| ());
    assert_eq!(address("rtmp://hhhh/aaaa?k=1", ""), Ok(()));
    assert_eq!(address("rtmp://hhhh/aaaa?k=12", ""), Err(NameError::TooLong(Part::TcUrl)));
    assert_eq!(address("rtmp://hhhhh/aaaa", ""), Err(NameError::TooLong(Part::Vhost)));
    assert_eq!(address("rtmp://h/a?vhost=vvv", ""), Ok(()));
    assert_eq!(address("rtmp://h,vhost,vvvvv", ""), Err(NameError::Forbidden(Part::Vhost)));
    assert_eq!(address("rtmp://h", "a,vhost,vvvv"), Ok(()));
    assert_eq!(address("rtmp://h", "a,vhost,vvvvv"), Err(NameError::TooLong(Part::Vhost)));
    assert_eq!(address("rtmp://hhhh/aaaaa", ""), Err(NameError::TooLong(Part::App)));
    assert_eq!(address("rtmp://h", "aaaa?k=4567890123456"), Ok(()));
    assert_eq!(address("rtmp://h", "aaaa?k=45678901234567"), Err(NameError::TooLong(Part::App)));
    let stream = |text: &str| StreamArgument::parse(text.as_bytes(), limits).map(|_| ());
    assert_eq!(stream("ssssss?k=90123456789"), Ok(()));
    assert_eq!(stream("ssssss?k=901234567890"), Err(NameError::TooLong(Part::Stream)));
    assert_eq!(stream("sssssss"), Err(NameError::TooLong(Part::Stream)));
    assert_eq!(stream("s?vhost=vvvv"), Ok(()));
    assert_eq!(stream("s?vhost=vvvvv"), Err(NameError::TooLong(Part::Vhost)));
}

#[test]
fn a_name_has_parts() {
    for (vhost, app, stream, expected) in [
        ("v", "live", "test", ("v", "live", "test", "v/live/test")),
        ("V.", "a/b", "c/d", ("v", "a/b", "c/d", "v/a/b/c/d")),
        ("::1", "a", "c", ("::1", "a", "c", "::1/a/c")),
        ("__defaultVhost__", "a", "c", ("__defaultVhost__", "a", "c", "__defaultVhost__/a/c")),
    ] {
        let name = StreamName::new(vhost, app, stream, LIMITS).unwrap();
        assert_eq!((name.vhost(), name.app(), name.stream(), name.as_str()), expected);
        assert_eq!(name.to_string(), expected.3);
        assert_eq!(format!("{name:?}"), expected.3);
    }
}

#[test]
fn a_name_takes_only_what_the_readers_give() {
    use NameError::{Empty, Forbidden};
    for (vhost, app, stream, expected) in [
        ("", "a", "s", Empty(Part::Vhost)),
        ("v", "", "s", Empty(Part::App)),
        ("v", "a", "", Empty(Part::Stream)),
        ("v/w", "a", "s", Forbidden(Part::Vhost)),
        ("v:1935", "a", "s", Forbidden(Part::Vhost)),
        ("v", "/a", "s", Forbidden(Part::App)),
        ("v", "a b", "s", Forbidden(Part::App)),
        ("v", "a?b", "s", Forbidden(Part::App)),
        ("v", "a...b", "s", Forbidden(Part::App)),
        ("v", "a,vhost=b", "s", Forbidden(Part::App)),
        ("v", "a/_definst_", "s", Forbidden(Part::App)),
        ("v", "a", "s/", Forbidden(Part::Stream)),
        ("v", "a", "s t", Forbidden(Part::Stream)),
        ("v", "a", "s?t", Forbidden(Part::Stream)),
    ] {
        assert_eq!(StreamName::new(vhost, app, stream, LIMITS), Err(expected));
    }
}

#[test]
fn names_are_equal_wherever_the_app_ends() {
    let one = StreamName::new("v", "a", "b/c", LIMITS).unwrap();
    let two = StreamName::new("v", "a/b", "c", LIMITS).unwrap();
    let other = StreamName::new("v", "a", "b/d", LIMITS).unwrap();
    assert_eq!((one.app(), two.app()), ("a", "a/b"));
    assert_eq!(one, two);
    assert_ne!(one, other);
    assert!(one < other);
    assert_eq!(BTreeSet::from([one, two, other]).len(), 2);
}

#[test]
fn row_066_a_refer_matches_at_a_dot_alone() {
    let long = [b"http://".as_slice(), &[b'a'; 64 << 10], b".example.com/"].concat();
    assert!(refer_matches(&long, "example.com"));
    for (page_url, domain, expected) in [
        ("http://example.com/", "example.com", true),
        ("http://example.com", "example.com", true),
        ("https://www.example.com/a?b#c", "example.com", true),
        ("http://example.com.example.com/", "example.com", true),
        ("HTTP://EXAMPLE.COM.", "example.com", true),
        ("http://example.com/", "Example.COM.", true),
        ("http://www.example.com/", ".example.com", true),
        ("http://example.com:8080/", "example.com", true),
        ("http://user:pw@example.com:8080/", "example.com", true),
        ("//example.com/page", "example.com", true),
        ("www.example.com/page", "example.com", true),
        ("example.com", "example.com", true),
        (" http://example.com/ ", "example.com", true),
        ("http://[::1]:8080/", "::1", true),
        ("http://localhost", "localhost", true),
        ("http://evilexample.com/", "example.com", false),
        ("http://a/?example.com", "example.com", false),
        ("http://a?.example.com", "example.com", false),
        ("http://a#.example.com", "example.com", false),
        ("http://a/.example.com", "example.com", false),
        ("http://a\\.example.com", "example.com", false),
        ("http://example.com@evil.org/", "example.com", false),
        ("http://example.com:80@evil.org/", "example.com", false),
        ("http://evil.org\\@example.com/", "example.com", false),
        ("http://evil.org:.example.com/", "example.com", false),
        ("evil.org/://example.com", "example.com", false),
        ("http://evil.org\t.example.com/", "example.com", false),
        ("http://evil.org%2f.example.com/", "example.com", false),
        ("http://[::1].example.com/", "example.com", false),
        ("http://example.com.evil.org/", "example.com", false),
        ("http://com/", "example.com", false),
        ("http:///", "example.com", false),
        ("", "example.com", false),
        ("http://example.com/", "", false),
        ("", "", false),
        ("http://example.com/", ".", false),
    ] {
        assert_eq!(refer_matches(page_url.as_bytes(), domain), expected, "{page_url} {domain}");
    }
}

#[test]
fn row_129_logged_text_is_one_short_line() {
    for (text, expected) in [
        (&b"plain text/1.0"[..], "plain text/1.0"),
        (b"a\r\nb\0", "a\\x0d\\x0ab\\x00"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"\"'\\", "\\x22\\x27\\x5c"),
        (b"%n%s", "%n%s"),
        (b"a\xFFb\xE2\x80", "a\\xffb\\xe2\\x80"),
        ("\u{76F4}\u{e9}".as_bytes(), "\u{76F4}\u{e9}"),
        ("\u{85}\u{9b}\u{202E}\u{2066}\u{2028}\u{FEFF}".as_bytes(), {
            "\\u{85}\\u{9b}\\u{202e}\\u{2066}\\u{2028}\\u{feff}"
        }),
    ] {
        assert_eq!(escape(text, 256), expected);
    }
    let long = std::vec![b'a'; 1 << 20];
    assert_eq!(escape(&long, 256), format!("{}...", "a".repeat(253)));
}

#[test]
fn row_129_a_cut_falls_between_characters_and_escapes() {
    for (text, max, expected) in [
        (&b"abcdef"[..], 6, "abcdef"),
        (b"abcdef", 5, "ab..."),
        (b"abc", 2, ".."),
        (b"abc", 0, ""),
        (b"", 0, ""),
        (b"\n\n", 8, "\\x0a\\x0a"),
        (b"\n\n", 7, "\\x0a..."),
        (b"\n\n", 6, "..."),
        ("\u{76F4}\u{76F4}".as_bytes(), 6, "\u{76F4}\u{76F4}"),
        ("\u{76F4}\u{76F4}".as_bytes(), 5, "..."),
        ("\u{76F4}\u{76F4}\u{76F4}".as_bytes(), 7, "\u{76F4}..."),
    ] {
        assert_eq!(escape(text, max), expected, "{max}");
    }
}

#[test]
fn queries_do_not_show() {
    let address = Address::parse(b"rtmp://u:hunter2@h/live?t=hunter2", b"", LIMITS).unwrap();
    let argument = StreamArgument::parse(b"s?t=hunter2", LIMITS).unwrap();
    let text = format!("{address:?} {argument:?}");
    assert!(text.contains("live") && !text.contains("hunter2"), "{text}");
}

#[test]
fn every_error_is_one_sentence() {
    let parts = [Part::App, Part::Stream, Part::TcUrl, Part::Vhost];
    let errors = parts
        .into_iter()
        .flat_map(|part| {
            [NameError::Empty(part), NameError::Forbidden(part), NameError::TooLong(part)]
        })
        .chain([NameError::Port, NameError::Scheme]);
    let texts: Vec<&str> = errors.map(NameError::describe).collect();
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), 14);
    for text in texts {
        assert!(text.starts_with("The ") && text.find('.') == Some(text.len() - 1), "{text}");
    }
}

/// Text made of what matters to the readers.
fn made(tokens: &[u8]) -> String {
    const TOKENS: [&str; 32] = [
        "a",
        "B",
        "1",
        "/",
        "/",
        ".",
        "..",
        "...",
        "?",
        "&",
        ",",
        "=",
        "vhost",
        "vhost=",
        "domain=",
        "%",
        "%2",
        "%2e",
        "%61",
        "-",
        " ",
        "\\",
        "@",
        ":",
        "[",
        "]",
        "\u{e9}",
        "\u{202E}",
        "\t",
        "/_definst_",
        "_",
        "://",
    ];
    tokens.iter().map(|token| TOKENS[usize::from(*token) % TOKENS.len()]).collect()
}

quickcheck! {
    fn no_bytes_break_the_readers(url: Vec<u8>, app: Vec<u8>, argument: Vec<u8>) -> bool {
        fuzz_name(&[&url[..], &app, &argument].join(&0));
        fuzz_name(&[&[b"rtmp://", &url[..]].concat(), &app[..], &argument].join(&0));
        true
    }

    fn made_text_does_not_break_the_readers(url: Vec<u8>, app: Vec<u8>, name: Vec<u8>) -> bool {
        let url = format!("rtmp://h/{}", made(&url));
        fuzz_name(&[url.as_bytes(), made(&app).as_bytes(), made(&name).as_bytes()].join(&0));
        let authority = format!("rtmp://{}", made(&app));
        fuzz_name(&[authority.as_bytes(), b"a", made(&name).as_bytes()].join(&0));
        true
    }

    fn a_legal_name_is_read_as_it_is(vhost: Vec<u8>, app: Vec<u8>, stream: Vec<u8>) -> TestResult {
        let vhost = format!("v{}", made(&vhost[..vhost.len().min(2)]));
        let app = format!("a{}", made(&app[..app.len().min(4)]));
        let stream = format!("s{}", made(&stream[..stream.len().min(4)]));
        let Ok(name) = StreamName::new(&vhost, &app, &stream, LIMITS) else {
            return TestResult::discard();
        };
        let url = format!("rtmp://{}/{}", name.vhost(), name.app());
        let address = Address::parse(url.as_bytes(), b"", LIMITS).unwrap();
        let argument = StreamArgument::parse(name.stream().as_bytes(), LIMITS).unwrap();
        assert_eq!((&*address.app, &*argument.stream), (&*app, &*stream));
        let again = StreamName::new(&address.vhost, &address.app, &argument.stream, LIMITS);
        TestResult::from_bool(again == Ok(name))
    }

    fn escaped_text_is_one_line_within_its_limit(text: Vec<u8>, max: u8) -> bool {
        let line = escape(&text, usize::from(max));
        let is_clean = !line.chars().any(|c| c.is_control() || matches!(c, '"' | '\''));
        line.len() <= usize::from(max) && is_clean
    }
}
