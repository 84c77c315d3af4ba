use super::*;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;

const LIMITS: NameLimits =
    NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };

fn name(vhost: &str, app: &str, stream: &str) -> StreamName {
    StreamName::new(vhost, app, stream, LIMITS).expect("a legal name")
}

fn target(text: &str, name: &StreamName) -> Option<Target> {
    Target::new(&Forward::parse(text).expect(text), name, LIMITS)
}

#[test]
fn a_destination_is_rendered_for_each_stream() {
    let check = |text: &str, name: &StreamName, tc_url: &str, stream: &str| {
        let target = target(text, name).expect(text);
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
    check("RTMP://b.example/", cam, "rtmp://b.example/live", "cam");
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
        "rtmp://b/in/x?from={stream}-{app}",
        odd,
        "rtmp://b/in",
        "x?from=d%2Fe%26key%3D%2541-a%26b%3Dc",
    );
    check("rtmp://b/in", odd, "rtmp://b/in", "d/e&key=%41");
}

#[test]
fn a_name_of_a_peer_is_never_a_vhost_of_the_destination() {
    let check = |text: &str, name: &StreamName| assert_eq!(target(text, name), None, "{text}");
    check("rtmp://b/{stream}/x", &name(DEFAULT_VHOST, "live", "a...vhost...secret"));
    check("rtmp://b/{stream}/x", &name(DEFAULT_VHOST, "live", "a,vhost=secret"));
    check("rtmp://b/{stream}/x", &name(DEFAULT_VHOST, "live", "a&vhost=secret"));
    check("rtmp://b/in/{stream}{stream}", &name(DEFAULT_VHOST, "live", &"a".repeat(200)));
}

#[test]
fn keys_are_not_shown() {
    let check = |text: &str, expected: &str| {
        let forward = Forward::parse(text).expect(text);
        let cam = name(DEFAULT_VHOST, "live", "cam");
        assert_eq!(label(&forward, &cam), expected);
        let debug = format!("{forward:?} {:?}", Target::new(&forward, &cam, LIMITS));
        assert!(!debug.contains("hidden"), "{debug}");
    };
    check("b", "rtmp://b/live/cam");
    check("rtmp://b/in", "rtmp://b/in/cam");
    check("rtmp://b/live2/hidden-hidden", "rtmp://b/live2/..");
    check("rtmp://b/in/{stream}_x?k=hidden", "rtmp://b/in/cam_x?..");
    check("rtmp://b/in/hidden?k={stream}", "rtmp://b/in/..?..");
    check("rtmp://b/in?k=hidden", "rtmp://b/in?../cam");
    check("rtmp://b/in?vhost=c&k=hidden", "rtmp://b/in?../cam");
    check("rtmp://b/in?k=hidden?vhost=c", "rtmp://b/in?../cam");
    // Or two destinations would look the same.
    check("b?vhost=c.example", "rtmp://b/live?vhost=c.example/cam");
    check("rtmp://b/in?vhost=c.example", "rtmp://b/in?vhost=c.example/cam");
}

quickcheck! {
    fn any_text_is_a_destination_or_none(text: String, stream: String) -> bool {
        let text = format!("rtmp://b/{text}");
        let Ok(forward) = Forward::parse(&text) else { return true };
        let Ok(name) = StreamName::new("v", "live", &stream, LIMITS) else { return true };
        // The host and the port are the operator's own, whatever the stream is called.
        Target::new(&forward, &name, LIMITS).is_none_or(|target| {
            (&*target.host, target.port) == ("b", 1935) && target.tc_url.starts_with("rtmp://b/")
        })
    }
}
