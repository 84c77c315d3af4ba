//! How many connections one address may have, and how many it may open in a second.

use crate::event::RefuseReason;
use crate::limits::Limits;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

/// Addresses without connections that are kept before old ones are looked for.
const IDLE_MAX: usize = 1_024;

/// What is kept of each address: for as long as it has connections, or has just had many.
#[derive(Debug)]
pub(super) struct Admission {
    addresses: BTreeMap<IpAddr, Address>,
    /// Above this many addresses those without effect are dropped.
    sweep_at: usize,
}

#[derive(Debug)]
struct Address {
    connections: u32,
    /// Each connect takes an interval of time, from here on: a token bucket, as a point in time.
    taken_until: Instant,
}

impl Admission {
    pub(super) const fn new() -> Self {
        Self { addresses: BTreeMap::new(), sweep_at: IDLE_MAX }
    }

    /// Counts a connection of `ip`.
    ///
    /// # Errors
    /// It has, or has opened, too many; it is counted all the same, so that each end is that of a
    /// connection.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        ip: IpAddr,
        limits: &Limits,
    ) -> Result<(), RefuseReason> {
        self.sweep(now);
        let fresh = || Address { connections: 0, taken_until: now };
        let address = self.addresses.entry(network(ip)).or_insert_with(fresh);
        let before = address.connections;
        address.connections = before.saturating_add(1);
        // Local encoders, proxies and load tests all come from loopback.
        if ip.is_loopback() {
            return Ok(());
        }
        if before >= limits.connections_per_ip_max {
            return Err(RefuseReason::ConnectionsPerIp);
        }
        let rate = limits.connects_per_second_per_ip_max.max(1);
        let interval = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        let taken_until = address.taken_until.max(now).after(interval);
        if taken_until.since(now) > interval.saturating_mul(limits.connect_burst_per_ip_max) {
            return Err(RefuseReason::ConnectRate);
        }
        address.taken_until = taken_until;
        Ok(())
    }

    /// A connection of `ip` has ended.
    pub(super) fn leave(&mut self, now: Instant, ip: IpAddr) {
        let ip = network(ip);
        if let Some(address) = self.addresses.get_mut(&ip) {
            address.connections = address.connections.saturating_sub(1);
            if address.has_no_effect(now) {
                self.addresses.remove(&ip);
            }
        }
    }

    /// Drops what has no effect, once there is twice as much as last time: so it costs nothing.
    fn sweep(&mut self, now: Instant) {
        if self.addresses.len() >= self.sweep_at {
            self.addresses.retain(|_, address| !address.has_no_effect(now));
            self.sweep_at = self.addresses.len().saturating_mul(2).max(IDLE_MAX);
        }
    }
}

impl Address {
    fn has_no_effect(&self, now: Instant) -> bool {
        self.connections == 0 && self.taken_until <= now
    }
}

/// What counts as one address: a host has 2^64 addresses of IPv6 to choose from.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn addresses_are_forgotten_when_they_have_no_effect() {
        let limits = Limits::default();
        let mut admission = Admission::new();
        for host in 0..100_000_u32 {
            let now = Instant::from_micros(u64::from(host) * 100);
            let ip = IpAddr::V4(host.to_be_bytes().into());
            assert_eq!(admission.enter(now, ip, &limits), Ok(()));
            admission.leave(now, ip);
            assert!(admission.addresses.len() <= IDLE_MAX);
        }
        admission.sweep_at = 0;
        admission.sweep(Instant::from_micros(u64::MAX / 2));
        assert!(admission.addresses.is_empty());
    }

    #[test]
    fn an_ipv4_address_in_ipv6_is_itself() {
        let check = |ip: &str, expected: &str| {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(network(ip), expected.parse::<IpAddr>().unwrap());
        };
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("192.0.2.1", "192.0.2.1");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    }
}
