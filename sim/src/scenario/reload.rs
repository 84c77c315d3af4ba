//! What the operator changes while the server runs.

use super::{Scenario, ServerPlan};
use crate::net::Micros;
use millstream_core::config::{Config, Refer, Vhost};
use std::sync::Arc;
use std::time::Duration;

/// The vhost that scenarios have besides the default one.
pub const OWN_VHOST: &str = "own.example";
/// Streams from this number on are asked for there.
pub const OWN_STREAMS: u32 = 100;
/// Streams from this number on are those of attackers.
pub const ATTACKED_STREAMS: u32 = 900;

/// Another configuration for all shards: each takes it when it hears of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reload {
    /// When the operator asks for it.
    pub at: Micros,
    /// How much later the last shard may hear of it.
    pub spread: Micros,
    /// The configuration; what it says of the machine is without meaning.
    pub plan: ServerPlan,
}

/// What becomes of the vhost that scenarios have besides the default one. Its other settings are
/// those that the default vhost had at the start, for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OwnVhost {
    /// It is not configured: the default vhost takes its peers.
    #[default]
    Absent,
    /// It is configured, and refuses all.
    Disabled,
    /// It has streams of its own.
    Served,
}

/// Who may come, by the pages that clients come from. Those of the simulation come from none, so
/// that any rule keeps them out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pages {
    /// Nobody may connect.
    pub all: bool,
    /// Nobody may play.
    pub play: bool,
    /// Nobody may publish.
    pub publish: bool,
}

/// A part of a configuration: takes it from another one.
pub(super) type Directive = fn(&mut ServerPlan, &ServerPlan);

/// All that a reload may change.
pub(super) const DIRECTIVES: [Directive; 20] = [
    |plan, other| plan.chunk_size = other.chunk_size,
    |plan, other| plan.gop_cache = other.gop_cache,
    |plan, other| plan.gop_bytes_max = other.gop_bytes_max,
    |plan, other| plan.grace = other.grace,
    |plan, other| plan.play_wait = other.play_wait,
    |plan, other| plan.idle = other.idle,
    |plan, other| plan.lag_bytes_max = other.lag_bytes_max,
    |plan, other| plan.lag_max = other.lag_max,
    |plan, other| plan.takeover = other.takeover,
    |plan, other| plan.send_delay = other.send_delay,
    |plan, other| plan.jitter = other.jitter,
    |plan, other| plan.engines = other.engines,
    |plan, other| plan.hls = other.hls,
    |plan, other| plan.hls_fragment = other.hls_fragment,
    |plan, other| plan.hls_window = other.hls_window,
    |plan, other| plan.own_vhost = other.own_vhost,
    |plan, other| plan.pages.all = other.pages.all,
    |plan, other| plan.pages.play = other.pages.play,
    |plan, other| plan.pages.publish = other.pages.publish,
    |plan, other| plan.connections_max = other.connections_max,
];

impl Scenario {
    /// All plans of the server, in their order: the first one, and one for each reload.
    pub fn plans(&self) -> impl Iterator<Item = &ServerPlan> {
        std::iter::once(&self.server).chain(self.reloads.iter().map(|reload| &reload.plan))
    }

    /// The configurations of all plans.
    #[must_use]
    pub fn configs(&self) -> Vec<Arc<Config>> {
        self.plans().map(|plan| Arc::new(self.config_of(plan, 0))).collect()
    }

    /// The configuration that a plan is for one of the servers.
    pub(super) fn config_of(&self, plan: &ServerPlan, server: usize) -> Config {
        let mut config = plan.config();
        self.add_forwards(&mut config, server);
        let enabled = match plan.own_vhost {
            OwnVhost::Absent => return config,
            OwnVhost::Disabled => false,
            OwnVhost::Served => true,
        };
        let own = Arc::new(Vhost { enabled, ..self.server.vhost() });
        config.vhosts.insert(OWN_VHOST.into(), own);
        config
    }

    /// What holds for the streams of a vhost under a plan.
    #[must_use]
    pub fn plan_for(&self, plan: &ServerPlan, vhost: &str) -> ServerPlan {
        if vhost != OWN_VHOST || plan.own_vhost == OwnVhost::Absent {
            return *plan;
        }
        // Limits are the server's.
        let ServerPlan { connections_max, gop_bytes_max, idle, own_vhost, play_wait, .. } = *plan;
        ServerPlan { connections_max, gop_bytes_max, idle, own_vhost, play_wait, ..self.server }
    }
}

impl Pages {
    /// The same for the server. The simulated clients come from no page.
    pub(super) fn refer(self) -> Refer {
        let rule = |is_there: bool| match is_there {
            true => vec!["elsewhere.example".into()],
            false => Vec::new(),
        };
        Refer { all: rule(self.all), play: rule(self.play), publish: rule(self.publish) }
    }
}

/// The host that a stream is asked for at.
#[must_use]
pub const fn host_of(stream: u32) -> &'static str {
    match stream {
        OWN_STREAMS..ATTACKED_STREAMS => OWN_VHOST,
        _ => "simulated",
    }
}

/// A time of the configuration.
pub(super) const fn micros(micros: Micros) -> Duration {
    Duration::from_micros(micros)
}
