//! The publisher of `millstream demo`: a client like any other, on a connection of its own.

use crate::client::{Client, ClientError, Target};
use crate::clip::Clip;
use crate::publisher::publish;
use crate::runtime::{Runtime, sleep_until};
use millstream_core::session::{Intent, SessionConfig};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The stream of the demo: app and stream.
pub(crate) const STREAM: &str = "live/demo";

/// Pause before a new connection after one has ended.
const RETRY: Duration = Duration::from_secs(1);

/// Publishes the clip to the server at `address` for ever.
pub(crate) async fn run<R: Runtime>(address: SocketAddr, clip: Clip) {
    let clip = Arc::new(clip);
    for attempt in 0_u64.. {
        let address = reachable(address, attempt);
        if let Err(error) = publish_once::<R>(address, clip.clone(), attempt).await {
            tracing::info!("the demo publisher ended: {error}; it starts again");
        }
        sleep_until::<R>(Instant::now() + RETRY).await;
    }
}

async fn publish_once<R: Runtime>(
    address: SocketAddr,
    clip: Arc<Clip>,
    seed: u64,
) -> Result<(), ClientError> {
    let (app, stream) = STREAM.split_once('/').unwrap_or_default();
    let target = Target {
        host: address.ip().to_string(),
        port: address.port(),
        app: app.to_owned(),
        stream: stream.to_owned(),
    };
    let config = Arc::new(SessionConfig::default());
    let mut client =
        Client::<R>::start(address, &target, Intent::Publish, config, seed, |_| {}).await?;
    publish(&mut client, clip, None, None, |_| {}).await
}

/// An address that reaches a listener from this machine. A socket for both families may live on a
/// machine whose IPv6 is switched off, and one for IPv6 alone does not hear IPv4: the two loopback
/// addresses take turns.
fn reachable(listener: SocketAddr, attempt: u64) -> SocketAddr {
    let ip = listener.ip();
    let ip = match (ip.is_unspecified(), attempt % 2) {
        (false, _) => ip,
        (true, 1) if ip.is_ipv6() => Ipv6Addr::LOCALHOST.into(),
        (true, _) => Ipv4Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listener.port())
}
