//! What a reload does: two settings compared.

use super::Settings;
use super::schema::{Live, Row};
use crate::cli::Listen;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a reload does. Nothing of it is done before all of it can be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Listeners that are opened.
    pub opened: Vec<(Service, Listen)>,
    /// Listeners that are closed; connections that came in there go on.
    pub closed: Vec<(Service, Listen)>,
    /// Listeners that stay.
    pub kept: Vec<(Service, Listen)>,
    /// Listeners that are closed, and what is opened on the same port in their place.
    pub rebound: Vec<[(Service, Listen); 2]>,
    /// Vhosts that are new.
    pub added: Vec<String>,
    /// Vhosts that are gone or disabled: their connections are closed.
    pub dropped: Vec<String>,
    /// Values that change, with the time when that shows.
    pub changes: Vec<Change>,
    /// Vhosts in which nothing changes.
    pub unchanged: Vec<String>,
}

/// What is spoken on a listener, for the plan.
pub type Service = millstream_core::drive::Service;

/// A value that changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The path of its key.
    pub path: String,
    /// The values before, in words.
    pub before: String,
    /// The values after, in words.
    pub after: String,
    /// When it shows.
    pub live: Live,
}

impl Plan {
    /// What has to be done so that `new` holds where `old` did.
    #[must_use]
    pub fn new(old: &Settings, new: &Settings) -> Self {
        let mut plan = Self::default();
        plan.compare_listeners(old, new);
        let names = |settings: &Settings| -> BTreeSet<String> {
            settings.config.vhosts.keys().map(ToString::to_string).collect()
        };
        let (old_names, new_names) = (names(old), names(new));
        plan.added = new_names.difference(&old_names).cloned().collect();
        let is_enabled = |settings: &Settings, name: &str| {
            settings.config.vhosts.get(name).is_some_and(|vhost| vhost.enabled)
        };
        let gone = old_names.iter().filter(|name| is_enabled(old, name) && !is_enabled(new, name));
        plan.dropped = gone.cloned().collect();
        for name in old_names.intersection(&new_names) {
            if old.config.vhosts.get(name.as_str()) == new.config.vhosts.get(name.as_str()) {
                plan.unchanged.push(name.clone());
            }
        }
        plan.compare_values(old, new);
        plan
    }

    /// True when there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { opened, closed, kept: _, rebound, added, dropped, changes, unchanged: _ } = self;
        opened.is_empty()
            && closed.is_empty()
            && rebound.is_empty()
            && added.is_empty()
            && dropped.is_empty()
            && changes.is_empty()
    }

    fn compare_listeners(&mut self, old: &Settings, new: &Settings) {
        /// What is spoken, where, and whether it leaves IPv4 to others.
        fn listeners(settings: &Settings) -> Vec<(Service, Listen, bool)> {
            let http = settings.http_listeners().listen;
            let all: Vec<Listen> = settings.listen.iter().chain(&http).copied().collect();
            let rtmp = settings.listen.iter().map(|listen| (Service::Rtmp, *listen));
            let both = rtmp.chain(http.iter().map(|listen| (Service::Http, *listen)));
            both.map(|(of, listen)| (of, listen, listen.is_v6_only(&all))).collect()
        }
        let (old, new) = (listeners(old), listeners(new));
        let mut gone: Vec<_> = old.iter().filter(|it| !new.contains(it)).copied().collect();
        for &(of, at, is_v6_only) in &new {
            if old.contains(&(of, at, is_v6_only)) {
                self.kept.push((of, at));
                continue;
            }
            let is_in_place =
                |gone: &(Service, Listen, bool)| gone.1.port() == at.port() && at.port() != 0;
            match gone.iter().position(is_in_place) {
                Some(index) => {
                    let (old_of, old_at, _) = gone.remove(index);
                    self.rebound.push([(old_of, old_at), (of, at)]);
                }
                None => self.opened.push((of, at)),
            }
        }
        self.closed.extend(gone.into_iter().map(|(of, at, _)| (of, at)));
    }

    fn compare_values(&mut self, old: &Settings, new: &Settings) {
        let by_path = |settings: &Settings| -> BTreeMap<String, Row> {
            settings.rows().into_iter().map(|row| (row.path.clone(), row)).collect()
        };
        let before = by_path(old);
        let after = by_path(new);
        let in_both = |path: &str| match path.strip_prefix("vhost[") {
            Some(rest) => {
                let name = rest.split(']').next().unwrap_or_default();
                old.config.vhosts.contains_key(name) && new.config.vhosts.contains_key(name)
            }
            None => !matches!(path, "listen" | "http.listen"),
        };
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for path in paths.into_iter().filter(|path| in_both(path)) {
            let (before, after) = (before.get(path), after.get(path));
            let values = |row: Option<&Row>| row.map_or(&[][..], |row| &row.values).to_vec();
            if values(before) == values(after) {
                continue;
            }
            let live = after.or(before).map_or(Live::Now, |row| row.live);
            let change =
                Change { path: path.clone(), before: words(before), after: words(after), live };
            self.changes.push(change);
        }
    }
}

fn words(row: Option<&Row>) -> String {
    let values = row.map_or(&[][..], |row| &row.values);
    if values.is_empty() {
        return "nothing".into();
    }
    let values: Vec<String> = values.iter().map(super::kind::Value::show).collect();
    values.join(" ")
}

/// What stays, what changes live, what is bound anew, what is dropped: a line each.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing changes");
        }
        let service = |service: &Service| match service {
            Service::Http => "HTTP",
            Service::Rtmp => "RTMP",
        };
        for (of, at) in &self.opened {
            writeln!(f, "open    {} on {at}", service(of))?;
        }
        for [(old_of, old), (of, at)] in &self.rebound {
            let (old_of, of) = (service(old_of), service(of));
            writeln!(f, "rebind  {old_of} on {old} -> {of} on {at}; its connections go on")?;
        }
        for (of, at) in &self.closed {
            writeln!(f, "close   {} on {at}; its connections go on", service(of))?;
        }
        for (of, at) in &self.kept {
            writeln!(f, "keep    {} on {at}", service(of))?;
        }
        for name in &self.added {
            writeln!(f, "add     vhost {name}")?;
        }
        for name in &self.dropped {
            writeln!(f, "drop    vhost {name}, with its connections")?;
        }
        for Change { path, before, after, live } in &self.changes {
            writeln!(f, "change  {path}: {before} -> {after} ({})", live.describe())?;
        }
        for name in &self.unchanged {
            writeln!(f, "keep    vhost {name}")?;
        }
        Ok(())
    }
}
