//! The table of connections: a dense slot and a generation for each.

use super::ready::{Direction, ReadyList, SlotWaker, Woken};
use crate::runtime::Stream;
use millstream_core::drive::{Read, Ready};
use millstream_core::id::ConnId;
use millstream_core::time::Instant;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, Wake as _, Waker};
use std::time::Duration;

/// How long input of a closed connection is read and thrown away. A socket that is dropped with
/// unread input resets the connection, and the peer loses the reason of its refusal.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// How much input of a closed connection is read at most.
const LINGER_BYTES: usize = 256 << 10;

/// How many closed connections linger at most; an earlier one is dropped for a later one.
const LINGERING_MAX: usize = 1_024;

/// How many reads of a connection are acknowledged at once. Clients that leave Nagle's algorithm on
/// (ffmpeg is one) hold each second packet of the set-up back until its first was acknowledged,
/// and the kernel delays that by 40 ms.
const QUICK_ACKS: u8 = 16;

/// Slices in one write.
const SLICES_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Conns<S> {
    free: Vec<u32>,
    /// Closed connections in the order of their close.
    lingering: VecDeque<(Instant, ConnId)>,
    ready_list: Arc<ReadyList>,
    /// Slots that were reported as readable, and not read empty since.
    reported: Vec<u32>,
    slots: Vec<Slot<S>>,
    trash: Vec<u8>,
}

#[derive(Debug)]
struct Slot<S> {
    generation: u32,
    conn: Option<Conn<S>>,
    input: Awaited,
    room: Awaited,
}

/// What calls when a socket has something new in one direction.
#[derive(Debug)]
struct Awaited {
    slot_waker: Arc<SlotWaker>,
    waker: Waker,
}

impl Awaited {
    fn new(slot: u32, direction: Direction, list: &Arc<ReadyList>) -> Self {
        let slot_waker = Arc::new(SlotWaker::new(slot, direction, list.clone()));
        let waker = Waker::from(slot_waker.clone());
        Self { slot_waker, waker }
    }
}

#[derive(Debug)]
struct Conn<S> {
    stream: S,
    /// The server wants input.
    reads: bool,
    /// `Readable` was reported, and no read has found the socket empty since.
    is_reported: bool,
    /// Reads that are still acknowledged at once.
    quick_acks: u8,
    /// `Writable` is awaited.
    is_full: bool,
    /// The peer has ended, or the socket has failed: nothing is lost by dropping it.
    is_over: bool,
    /// Set once closed: how much input may still be thrown away.
    linger_bytes: Option<usize>,
}

impl<S: Stream> Conns<S> {
    pub(super) const fn new(ready_list: Arc<ReadyList>) -> Self {
        Self {
            free: Vec::new(),
            lingering: VecDeque::new(),
            ready_list,
            reported: Vec::new(),
            slots: Vec::new(),
            trash: Vec::new(),
        }
    }

