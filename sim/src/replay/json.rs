//! The replay as one JSON document. Numbers that JSON cannot hold are null.

use super::numbers::Numbers;
use super::track::Track;
use super::wire::{Said, Speech, What};
use super::{Connection, End, Replay, timeline, words};
use millstream_conf::report::Report;
use millstream_core::amf;
use millstream_core::flv::codec::describe;
use millstream_core::frame::FrameClass;
use millstream_core::name::escape;
use millstream_core::time::Instant;
use serde_json::{Map, Value, json};

pub(super) fn render(replay: &Replay) -> String {
    let warnings = replay.warnings.iter().map(ToString::to_string);
    let document = json!({
        "span_us": replay.span_micros,
        "warnings": warnings.collect::<Vec<_>>(),
        "connections": replay.connections.iter().map(connection).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn connection(connection: &Connection) -> Value {
    let [client, recorded] = connection.bytes;
    let mut value = json!({
        "connection": connection.number,
        "client_address": connection.client.to_string(),
        "server_address": connection.server.to_string(),
        "protocol": timeline::protocol(connection.protocol),
        "replayed": connection.is_played(),
        "from_start": connection.from_start,
        "opened_us": connection.opened_micros,
        "bytes": { "client": client, "recorded": recorded },
    });
    let Some(fields) = value.as_object_mut() else { return value };
    if let Some(request) = &connection.request {
        fields.insert("request".to_owned(), json!(request));
    }
    if !connection.is_played() {
        return value;
    }
    let ends = connection.ends.iter().map(|(at, by, end)| {
        let how = match end {
            End::Fin => "close",
            End::Reset => "reset",
        };
        json!({ "at_us": at, "by": words::side(*by), "how": how })
    });
    fields.insert("ends".to_owned(), ends.collect());
    fields.insert("client".to_owned(), speech(&connection.client_said));
    fields.insert("ours".to_owned(), speech(&connection.our_answers));
    fields.insert("recorded".to_owned(), speech(&connection.recorded_answers));
    fields.insert("events".to_owned(), events(connection));
    let differences = connection.differences.iter().map(|it| {
        json!({
            "at_us": it.at_micros,
            "difference": it.text(),
            "count": it.count,
            "explanation": it.explanation,
        })
    });
    fields.insert("differences".to_owned(), differences.collect());
    value
}

fn events(connection: &Connection) -> Value {
    let events = connection.events.iter().filter_map(|(at_micros, event)| {
        let line = Report::new().line(Instant::from_micros(*at_micros), event)?;
        Some(json!({
            "at_us": at_micros,
            "event": line.event,
            "text": line.text,
            "reason": line.reason,
        }))
    });
    events.collect()
}

fn speech(speech: &Speech) -> Value {
    let numbers = Numbers::of(speech);
    let lead = numbers.video_lead.map(|(min, max)| json!({ "min": min, "max": max }));
    json!({
        "bytes": numbers.bytes,
        "audio": track(&numbers.audio),
        "video": track(&numbers.video),
        "video_lead_ms": lead,
        "messages": speech.said.iter().map(message).collect::<Vec<_>>(),
    })
}

fn track(track: &Track) -> Value {
    if track.messages == 0 {
        return Value::Null;
    }
    let jumps = track.jumps.iter();
    let groups = track.groups;
    json!({
        "messages": track.messages,
        "frames": track.frames,
        "keyframes": track.keyframes,
        "bytes": track.bytes,
        "first_ms": track.times.map(|(first, _)| first),
        "last_ms": track.times.map(|(_, last)| last),
        "millis": track.millis,
        "frames_per_1000_s": track.milli_fps(),
        "bits_per_second": track.bit_rate(),
        "gops": groups.count,
        "gop_frames": { "min": groups.frames_min, "sum": groups.frames, "max": groups.frames_max },
        "gop_ms": { "min": groups.millis_min, "sum": groups.millis, "max": groups.millis_max },
        "jumps": jumps.map(|it| json!({ "from": it.from, "to": it.to, "ms": it.millis }))
            .collect::<Vec<_>>(),
    })
}

fn message(said: &Said) -> Value {
    let mut value = match &said.what {
        What::Command(command) => json!({
            "is": "command",
            "name": text(&command.name),
            "transaction": amf(&amf::Value::Number(command.transaction)),
            "arguments": command.arguments.iter().map(amf).collect::<Vec<_>>(),
        }),
        What::Control(control) => json!({ "is": "control", "text": words::control(*control) }),
        What::Data(data) => json!({
            "is": "data",
            "name": text(&data.name),
            "timestamp": data.timestamp.0,
            "arguments": data.arguments.iter().map(amf).collect::<Vec<_>>(),
        }),
        What::Failed(failure) => json!({ "is": "failure", "text": words::failure(*failure) }),
        What::Handshake(kind) => json!({ "is": "handshake", "text": words::handshake(*kind) }),
        What::Media(media) => {
            let class = media.class.map(|class| match class {
                FrameClass::Coded => "coded",
                FrameClass::Control => "control",
                FrameClass::Keyframe => "keyframe",
                FrameClass::Metadata => "metadata",
                FrameClass::SequenceHeader => "sequence header",
            });
            let is_header = media.class == Some(FrameClass::SequenceHeader);
            json!({
                "is": timeline::kind_name(media.kind),
                "timestamp": media.timestamp.0,
                "len": media.payload.len(),
                "class": class,
                "codec": media.codec.map(|codec| codec.to_string()),
                "description": is_header.then(|| describe(&media.payload, media.kind)).flatten(),
            })
        }
        What::Other { type_id, len } => json!({ "is": "other", "type": type_id, "len": len }),
        What::UserControl(event) => {
            json!({ "is": "user control", "text": words::user_control(*event) })
        }
    };
    if let Some(fields) = value.as_object_mut() {
        fields.insert("at_us".to_owned(), json!(said.at_micros));
        fields.insert("stream".to_owned(), json!(said.stream.0));
    }
    value
}

fn amf(value: &amf::Value) -> Value {
    match value {
        amf::Value::Boolean(value) => json!(value),
        amf::Value::Date { millis } => json!(millis),
        // What is not finite becomes null.
        amf::Value::Number(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
            json!(*value as i64)
        }
        amf::Value::Number(value) => json!(value),
        amf::Value::Object(list) | amf::Value::EcmaArray(list) => {
            let fields = list.iter().map(|(key, value)| (text(key), amf(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        amf::Value::StrictArray(list) => list.iter().map(amf).collect(),
        amf::Value::String(value) => json!(text(value)),
        amf::Value::Bytes(bytes) => json!(format!("{} bytes", bytes.len())),
        amf::Value::Xml(text) => json!(format!("XML of {} bytes", text.as_bytes().len())),
        _ => Value::Null,
    }
}

/// Escaped as in the timeline, so that secrets are found in both.
fn text(value: &amf::Text) -> String {
    escape(value.as_bytes(), 4_096)
}
