//! Answers to `connect`, `publish` and `play`: their messages, in their order.

use super::Connect;
use crate::amf::{Text, Value};
use crate::id::MessageStreamId;
use crate::message::UserControl;
use crate::session::StatusLevel;
use crate::session::command::{Writer, information, string};
use alloc::vec;

/// Properties of `connect` that tell an Enhanced RTMP client.
pub(super) const ENHANCED_PROPERTIES: [&str; 4] =
    ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"];

/// The version of the server that players look for; some refuse H.264 below 3.5.
const FMS_VERSION: &str = "3,5,3,888";

/// `FourCcInfoMask.CanForward`: tags of a codec are relayed (Enhanced RTMP v2).
const CAN_FORWARD: f64 = 4.0;

/// `CapsExMask`: Multitrack (2), ModEx (4), TimestampNanoOffset (8). All are relayed untouched.
const CAPABILITIES: f64 = 14.0;

/// Flags of `videoFunction`: HDR (2), VideoPacketType.Metadata (4). Both are relayed untouched.
const VIDEO_FUNCTION: f64 = 6.0;

/// `_result` of `connect`, which is sent whatever the transaction id, and `onBWDone`.
pub(super) fn connect(connect: Connect, writer: &mut Writer<'_>) {
    let properties = Value::Object(vec![
        ("fmsVer".into(), Value::String("FMS/3,5,3,888".into())),
        ("capabilities".into(), Value::Number(127.0)),
        ("mode".into(), Value::Number(1.0)),
    ]);
    let mut details =
        information("status", "NetConnection.Connect.Success", "Connection succeeded.");
    details.push(("objectEncoding".into(), Value::Number(connect.object_encoding)));
    let data = vec![
        ("version".into(), Value::String(FMS_VERSION.into())),
        ("server".into(), string(concat!("millstream ", env!("CARGO_PKG_VERSION")))),
    ];
    details.push(("data".into(), Value::EcmaArray(data)));
    if connect.enhanced {
        details.extend(enhanced());
    }
    writer.reply("_result", connect.transaction, &[properties, Value::Object(details)]);
    writer.reply("onBWDone", 0.0, &[Value::Null]);
}

/// `onFCPublish` for encoders that asked for it by `FCPublish`, and `onStatus`.
pub(super) fn publish(stream: MessageStreamId, fc_publish: bool, writer: &mut Writer<'_>) {
    let code = "NetStream.Publish.Start";
    let description = "Started publishing stream.";
    if fc_publish {
        writer.on_stream(stream, "onFCPublish", notice(code, description));
    }
    writer.status(stream, StatusLevel::Status, code, description);
}

/// All that Flash wants to see before the first media. SRS 0.7 also sent `NetStream.Data.Start` as
/// a data message, which ffmpeg takes for a data stream of unknown kind; later SRS do not.
pub(super) fn play(stream: MessageStreamId, writer: &mut Writer<'_>) {
    let level = StatusLevel::Status;
    writer.user_control(UserControl::StreamBegin(stream));
    let description = "Playing and resetting stream.";
    writer.status(stream, level, "NetStream.Play.Reset", description);
    writer.status(stream, level, "NetStream.Play.Start", "Started playing stream.");
    // A player may take snapshots of video and audio.
    let granted = [Value::Boolean(true), Value::Boolean(true)];
    writer.data(stream, "|RtmpSampleAccess", &granted);
}

/// The argument of `onFCPublish` and `onFCUnpublish`.
pub(super) fn notice(code: &str, description: &str) -> Value {
    Value::Object(vec![("code".into(), string(code)), ("description".into(), string(description))])
}

/// What the server can do with tags of Enhanced RTMP: any codec is relayed.
fn enhanced() -> [(Text, Value); 5] {
    let any = || Value::Object(vec![("*".into(), Value::Number(CAN_FORWARD))]);
    [
        ("fourCcList".into(), Value::StrictArray(vec![string("*")])),
        ("videoFourCcInfoMap".into(), any()),
        ("audioFourCcInfoMap".into(), any()),
        ("capsEx".into(), Value::Number(CAPABILITIES)),
        ("videoFunction".into(), Value::Number(VIDEO_FUNCTION)),
    ]
}
