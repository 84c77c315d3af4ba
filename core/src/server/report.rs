//! Periodic reports of sessions and streams: what SRS calls the pithy print.

use super::Server;
use super::conn::{Conn, Role};
use crate::event::Event;
use crate::id::SourceId;
use alloc::string::String;
use core::net::SocketAddr;
use core::time::Duration;

impl Server {
    /// Reports what each message stream of a connection did since the last report.
    pub(super) fn report_conn(&mut self, conn: &mut Conn) {
        let now = self.now;
        for index in 0..conn.roles.len() {
            let Some(role) = conn.roles.get(index).copied() else { break };
            let Some(name) = self.role_name(conn, &role) else { continue };
            let since = now.since(role.reported);
            let is_publisher = role.action.publishes();
            let stream = role.source.and_then(|source| self.stream(source));
            let lag_bytes = match (role.action.player(), stream) {
                (Some(consumer), Some(stream)) => stream.source.lag_bytes(consumer),
                _ => 0,
            };
            let age = now.since(role.since);
            let rate = bits_per_second(role.bytes, since);
            if let Some(forward) = conn.forward {
                let Some(destination) = self.forward_label(forward) else { continue };
                self.event(Event::ForwardProgress {
                    forward,
                    name,
                    destination,
                    age,
                    bits_per_second: rate,
                    lag_bytes,
                });
            } else {
                let frames_per_second = per_second(u64::from(role.frames), since);
                self.event(Event::Progress {
                    conn: conn.id,
                    name,
                    publisher: is_publisher,
                    age,
                    bits_per_second: rate,
                    frames_per_second,
                    lag_bytes,
                });
            }
            if let Some(role) = conn.roles.get_mut(index) {
                role.bits_per_second = Some(bits_per_second(role.bytes, since));
                role.reported = now;
                role.frames = 0;
                role.bytes = 0;
            }
        }
        conn.report_at = conn.roles.first().map(|role| now.after(self.report_interval(conn, role)));
    }

    /// The time between two reports of a role.
    pub(super) fn report_interval(&self, conn: &Conn, role: &Role) -> Duration {
        let pithy_print = &self.config.pithy_print;
        if conn.forward.is_some() {
            return pithy_print.forward;
        }
        if role.action.publishes() { pithy_print.publish } else { pithy_print.play }
    }

    /// Reports a stream.
    pub(super) fn report_stream(&mut self, id: SourceId) {
        let now = self.now;
        let next = now.after(self.config.pithy_print.publish);
        let Some(stream) = self.stream_mut(id) else { return };
        let event = Event::StreamProgress {
            source: id,
            name: stream.name.clone(),
            live: stream.source.publisher().is_some(),
            players: stream.source.players(),
            bits_per_second: bits_per_second(stream.bytes, now.since(stream.reported)),
            tape_bytes: stream.source.tape().len(),
        };
        stream.bytes = 0;
        stream.reported = now;
        stream.report_at = next;
        self.event(event);
    }
}

/// An address in words.
pub(super) fn address(peer: SocketAddr) -> String {
    alloc::format!("{peer}")
}

pub(super) fn bits_per_second(bytes: u64, since: Duration) -> u64 {
    let bits = u128::from(bytes).saturating_mul(8_000_000);
    let rate = bits.checked_div(since.as_micros()).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn per_second(count: u64, since: Duration) -> u32 {
    let scaled = u128::from(count).saturating_mul(1_000_000);
    let half = since.as_micros() / 2;
    let rate = scaled.saturating_add(half).checked_div(since.as_micros()).unwrap_or(0);
    u32::try_from(rate).unwrap_or(u32::MAX)
}
