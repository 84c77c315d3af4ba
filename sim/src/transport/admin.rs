//! Another configuration for a shard, and what comes of it.

use super::{Due, SimTransport, Told};
use crate::entropy::Entropy;
use crate::net::Micros;
use crate::scenario::Reload;
use millstream_core::config::Config;
use millstream_core::drive::Ready;
use millstream_core::event::Event;
use std::sync::Arc;

/// All configurations of a run.
#[derive(Debug, Default)]
pub(super) struct Admin {
    configs: Vec<Arc<Config>>,
    /// What the server does now comes of nothing but a reload.
    is_alone: bool,
}

impl SimTransport {
    /// The operator reloads: `configs` are the first one and one for each reload. A shard hears of
    /// all of them in their order, and of each at a time of its own.
    pub fn plan_reloads(
        &mut self,
        configs: Vec<Arc<Config>>,
        reloads: &[Reload],
        entropy: &mut Entropy,
    ) {
        self.admin.configs = configs;
        for shard in 0..self.ports.len() {
            let mut last: Micros = 0;
            for (index, reload) in reloads.iter().enumerate() {
                last = last.max(reload.at + entropy.range(0..=reload.spread));
                self.schedule(last, Due::Config(shard, index + 1));
            }
        }
    }

    /// Some reloads are taken in a turn of their own: what comes of them is told apart. Where the
    /// turn before has left something to do, that would be told with it.
    pub(super) fn reloads_alone(&mut self, ready: &mut Vec<Ready>) -> bool {
        self.admin.is_alone = false;
        let port = &mut self.ports[self.own];
        if port.has_more || port.configs.is_empty() || !ready.is_empty() || self.entropy.one_in(3) {
            return false;
        }
        port.has_run = true;
        self.admin.is_alone = true;
        ready.push(Ready::Config);
        true
    }

    pub(super) fn take_config(&mut self) -> Option<Arc<Config>> {
        self.idle_turns = 0;
        let port = &mut self.ports[self.own];
        port.config = port.configs.pop_front()?;
        self.taken.push((self.clock, port.config));
        self.admin.configs.get(port.config).cloned()
    }

    pub(super) fn tell(&mut self, event: Event, link: Option<usize>, is_full: bool) {
        let (at, server, shard) = (self.clock, self.server_of(self.own), self.own);
        let (config, is_of_reload) = (self.ports[shard].config, self.admin.is_alone);
        self.told.push(Told { at, config, event, is_full, is_of_reload, link, server, shard });
    }
}
