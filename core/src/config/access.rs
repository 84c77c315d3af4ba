//! Who may see the API: by where a request comes from, and by the name that it is asked under.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who may see the API and the metrics.
///
/// A request that a proxy has passed on comes from where both the proxy and the last entry of
/// `X-Forwarded-For` say, so a proxy on this machine does not open the API to all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiAccess {
    /// There is an API at all.
    pub enabled: bool,
    /// Where requests may come from.
    pub allow: Vec<Network>,
    /// Names under which it may be asked besides those that only a local network can know: a page of
    /// a stranger could have its own name lead here (DNS rebinding). Subdomains are meant too.
    pub hosts: Vec<Arc<str>>,
}

/// By default the machine itself and private networks: the console works from a desk beside the
/// server, and the Internet sees nothing.
impl Default for ApiAccess {
    fn default() -> Self {
        Self { enabled: true, allow: Vec::from([Network::Private]), hosts: Vec::new() }
    }
}

impl ApiAccess {
    /// True if a request from `peer`, passed on for `forwarded`, may be answered.
    #[must_use]
    pub fn allows(&self, peer: IpAddr, forwarded: Option<&[u8]>) -> bool {
        let is_allowed = |address: IpAddr| self.allow.iter().any(|network| network.holds(address));
        let is_allowed_there = forwarded.is_none_or(|fields| {
            let last = fields.rsplit(|&byte| byte == b',').next().unwrap_or_default();
            let last = core::str::from_utf8(last).ok().and_then(|text| text.trim().parse().ok());
            self.allows_all() || last.is_some_and(is_allowed)
        });
        is_allowed(peer) && is_allowed_there
    }

    /// True if a page that asks for `host`, without its port, is one of ours.
    #[must_use]
    pub fn knows(&self, host: &str) -> bool {
        const LOCAL: [&str; 5] = [".localhost", ".local", ".lan", ".internal", ".home.arpa"];
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_address = address.unwrap_or(&host).parse::<IpAddr>().is_ok();
        let is_below = |domain: &Arc<str>| {
            let rest = host.strip_suffix(&**domain);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.allows_all()
            || is_address
            || !host.contains('.')
            || LOCAL.iter().any(|end| host.ends_with(end))
            || self.hosts.iter().any(is_below)
    }

    /// Everybody may see it anyway, by whatever name.
    fn allows_all(&self) -> bool {
        self.allow.contains(&Network::All)
    }
}

/// Addresses of peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// Every address.
    All,
    /// Those whose first bits are these.
    Prefix {
        /// The first address.
        address: IpAddr,
        /// How many bits count.
        len: u8,
    },
    /// This machine, and networks that the Internet does not reach (RFC 1918, RFC 3927, RFC 4193).
    Private,
}

impl Network {
    /// Reads `all`, `private`, an address, or a network as in `10.0.0.0/8`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => return Some(Self::All),
            "private" => return Some(Self::Private),
            _ => {}
        }
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let len_max = if address.is_ipv4() { 32 } else { 128 };
        let len = match len {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
            None => len_max,
        };
        (len <= len_max && first_bits(address, len) == bits(address))
            .then_some(Self::Prefix { address, len })
    }

    /// True if an address is one of these.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match *self {
            Self::All => true,
            Self::Private => is_private(address),
            Self::Prefix { address: first, len } => {
                first.is_ipv4() == address.is_ipv4() && first_bits(address, len) == bits(first)
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::All => f.write_str("all"),
            Self::Private => f.write_str("private"),
            Self::Prefix { address, len } if len == if address.is_ipv4() { 32 } else { 128 } => {
                address.fmt(f)
            }
            Self::Prefix { address, len } => write!(f, "{address}/{len}"),
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// An address as 128 bits, from the left.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(Ipv4Addr::to_bits(address)) << 96,
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}

/// The first `len` bits of an address, and zeros.
fn first_bits(address: IpAddr, len: u8) -> u128 {
    let rest = 128_u32.saturating_sub(len.into());
    // A shift by all of the bits leaves none.
    let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
    bits(address) & mask
}

/// What to tell who is not allowed.
#[must_use]
pub fn words_for(peer: IpAddr) -> String {
    alloc::format!(
        "The API is not open to {}: see http {{ api {{ allow ... }} }}.",
        peer.to_canonical()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    fn access(allow: &[&str], hosts: &[&str]) -> ApiAccess {
        ApiAccess {
            enabled: true,
            allow: allow.iter().map(|text| Network::parse(text).expect(text)).collect(),
            hosts: hosts.iter().map(|host| Arc::from(*host)).collect(),
        }
    }

    #[test]
    fn networks_are_written_as_they_are_read() {
        for text in ["all", "private", "127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0"] {
            let network = Network::parse(text).expect(text);
            assert_eq!(alloc::string::ToString::to_string(&network), text);
        }
        for text in ["", "any", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::1/129"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_allowed_by_their_networks() {
        let check = |allow: &str, address: &str, expected: bool| {
            let allows = access(&[allow], &[]).allows(address.parse().expect(address), None);
            assert_eq!(allows, expected, "{address} in {allow}");
        };
        for address in ["127.0.0.1", "192.168.7.7", "172.31.0.1", "10.1.2.3", "169.254.0.9", "::1"]
        {
            check("private", address, true);
        }
        for address in ["fd12::1", "fe80::7", "::ffff:10.0.0.1"] {
            check("private", address, true);
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            check("private", address, false);
        }
        check("all", "8.8.8.8", true);
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "::ffff:10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("10.0.0.0/8", "a00::", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/32", "2001:db8:7::1", true);
        check("8.8.8.8", "8.8.8.9", false);
    }

    #[test]
    fn a_proxy_on_this_machine_does_not_open_the_api_to_all() {
        let check = |forwarded: &str, expected: bool| {
            let peer = "127.0.0.1".parse().expect("an address");
            let allows = access(&["private"], &[]).allows(peer, Some(forwarded.as_bytes()));
            assert_eq!(allows, expected, "{forwarded}");
        };
        check("192.168.0.7", true);
        check("8.8.8.8", false);
        // Whoever stands before the last proxy may have written the others.
        check("127.0.0.1, 8.8.8.8", false);
        check("8.8.8.8,10.0.0.1 ", true);
        check("", false);
        check("unknown", false);
        let peer = "8.8.8.8".parse().expect("an address");
        assert!(!access(&["private"], &[]).allows(peer, Some(b"127.0.0.1")));
        assert!(access(&["all"], &[]).allows(peer, Some(b"unknown")));
    }

    #[test]
    fn row_095_names_that_a_stranger_can_have_lead_here_are_not_known() {
        let check = |host: &str, expected: bool| {
            let access = access(&["private"], &["example.com"]);
            assert_eq!(access.knows(host), expected, "{host}");
        };
        for host in ["127.0.0.1", "[::1]", "192.168.0.7", "8.8.8.8", "localhost", "server", "a.lan"]
        {
            check(host, true);
        }
        check("Live.Example.com.", true);
        check("example.com", true);
        for host in ["evil.test", "notexample.com", "127.0.0.1.nip.io", "localhost.evil.com"] {
            check(host, false);
        }
        assert!(access(&["all"], &[]).knows("evil.test"));
    }
}
