//! Several servers that can dial each other, on one virtual clock, with links that break.

use super::*;
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::session::ClientRequest;
use crate::shard::{ShardId, ShardMessage};
use crate::time::Timestamp;
use bytes::BytesMut;
use core::ops::Range;
use pretty_assertions::assert_eq;

/// The address of a listener, whoever listens there.
pub(super) const PEER: SocketAddr =
    SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 1935);

/// What is found at a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Host {
    /// Nothing answers.
    BlackHole,
    /// It accepts, and says no more.
    Mute,
    /// It accepts, and says what comes to its mind.
    Noise(u64),
    /// Nobody listens.
    Refused,
    Server(usize),
}

pub(super) struct Net {
    pub(super) clients: Vec<Client>,
    pub(super) hosts: BTreeMap<&'static str, Host>,
    links: Vec<Link>,
    now: u64,
    pub(super) servers: Vec<Node>,
    under_way: VecDeque<(usize, Side, Vec<u8>)>,
    said: VecDeque<(usize, ShardId, ShardMessage)>,
}

pub(super) struct Node {
    /// Attempts: when, and whereto.
    pub(super) dials: Vec<(Duration, String)>,
    pub(super) abandoned: usize,
    pub(super) events: Vec<(Duration, Event)>,
    pub(super) server: Server,
    slots: u32,
}

/// A client session, and what it got.
pub(super) struct Client {
    pub(super) events: Vec<SessionEvent>,
    pub(super) frames: Vec<Frame>,
    link: usize,
    session: Session,
}

struct Link {
    /// Who connected, and who accepted.
    ends: [End; 2],
    is_open: bool,
    /// So many more bytes from the one who connected fit; `None` for any number.
    room: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Client(usize),
    Host(Host),
    Server(usize, ConnId),
}

/// The end of a link that something is for.
type Side = usize;

impl Net {
    /// As many servers as there are configurations; the first is the host `a`, and so on.
    pub(super) fn new(configs: &[Config]) -> Self {
        Self::with_placements(
            configs.iter().zip(1..).map(|(config, seed)| (config.clone(), Placement::SINGLE, seed)),
        )
    }

    pub(super) fn with_placements(servers: impl Iterator<Item = (Config, Placement, u64)>) -> Self {
        let wall = WallClock { unix_millis: 1_700_000_000_000 };
        let start = Instant::from_micros(0);
        let server = |(config, placement, seed)| Node {
            dials: Vec::new(),
            abandoned: 0,
            events: Vec::new(),
            server: Server::new_shard(Arc::new(config), placement, seed, start, wall),
            slots: 0,
        };
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let servers: Vec<Node> = servers.map(server).collect();
        let hosts = names.into_iter().zip((0..servers.len()).map(Host::Server));
        let hosts = hosts.chain([("x", Host::Refused)]).collect();
        Self {
            clients: Vec::new(),
            hosts,
            links: Vec::new(),
            now: 1,
            servers,
            under_way: VecDeque::new(),
            said: VecDeque::new(),
        }
    }

    pub(super) fn client(&mut self, server: usize, intent: Intent, stream: &str) -> usize {
        self.client_at(server, intent, "rtmp://h/live", stream)
    }

    pub(super) fn client_at(
        &mut self,
        server: usize,
        intent: Intent,
        tc_url: &str,
        stream: &str,
    ) -> usize {
        let request = ClientRequest {
            intent,
            app: Arc::from(tc_url.splitn(4, '/').nth(3).unwrap()),
            tc_url: Arc::from(tc_url),
            stream: Arc::from(stream),
        };
        self.client_of(server, request, |_| {})
    }

    /// A publisher that says that its stream is a rendition.
    pub(super) fn rendition(&mut self, server: usize, stream: &str) -> usize {
        let request = ClientRequest {
            intent: Intent::Publish,
            app: "live".into(),
            tc_url: "rtmp://h/live".into(),
            stream: stream.into(),
        };
        self.client_of(server, request, |session| session.set_origin("".into(), true))
    }

