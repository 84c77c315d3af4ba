//! A stage for the console: its files, the API's own documents of a server that a test makes up, and
//! files as media. It shows what a real server shows seldom: no stream, many, an end.
use millstream_core::api::{Endpoint, Failure, Request, Scheme, Snapshot};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Endless answers are given in so many pieces a second.
const PIECES_PER_SECOND: u32 = 10;

/// A stage; each clone is the same one. Its threads end with the test.
#[derive(Clone, Debug)]
pub struct Stage {
    address: SocketAddr,
    scene: Arc<Mutex<Scene>>,
    /// Requests to the API.
    asked: Arc<AtomicU64>,
}

/// What is shown.
#[derive(Debug, Default)]
pub struct Scene {
    /// No request is answered.
    pub is_gone: bool,
    /// Media by path: type and bytes.
    pub media: BTreeMap<String, (&'static str, Vec<u8>)>,
    /// How long the media last: an endless answer is given at this pace.
    pub media_seconds: u32,
    /// What the API tells of.
    pub snapshot: Snapshot,
}

impl Stage {
    /// Opens on a free port.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn open(scene: Scene) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stage = Self { address, scene: Arc::new(Mutex::new(scene)), asked: Arc::default() };
        let other = stage.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let stage = other.clone();
                thread::spawn(move || stage.serve(stream));
            }
        });
        stage
    }

    /// The address of the console.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Changes what is shown.
    ///
    /// # Panics
    /// When a thread of the stage has panicked.
    pub fn change(&self, change: impl FnOnce(&mut Scene)) {
        change(&mut self.scene.lock().expect("no thread panics"));
    }

    /// Requests to the API so far.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// One request, then the end. What fails is the browser's own business.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut header = String::new();
        while reader.read_line(&mut header).ok()? > 2 {
            header.clear();
        }
        if target.starts_with("/api/") {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        let (status, content_type, body) = self.answer(&method, &target)?;
        let policy = millstream_console::CONTENT_SECURITY_POLICY;
        let is_endless = target.ends_with(".flv");
        let mut head = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Type: {content_type}\r\n\
             Content-Security-Policy: {policy}\r\nX-Content-Type-Options: nosniff\r\n\
             Connection: close\r\n"
        );
        if !is_endless {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        if !is_endless {
            return stream.write_all(&body).ok();
        }
        let pieces = self.scene.lock().ok()?.media_seconds.max(1) * PIECES_PER_SECOND;
        let len = body.len().div_ceil(usize::try_from(pieces).ok()?).max(1);
        for (index, piece) in body.chunks(len).enumerate() {
            stream.write_all(piece).ok()?;
            // A viewer gets a little at once, as from a server that keeps the newest pictures.
            if index >= 2 * usize::try_from(PIECES_PER_SECOND).ok()? {
                thread::sleep(Duration::from_secs(1) / PIECES_PER_SECOND);
            }
        }
        Some(())
    }

    fn answer(&self, method: &str, target: &str) -> Option<(u16, &'static str, Vec<u8>)> {
        let scene = self.scene.lock().ok()?;
        let path = target.split('?').next()?;
        if scene.is_gone {
            return None;
        }
        if let Some(file) = millstream_console::find(path) {
            return Some((200, file.content_type, file.bytes.to_vec()));
        }
        if let Some((content_type, bytes)) = scene.media.get(path) {
            return Some((200, content_type, bytes.clone()));
        }
        let endpoints = [Endpoint { scheme: Scheme::Rtmp, port: 1_935 }];
        let answer = match Request::parse(method, target) {
            Ok(request) => request.answer(&scene.snapshot, &endpoints),
            Err(failure) => Failure::answer(&failure),
        };
        Some((answer.status, answer.content_type, answer.body))
    }
}
