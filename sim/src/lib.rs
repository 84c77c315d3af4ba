//! Replays captured sessions through the server core on a virtual clock.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod capture;
pub mod case;
pub mod pcap;
pub mod replay;
pub mod tcp;
