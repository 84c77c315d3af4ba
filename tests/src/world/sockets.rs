//! The real program, and sockets to it.
use super::Came;
use crate::server::Server;
use crate::transport::Transport;
use socket2::SockRef;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Sockets {
    address: SocketAddr,
    /// `None` when somebody else has started it.
    server: Option<Server>,
    /// `None` once reset.
    streams: Vec<Option<TcpStream>>,
}

impl Sockets {
    pub(super) fn start(transport: Transport) -> Self {
        assert_eq!(Transport::under_test(), transport, "the program is another one");
        let server = Server::start();
        Self { address: server.address(), server: Some(server), streams: Vec::new() }
    }

    pub(super) const fn at(address: SocketAddr) -> Self {
        Self { address, server: None, streams: Vec::new() }
    }

    pub(super) fn connect(&mut self) -> usize {
        let stream = TcpStream::connect(self.address).expect("the server accepts");
        stream.set_nodelay(true).expect("a socket");
        self.streams.push(Some(stream));
        self.streams.len() - 1
    }

    pub(super) fn send(&mut self, peer: usize, bytes: &[u8]) {
        let stream = self.streams[peer].as_mut().expect("it was not reset");
        match stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) => {
                let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
    }

    pub(super) fn receive(&mut self, peer: usize, time: Duration) -> Came {
        let Some(stream) = &mut self.streams[peer] else { return Came::End };
        stream.set_read_timeout(Some(time)).expect("a timeout");
        let mut bytes = vec![0; 64 << 10];
        match stream.read(&mut bytes) {
            Ok(0) => Came::End,
            Ok(len) => {
                bytes.truncate(len);
                Came::Bytes(bytes)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Came::End,
            Err(error) => {
                let kinds = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                assert!(kinds.contains(&error.kind()), "{error}");
                Came::Nothing
            }
        }
    }

    pub(super) fn half_close(&mut self, peer: usize) {
        let stream = self.streams[peer].as_ref().expect("it was not reset");
        stream.shutdown(Shutdown::Write).expect("an end");
    }

    pub(super) fn reset(&mut self, peer: usize) {
        let stream = self.streams[peer].take().expect("it was not reset");
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("no linger");
    }

    pub(super) fn shut_down(&self) {
        self.server.as_ref().expect("a server of its own").program().signal("TERM");
    }
}
