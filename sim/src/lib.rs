//! Replays captured sessions through the server core on a virtual clock.
