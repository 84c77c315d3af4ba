//! What every transport needs of its machine, whatever its runtime is.
//!
//! All of it blocks, and runs on threads of its own: a full disk holds up no stream.

pub mod exec;
pub mod jobs;
