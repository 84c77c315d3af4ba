//! What is overwritten in a message. Nothing changes its length.

use crate::replay::Connection;
use crate::replay::wire::What;
use bytes::Bytes;
use millstream_core::amf::{AmfLimits, Text, Value, amf0};
use millstream_core::chunk::Message;
use millstream_core::flv::tag::{Codec, tracks};
use millstream_core::frame::{FrameClass, FrameKind};
use millstream_core::message::MessageType;
use std::collections::BTreeMap;

const LIMITS: AmfLimits = AmfLimits { depth_max: 32, nodes_max: 65_536 };

/// Properties whose text is of use and tells nothing of anyone.
const KEPT_PROPERTIES: [&str; 16] = [
    "audiocodecid",
    "code",
    "colorPrimaries",
    "encoder",
    "flashVer",
    "fmsVer",
    "fourCcList",
    "level",
    "major_brand",
    "matrixCoefficients",
    "mode",
    "objectEncoding",
    "transferCharacteristics",
    "type",
    "version",
    "videocodecid",
];

/// Properties whose paths name an app, and arguments, which name an app and a stream.
const PUBLIC_PATHS: [&str; 2] = ["tcUrl", ""];

/// How a stream is published.
const PUBLISH_TYPES: [&[u8]; 3] = [b"live", b"record", b"append"];

/// A part of an app of this length is not for people: it is a key.
const KEY_LEN_MIN: usize = 20;

/// Type, length, time and message stream of a message in an aggregate.
const AGGREGATE_HEADER_LEN: usize = 11;

/// Bytes of media that are kept of codecs whose header stands in front of them.
const MEDIA_HEADER_LEN: usize = 4;

