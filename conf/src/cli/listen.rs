//! Addresses to listen on.

use std::fmt;
use std::net::SocketAddr;

/// Where to listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listen {
    /// All addresses of the machine, of IPv6 and IPv4.
    Any {
        /// The port; 0 for a free one.
        port: u16,
    },
    /// One address.
    At(SocketAddr),
}

impl Listen {
    /// Reads `1935`, `:1935`, `127.0.0.1:1935` or `[::1]:1935`.
    ///
    /// # Errors
    /// Says what is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let port = text.strip_prefix(':').unwrap_or(text);
        if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
            return port
                .parse()
                .map(|port| Self::Any { port })
                .map_err(|_| format!("{port} is not a port; ports go from 0 to 65535"));
        }
        text.parse().map(Self::At).map_err(|_| explain(text))
    }

    /// The port; 0 for a free one.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Any { port } => port,
            Self::At(address) => address.port(),
        }
    }

    /// All addresses of IPv6 and none of IPv4, because an address of IPv4 on the same port is among
    /// those `beside` it.
    #[must_use]
    pub fn is_v6_only(self, beside: &[Self]) -> bool {
        let Self::At(own) = self else { return false };
        let takes_both = own.is_ipv6() && own.ip().is_unspecified() && own.port() != 0;
        let is_v4 =
            |other: &Self| matches!(other, Self::At(at) if at.is_ipv4() && at.port() == own.port());
        takes_both && beside.iter().any(is_v4)
    }

    /// The same address with another port.
    #[must_use]
    pub const fn with_port(mut self, new: u16) -> Self {
        match &mut self {
            Self::Any { port } => *port = new,
            Self::At(address) => address.set_port(new),
        }
        self
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any { port } => write!(f, "all addresses, port {port}"),
            Self::At(address) => address.fmt(f),
        }
    }
}

fn explain(text: &str) -> String {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return format!("an IPv6 address needs brackets and a port: [{text}]:1935");
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return format!("the port is missing: {text}:1935");
    }
    if text.contains("://") {
        return "write an address, not a URL: 127.0.0.1:1935".to_owned();
    }
    if text.starts_with("localhost") {
        return "names are not looked up; for this machine only, write 127.0.0.1:1935".to_owned();
    }
    "expected a port (1935), an address with port (127.0.0.1:1935 or [::1]:1935)".to_owned()
}
