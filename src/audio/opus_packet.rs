//! What an Opus packet says about itself before anyone decodes it (RFC 6716 sections 3.1, 3.2, 3.4).
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+
//! | config  |s| c |   config: mode, bandwidth, frame size; s: stereo; c: how many frames
//! +-+-+-+-+-+-+-+-+
//!   c = 0: one frame   1: two of equal size   2: two, the first's length in front
//!   c = 3: another byte says how many |v|p|     M     |, v: lengths in front, p: padding behind
//! ```
//! A packet that breaks one of the rules R1 to R7 is treated as lost; never is a part of it decoded.
//!
//! Used by `decode.rs`, which must know how long a packet sounds and whether it carries FEC. Read
//! next: `opus.rs`.

use super::frame::Channels;
use crate::wire::{ParseError, Reader};

/// The first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toc(pub u8);

/// How a frame is coded (RFC 6716 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Linear prediction: speech at low rates.
    Silk,
    /// SILK below 8 kHz, CELT above.
    Hybrid,
    /// A transform: music, or low delay.
    Celt,
}

/// How high the sound reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrow,
    /// 6 kHz.
    Medium,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    SuperWide,
    /// 20 kHz.
    Full,
}

impl Toc {
    /// The configuration number, 0 to 31.
    #[must_use]
    pub const fn config(self) -> u8 {
        self.0 >> 3
    }

    /// Mode, from table 2.
    #[must_use]
    pub const fn mode(self) -> Mode {
        match self.config() {
            0..=11 => Mode::Silk,
            12..=15 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// Bandwidth, from table 2.
    #[must_use]
    pub const fn bandwidth(self) -> Bandwidth {
        match self.config() {
            0..=3 | 16..=19 => Bandwidth::Narrow,
            4..=7 => Bandwidth::Medium,
            8..=11 | 20..=23 => Bandwidth::Wide,
            12..=13 | 24..=27 => Bandwidth::SuperWide,
            _ => Bandwidth::Full,
        }
    }

    /// Samples per channel of one frame at 48 kHz: 2.5 to 60 ms.
    #[must_use]
    pub const fn frame_samples(self) -> usize {
        match (self.mode(), self.config() & 3) {
            (Mode::Celt, step) => 120 << step,
            (Mode::Hybrid, step) => 480 << (step & 1),
            (Mode::Silk, 3) => 2_880,
            (Mode::Silk, step) => 480 << step,
        }
    }

    /// One channel or two.
    #[must_use]
    pub const fn channels(self) -> Channels {
        if self.0 & 4 == 0 { Channels::Mono } else { Channels::Stereo }
    }

    /// The frame count code, 0 to 3.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0 & 3
    }
}

/// A packet that keeps the rules, taken apart into frames.
///
/// ```
/// use halloo::audio::opus_packet::OpusPacket;
/// let packet = OpusPacket::parse(&[0x79, 1, 2, 3, 4])?; // two frames of 20 ms
/// assert_eq!((packet.sizes(), packet.samples()), (&[2, 2][..], 1920));
/// # Ok::<(), halloo::wire::ParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpusPacket<'a> {
    toc: Toc,
    sizes: [usize; MAX_FRAMES],
    count: usize,
    frames: &'a [u8],
}