/// Overwrites messages; the same name is the same in all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Scrubber {
    /// A name, and another one of the same length.
    names: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Scrubber {
    /// Learns the names of all clients.
    pub(super) fn of(connections: &[Connection]) -> Self {
        let mut scrubber = Self::default();
        for connection in connections {
            for said in &connection.client_said.said {
                let What::Command(command) = &said.what else { continue };
                let text = |value: Option<&Value>| value.and_then(Value::as_text).cloned();
                if ["publish", "play"].iter().any(|name| command.name == **name) {
                    if let Some(name) = text(command.arguments.get(1)) {
                        scrubber.learn(stream_of(path_of(name.as_bytes())));
                    }
                } else if command.name == *"connect"
                    && let Some(app) = text(command.arguments.first().and_then(|it| it.get("app")))
                {
                    let parts = path_of(app.as_bytes()).split(|byte| *byte == b'/');
                    parts
                        .filter(|part| part.len() >= KEY_LEN_MIN)
                        .for_each(|it| scrubber.learn(it));
                }
            }
        }
        scrubber
    }

    /// Overwrites `payload`, which is that of `message`.
    pub(super) fn scrub(&self, message: &Message, payload: &mut [u8]) {
        match MessageType::from_id(message.header.type_id) {
            Some(MessageType::Audio) => media(FrameKind::Audio, payload),
            Some(MessageType::Video) => media(FrameKind::Video, payload),
            Some(MessageType::CommandAmf0 | MessageType::DataAmf0) => self.values(payload),
            Some(MessageType::CommandAmf3 | MessageType::DataAmf3) => {
                if let [0, rest @ ..] = payload {
                    self.values(rest);
                } else {
                    self.values(payload);
                }
            }
            Some(MessageType::Aggregate) => self.aggregate(payload),
            Some(
                MessageType::SetChunkSize
                | MessageType::Abort
                | MessageType::Acknowledgement
                | MessageType::UserControl
                | MessageType::WindowAcknowledgementSize
                | MessageType::SetPeerBandwidth,
            ) => {}
            _ => cross_out(payload),
        }
    }

    fn learn(&mut self, name: &[u8]) {
        let count = self.names.len();
        if name.is_empty() || self.names.contains_key(name) {
            return;
        }
        self.names.insert(name.to_vec(), stand_in(count, name.len()));
    }

    /// The messages of an aggregate, each behind a header and before a back pointer.
    fn aggregate(&self, mut rest: &mut [u8]) {
        while rest.len() > AGGREGATE_HEADER_LEN {
            let (header, behind) = rest.split_at_mut(AGGREGATE_HEADER_LEN);
            let len = header.iter().skip(1).take(3);
            let len = len.fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
            let (body, behind) = behind.split_at_mut(len.min(behind.len()));
            match header.first() {
                Some(8) => media(FrameKind::Audio, body),
                Some(9) => media(FrameKind::Video, body),
                _ => self.values(body),
            }
            let back_pointer_len = behind.len().min(4);
            rest = behind.split_at_mut(back_pointer_len).1;
        }
    }

    /// AMF values: a command or data.
    fn values(&self, payload: &mut [u8]) {
        let copy = Bytes::copy_from_slice(payload);
        let mut reader = amf0::Reader::new(copy.clone(), LIMITS);
        let mut index = 0;
        loop {
            match reader.read() {
                Ok(Some(value)) => {
                    // The first is the name of the command or of the data.
                    if !(index == 0 && value.as_text().is_some()) {
                        self.value(&value, "", &copy, payload);
                    }
                    index += 1;
                }
                Ok(None) => return,
                Err(_) => {
                    return cross_out(payload.get_mut(reader.position()..).unwrap_or_default());
                }
            }
        }
    }

    fn value(&self, value: &Value, key: &str, copy: &Bytes, payload: &mut [u8]) {
        match value {
            Value::String(text) => {
                let Some(place) = place_of(&text.0, copy, payload) else { return };
                if !KEPT_PROPERTIES.contains(&key) {
                    self.text(key, place);
                }
            }
            Value::Bytes(bytes) | Value::Xml(Text(bytes)) => {
                if let Some(place) = place_of(bytes, copy, payload) {
                    cross_out(place);
                }
            }
            Value::Object(list) | Value::EcmaArray(list) => {
                for (key, value) in list {
                    self.value(value, &key.to_str_lossy(), copy, payload);
                }
            }
            Value::StrictArray(list) => {
                list.iter().for_each(|value| self.value(value, key, copy, payload));
            }
            _ => {}
        }
    }

    /// A name, an address, an app, or free text, which is crossed out.
    fn text(&self, key: &str, text: &mut [u8]) {
        let path_len = path_of(text).len();
        let (path, query) = text.split_at_mut(path_len);
        if let Some(at) = path.windows(3).position(|part| part == b"://") {
            let (_, behind) = path.split_at_mut(at + 3);
            let len = behind.iter().position(|byte| *byte == b'/').unwrap_or(behind.len());
            let (host, rest) = behind.split_at_mut(len);
            hide_host(host);
            if PUBLIC_PATHS.contains(&key) {
                self.replace_parts(rest);
            } else {
                cross_out(rest);
            }
        } else if let Some(instead) = self.names.get(&*path) {
            path.copy_from_slice(instead);
        } else if key == "app" {
            self.replace_parts(path);
        } else if !PUBLISH_TYPES.contains(&&*path) && path != b"onMetaData" {
            cross_out(path);
        }
        hide_query(query);
    }

    /// The known names among the parts of a path.
    fn replace_parts(&self, path: &mut [u8]) {
        for (name, instead) in &self.names {
            let mut from = 0;
            while let Some(place) = path.get_mut(from..from + name.len()) {
                if place == name.as_slice() {
                    place.copy_from_slice(instead);
                }
                from += 1;
            }
        }
    }
}

/// The stream in a name; some players name a stream by its whole URL.
fn stream_of(name: &[u8]) -> &[u8] {
    let is_url = name.windows(3).any(|part| part == b"://");
    if is_url { name.rsplit(|byte| *byte == b'/').next().unwrap_or_default() } else { name }
}

