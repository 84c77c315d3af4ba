//! Replays captured sessions through the server core on a virtual clock, and breaks things on
//! purpose: a world of clients, links and faults around the production loop, all drawn from a seed.
//!
//! [`scenario`] says who does what and what breaks, [`world`] plays it, [`oracle`] checks it all
//! along, [`command`] is what a terminal asks for. [`trace`] also records any other transport.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod actor;
pub mod capture;
pub mod case;
pub mod command;
pub mod entropy;
pub mod inspect;
pub mod media;
pub mod net;
pub mod oracle;
pub mod pcap;
pub mod replay;
pub mod scenario;
pub mod tcp;
pub mod trace;
pub mod transport;
pub mod world;
