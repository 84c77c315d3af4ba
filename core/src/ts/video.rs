//! Access units of H.264 and HEVC: from length prefixes to start codes.
//!
//! Each access unit begins with one delimiter, ours. Before a keyframe come the parameter sets of
//! the sequence header, unless the encoder has put its own into the frame: then those are kept, and
//! nothing is told twice.

use super::Skip;
use super::tables::StreamType;
use crate::flv::codec::HeaderError;
use crate::flv::codec::h264::AvcConfig;
use crate::flv::codec::h265::HevcConfig;
use crate::flv::codec::nal::{NalUnits, nal_units};
use crate::flv::tag::Codec;
use alloc::vec::Vec;

/// A video track: what its sequence header says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct VideoTrack {
    coding: Coding,
    nal_length_size: u8,
    /// Behind start codes, in the order of the record.
    parameter_sets: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    H264,
    Hevc,
}

/// The start code of delimiters and parameter sets (H.264, section B.1.2: with `zero_byte`).
const LONG_START_CODE: [u8; 4] = [0, 0, 0, 1];
/// The start code of all other units.
const START_CODE: [u8; 3] = [0, 0, 1];

impl VideoTrack {
    /// Reads a sequence header. An empty one is legal: the parameter sets are in the frames then.
    pub(super) fn new(codec: Codec, record: &[u8]) -> Result<Self, Skip> {
        let mut parameter_sets = Vec::new();
        let mut put = |unit: &[u8]| {
            parameter_sets.extend_from_slice(&LONG_START_CODE);
            parameter_sets.extend_from_slice(unit);
        };
        let bad = |error| Skip::BadHeader(codec, error);
        let mut nal_length_size = 4;
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other video codec is carried")]
        let coding = match codec {
            Codec::H264 => {
                if !record.is_empty() {
                    let config = AvcConfig::parse(record).map_err(bad)?;
                    nal_length_size = config.nal_length_size;
                    config.sps().chain(config.pps()).for_each(&mut put);
                }
                Coding::H264
            }
            Codec::Hevc => {
                if !record.is_empty() {
                    let config = HevcConfig::parse(record).map_err(bad)?;
                    nal_length_size = config.nal_length_size;
                    config.arrays().flat_map(|(_, units)| units).for_each(&mut put);
                }
                Coding::Hevc
            }
            codec => return Err(Skip::NotCarried(codec)),
        };
        Ok(Self { coding, nal_length_size, parameter_sets })
    }

    pub(super) const fn stream_type(&self) -> StreamType {
        match self.coding {
            Coding::H264 => StreamType::H264,
            Coding::Hevc => StreamType::Hevc,
        }
    }

    /// Looks for the units of a coded frame; an error if there is none that matters.
    pub(super) fn access_unit<'a>(
        &'a self,
        frame: &'a [u8],
        is_keyframe: bool,
    ) -> Result<AccessUnit<'a>, HeaderError> {
        let units = nal_units(frame, self.nal_length_size)?;
        let has_own = units.clone().any(|unit| self.coding.is_sequence_set(unit));
        let is_told = is_keyframe && !has_own;
        let parameter_sets = if is_told { self.parameter_sets.as_slice() } else { &[] };
        let access_unit = AccessUnit { coding: self.coding, parameter_sets, units };
        match access_unit.units().next() {
            Some(_) => Ok(access_unit),
            None => Err(HeaderError::Truncated),
        }
    }
}

impl Coding {
    /// The delimiter that opens each access unit, with its start code; it allows all slice types.
    const fn delimiter(self) -> &'static [u8] {
        match self {
            Self::H264 => &[0, 0, 0, 1, 0x09, 0xf0],
            Self::Hevc => &[0, 0, 0, 1, 0x46, 0x01, 0x50],
        }
    }

    fn unit_type(self, unit: &[u8]) -> u8 {
        let first = unit.first().copied().unwrap_or_default();
        match self {
            Self::H264 => first & 0x1f,
            Self::Hevc => first >> 1 & 0x3f,
        }
    }

    fn is_delimiter(self, unit: &[u8]) -> bool {
        self.unit_type(unit) == if self == Self::H264 { 9 } else { 35 }
    }

    fn is_sequence_set(self, unit: &[u8]) -> bool {
        self.unit_type(unit) == if self == Self::H264 { 7 } else { 33 }
    }

    fn is_parameter_set(self, unit: &[u8]) -> bool {
        match self {
            Self::H264 => matches!(self.unit_type(unit), 7 | 8),
            Self::Hevc => matches!(self.unit_type(unit), 32..=34),
        }
    }
}

/// One access unit, as the parts that it is written of.
#[derive(Clone, Debug)]
pub(super) struct AccessUnit<'a> {
    coding: Coding,
    parameter_sets: &'a [u8],
    units: NalUnits<'a>,
}

impl<'a> AccessUnit<'a> {
    /// Gives every part in its order.
    pub(super) fn for_each(&self, mut put: impl FnMut(&[u8])) {
        put(self.coding.delimiter());
        put(self.parameter_sets);
        for unit in self.units() {
            let is_long = self.coding.is_parameter_set(unit);
            put(if is_long { &LONG_START_CODE } else { &START_CODE });
            put(unit);
        }
    }

    /// Bytes of all parts.
    pub(super) fn len(&self) -> usize {
        let mut len = 0_usize;
        self.for_each(|part| len = len.saturating_add(part.len()));
        len
    }

    fn units(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let coding = self.coding;
        self.units.clone().filter(move |unit| !coding.is_delimiter(unit))
    }
}
