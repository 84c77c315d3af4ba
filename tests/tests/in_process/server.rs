//! A server whose allocations can be counted: its shards are threads of the test.

use millstream_core::config::{Config, Hls, Vhost};
use millstream_core::drive::Service;
use millstream_core::shard::{Placement, ShardId};
use millstream_host::runtime::Runtime;
use millstream_host::serve::Shard;
use millstream_host::transport::{Links, Listener, ShutdownHandle};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

const SHARDS: NonZeroU16 = NonZeroU16::new(2).expect("two");

/// The shards of a server on threads of this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shards: Vec<(ShutdownHandle, thread::JoinHandle<()>)>,
}

impl Server {
    pub(crate) fn start<R: Runtime>() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        let address = socket.local_addr().expect("a socket");
        let hls = Hls { enabled: false, ..Hls::default() };
        let vhost = Vhost { hls, ..Vhost::default() };
        let config = Arc::new(Config::with_default_vhost(vhost));
        let links = Links::new(SHARDS.get());
        let shards = (0..SHARDS.get()).map(|own| {
            let placement = Placement { own: ShardId(own), count: SHARDS };
            let socket = socket.try_clone().expect("a descriptor");
            let listeners = vec![Listener { service: Service::Rtmp, socket }];
            let (config, links) = (config.clone(), links.clone());
            let (started, running) = channel();
            let thread = thread::spawn(move || {
                let shard = async move {
                    let events = Box::new(|_, _| {});
                    let shard = Shard::<R>::new_in(config, placement, 1, links, listeners, events);
                    let shard = shard.expect("the listener is good");
                    started.send(shard.shutdown_handle()).expect("the test waits");
                    shard.run().await;
                };
                R::run_shard(shard).expect("a runtime");
            });
            (running.recv().expect("the shard runs"), thread)
        });
        Self { address, shards: shards.collect() }
    }

    pub(crate) fn stop(self) {
        for (handle, _) in &self.shards {
            handle.shut_down();
        }
        for (_, thread) in self.shards {
            thread.join().expect("no shard has panicked");
        }
    }
}
