//! Another configuration for a server that runs.
//!
//! What is looked up when it is needed (limits of addresses, refer, policies, intervals) is new at once,
//! because the configuration is. What was made from it is made anew here:
//!
//! | what | when it shows |
//! |---|---|
//! | a vhost is gone or disabled | its connections are told, and closed |
//! | GOP cache, queue length, merging, grace | at once, for players that are there too |
//! | segments of HLS on and off, their length, the window, their files | at once |
//! | renditions, forwards | at once |
//! | time jitter | when the stream is published next |
//! | chunk size | with the next connection; a stream keeps its own as long as somebody publishes or plays it, and players are told it |
//! | limits of sessions | with the next connection |
//!
//! Publishers and players of streams that nothing of this is about do not notice.

use super::Server;
use super::conn::Conn;
use super::streams::source_config;
use crate::chunk::ChunkSize;
use crate::config::Config;
use crate::event::{CloseReason, RefuseReason};
use crate::id::{ConnId, SourceId};
use crate::name::StreamName;
use crate::session::SessionConfig;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What all sessions that begin now are told.
pub(super) fn session_config(config: &Config) -> Arc<SessionConfig> {
    Arc::new(SessionConfig {
        chunk_size: ChunkSize::new(config.chunk_size).unwrap_or(ChunkSize::DEFAULT),
        limits: config.limits.clone(),
        window_ack_size: 2_500_000,
    })
}

impl Server {
    /// Goes on with another configuration.
    pub(super) fn reload(&mut self, config: Arc<Config>) {
        self.session_config = session_config(&config);
        self.config = config;
        // Or one that is wanted no more would begin when another one ends.
        self.renditions.clear_queue();
        self.close_unserved();
        let ids: Vec<SourceId> = self.names.values().copied().collect();
        for id in ids {
            self.reload_stream(id);
        }
        self.reload_forwards();
        self.report_in_time();
    }

    /// Connections of vhosts that are gone or disabled are told, and closed.
    fn close_unserved(&mut self) {
        let unserved = self.conns.iter().flatten().filter(|conn| !self.is_served(conn));
        let ids: Vec<ConnId> = unserved.map(|conn| conn.id).collect();
        for id in ids {
            self.with_conn(id, |server, conn| {
                if conn.closing.is_none() {
                    server.say_good_bye(conn, RefuseReason::Vhost);
                }
                server.begin_close(conn, CloseReason::Unserved);
            });
        }
    }

    fn is_served(&self, conn: &Conn) -> bool {
        let is_enabled = |name: &str| self.config.vhosts.get(name).is_some_and(|it| it.enabled);
        let vhost = conn.app.as_ref().map(|app| &app.vhost);
        vhost.is_none_or(|vhost| is_enabled(vhost))
            && conn
                .roles
                .iter()
                .all(|role| self.role_name(conn, role).is_none_or(|name| is_enabled(name.vhost())))
    }

    /// A stream goes on as its vhost says now. All that is made of a stream looks here for changes.
    fn reload_stream(&mut self, id: SourceId) {
        let Some(stream) = self.stream(id) else { return };
        let (name, is_replica) = (stream.name.clone(), stream.replica.is_some());
        let vhost = self.config.vhost_of_stream(name.vhost());
        let source_config = source_config(&self.config, &vhost, is_replica);
        let Some(stream) = self.stream_mut(id) else { return };
        stream.vhost = vhost;
        stream.source.configure(source_config);
        // The grace of those who wait may be over, or longer.
        self.arm_linger(id);
        self.reload_outputs(id, &name);
    }

    /// What is made of a stream, beside playing it by RTMP.
    fn reload_outputs(&mut self, id: SourceId, name: &StreamName) {
        self.hls_reloaded(id);
        self.sync_renditions(name);
    }

    /// Reports that would come later than they are to come now.
    fn report_in_time(&mut self) {
        let now = self.now;
        let ids: Vec<ConnId> = self.conns.iter().flatten().map(|conn| conn.id).collect();
        for id in ids {
            self.with_conn(id, |server, conn| {
                let interval = conn.roles.first().map(|role| server.report_interval(conn, role));
                if let (Some(at), Some(interval)) = (conn.report_at, interval) {
                    conn.report_at = Some(at.min(now.after(interval)));
                }
            });
        }
        let latest = now.after(self.config.pithy_print.publish);
        let ids: Vec<SourceId> = self.names.values().copied().collect();
        for id in ids {
            if let Some(stream) = self.stream_mut(id) {
                stream.report_at = stream.report_at.min(latest);
                self.arm_stream(id);
            }
        }
    }
}
