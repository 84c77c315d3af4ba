//! The servers that a stream has passed: how a stream that comes back is known.
//!
//! A server that forwards says so in `connect`: a list of ids, its own at the end. A server that
//! finds its own id there has the stream already. Names and addresses would not do: a host has
//! several, and a loop may lead through others.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::{fmt, iter};

/// A running server, to others that it forwards to. It says nothing else of the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ServerId(pub u64);

/// The servers that a stream has passed, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Route(Arc<[ServerId]>);

impl Route {
    /// Reads what a peer says: ids of 16 hexadecimal digits, apart by commas. No more than `max`
    /// are kept, and what is no id is left out.
    #[must_use]
    pub fn parse(text: &[u8], max: usize) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let ids = text.split(|byte| *byte == b',').filter_map(parse_id);
        Self(ids.take(max).collect::<Vec<_>>().into())
    }

    /// The servers that the stream has passed.
    #[must_use]
    pub fn hops(&self) -> usize {
        self.0.len()
    }

    /// The stream has passed this server.
    #[must_use]
    pub fn passes(&self, server: ServerId) -> bool {
        self.0.contains(&server)
    }

    /// What `server` says of a stream that came to it by this route.
    #[must_use]
    pub fn text_via(&self, server: ServerId) -> String {
        let comma = if self.0.is_empty() { "" } else { "," };
        alloc::format!("{self}{comma}{:016x}", server.0)
    }
}

/// As `parse` reads it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (ServerId(id), comma) in self.0.iter().zip([""].into_iter().chain(iter::repeat(","))) {
            write!(f, "{comma}{id:016x}")?;
        }
        Ok(())
    }
}

fn parse_id(text: &[u8]) -> Option<ServerId> {
    let is_id = text.len() == 16 && text.iter().all(u8::is_ascii_hexdigit);
    let text = core::str::from_utf8(text).ok().filter(|_| is_id)?;
    u64::from_str_radix(text, 16).ok().map(ServerId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use quickcheck::quickcheck;

    #[test]
    fn a_route_is_read_as_far_as_it_is_one() {
        let check = |text: &str, expected: &[u64]| {
            let ids: Vec<ServerId> = expected.iter().copied().map(ServerId).collect();
            assert_eq!(Route::parse(text.as_bytes(), 3), Route(ids.into()), "{text}");
        };
        check("", &[]);
        check("0000000000000001", &[1]);
        check("ffffFFFFffffffff,0000000000000002", &[u64::MAX, 2]);
        check("1", &[]);
        check("+000000000000001", &[]);
        check(",,0000000000000001,", &[1]);
        check("00000000000000010000000000000001", &[]);
        check(&"00000000000000ab,".repeat(9), &[0xAB, 0xAB, 0xAB]);
    }

    quickcheck! {
        fn what_was_said_is_read_again(ids: Vec<u64>, own: u64) -> bool {
            let route = Route(ids.iter().copied().map(ServerId).collect());
            let said = route.text_via(ServerId(own));
            let read = Route::parse(said.as_bytes(), usize::MAX);
            read.hops() == ids.len() + 1
                && read.passes(ServerId(own))
                && ids.iter().all(|id| read.passes(ServerId(*id)))
        }

        fn any_bytes_are_a_route_within_its_limit(text: Vec<u8>) -> bool {
            Route::parse(&text, 4).hops() <= 4
        }
    }
}
