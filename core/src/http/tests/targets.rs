//! Paths and queries.

use super::*;
use pretty_assertions::assert_eq;

fn check(target: &str, path: Option<&str>) {
    let parsed = Target::parse(target).unwrap();
    assert_eq!(parsed.path(), path, "{target}");
}

#[test]
fn paths_are_decoded_once() {
    check("/", Some("/"));
    check("/live/x.m3u8", Some("/live/x.m3u8"));
    check("/folder/", Some("/folder/"));
    check("/a%20b/%C3%A4.flv?x", Some("/a b/ä.flv"));
    check("/a+b", Some("/a+b"));
    check("/%2541", Some("/%41"));
    check("/%252e%252e/x", Some("/%2e%2e/x"));
    check("/...", Some("/..."));
    check("*", Some("*"));
    check("http://h/x?y", Some("/x"));
    check("HTTPS://h", Some("/"));
    check("http://h?q", Some("/"));
}

#[test]
fn row_85_paths_that_lead_elsewhere_are_nobodys() {
    for target in [
        "/live/../../etc/passwd",
        "/live/%2e%2e%2f%2e%2e/etc",
        "/live/%2e%2E/x",
        "/live/.%2e/x",
        "/..",
        "/../",
        "/.",
        "/live/..%5c..%5cx",
        "/live\\x",
        "//etc/passwd",
        "/live//x",
        "/live/x.m3u8//",
        "/live/%00.flv",
        "/live/x%0d%0aSet-Cookie:%20a",
        "/live/x%1b[31m",
        "/live/%C2%85",
        "/live/x.m3u8/../y",
        "/live%2Fx.flv",
        "http://h/../x",
    ] {
        check(target, None);
    }
}

#[test]
fn targets_that_are_none_are_refused() {
    for target in [
        "",
        "http://",
        "http:///x",
        "http://localhost:x@h/x",
        "live/x",
        "ftp://h/x",
        "/%",
        "/%2",
        "/%zz",
        "/%ff",
        "/x#y",
        "*?x",
        "h:80",
        "/%+1",
    ] {
        assert_eq!(Target::parse(target), Err(HttpError::Target), "{target}");
    }
    check_refused("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", HttpError::Target, 400);
}

#[test]
fn queries_are_decoded_for_who_asks() {
    let target = Target::parse("/x?a=1&b=%3D%26+&a=2&c&d=%zz&=e&%61=f").unwrap();
    for (key, value) in
        [("a", Some("1")), ("b", Some("=& ")), ("c", Some("")), ("d", None), ("", Some("e"))]
    {
        assert_eq!(target.value(key).as_deref(), value, "{key}");
    }
    assert_eq!(target.as_sent(), "/x?a=1&b=%3D%26+&a=2&c&d=%zz&=e&%61=f");
    assert_eq!(target.query(), "a=1&b=%3D%26+&a=2&c&d=%zz&=e&%61=f");
}
