//! What a destination of the configuration is for one stream.

use crate::config::Forward;
use crate::name::{DEFAULT_VHOST, NameLimits, StreamName};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// A destination for one stream.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Target {
    /// A name or an address, without brackets.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// The app of `connect`, with its query.
    pub(crate) app: Arc<str>,
    pub(crate) tc_url: Arc<str>,
    /// The stream of `publish`, with its query.
    pub(crate) stream: Arc<str>,
}

impl Target {
    /// `None` when that is no legal app and stream.
    pub(crate) fn new(forward: &Forward, name: &StreamName, limits: NameLimits) -> Option<Self> {
        let (app, stream) = (forward.app_for(name), forward.stream_for(name));
        let (app_name, stream_name) = (without_query(&app), without_query(&stream));
        StreamName::new(DEFAULT_VHOST, app_name, stream_name, limits).ok()?;
        let vhost = forward.vhost_for(name);
        let is_asked = forward.vhost.is_some() || forward.app.is_none();
        // The tcUrl names the machine, so that the vhost has to be asked for.
        let app = if is_asked && vhost != DEFAULT_VHOST {
            format!("{app_name}?vhost={vhost}")
        } else {
            app
        };
        Some(Self {
            host: forward.host.clone(),
            port: forward.port,
            tc_url: format!("rtmp://{}/{app}", authority(forward)).into(),
            app: app.into(),
            stream: stream.into(),
        })
    }
}

/// Where a stream goes, for the log: without queries but for a vhost, and without a stream that is
/// written out in the configuration. Both may be keys.
pub(crate) fn label(forward: &Forward, name: &StreamName) -> String {
    let (app, stream) = (forward.app_for(name), forward.stream_for(name));
    let template = forward.stream.as_deref().map(without_query);
    let is_secret = template.is_some_and(|template| !template.contains('{'));
    let stream_name = if is_secret { ".." } else { without_query(&stream) };
    let cut = |text: &str| if text.contains('?') { "?.." } else { "" };
    let asked = match &forward.vhost {
        Some(_) => Some(forward.vhost_for(name)),
        None => app
            .split_once('?')
            .and_then(|(_, query)| query.strip_prefix("vhost=").map(String::from)),
    };
    let is_name = |text: &String| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let app_cut = match asked.filter(is_name) {
        Some(vhost) => format!("?vhost={vhost}"),
        None => String::from(cut(&app)),
    };
    let stream_cut = cut(&stream);
    let app_name = without_query(&app);
    format!("rtmp://{}/{app_name}{app_cut}/{stream_name}{stream_cut}", authority(forward))
}

/// Host and port as they are in a URL.
fn authority(forward: &Forward) -> String {
    let Forward { host, port, .. } = forward;
    let host = if host.contains(':') { format!("[{host}]") } else { String::from(host.as_ref()) };
    if *port == Forward::PORT { host } else { format!("{host}:{port}") }
}

fn without_query(text: &str) -> &str {
    text.split('?').next().unwrap_or_default()
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
