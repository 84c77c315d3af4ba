//! Ids of everything that a driver and the machines talk about: dense index and generation.

use core::fmt;

/// A connection: a slot of the driver's table, and how often that slot was used before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ConnId {
    /// Index into the driver's table of connections.
    pub slot: u32,
    /// Grows each time that the slot is used again.
    pub generation: u32,
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// A listener, in the order of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ListenerId(pub u16);

/// An attempt of the server to connect to another one; a number is used once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct DialId(pub u32);

/// A stream on its way to one destination; a number is used once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ForwardId(pub u32);

/// A job of the server; a number is used once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct JobId(pub u32);

/// A live stream of one shard; slots are used again with a new generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct SourceId {
    /// Index into the server's table of sources.
    pub slot: u32,
    /// Grows each time that the slot is used again.
    pub generation: u32,
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// A player within its source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ConsumerId(pub u32);

/// A request of a peer that waits for a decision of the server's policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct RequestId(pub u32);

/// An RTMP message stream (NetStream) of one connection; 0 is the NetConnection itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct MessageStreamId(pub u32);
