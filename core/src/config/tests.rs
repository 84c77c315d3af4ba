use super::forward::{Forward, ForwardError};
use super::transcode::{Fps, Scope};
use super::{Config, Vhost};
use crate::name::{NameLimits, StreamName};
use alloc::format;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use pretty_assertions::assert_eq;

fn name(vhost: &str, app: &str, stream: &str) -> StreamName {
    let limits = NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };
    StreamName::new(vhost, app, stream, limits).unwrap()
}

#[test]
fn an_unknown_vhost_is_the_default_one_if_there_is_one() {
    let mut config = Config::default();
    let own = Vhost { gop_cache: false, ..Vhost::default() };
    config.vhosts.insert(Arc::from("a.example"), Arc::new(own));
    let check = |config: &Config, name: &str, expected: Option<&str>| {
        assert_eq!(config.resolve(name).map(|(name, _)| &**name), expected, "{name}");
    };
    check(&config, "a.example", Some("a.example"));
    check(&config, "b.example", Some("__defaultVhost__"));
    check(&config, "A.example", Some("__defaultVhost__"));
    config.vhosts.remove("__defaultVhost__");
    check(&config, "a.example", Some("a.example"));
    check(&config, "b.example", None);
    check(&config, "__defaultVhost__", None);
}

#[test]
fn destinations_are_read() {
    type Parts<'a> = (&'a str, u16, &'a str, &'a str, &'a str);
    let check = |text: &str, expected: Result<Parts<'_>, ForwardError>| {
        let forward = Forward::parse(text);
        let parts = forward.as_ref().map_err(|error| *error).map(|forward| {
            let part = |part: &'_ Option<Arc<str>>| part.as_deref().unwrap_or("-").to_string();
            let (app, stream) = (part(&forward.app), part(&forward.stream));
            (forward.host.to_string(), forward.port, app, stream, part(&forward.vhost))
        });
        let expected = expected.map(|(host, port, app, stream, vhost)| {
            (host.into(), port, app.into(), stream.into(), vhost.into())
        });
        assert_eq!(parts, expected, "{text}");
    };
    check("127.0.0.1", Ok(("127.0.0.1", 1935, "-", "-", "-")));
    check("127.0.0.1:1936", Ok(("127.0.0.1", 1936, "-", "-", "-")));
    check("a.example:1936?vhost=b.example", Ok(("a.example", 1936, "-", "-", "b.example")));
    check("[::1]:1936", Ok(("::1", 1936, "-", "-", "-")));
    check("rtmp://a.example", Ok(("a.example", 1935, "-", "-", "-")));
    check("rtmp://a.example/live", Ok(("a.example", 1935, "live", "-", "-")));
    check("rtmp://a.example/live/", Ok(("a.example", 1935, "live", "-", "-")));
    check("RTMP://a.example:1/{app}/{stream}", Ok(("a.example", 1, "{app}", "{stream}", "-")));
    check("rtmp://a/live/x/key?b=c/d", Ok(("a", 1935, "live/x", "key?b=c/d", "-")));
    check("rtmp://a/live?vhost=v/key", Ok(("a", 1935, "live?vhost=v", "key", "-")));
    check("", Err(ForwardError::Host));
    check("-i", Err(ForwardError::Host));
    check("a b", Err(ForwardError::Host));
    check("[::1", Err(ForwardError::Host));
    check("[::1]1", Err(ForwardError::Host));
    check("a:0", Err(ForwardError::Port));
    check("a:70000", Err(ForwardError::Port));
    check("a:+1", Err(ForwardError::Port));
    check("http://a/b", Err(ForwardError::Scheme));
    check("a?x=1", Err(ForwardError::Query));
    check("a?", Err(ForwardError::Query));
    check("rtmp://a?vhost=b", Err(ForwardError::Query));
    check("a?vhost=", Err(ForwardError::Name));
    check("a?vhost=b&x=1", Err(ForwardError::Name));
    check("rtmp://a/b c/d", Err(ForwardError::Name));
    check("rtmp://a/b/..", Err(ForwardError::Name));
    check("rtmp://a/{app}/ {stream}", Err(ForwardError::Name));
    check("a?vhost={vhost}", Ok(("a", 1935, "-", "-", "{vhost}")));
    check("rtmp://a/{host}/b", Err(ForwardError::Placeholder));
    check("rtmp://a/{app/b", Err(ForwardError::Placeholder));
}

#[test]
fn a_destination_names_the_stream_that_is_pushed() {
    let check = |text: &str, expected: (&str, &str, &str)| {
        let forward = Forward::parse(text).unwrap();
        let name = name("v.example", "live", "cam");
        let found = (forward.vhost_for(&name), forward.app_for(&name), forward.stream_for(&name));
        let found = (found.0.as_str(), found.1.as_str(), found.2.as_str());
        assert_eq!(found, expected, "{text}");
    };
    check("a:1936", ("v.example", "live", "cam"));
    check("a?vhost=w", ("w", "live", "cam"));
    check("rtmp://a/{vhost}-{app}/x-{stream}?k=1", ("v.example", "v.example-live", "x-cam?k=1"));
}

#[test]
fn a_destination_does_not_show_its_key() {
    let forward = Forward::parse("rtmp://a.example/live?token=secret/secret").unwrap();
    let shown = format!("{forward:?}");
    assert!(shown.contains("a.example") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_scope_is_a_vhost_an_app_or_a_stream() {
    let check = |scope: &str, covered: [bool; 3]| {
        let parsed = Scope::parse(scope);
        let names = [("live", "cam"), ("live", "other"), ("vod", "cam")];
        assert_eq!(names.map(|(app, stream)| parsed.covers(&name("v", app, stream))), covered);
        assert_eq!(parsed.to_string(), scope);
    };
    check("", [true, true, true]);
    check("live", [true, true, false]);
    check("live/cam", [true, false, false]);
}

#[test]
fn pictures_per_second_have_two_decimals() {
    assert_eq!(Fps(2_997).to_string(), "29.97");
    assert_eq!(Fps(2_500).to_string(), "25.00");
}
