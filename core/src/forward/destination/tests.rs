use super::*;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::string::ToString;

const LIMITS: NameLimits =
    NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };

fn name(vhost: &str, app: &str, stream: &str) -> StreamName {
    StreamName::new(vhost, app, stream, LIMITS).expect("a legal name")
}

#[test]
fn a_destination_is_rendered_for_each_stream() {
    let check = |text: &str, name: &StreamName, tc_url: &str, stream: &str| {
        let destination = Destination::parse(text).expect(text);
        let target = destination.target(name, LIMITS).expect(text);
        assert_eq!((&*target.tc_url, &*target.stream), (tc_url, stream), "{text}");
        assert!(target.tc_url.ends_with(&*target.app), "{text}");
    };
    let cam = &name(DEFAULT_VHOST, "live", "cam");
    let show = &name("a.example", "live/de", "show");
    check("b.example", cam, "rtmp://b.example/live", "cam");
    check("b.example:1935", cam, "rtmp://b.example/live", "cam");
    check("b.example:2935", cam, "rtmp://b.example:2935/live", "cam");
    check("b.example", show, "rtmp://b.example/live/de?vhost=a.example", "show");
    check("b.example?vhost=c", show, "rtmp://b.example/live/de?vhost=c", "show");
    check("[::1]:2935", cam, "rtmp://[::1]:2935/live", "cam");
    check("RTMP://B.example/", cam, "rtmp://b.example/live", "cam");
    check("rtmp://b/in", show, "rtmp://b/in", "show");
    check("rtmp://b/in/", show, "rtmp://b/in", "show");
    check("rtmp://b/in/x", show, "rtmp://b/in", "x");
    check("rtmp://b/in/deep/x", show, "rtmp://b/in/deep", "x");
    check("rtmp://b/in/x?key=1&y=/2", show, "rtmp://b/in", "x?key=1&y=/2");
    check("rtmp://b/in?vhost=c", show, "rtmp://b/in?vhost=c", "show");
    check("rtmp://b/in?vhost=c/x", show, "rtmp://b/in?vhost=c", "x");
    check("rtmp://b/{app}/{stream}_2", show, "rtmp://b/live/de", "show_2");
    check("rtmp://b/{vhost}/{app}-{stream}", cam, "rtmp://b/__defaultVhost__", "live-cam");
    check("rtmp://b/in?vhost={vhost}", show, "rtmp://b/in?vhost=a.example", "show");
    let odd = &name(DEFAULT_VHOST, "a&b=c", "d/e&key=%41");
    check(
        "rtmp://b/in/x?from={app}/{stream}",
        odd,
        "rtmp://b/in",
        "x?from=a%26b%3Dc/d%2Fe%26key%3D%2541",
    );
    check("rtmp://b/in", odd, "rtmp://b/in", "d/e&key=%41");
}

#[test]
fn a_name_of_a_peer_is_never_a_vhost_of_the_destination() {
    let check = |text: &str, name: &StreamName| {
        let destination = Destination::parse(text).expect(text);
        assert_eq!(destination.target(name, LIMITS), None, "{text}");
    };
    check("rtmp://b/{stream}/x", &name(DEFAULT_VHOST, "live", "a...vhost...secret"));
    check("rtmp://b/{stream}/x", &name(DEFAULT_VHOST, "live", "a,vhost=secret"));
    check("rtmp://b/{stream}/x", &name(DEFAULT_VHOST, "live", "a&vhost=secret"));
    check("rtmp://b/in/{stream}{stream}", &name(DEFAULT_VHOST, "live", &"a".repeat(200)));
}

#[test]
fn what_is_no_destination_is_refused() {
    let check = |text: &str, error: DestinationError| {
        assert_eq!(Destination::parse(text), Err(error), "{text}");
    };
    check("", DestinationError::Host);
    check(":1935", DestinationError::Host);
    check("rtmp:///live", DestinationError::Host);
    check("rtmp://{vhost}/live", DestinationError::Host);
    check("{stream}:1935", DestinationError::Host);
    check("rtmp://-x/live", DestinationError::Host);
    check("b.example:0", DestinationError::Port);
    check("b.example:65536", DestinationError::Port);
    check("b.example:rtmp", DestinationError::Port);
    check("b.example/live", DestinationError::Path);
    check("rtmps://b/live", DestinationError::Scheme);
    check("http://b/live", DestinationError::Scheme);
    check("rtmp://user:secret@b/live", DestinationError::User);
    check("rtmp://b/li ve", DestinationError::Character);
    check("rtmp://b/li\nve", DestinationError::Character);
    check("rtmp://b/{name}", DestinationError::Variable);
    check("rtmp://b/{stream", DestinationError::Variable);
    check("rtmp://b/stream}", DestinationError::Variable);
    check("rtmp://b/x{", DestinationError::Variable);
    check("rtmp://b/x?k={key}", DestinationError::Variable);
    check(&"x".repeat(2_049), DestinationError::TooLong);
}

#[test]
fn keys_are_not_shown() {
    let check = |text: &str, shown: &str, label: &str| {
        let destination = Destination::parse(text).expect(text);
        let cam = name(DEFAULT_VHOST, "live", "cam");
        assert_eq!(destination.to_string(), shown);
        assert_eq!(Destination::parse(&destination.reveal()), Ok(destination.clone()));
        assert_eq!(destination.label(&cam), label);
        let target = destination.target(&cam, LIMITS).expect(text);
        let debug = format!("{destination:?} {target:?}");
        assert!(!debug.contains("hidden"), "{debug}");
    };
    check("b", "rtmp://b/{app}/{stream}", "rtmp://b/live/cam");
    check("rtmp://b/in", "rtmp://b/in/{stream}", "rtmp://b/in/cam");
    check("rtmp://b/live2/hidden-hidden", "rtmp://b/live2/..", "rtmp://b/live2/..");
    check("rtmp://b/in/{stream}_x?k=hidden", "rtmp://b/in/{stream}_x?..", "rtmp://b/in/cam_x?..");
    check("rtmp://b/in?k=hidden", "rtmp://b/in?../{stream}", "rtmp://b/in?../cam");
}

quickcheck! {
    fn any_text_is_a_destination_or_none(text: String, stream: String) -> bool {
        let text = format!("rtmp://b/{text}");
        let Ok(destination) = Destination::parse(&text) else { return true };
        let Ok(name) = StreamName::new("v", "live", &stream, LIMITS) else { return true };
        assert_eq!(Destination::parse(&destination.reveal()).as_ref(), Ok(&destination));
        // The host and the port are the operator's own, whatever the stream is called.
        destination.target(&name, LIMITS).is_none_or(|target| {
            (&*target.host, target.port) == ("b", 1935) && target.tc_url.starts_with("rtmp://b/")
        })
    }
}