    /// Takes a new connection in; its input is awaited from now on.
    pub(super) fn insert(&mut self, stream: S) -> ConnId {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
            let awaited = |direction| Awaited::new(index, direction, &self.ready_list);
            let (input, room) = (awaited(Direction::Read), awaited(Direction::Write));
            self.slots.push(Slot { generation: 0, conn: None, input, room });
            index
        });
        let conn = Conn {
            stream,
            reads: true,
            is_reported: false,
            quick_acks: QUICK_ACKS,
            is_full: false,
            is_over: false,
            linger_bytes: None,
        };
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return ConnId { slot: index, generation: 0 };
        };
        slot.conn = Some(conn);
        slot.input.slot_waker.wake_by_ref();
        ConnId { slot: index, generation: slot.generation }
    }

    /// Looks at a slot that was woken.
    pub(super) fn poll(&mut self, woken: Woken, ready: &mut Vec<Ready>) {
        let Some(slot) = self.slots.get_mut(woken.slot as usize) else { return };
        let awaited = match woken.direction {
            Direction::Read => &slot.input,
            Direction::Write => &slot.room,
        };
        awaited.slot_waker.unqueue();
        let id = ConnId { slot: woken.slot, generation: slot.generation };
        let Some(conn) = &mut slot.conn else { return };
        if conn.linger_bytes.is_some() {
            self.poll_lingering(id);
            return;
        }
        let mut cx = Context::from_waker(&awaited.waker);
        match woken.direction {
            Direction::Read => {
                let may_report = conn.reads && !conn.is_reported;
                if may_report && conn.stream.poll_readable(&mut cx).is_ready() {
                    conn.is_reported = true;
                    self.reported.push(woken.slot);
                    ready.push(Ready::Readable(id));
                }
            }
            Direction::Write => {
                if conn.is_full && conn.stream.poll_writable(&mut cx).is_ready() {
                    conn.is_full = false;
                    ready.push(Ready::Writable(id));
                }
            }
        }
    }

    /// Connections wait that the loop stopped to read before they were empty.
    pub(super) fn has_reported(&mut self) -> bool {
        let slots = &self.slots;
        self.reported.retain(|index| is_reported(slots, *index).is_some());
        !self.reported.is_empty()
    }

    /// Reports again what was reported, and not read empty since.
    pub(super) fn report_again(&mut self, ready: &mut Vec<Ready>) {
        let slots = &self.slots;
        self.reported.retain(|index| match is_reported(slots, *index) {
            Some(id) => {
                ready.push(Ready::Readable(id));
                true
            }
            None => false,
        });
    }

    pub(super) fn read(&mut self, id: ConnId, scratch: &mut [u8]) -> io::Result<Read> {
        let Some((conn, input, _)) = self.open(id) else { return Ok(Read::Pending) };
        match conn.stream.poll_read(&mut Context::from_waker(input), scratch) {
            Poll::Ready(Ok(0)) => {
                conn.is_over = true;
                conn.is_reported = false;
                Ok(Read::End)
            }
            Poll::Ready(Ok(len)) => {
                conn.acknowledge();
                Ok(Read::Bytes(len))
            }
            Poll::Ready(Err(error)) => {
                conn.is_over = true;
                conn.is_reported = false;
                Err(error)
            }
            Poll::Pending => {
                conn.is_reported = false;
                Ok(Read::Pending)
            }
        }
    }

    pub(super) fn write(&mut self, id: ConnId, slices: &[&[u8]]) -> io::Result<usize> {
        let Some((conn, _, room)) = self.open(id) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut left: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut buffers = [IoSlice::new(&[]); SLICES_MAX];
        for (buffer, slice) in buffers.iter_mut().zip(slices) {
            *buffer = IoSlice::new(slice);
        }
        let mut rest = buffers.get_mut(..slices.len()).unwrap_or_default();
        let mut taken = 0;
        // After a short write the runtime is asked once more, for it to wait for room.
        while left > 0 {
            match conn.stream.poll_write(&mut Context::from_waker(room), rest) {
                Poll::Ready(Ok(len)) if len > 0 => {
                    taken += len;
                    left = left.saturating_sub(len);
                    IoSlice::advance_slices(&mut rest, len);
                }
                Poll::Ready(outcome) => {
                    conn.is_over = true;
                    return Err(outcome.err().unwrap_or(io::ErrorKind::WriteZero.into()));
                }
                Poll::Pending => {
                    conn.is_full = true;
                    break;
                }
            }
        }
        Ok(taken)
    }

    pub(super) fn set_reading(&mut self, id: ConnId, enabled: bool) {
        let Some((conn, waker, _)) = self.open(id) else { return };
        conn.reads = enabled;
        conn.is_reported = false;
        if enabled {
            waker.wake_by_ref();
        }
    }

    /// Sends an end after all that was written, and lingers if the peer may still send.
    pub(super) fn close(&mut self, id: ConnId, now: Instant) {
        let Some((conn, waker, _)) = self.open(id) else { return };
        let shut = conn.stream.socket().shutdown(Shutdown::Write);
        if conn.is_over || shut.is_err() {
            self.release(id);
            return;
        }
        conn.linger_bytes = Some(LINGER_BYTES);
        waker.wake_by_ref();
        self.lingering.push_back((now.after(LINGER_TIME), id));
        if self.lingering.len() > LINGERING_MAX
            && let Some((_, earliest)) = self.lingering.pop_front()
        {
            self.release(earliest);
        }
    }

    /// When the first lingering connection has lingered long enough.
    pub(super) fn next_linger(&mut self) -> Option<Instant> {
        while let Some(&(at, id)) = self.lingering.front() {
            if self.lingers(id) {
                return Some(at);
            }
            self.lingering.pop_front();
        }
        None
    }

    /// Drops connections that have lingered long enough.
    pub(super) fn end_linger(&mut self, now: Instant) {
        while self.next_linger().is_some_and(|at| at <= now) {
            if let Some((_, id)) = self.lingering.pop_front() {
                self.release(id);
            }
        }
    }

    /// Drops all connections that linger: their descriptors are needed.
    pub(super) fn drop_lingering(&mut self) {
        for (_, id) in std::mem::take(&mut self.lingering) {
            if self.lingers(id) {
                self.release(id);
            }
        }
    }

    fn poll_lingering(&mut self, id: ConnId) {
        self.trash.resize(16 << 10, 0);
        let Some(slot) = self.slots.get_mut(id.slot as usize) else { return };
        let Some(conn) = &mut slot.conn else { return };
        let mut cx = Context::from_waker(&slot.input.waker);
        loop {
            let budget = conn.linger_bytes.unwrap_or(0);
            match conn.stream.poll_read(&mut cx, &mut self.trash) {
                Poll::Ready(Ok(len)) if (1..budget).contains(&len) => {
                    conn.linger_bytes = Some(budget - len);
                }
                Poll::Ready(_) => break,
                Poll::Pending => return,
            }
        }
        self.release(id);
    }

    /// The connection, unless the server has closed it, and its wakers for input and for room.
    fn open(&mut self, id: ConnId) -> Option<(&mut Conn<S>, &Waker, &Waker)> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let conn = slot.conn.as_mut().filter(|conn| conn.linger_bytes.is_none())?;
        Some((conn, &slot.input.waker, &slot.room.waker))
    }

    fn lingers(&self, id: ConnId) -> bool {
        self.slots.get(id.slot as usize).is_some_and(|slot| {
            slot.generation == id.generation
                && slot.conn.as_ref().is_some_and(|conn| conn.linger_bytes.is_some())
        })
    }

    /// Drops the socket; the slot is free for a new generation.
    fn release(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get_mut(id.slot as usize) else { return };
        if slot.generation == id.generation && slot.conn.take().is_some() {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(id.slot);
        }
    }
}

impl<S: Stream> Conn<S> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn acknowledge(&mut self) {
        if let Some(left) = self.quick_acks.checked_sub(1) {
            self.quick_acks = left;
            // A failure costs latency only.
            let _ = self.stream.socket().set_tcp_quickack(true);
        }
    }

    /// Other systems have no such switch.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn acknowledge(&mut self) {
        self.quick_acks = 0;
    }
}

fn is_reported<S>(slots: &[Slot<S>], index: u32) -> Option<ConnId> {
    let slot = slots.get(index as usize)?;
    let conn = slot.conn.as_ref()?;
    let is_reported = conn.is_reported && conn.linger_bytes.is_none();
    is_reported.then_some(ConnId { slot: index, generation: slot.generation })
}