/// A text without its query.
fn path_of(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// The name number `index`, of `len` bytes: `sss0`, `sss1`, ...
fn stand_in(index: usize, len: usize) -> Vec<u8> {
    let mut name = vec![b's'; len];
    let mut left = index;
    for byte in name.iter_mut().rev() {
        *byte = b"0123456789abcdefghijklmnopqrstuvwxyz"[left % 36];
        left /= 36;
        if left == 0 {
            break;
        }
    }
    name
}

/// Where a part of `copy`, which equals `payload`, stands in `payload`.
fn place_of<'a>(part: &Bytes, copy: &Bytes, payload: &'a mut [u8]) -> Option<&'a mut [u8]> {
    let from = (part.as_ptr() as usize).checked_sub(copy.as_ptr() as usize)?;
    let place = payload.get_mut(from..from.checked_add(part.len())?)?;
    (place == part).then_some(place)
}

/// Letters and digits become `x`: the form stays.
fn cross_out(text: &mut [u8]) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || !byte.is_ascii() {
            *byte = b'x';
        }
    }
}

/// Hosts that name no machine stay.
fn hide_host(host: &mut [u8]) {
    let is_local = [&b"localhost"[..], b"127.0.0.1", b"[::1]"].iter().any(|it| {
        host.strip_prefix(*it).is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
    });
    if is_local {
        return;
    }
    // `user:password@host`, as some encoders write it.
    let name_at = host.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    let (user, host) = host.split_at_mut(name_at);
    cross_out(user);
    let port_at = host.iter().rposition(|byte| *byte == b':').unwrap_or(host.len());
    let name = host.get_mut(..port_at).unwrap_or_default();
    let is_address = name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    for byte in name {
        match byte {
            b'.' | b'-' | b':' | b'[' | b']' => {}
            _ if is_address => *byte = b'1',
            _ => *byte = b'h',
        }
    }
}

/// Values are crossed out, the names of parameters stay.
fn hide_query(query: &mut [u8]) {
    let mut is_value = false;
    let mut has_names = false;
    for byte in query.iter_mut() {
        match byte {
            b'?' | b'&' => is_value = false,
            b'=' => (is_value, has_names) = (true, true),
            _ if is_value => *byte = b'x',
            _ => {}
        }
    }
    if !has_names {
        cross_out(query);
    }
}

/// Coded media of a tag; its headers and sequence headers stay.
fn media(kind: FrameKind, payload: &mut [u8]) {
    let copy = payload.to_vec();
    let mut is_readable = false;
    for track in tracks(&copy, kind) {
        is_readable = true;
        let is_coded = matches!(track.class, FrameClass::Coded | FrameClass::Keyframe);
        let from = (track.payload.as_ptr() as usize).checked_sub(copy.as_ptr() as usize);
        let place = from.and_then(|from| payload.get_mut(from..from + track.payload.len()));
        let (true, Some(place)) = (is_coded, place) else { continue };
        match track.codec {
            Some(Codec::Aac) => place.fill(0),
            Some(Codec::H264 | Codec::Hevc | Codec::Vvc) => nal_units(place),
            _ => place.get_mut(MEDIA_HEADER_LEN..).unwrap_or_default().fill(0),
        }
    }
    if !is_readable {
        payload.get_mut(2 * MEDIA_HEADER_LEN..).unwrap_or_default().fill(0);
    }
}

/// Lengths and headers of NAL units stay.
fn nal_units(mut rest: &mut [u8]) {
    while rest.len() > 4 {
        let (head, behind) = rest.split_at_mut(4);
        let len = head.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
        let (unit, next) = behind.split_at_mut(len.min(behind.len()));
        unit.get_mut(2..).unwrap_or_default().fill(0);
        rest = next;
    }
    rest.fill(0);
}
