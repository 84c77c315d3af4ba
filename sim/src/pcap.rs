//! Packets out of capture files: pcap and pcapng, read from memory.
//!
//! Nothing is allocated from a length that the file declares, and a file that ends early gives the
//! packets before its end.

mod classic;
mod fields;
mod network;
mod ng;

#[cfg(test)]
pub(crate) mod builder;
#[cfg(test)]
mod tests;

pub use network::{Segment, Skip, decode};

use core::fmt;

/// The layer that the bytes of a packet start with: the registered LINKTYPE number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: the address family in the byte order of the capturing machine, then IP.
    pub const BSD_NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IP without a link layer, by the number of older BSDs.
    pub const RAW_BSD: Self = Self(12);
    /// IP without a link layer.
    pub const RAW: Self = Self(101);
    /// BSD loopback: the address family in network byte order, then IP.
    pub const BSD_LOOP: Self = Self(108);
    /// Linux "cooked" capture, version 1.
    pub const LINUX_COOKED: Self = Self(113);
    /// IPv4 without a link layer.
    pub const IPV4: Self = Self(228);
    /// IPv6 without a link layer.
    pub const IPV6: Self = Self(229);
    /// Linux "cooked" capture, version 2.
    pub const LINUX_COOKED_2: Self = Self(276);
}

/// One captured packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Microseconds since the Unix epoch by the capturing clock; as the file says, in any order.
    pub at_micros: u64,
    /// What `bytes` start with.
    pub link: LinkType,
    /// What was captured of the packet; it may have been longer.
    pub bytes: &'a [u8],
}

/// The packets of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PacketFile<'a> {
    /// In the order of the file.
    pub packets: Vec<Packet<'a>>,
    /// The file ended inside of a record, or a record contradicts itself: what follows was not read.
    pub broken_at: Option<usize>,
    /// Packets of interfaces that the file does not describe; they were left out.
    pub unknown_interface: u64,
}

/// Why a file is not a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PcapError {
    /// The first bytes are those of neither pcap nor pcapng.
    Format,
    /// A file header of a version that is not known.
    Version {
        /// The major version.
        major: u16,
    },
    /// It ends inside of its file header.
    Truncated,
}

impl fmt::Display for PcapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => f.write_str("neither a pcap nor a pcapng file"),
            Self::Version { major } => write!(f, "a capture file of unknown version {major}"),
            Self::Truncated => f.write_str("a capture file that ends inside of its header"),
        }
    }
}

impl core::error::Error for PcapError {}

impl<'a> PacketFile<'a> {
    /// Reads a pcap or pcapng file.
    ///
    /// # Errors
    /// The first bytes are not those of a capture file that can be read.
    pub fn read(file: &'a [u8]) -> Result<Self, PcapError> {
        let Some((magic, _)) = file.split_first_chunk::<4>() else {
            return Err(if file.is_empty() { PcapError::Format } else { PcapError::Truncated });
        };
        match classic::Variant::of(*magic) {
            Some(variant) => classic::read(file, variant),
            None if *magic == ng::SECTION_HEADER.to_be_bytes() => ng::read(file),
            None => Err(PcapError::Format),
        }
    }
}
