//! Which configuration is in force, where and since when; and what it allows.
//!
//! Shards hear of a reload at different times. What one decides is right by its own configuration;
//! what several have a part in is right by any that was in force on one of them a moment ago.

use super::rules::name_is_of;
use crate::net::Micros;
use crate::scenario::{OWN_VHOST, OwnVhost, Role, Scenario, ServerPlan, host_of};
use crate::transport::Told;
use millstream_core::config::TimeJitter;
use millstream_core::event::{CloseReason, Event, RefuseReason};

/// Who is sent away may take two seconds to read why.
const PATIENCE: Micros = 3_000_000;

/// The configurations of a run, and when each shard took them.
#[derive(Debug)]
pub struct Admin {
    /// When, on which shard, which one.
    changes: Vec<(Micros, usize, usize)>,
    plans: Vec<ServerPlan>,
    scenario: Scenario,
    shards: usize,
}

/// What an actor wants that connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    pub(super) role: Role,
    pub(super) stream: u32,
}

impl Admin {
    /// The first configuration is in force everywhere.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            changes: Vec::new(),
            plans: scenario.plans().copied().collect(),
            scenario: Scenario {
                actors: Vec::new(),
                faults: Vec::new(),
                reloads: Vec::new(),
                ..scenario.clone()
            },
            shards: scenario.server.shards.max(1) as usize,
        }
    }

    /// A shard has this configuration now; true if that is news.
    pub fn in_force(&mut self, at: Micros, shard: usize, config: usize) -> bool {
        let is_news = self.at(shard) != config;
        if is_news {
            self.changes.push((at, shard, config));
        }
        is_news
    }

    /// The configuration that a shard has.
    fn at(&self, shard: usize) -> usize {
        let mut changes = self.changes.iter().rev();
        changes.find(|change| change.1 == shard).map_or(0, |change| change.2)
    }

    /// The plan of a configuration for a vhost.
    #[must_use]
    pub fn plan(&self, config: usize, vhost: &str) -> ServerPlan {
        self.scenario.plan_for(&self.plans[config], vhost)
    }

    /// Plans that have been in force for a vhost on any shard, from a time on.
    pub fn since<'a>(
        &'a self,
        from: Micros,
        vhost: &'a str,
    ) -> impl Iterator<Item = ServerPlan> + 'a {
        let before = (0..self.shards).map(move |shard| {
            let mut changes = self.changes.iter().rev();
            changes.find(|change| change.1 == shard && change.0 < from).map_or(0, |change| change.2)
        });
        let after = self.changes.iter().filter(move |change| change.0 >= from);
        before.chain(after.map(|change| change.2)).map(move |config| self.plan(config, vhost))
    }

    /// The plan of the last configuration, once all shards have it.
    #[must_use]
    pub fn last(&self, vhost: &str) -> ServerPlan {
        self.plan(self.plans.len() - 1, vhost)
    }

    /// How times of a stream are mended that has just been published; `None` if that is not sure.
    #[must_use]
    pub fn jitter(&self, from: Micros, vhost: &str) -> Option<TimeJitter> {
        let mut plans = self.since(from, vhost);
        let first = plans.next()?.jitter;
        plans.all(|plan| plan.jitter == first).then_some(first)
    }

    /// The vhost that a stream is asked for at resolves to this one.
    #[must_use]
    pub fn vhost(&self, config: usize, stream: u32) -> &'static str {
        match (host_of(stream), self.plans[config].own_vhost) {
            (OWN_VHOST, OwnVhost::Disabled | OwnVhost::Served) => OWN_VHOST,
            _ => "__defaultVhost__",
        }
    }

    /// The same in the last configuration.
    pub(super) fn vhost_in_the_end(&self, stream: u32) -> &'static str {
        self.vhost(self.plans.len() - 1, stream)
    }

    /// A vhost has peers.
    fn is_served(&self, config: usize, vhost: &str) -> bool {
        vhost != OWN_VHOST || self.plans[config].own_vhost == OwnVhost::Served
    }

    /// A vhost has had peers for longer than it takes to read that one is sent away, whatever
    /// another reload says meanwhile.
    fn was_served(&self, at: Micros, vhost: &str) -> bool {
        let mut plans = self.since(at.saturating_sub(PATIENCE), vhost);
        vhost != OWN_VHOST || plans.all(|plan| plan.own_vhost == OwnVhost::Served)
    }

    /// The last configuration lets an actor do what it wants, and has always called its stream the
    /// same.
    pub(super) fn serves_in_the_end(&self, wish: Wish) -> bool {
        let config = self.plans.len() - 1;
        let vhost = self.vhost(config, wish.stream);
        let always = (0..self.plans.len()).all(|config| self.vhost(config, wish.stream) == vhost);
        let plan = self.last(vhost);
        let is_kept_out = plan.pages.all
            || (plan.pages.publish && wish.role.publishes())
            || (plan.pages.play && !wish.role.publishes());
        always && self.is_served(config, vhost) && !is_kept_out && plan.connections_max == 0
    }

    /// Checks that what an honest client was granted or refused is what its shard's configuration
    /// says. `was_at` is the vhost that it has connected to.
    ///
    /// # Errors
    /// Says what is not.
    pub(super) fn check(
        &self,
        told: &Told,
        wish: Wish,
        was_at: Option<&str>,
    ) -> Result<(), String> {
        let vhost = was_at.unwrap_or_else(|| self.vhost(told.config, wish.stream));
        let pages = self.plan(told.config, vhost).pages;
        let for_role = match wish.role {
            Role::Publish(_) => pages.publish,
            Role::Play(_) | Role::View | Role::Segments(_) | Role::Attack(_) | Role::Idle => {
                pages.play
            }
        };
        let is_served = self.is_served(told.config, vhost);
        let what = match &told.event {
            Event::Connected { .. } if pages.all || !is_served => "connected",
            // Who publishes elsewhere was admitted a moment ago.
            Event::Published { .. } if self.shards > 1 => return Ok(()),
            Event::Published { .. } | Event::Played { .. }
                if pages.all || for_role || !is_served =>
            {
                "granted"
            }
            Event::Refused { reason: RefuseReason::Refer, .. } if !pages.all && !for_role => {
                "refused by its page"
            }
            Event::Refused { reason: RefuseReason::Vhost, .. } if is_served => {
                "refused by its vhost"
            }
            Event::Closed { reason: CloseReason::Unserved, .. }
                if is_served && self.was_served(told.at, vhost) =>
            {
                "closed as not served"
            }
            _ => return self.check_reload(told, vhost),
        };
        Err(format!("{what} at {vhost}, against configuration {}", told.config))
    }

    /// Checks that a reload is felt by those alone whom it is about.
    fn check_reload(&self, told: &Told, vhost: &str) -> Result<(), String> {
        if !told.is_of_reload || !self.is_served(told.config, vhost) {
            return Ok(());
        }
        match &told.event {
            Event::Refused { .. }
            | Event::Closed { .. }
            | Event::Connected { .. }
            | Event::Published { .. }
            | Event::Unpublished { .. }
            | Event::Played { .. }
            | Event::Stopped { .. }
            | Event::Ignored { .. } => {
                Err(format!("{vhost} is served, and a reload alone made {:?}", told.event))
            }
            Event::Skipped { .. } => {
                let before = self.plan(told.config.saturating_sub(1), vhost);
                let now = self.plan(told.config, vhost);
                let lag =
                    |plan: &ServerPlan| (plan.lag_bytes_max, plan.lag_max, plan.gop_bytes_max);
                if lag(&before) == lag(&now) {
                    return Err("a reload that leaves the queue as it is made it skip".to_owned());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Checks that a vhost which is not served for long has no streams.
    ///
    /// # Errors
    /// Names one.
    pub(super) fn check_unserved<'a>(
        &self,
        from: Micros,
        mut names: impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        let is_own = |plan: ServerPlan| plan.own_vhost == OwnVhost::Served;
        if self.since(from, OWN_VHOST).any(is_own) {
            return Ok(());
        }
        match names.find(|name| name_is_of(name, OWN_VHOST)) {
            Some(name) => Err(format!("{name} is there, but its vhost is not served for long")),
            None => Ok(()),
        }
    }
}