    fn client_of(
        &mut self,
        server: usize,
        request: ClientRequest,
        set: impl Fn(&mut Session),
    ) -> usize {
        let index = self.clients.len();
        let mut out = BytesMut::new();
        let now = self.tick();
        let config = Arc::new(SessionConfig::default());
        let mut session = Session::client(config, request, now, Rng::new(index as u64), &mut out);
        set(&mut session);
        let link = self.links.len();
        let conn = self.servers[server].next_conn();
        let ends = [End::Client(index), End::Server(server, conn)];
        self.links.push(Link { ends, is_open: true, room: None });
        self.clients.push(Client { events: Vec::new(), frames: Vec::new(), link, session });
        self.handle(server, Input::Opened { conn, via: super::super::world::RTMP, peer: PEER });
        self.send(link, 1, out.to_vec());
        self.settle();
        index
    }

    pub(super) fn hang_up(&mut self, client: usize) {
        self.cut(self.clients[client].link, None);
        self.settle();
    }

    /// Says good-bye first, as encoders do.
    pub(super) fn stop(&mut self, client: usize) {
        let mut out = BytesMut::new();
        self.clients[client].session.finish(&mut out);
        self.send(self.clients[client].link, 1, out.to_vec());
        self.settle();
        self.hang_up(client);
    }

    /// One video frame each, 40 ms apart; every tenth is a keyframe.
    pub(super) fn publish(&mut self, client: usize, serials: Range<u32>) {
        self.publish_sized(client, serials, 100);
    }

    pub(super) fn publish_sized(&mut self, client: usize, serials: Range<u32>, len: usize) {
        for serial in serials {
            self.publish_frame(client, &video(serial, len));
        }
    }

    pub(super) fn publish_frame(&mut self, client: usize, frame: &Frame) {
        let mut out = BytesMut::new();
        let Client { session, link, .. } = &mut self.clients[client];
        session.send(frame, &mut out).expect("the publisher was accepted");
        let link = *link;
        self.send(link, 1, out.to_vec());
        self.settle();
    }

    /// Publishes in real time: 25 frames a second.
    pub(super) fn publish_live(&mut self, client: usize, serials: Range<u32>, len: usize) {
        for serial in serials {
            self.publish_sized(client, serial..serial + 1, len);
            self.sleep(Duration::from_millis(40));
        }
    }

    /// The frames of video that a player got.
    pub(super) fn serials(&self, client: usize) -> Vec<u32> {
        let frames = self.clients[client].frames.iter();
        let coded = frames.filter(|frame| frame.kind == FrameKind::Video && frame.payload[1] == 1);
        coded.map(|frame| u32::from_be_bytes(frame.payload[5..9].try_into().unwrap())).collect()
    }

    pub(super) fn times(&self, client: usize) -> Vec<u32> {
        self.clients[client].frames.iter().map(|frame| frame.timestamp.0).collect()
    }

    /// The links that a server has dialled and that are open.
    pub(super) fn dialled(&self, server: usize) -> Vec<usize> {
        let of = |link: &Link| matches!(link.ends[0], End::Server(from, _) if from == server);
        let links = self.links.iter().enumerate().filter(|(_, link)| link.is_open && of(link));
        links.map(|(index, _)| index).collect()
    }

    /// Breaks a link for both ends.
    pub(super) fn cut(&mut self, link: usize, failure: Option<IoFailure>) {
        if core::mem::take(&mut self.links[link].is_open) {
            self.under_way.retain(|(other, _, _)| *other != link);
            for end in self.links[link].ends {
                if let End::Server(server, conn) = end {
                    self.handle(server, Input::Closed { conn, failure });
                }
            }
            self.settle();
        }
    }

    /// So many bytes more fit on the way from who connected; `None` for any number.
    pub(super) fn set_room(&mut self, link: usize, room: Option<usize>) {
        self.links[link].room = room;
        if let End::Server(server, conn) = self.links[link].ends[0]
            && self.links[link].is_open
            && room != Some(0)
        {
            self.handle(server, Input::Writable { conn });
        }
        self.settle();
    }

    /// Everything that a server holds is gone, and all who are connected to it notice.
    pub(super) fn restart(&mut self, server: usize, config: Config) {
        for link in 0..self.links.len() {
            let is_of = |end: &End| matches!(end, End::Server(of, _) if *of == server);
            if self.links[link].is_open && self.links[link].ends.iter().any(is_of) {
                self.links[link].is_open = false;
                self.under_way.retain(|(other, _, _)| *other != link);
                for end in self.links[link].ends {
                    if let End::Server(other, conn) = end
                        && other != server
                    {
                        let failure = Some(IoFailure::Reset);
                        self.handle(other, Input::Closed { conn, failure });
                    }
                }
            }
        }
        let wall = WallClock { unix_millis: 1_700_000_000_000 };
        let (seed, start) = (self.now, Instant::from_micros(self.now));
        self.servers[server].server = Server::new(Arc::new(config), seed, start, wall);
        self.settle();
    }

