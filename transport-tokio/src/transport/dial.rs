//! Connections that the server asks for: a task each, until the connection is there.

use super::listen::configure;
use super::ready::{News, ReadyList};
use millstream_core::id::DialId;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// The attempts of one shard that are under way.
#[derive(Debug, Default)]
pub(super) struct Dials {
    tasks: BTreeMap<DialId, AbortHandle>,
}

impl Dials {
    /// Looks `host` up and tries its addresses one after the other.
    pub(super) fn begin(
        &mut self,
        dial: DialId,
        host: Arc<str>,
        port: u16,
        ready_list: Arc<ReadyList>,
    ) {
        let task = tokio::spawn(async move {
            let result = connect(&host, port).await;
            ready_list.tell(News::Dialled { dial, result });
        });
        self.tasks.insert(dial, task.abort_handle());
    }

    pub(super) fn abandon(&mut self, dial: DialId) {
        if let Some(task) = self.tasks.remove(&dial) {
            task.abort();
        }
    }

    /// The attempt is over; false when it had been abandoned.
    pub(super) fn end(&mut self, dial: DialId) -> bool {
        self.tasks.remove(&dial).is_some()
    }
}

impl Drop for Dials {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.abort();
        }
    }
}

async fn connect(host: &str, port: u16) -> io::Result<(TcpStream, SocketAddr)> {
    let stream = TcpStream::connect((host, port)).await?;
    configure(&stream);
    let peer = stream.peer_addr()?;
    Ok((stream, peer))
}
