//! Every limit of the server in one place.

use core::time::Duration;

/// Bounds on what peers can make the server hold or do. Each has a test at the limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Nesting of AMF values.
    pub amf_depth_max: u8,
    /// Values in one AMF message.
    pub amf_nodes_max: u32,
    /// Bytes of the app part of a name.
    pub app_len_max: usize,
    /// Chunk streams with state on one connection.
    pub chunk_streams_max: u16,
    /// Processes that a shard runs at a time.
    pub children_max: u32,
    /// Smallest chunk size that a peer may announce.
    pub chunk_size_min: u32,
    /// Time to complete `connect` after the handshake, however many bytes arrive.
    pub connect_timeout: Duration,
    /// Connections in all.
    pub connections_max: u32,
    /// Connections from one IPv4 address or /64 of IPv6. Loopback addresses are exempt.
    pub connections_per_ip_max: u32,
    /// Connects from one address at once, before their rate counts.
    pub connect_burst_per_ip_max: u32,
    /// Connects from one address in a second, after a burst. Loopback addresses are exempt.
    pub connects_per_second_per_ip_max: u32,
    /// Forwards that may dial at the same time.
    pub forward_dials_max: u32,
    /// Time to make the connection of a forward.
    pub forward_dial_timeout: Duration,
    /// Time to send the rest of a stream that has ended to where it is forwarded.
    pub forward_drain_timeout: Duration,
    /// Servers that a stream may pass before this one.
    pub forward_hops_max: u8,
    /// The longest time between two attempts of a forward.
    pub forward_retry_max: Duration,
    /// The shortest time between two attempts of a forward.
    pub forward_retry_min: Duration,
    /// Time until a forward that was refused as a loop is tried again.
    pub forward_retry_loop: Duration,
    /// After working for so long, a forward that fails is tried again soon.
    pub forward_stable_after: Duration,
    /// Forwards of all streams.
    pub forwards_max: u32,
    /// Bytes of the GOP cache of one stream.
    pub gop_bytes_max: u64,
    /// Frames in the GOP cache of one stream.
    pub gop_frames_max: u32,
    /// Media time in the GOP cache of one stream.
    pub gop_span_max: Duration,
    /// Time to complete the handshake, however many bytes arrive.
    pub handshake_timeout: Duration,
    /// Bytes of the body of an HTTP request.
    pub http_body_len_max: usize,
    /// Bytes of the request line and header fields of an HTTP request.
    pub http_head_len_max: usize,
    /// How long an HTTP connection is kept without a request.
    pub http_idle_timeout: Duration,
    /// How long an HTTP request waits for a stream that nobody publishes.
    pub http_play_wait: Duration,
    /// How long a request for a playlist waits for the first segment of a stream.
    pub http_playlist_wait: Duration,
    /// Time to complete an HTTP request once it has begun, however many bytes arrive.
    pub http_request_timeout: Duration,
    /// Bytes of the target of an HTTP request: path and query.
    pub http_target_len_max: usize,
    /// Bytes of incomplete messages on one connection, above the longest message allowed.
    pub incomplete_bytes_max: u32,
    /// Bytes of one message before a role was granted.
    pub message_len_max_early: u32,
    /// Bytes of one message of a publisher.
    pub message_len_max: u32,
    /// Bytes of metadata, and of each sequence header, kept for players that join later.
    pub metadata_len_max: usize,
    /// Message streams on one connection.
    pub message_streams_max: u8,
    /// How long a player of a stream that was never published waits for it.
    pub play_wait: Duration,
    /// Time without progress after which a player that has data waiting is closed.
    pub player_idle_timeout: Duration,
    /// Time without media after which a publisher is removed.
    pub publisher_idle_timeout: Duration,
    /// Unsent bytes of replies on one connection, media not counted.
    pub reply_bytes_max: usize,
    /// Time to publish or play again after the connection has stopped to do either.
    pub role_again_timeout: Duration,
    /// Time to publish or play after `connect`.
    pub role_timeout: Duration,
    /// Streams with a publisher or waiting players.
    pub sources_max: u32,
    /// Bytes of the stream part of a name.
    pub stream_len_max: usize,
    /// Bytes of a tcUrl.
    pub tc_url_len_max: usize,
    /// Sequence headers kept for each of audio and video (tracks of Enhanced RTMP).
    pub tracks_max: u8,
    /// Messages of unknown type or commands of unknown name before a connection is closed.
    pub unknown_messages_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            amf_depth_max: 32,
            amf_nodes_max: 4_096,
            app_len_max: 128,
            chunk_streams_max: 64,
            children_max: 64,
            chunk_size_min: 128,
            connect_timeout: Duration::from_secs(10),
            connections_max: 10_000,
            connections_per_ip_max: 64,
            connect_burst_per_ip_max: 100,
            connects_per_second_per_ip_max: 50,
            forward_dials_max: 100,
            forward_dial_timeout: Duration::from_secs(5),
            forward_drain_timeout: Duration::from_secs(5),
            forward_hops_max: 4,
            forward_retry_max: Duration::from_secs(30),
            forward_retry_min: Duration::from_secs(1),
            forward_retry_loop: Duration::from_secs(300),
            forward_stable_after: Duration::from_secs(60),
            forwards_max: 10_000,
            gop_bytes_max: 16 << 20,
            gop_frames_max: 2_500,
            gop_span_max: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(10),
            http_body_len_max: 64 << 10,
            http_head_len_max: 16 << 10,
            http_idle_timeout: Duration::from_secs(30),
            http_play_wait: Duration::from_secs(5),
            http_playlist_wait: Duration::from_secs(10),
            http_request_timeout: Duration::from_secs(10),
            http_target_len_max: 4 << 10,
            incomplete_bytes_max: 256 << 10,
            message_len_max_early: 64 << 10,
            message_len_max: 8 << 20,
            metadata_len_max: 64 << 10,
            message_streams_max: 16,
            play_wait: Duration::from_secs(30),
            player_idle_timeout: Duration::from_secs(30),
            publisher_idle_timeout: Duration::from_secs(15),
            reply_bytes_max: 64 << 10,
            role_again_timeout: Duration::from_secs(180),
            role_timeout: Duration::from_secs(10),
            sources_max: 10_000,
            stream_len_max: 256,
            tc_url_len_max: 2_048,
            tracks_max: 8,
            unknown_messages_max: 100,
        }
    }
}
