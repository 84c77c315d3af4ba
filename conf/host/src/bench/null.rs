//! The least that any server must do: one send for each player and message, and no protocol.
//!
//! What it costs is the kernel's share, which no server gets below without merging messages. Its
//! message is a length, the time at which it was due to be sent (0 for audio), and the payload.

use super::mark::unix_micros;
use super::{Context, Plan, bit_rate, read_clip};
use crate::bench::tally::Tally;
use crate::client::{ClientError, Target};
use crate::clip::Loop;
use crate::runtime::{Runtime, Stream as _, Timer as _};
use crate::say;
use bytes::{Buf as _, BufMut as _, BytesMut};
use millstream_conf::cli::{BenchNullPlay, BenchNullServe};
use millstream_core::frame::FrameKind;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::thread::sleep;
use std::time::Instant;

/// Length and time.
const HEAD_LEN: usize = 4 + 8;

/// Bytes that may wait for a player; what comes on top is not sent to it.
const UNSENT_MAX: usize = 8 << 20;

/// Bytes of one read of a player.
const SCRATCH_LEN: usize = 64 << 10;

thread_local! {
    /// All players of a thread read into one buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_LEN]);
}

/// A player of the null server.
struct Player {
    stream: TcpStream,
    unsent: BytesMut,
}

/// Serves until it is killed. It asks for no readiness: between two frames it sleeps, then it lets
/// in who has come, and sends.
pub(super) fn serve(args: &BenchNullServe) -> Result<(), String> {
    crate::limits::raise_open_files();
    let clip = Arc::new(read_clip(&args.file)?);
    let failed = |error: io::Error| format!("{}: {error}", args.listen);
    let listener = TcpListener::bind(args.listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    say(&format!("listening on {}\n", args.listen));
    let start = Instant::now();
    let (mut position, mut batch, mut flush_at) = (Loop::new(clip), BytesMut::new(), start);
    let mut players = Vec::new();
    loop {
        sleep((start + position.due()).saturating_duration_since(Instant::now()));
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            players.push(Player { stream, unsent: BytesMut::new() });
        }
        let Some(frame) = position.next_frame() else { continue };
        let is_marked = frame.kind == FrameKind::Video;
        batch.put_u32(u32::try_from(frame.payload.len()).unwrap_or(0));
        batch.put_u64(if is_marked { unix_micros() } else { 0 });
        batch.put_slice(&frame.payload);
        if flush_at <= Instant::now() {
            players.retain_mut(|player| player.send(&batch));
            batch.clear();
            flush_at = Instant::now() + args.send_delay;
        }
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
        let taken = match (&self.stream).write(bytes) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return false,
        };
        self.unsent.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        true
    }
}

/// Plays from the null server.
pub(super) fn play<R: Runtime>(args: &BenchNullPlay) -> Result<Tally, String> {
    let target = Target::parse(&format!("rtmp://{}/null/null", args.address))?;
    let plan = Plan::new(target, args.players, &args.load)?.starting_now();
    Ok(plan.run::<R, _>("players", drink::<R>))
}

async fn drink<R: Runtime>(context: Rc<Context>, number: u32) {
    context.wait_for_turn::<R>(number).await;
    let (begin, address) = (Instant::now(), context.plan.address);
    let mut stream = match R::connect(address).await {
        Ok(stream) => stream,
        Err(error) => return context.not_started(&error.into()),
    };
    let started = Instant::now();
    context.started(started - begin);
    let (mut buffer, mut received, mut last) = (BytesMut::new(), 0, started);
    let mut end = R::Timer::new();
    end.set(context.plan.end());
    let ended = poll_fn(|cx| {
        loop {
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let read = stream.poll_read(cx, scratch);
                if let Poll::Ready(Ok(len)) = read {
                    buffer.extend_from_slice(scratch.get(..len).unwrap_or_default());
                }
                read
            });
            let len = match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ClientError::Closed)),
                Poll::Ready(Ok(len)) => len,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return end.poll(cx).map(Ok),
            };
            let now = Instant::now();
            let mut tally = context.tally.borrow_mut();
            tally.note_gap(now - std::mem::replace(&mut last, now));
            received += len as u64;
            context.plan.live.bytes.fetch_add(len as u64, Ordering::Relaxed);
            take_messages(&mut buffer, &mut tally);
        }
    });
    if let Err(error) = ended.await {
        return context.lost(&error);
    }
    let mut tally = context.tally.borrow_mut();
    tally.note_gap(last.elapsed());
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
