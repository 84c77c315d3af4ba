//! The least that any server must do: one send for each player and message, and no protocol.
//!
//! What it costs is the kernel's share, which no server gets below without merging messages. Its
//! message is a length, the time at which it was due to be sent (0 for audio), and the payload.

use super::{Context, Plan, bit_rate, read_clip};
use crate::bench::mark::unix_micros;
use crate::bench::tally::Tally;
use crate::client::Target;
use crate::clip::{Clip, Loop};
use crate::say;
use bytes::{Buf as _, BufMut as _, BytesMut};
use millstream_conf::cli::{BenchNullPlay, BenchNullServe};
use millstream_core::frame::FrameKind;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

/// Length and time.
const HEAD_LEN: usize = 4 + 8;

/// Bytes that may wait for a player; what comes on top is not sent to it.
const UNSENT_MAX: usize = 8 << 20;

/// A player of the null server.
struct Player {
    stream: TcpStream,
    unsent: BytesMut,
}

/// Serves until it is killed.
pub(super) fn serve(args: &BenchNullServe) -> Result<(), String> {
    crate::limits::raise_open_files();
    let clip = Arc::new(read_clip(&args.file)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let served = runtime.block_on(send_for_ever(args, clip));
    served.map_err(|error| format!("{}: {error}", args.listen))
}

async fn send_for_ever(args: &BenchNullServe, clip: Arc<Clip>) -> io::Result<()> {
    let listener = TcpListener::bind(args.listen).await?;
    say(&format!("listening on {}\n", listener.local_addr()?));
    let players = Rc::new(RefCell::new(Vec::new()));
    let sends = send_all(players.clone(), clip, args.send_delay);
    tokio::select! {
        failed = accept_all(&listener, &players) => failed,
        () = sends => Ok(()),
    }
}

async fn accept_all(listener: &TcpListener, players: &RefCell<Vec<Player>>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        players.borrow_mut().push(Player { stream, unsent: BytesMut::new() });
    }
}

async fn send_all(players: Rc<RefCell<Vec<Player>>>, clip: Arc<Clip>, send_delay: Duration) {
    let start = Instant::now();
    let (mut position, mut batch, mut flush_at) = (Loop::new(clip), BytesMut::new(), start);
    let send = |batch: &mut BytesMut| {
        players.borrow_mut().retain_mut(|player| player.send(batch));
        batch.clear();
    };
    loop {
        sleep_until(start + position.due()).await;
        while start + position.due() <= Instant::now() {
            let Some(frame) = position.next_frame() else { continue };
            let is_marked = frame.kind == FrameKind::Video;
            batch.put_u32(u32::try_from(frame.payload.len()).unwrap_or(0));
            batch.put_u64(if is_marked { unix_micros() } else { 0 });
            batch.put_slice(&frame.payload);
            if send_delay.is_zero() {
                send(&mut batch);
            }
        }
        if !batch.is_empty() && flush_at <= Instant::now() {
            send(&mut batch);
            flush_at = Instant::now() + send_delay;
        }
        // Even when the next frame is due already, who comes is let in.
        tokio::task::yield_now().await;
    }
}

impl Player {
    /// One send; false once the player is gone.
    fn send(&mut self, bytes: &[u8]) -> bool {
        if !self.unsent.is_empty() {
            if self.unsent.len() <= UNSENT_MAX {
                self.unsent.extend_from_slice(bytes);
            }
            let waiting = self.unsent.split();
            return self.try_send(&waiting);
        }
        self.try_send(bytes)
    }

    fn try_send(&mut self, bytes: &[u8]) -> bool {
        let taken = match self.stream.try_write(bytes) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return false,
        };
        self.unsent.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        true
    }
}

/// Plays from the null server.
pub(super) fn play(args: &BenchNullPlay) -> Result<Tally, String> {
    let target = Target::parse(&format!("rtmp://{}/null/null", args.address))?;
    let plan = Plan::new(target, args.players, &args.load)?.starting_now();
    Ok(plan.run("players", drink))
}

async fn drink(context: Rc<Context>, number: u32) {
    context.wait_for_turn(number).await;
    let begin = Instant::now();
    let stream = match TcpStream::connect(context.plan.address).await {
        Ok(stream) => stream,
        Err(error) => return context.not_started(&error.into()),
    };
    let started = Instant::now();
    context.started(started - begin);
    let (mut buffer, mut received, mut last) = (BytesMut::new(), 0, started);
    let mut scratch = vec![0; 64 << 10];
    let end = sleep_until(context.end());
    tokio::pin!(end);
    loop {
        tokio::select! {
            ready = stream.readable() => if let Err(error) = ready {
                return context.lost(&error.into());
            },
            () = &mut end => break,
        }
        let len = match stream.try_read(&mut scratch) {
            Ok(0) => return context.lost(&crate::client::ClientError::Closed),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return context.lost(&error.into()),
        };
        let now = Instant::now();
        let mut tally = context.tally.borrow_mut();
        tally.note_gap(now - std::mem::replace(&mut last, now));
        received += len as u64;
        context.plan.live.bytes.fetch_add(len as u64, Ordering::Relaxed);
        buffer.extend_from_slice(scratch.get(..len).unwrap_or_default());
        take_messages(&mut buffer, &mut tally);
    }
    let mut tally = context.tally.borrow_mut();
    tally.note_gap(started.elapsed().saturating_sub(last - started));
    tally.bytes += received;
    tally.bits_per_second.record(bit_rate(received, started.elapsed()));
}

fn take_messages(buffer: &mut BytesMut, tally: &mut Tally) {
    while let Some(mut head) = buffer.get(..HEAD_LEN) {
        let (len, time) = (head.get_u32() as usize, head.get_u64());
        if buffer.len() < HEAD_LEN + len {
            return;
        }
        if time != 0 {
            tally.latency_micros.record(unix_micros().saturating_sub(time));
        }
        buffer.advance(HEAD_LEN + len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let mut bytes = BytesMut::new();
        for (time, len) in [(0, 5), (unix_micros(), 700), (unix_micros(), 0)] {
            bytes.put_u32(len);
            bytes.put_u64(time);
            bytes.put_bytes(7, len as usize);
        }
        for cut in 1..bytes.len() {
            let (mut buffer, mut tally) = (BytesMut::new(), Tally::default());
            for part in bytes.chunks(cut) {
                buffer.extend_from_slice(part);
                take_messages(&mut buffer, &mut tally);
            }
            assert_eq!((buffer.len(), tally.latency_micros.count()), (0, 2), "{cut}");
        }
    }
}
