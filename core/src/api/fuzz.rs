//! The body of a fuzz target: what strangers ask the API for.

use super::{Failure, Page, Request, Snapshot, StreamState};
use crate::config::{ApiAccess, Network};
use crate::name::{NameLimits, StreamName};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

/// Streams of the server that is asked.
const STREAMS: usize = 5;

/// Takes `data` as the end of a target, as a network, as a host, and as what a proxy has added.
///
/// # Panics
/// An answer is no JSON, a list is not the part of all that was asked for, a network is written in
/// another way than it is read, or a stranger is let in.
pub fn fuzz_api(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let snapshot = snapshot();
    for start in ["/api/v1/", "/api/v1/streams", "/api/v1/clients?stream=", "/metrics", ""] {
        ask(&snapshot, &format!("{start}{text}"));
    }
    if let Some(network) = Network::parse(&text) {
        assert_eq!(Network::parse(&network.to_string()), Some(network));
    }
    let access = ApiAccess::default();
    let stranger = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
    assert!(!access.allows(stranger, Some(data)));
    let host_is_of_strangers = text.trim_end_matches('.').ends_with(".com");
    assert!(!(access.knows(&text) && host_is_of_strangers), "{text}");
}

fn ask(snapshot: &Snapshot, target: &str) {
    let parsed = Request::parse("GET", target);
    assert_eq!(parsed, Request::parse("HEAD", target));
    let answer = match &parsed {
        Ok(request) => request.answer(snapshot, &[]),
        Err(failure) => failure.answer(),
    };
    // A stream may be absent though its name is legal.
    assert!(parsed.is_ok() || answer.status != 200, "{target}");
    if matches!(parsed, Ok(Request::Metrics)) {
        return;
    }
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert!(document.is_object(), "{target}");
    match parsed {
        Ok(Request::Forwards(page)) => check_page(&document, page, "forwards", 0),
        Ok(Request::Renditions(page)) => check_page(&document, page, "renditions", 0),
        Ok(Request::Streams(page)) => check_page(&document, page, "streams", STREAMS),
        Ok(Request::Clients { page, .. }) => check_page(&document, page, "clients", 0),
        Err(Failure::Method) => unreachable!("it was a GET"),
        Ok(Request::Metrics | Request::Stream(_) | Request::Summary | Request::Version)
        | Err(_) => {}
    }
}

fn check_page(document: &serde_json::Value, page: Page, list: &str, total: usize) {
    assert_eq!(document.get("total").and_then(serde_json::Value::as_u64), Some(total as u64));
    let listed = document.get(list).and_then(serde_json::Value::as_array).map(Vec::len);
    let expected = total.saturating_sub(page.start).min(page.count);
    assert_eq!(listed, Some(expected), "{page:?}");
}

fn snapshot() -> Snapshot {
    let limits = NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };
    let names = (0..STREAMS).map(|index| format!("s{index}"));
    let names =
        names.filter_map(|name| StreamName::new("__defaultVhost__", "a", &name, limits).ok());
    Snapshot { streams: names.map(StreamState::waiting).collect(), ..Snapshot::default() }
}