    pub(super) fn reload(&mut self, server: usize, config: Config) {
        self.handle(server, Input::Reload(Arc::new(config)));
        self.settle();
    }

    pub(super) fn shut_down(&mut self, server: usize) {
        self.handle(server, Input::Shutdown);
        self.settle();
    }

    pub(super) fn sleep(&mut self, duration: Duration) {
        let until = Instant::from_micros(self.now).after(duration);
        self.settle();
        loop {
            let deadlines = self
                .servers
                .iter()
                .enumerate()
                .filter_map(|(index, node)| Some((node.server.poll_timeout()?.at, index)));
            let Some((at, server)) = deadlines.min().filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at.as_micros());
            self.handle(server, Input::Timeout);
            self.settle();
        }
        self.now = self.now.max(until.as_micros());
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    fn tick(&mut self) -> Instant {
        self.now += 1;
        Instant::from_micros(self.now)
    }

    fn handle(&mut self, server: usize, input: Input<'_>) {
        let now = self.tick();
        self.servers[server].server.handle(now, input);
    }

    fn send(&mut self, link: usize, to: Side, bytes: Vec<u8>) {
        if !bytes.is_empty() && self.links[link].is_open {
            self.under_way.push_back((link, to, bytes));
        }
    }

    pub(super) fn settle(&mut self) {
        loop {
            let mut is_calm = true;
            for server in 0..self.servers.len() {
                while let Some(output) = self.servers[server].server.poll_output() {
                    self.perform(server, output);
                    is_calm = false;
                }
            }
            if let Some((to, from, message)) = self.said.pop_front() {
                self.handle(to, Input::Shard { from, message });
            } else if let Some((link, to, bytes)) = self.under_way.pop_front() {
                self.deliver(link, to, &bytes);
            } else if is_calm {
                return;
            }
        }
    }

    fn deliver(&mut self, link: usize, to: Side, bytes: &[u8]) {
        if !self.links[link].is_open {
            return;
        }
        match self.links[link].ends[to] {
            End::Server(server, conn) => self.handle(server, Input::Received { conn, bytes }),
            End::Host(Host::Noise(seed)) => {
                let mut rng = Rng::new(seed ^ bytes.len() as u64);
                let mut noise = std::vec![3; 1 + rng.next_u32() as usize % 5_000];
                rng.fill(&mut noise[1..]);
                if self.links[link].room.is_none() {
                    // A handshake that is one, and then nonsense.
                    self.links[link].room = Some(usize::MAX);
                    noise.resize(noise.len().max(3_200), 0x03);
                    noise[1..9].fill(0);
                }
                self.send(link, 0, noise);
            }
            End::Host(_) => {}
            End::Client(index) => {
                let now = Instant::from_micros(self.now);
                let client = &mut self.clients[index];
                let (mut input, mut out) = (bytes, BytesMut::new());
                while let Some(event) =
                    client.session.receive(now, &mut input, &mut out).expect("legal replies")
                {
                    match event {
                        SessionEvent::Media { frame, .. } => client.frames.push(frame),
                        event => client.events.push(event),
                    }
                }
                self.send(link, 1, out.to_vec());
            }
        }
    }

