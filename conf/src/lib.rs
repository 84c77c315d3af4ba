//! Typed configuration and the command line of the servers.
