//! What the house rules and the tests with real encoders and players share.
//!
//! - [`golden`]: texts that are kept, and renewed on purpose only.
//! - [`tree`]: the files of the repository, for the house rules.
//! - [`program`]: a child process, its lines, and waits that have an end.
//! - [`transport`]: the programs under test, and the macro that runs a test on each.
//! - [`world`]: a server behind sockets or simulated, which a test talks to in bytes and time.
//! - [`server`]: a running `millstream`.
//! - [`http`]: a stranger who speaks HTTP, and the answers it gets.
//! - [`operator`]: who changes the configuration of a server while others publish and play.
//! - [`browser`]: a headless Chromium, driven through a pipe.
//! - [`stage`]: the console on a server that a test makes up.
//! - [`client`]: the encoders and players, started as a user starts them.
//! - [`nginx`]: another server, to forward to.
//! - [`ports`]: addresses for servers that have to be told theirs.
//! - [`sample`]: the media that they publish.
//! - [`recording`]: the packets in a file, to compare what came out with what went in.
//!
//! Absent: sleeps, mocks of the server where the server itself will do, and knowledge of the protocol beyond the FLV tags of the samples.
pub mod browser;
pub mod client;
pub mod golden;
pub mod http;
pub mod nginx;
pub mod operator;
pub mod ports;
pub mod program;
pub mod recording;
pub mod sample;
pub mod server;
pub mod stage;
pub mod transport;
pub mod tree;
pub mod world;