    fn perform(&mut self, server: usize, output: Output) {
        match output {
            Output::Write { conn } => self.write(server, conn),
            Output::Close { conn } => {
                let link = self.link_of(server, conn);
                if core::mem::take(&mut self.links[link].is_open) {
                    // What is under way still arrives.
                    let rest: Vec<_> =
                        self.under_way.iter().filter(|(of, _, _)| *of == link).cloned().collect();
                    self.under_way.retain(|(of, _, _)| *of != link);
                    self.links[link].is_open = true;
                    for (_, to, bytes) in rest {
                        if self.links[link].ends[to] != End::Server(server, conn) {
                            self.deliver(link, to, &bytes);
                        }
                    }
                    self.links[link].is_open = false;
                    for end in self.links[link].ends {
                        if let End::Server(other, of) = end
                            && end != End::Server(server, conn)
                        {
                            self.handle(other, Input::Closed { conn: of, failure: None });
                        }
                    }
                }
            }
            Output::Event(event) => {
                let now = self.now();
                self.servers[server].events.push((now, event));
            }
            Output::Dial { dial, host, port } => {
                assert_eq!(port, 1935);
                let now = self.now();
                self.servers[server].dials.push((now, host.as_ref().into()));
                self.dial(server, dial, &host);
            }
            Output::Abandon { .. } => self.servers[server].abandoned += 1,
            Output::Shard { to, message } => {
                let from = ShardId(u16::try_from(server).unwrap());
                self.said.push_back((usize::from(to.0), from, message));
            }
            Output::SetReading { .. } | Output::Start { .. } | Output::Signal { .. } => {}
        }
    }

    fn dial(&mut self, server: usize, dial: DialId, host: &str) {
        let conn = match self.hosts[host] {
            Host::BlackHole => return,
            Host::Refused => {
                let failure = IoFailure::Refused;
                return self.handle(server, Input::DialFailed { dial, failure });
            }
            Host::Mute | Host::Noise(_) | Host::Server(_) => self.servers[server].next_conn(),
        };
        let far = match self.hosts[host] {
            Host::Server(to) => {
                let conn = self.servers[to].next_conn();
                self.handle(to, Input::Opened { conn, via: super::super::world::RTMP, peer: PEER });
                End::Server(to, conn)
            }
            other => End::Host(other),
        };
        self.links.push(Link { ends: [End::Server(server, conn), far], is_open: true, room: None });
        self.handle(server, Input::Opened { conn, via: Via::Dial(dial), peer: PEER });
    }

    fn write(&mut self, server: usize, conn: ConnId) {
        let bytes: Vec<u8> = {
            let mut slices = Slices::new();
            let offered = self.servers[server].server.slices(conn, &mut slices);
            assert!(offered > 0, "a write note comes with bytes");
            slices.iter().flat_map(|part| part.iter().copied()).collect()
        };
        let index = self.link_of(server, conn);
        let link = &mut self.links[index];
        let side = usize::from(link.ends[0] == End::Server(server, conn));
        let offered = bytes.len();
        let len = match &mut link.room {
            Some(room) if side == 1 => {
                let len = offered.min(*room);
                *room -= len;
                len
            }
            _ => offered,
        };
        self.handle(server, Input::Wrote { conn, len, offered });
        self.send(index, side, bytes[..len].to_vec());
    }

    fn link_of(&self, server: usize, conn: ConnId) -> usize {
        let end = End::Server(server, conn);
        self.links.iter().rposition(|link| link.ends.contains(&end)).expect("a link")
    }
}

impl Node {
    fn next_conn(&mut self) -> ConnId {
        self.slots += 1;
        ConnId { slot: self.slots - 1, generation: 1 }
    }

    /// Events about forwards, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        self.events.iter().filter_map(|(_, event)| line(event)).collect()
    }

    /// The times between attempts.
    pub(super) fn waits(&self) -> Vec<Duration> {
        self.dials.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Forwarding { name, destination, .. } => {
            format!("{} -> {destination}", name.stream())
        }
        Event::ForwardFailed { name, failure, words, retry_in, .. } => {
            let next = if retry_in.is_some() { "again" } else { "never" };
            let said = if words.is_empty() { String::new() } else { format!(" ({words})") };
            format!("{} {}{said}, {next}", name.stream(), failure.as_str())
        }
        Event::ForwardEnded { name, .. } => format!("{} ended", name.stream()),
        Event::ForwardSkipped { name, .. } => format!("{} skipped", name.stream()),
        _ => return None,
    })
}

pub(super) fn video(serial: u32, len: usize) -> Frame {
    let is_key = serial.is_multiple_of(10);
    let mut payload = std::vec![if is_key { 0x17 } else { 0x27 }, 1, 0, 0, 0];
    payload.extend(serial.to_be_bytes());
    payload.resize(payload.len() + len, 0x55);
    Frame {
        kind: FrameKind::Video,
        class: if is_key { FrameClass::Keyframe } else { FrameClass::Coded },
        timestamp: Timestamp(serial * 40),
        payload: payload.into(),
    }
}