impl<'a> OpusPacket<'a> {
    /// Takes a payload apart.
    ///
    /// # Errors
    /// Which of the rules of RFC 6716 section 3.4 it breaks, and where.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(payload);
        let toc = Toc(r.u8().map_err(|_| ParseError::invalid(0, "R1: at least one byte"))?);
        let mut packet = Self { toc, sizes: [0; MAX_FRAMES], count: 1, frames: &[] };
        match toc.code() {
            0 => packet.equal_frames(1, r.rest(), r.offset(), "R2")?,
            1 => packet.equal_frames(2, r.rest(), r.offset(), "R3: two frames of equal size")?,
            2 => {
                let first = frame_length(&mut r)?;
                packet.sizes_in_front(
                    &[first],
                    &r,
                    "R4: the first frame is longer than the packet",
                )?;
            }
            _ => packet.parse_many(&mut r)?,
        }
        match packet.sizes().iter().any(|size| *size > MAX_FRAME) {
            true => Err(ParseError::invalid(1, "R2: no frame over 1275 bytes")),
            false => Ok(packet),
        }
    }

    fn parse_many(&mut self, r: &mut Reader<'a>) -> Result<(), ParseError> {
        let flags = r.u8()?;
        let count = usize::from(flags & 0x3f);
        if count == 0 || count * self.toc.frame_samples() > MAX_SAMPLES {
            return Err(ParseError::invalid(1, "R5: 1 frame or more, 120 ms or less"));
        }
        let padding = if flags & 0x40 == 0 { 0 } else { padding_length(r)? };
        let padded = "R6, R7: the padding is longer than the packet";
        let len = r.rest().len().checked_sub(padding);
        let len = len.ok_or(ParseError::invalid(r.offset(), padded))?;
        let mut r = Reader::at(r.offset(), r.take(len)?);
        if flags & 0x80 == 0 {
            return self.equal_frames(count, r.rest(), r.offset(), "R6: frames of equal size");
        }
        let mut lengths = [0; MAX_FRAMES];
        let lengths = lengths.get_mut(..count - 1).unwrap_or_default();
        for length in lengths.iter_mut() {
            *length = frame_length(&mut r)?;
        }
        self.sizes_in_front(lengths, &r, "R7: the frames are longer than the packet")
    }

    fn equal_frames(
        &mut self,
        count: usize,
        frames: &'a [u8],
        at: usize,
        rule: &'static str,
    ) -> Result<(), ParseError> {
        if !frames.len().is_multiple_of(count) {
            return Err(ParseError::invalid(at, rule));
        }
        self.sizes.iter_mut().take(count).for_each(|size| *size = frames.len() / count);
        (self.count, self.frames) = (count, frames);
        Ok(())
    }

    /// The last frame takes what the others leave.
    fn sizes_in_front(
        &mut self,
        lengths: &[usize],
        r: &Reader<'a>,
        rule: &'static str,
    ) -> Result<(), ParseError> {
        let last = r.rest().len().checked_sub(lengths.iter().sum());
        let last = last.ok_or(ParseError::invalid(r.offset(), rule))?;
        for (size, length) in self.sizes.iter_mut().zip(lengths.iter().chain([&last])) {
            *size = *length;
        }
        (self.count, self.frames) = (lengths.len() + 1, r.rest());
        Ok(())
    }

    /// The first byte.
    #[must_use]
    pub const fn toc(&self) -> Toc {
        self.toc
    }

    /// The frames' sizes in bytes, in order.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        self.sizes.get(..self.count).unwrap_or_default()
    }

    /// Samples per channel at 48 kHz of the whole packet, at most 5760.
    #[must_use]
    pub const fn samples(&self) -> usize {
        self.count * self.toc.frame_samples()
    }

    /// Whether it holds FEC for the packet before it: the LBRR flags of its first frame (RFC 6716
    /// section 4.2.3), which are plain bits behind the voice activity flags of each 20 ms.
    #[must_use]
    pub fn carries_fec(&self) -> bool {
        let activity_flags = match (self.toc.mode(), self.toc.frame_samples()) {
            (Mode::Celt, _) => return false,
            (_, 2_880) => 3,
            (_, 1_920) => 2,
            _ => 1,
        };
        // A first frame without bytes is DTX: the byte found would be another frame's.
        let first = self.frames.get(..self.sizes.first().copied().unwrap_or_default());
        let Some(flags) = first.and_then(<[u8]>::first) else { return false };
        let mid = flags >> (7 - activity_flags) & 1;
        let side = match self.toc.channels() {
            Channels::Mono => 0,
            Channels::Stereo => flags >> (6 - 2 * activity_flags) & 1,
        };
        mid | side == 1
    }
}

/// One byte up to 251, else two (RFC 6716 section 3.2.1).
fn frame_length(r: &mut Reader<'_>) -> Result<usize, ParseError> {
    let first = usize::from(r.u8()?);
    if first < 252 { Ok(first) } else { Ok(first + 4 * usize::from(r.u8()?)) }
}

/// 255 means 254 and another byte (RFC 6716 section 3.2.5).
fn padding_length(r: &mut Reader<'_>) -> Result<usize, ParseError> {
    let mut padding = 0;
    loop {
        match r.u8()? {
            255 => padding += 254,
            last => return Ok(padding + usize::from(last)),
        }
    }
}

/// Frames of 2.5 ms in the longest packet.
const MAX_FRAMES: usize = 48;
/// 120 ms.
const MAX_SAMPLES: usize = 5_760;
const MAX_FRAME: usize = 1_275;
