//! A stream that goes on while a test does other things.
use crate::world::{Client, World};
use millstream_core::session::Intent;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The time from one picture to the next.
const INTERVAL: Duration = Duration::from_millis(20);

/// Somebody who publishes; dropped, the stream ends.
#[derive(Debug)]
pub struct Broadcast {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// The server has ended it.
    has_ended: AtomicBool,
    is_over: AtomicBool,
    /// Pictures so far.
    published: AtomicU32,
}

impl Broadcast {
    /// A stream with a player, which must get each picture, in order, at its time.
    pub(super) fn watched(address: SocketAddr, vhost: &str, stream: &str) -> Self {
        Self::start(address, vhost, stream, true)
    }

    /// A stream, whoever plays it.
    pub(super) fn unwatched(address: SocketAddr, vhost: &str, stream: &str) -> Self {
        Self::start(address, vhost, stream, false)
    }

    fn start(address: SocketAddr, vhost: &str, stream: &str, is_watched: bool) -> Self {
        let state = Arc::new(State::default());
        let mut world = World::at(address);
        let mut client = |intent| {
            let mut client = Client::on_vhost(&mut world, vhost, intent, stream);
            client.wait(&mut world, "the start", Client::has_started);
            client
        };
        let player = is_watched.then(|| client(Intent::Play));
        let publisher = client(Intent::Publish);
        let thread = {
            let state = state.clone();
            thread::spawn(move || run(&state, &mut world, publisher, player))
        };
        Self { state, thread: Some(thread) }
    }

    /// The server has ended the stream, or the player missed something.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state.has_ended.load(Ordering::Relaxed)
            || self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Pictures so far.
    #[must_use]
    pub fn published(&self) -> u32 {
        self.state.published.load(Ordering::Relaxed)
    }

    /// Ends the stream.
    ///
    /// # Panics
    /// Its player has not got all of it.
    pub fn finish(mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is finished once");
        thread.join().expect("the player got all of it");
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(state: &State, world: &mut World, mut publisher: Client, mut player: Option<Client>) {
    let mut number = 0;
    while !state.is_over.load(Ordering::Relaxed) {
        if publisher.has_ended() {
            state.has_ended.store(true, Ordering::Relaxed);
            assert!(player.is_none(), "its publisher was ended: {:?}", publisher.events);
            return;
        }
        publisher.publish(world, number..number + 1, 100);
        publisher.publish_audio(world, number..number + 1);
        number += 1;
        state.published.store(number, Ordering::Relaxed);
        if let Some(player) = &mut player {
            let count = number as usize;
            player.wait(world, "the next picture", |player| player.pictures.len() == count);
        }
        // What comes ends the pause; usually nothing does.
        publisher.receive(world, INTERVAL);
    }
    if let Some(player) = player {
        let seen: Vec<_> = player.pictures.iter().map(|(seen, at)| (*seen, at.0)).collect();
        let sent: Vec<_> = (0..number).map(|number| (number, number * 40)).collect();
        assert_eq!(seen, sent);
    }
    publisher.finish(world);
}
