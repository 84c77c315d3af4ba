//! Reads playlists.
