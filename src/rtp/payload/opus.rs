//! The outside of an Opus packet: what kind of frames, how many, how long (RFC 6716 section 3).
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +---------+-+---+     config: mode, bandwidth, frame length (table 2)
//! | config  |s| c |     s: stereo    c: 0 one frame, 1 two equal, 2 two, 3 a count follows
//! +---------+-+---+
//! ```
//! Frames in a packet of code 2 and 3 have lengths in front, of one byte, or of two from 252 on.
//! Comes from the packet's payload; goes to `jitter`, and on to the decoder, as a duration. Read
//! next: `red.rs`.

use crate::wire::{ParseError, Reader};

/// The part of the codec that makes a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Linear prediction: speech.
    Silk,
    /// Both, one above the other.
    Hybrid,
    /// Transform: music.
    Celt,
}

/// What a frame can carry, in Hz of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bandwidth {
    /// Up to 4 kHz.
    Narrow,
    /// Up to 6 kHz.
    Medium,
    /// Up to 8 kHz.
    Wide,
    /// Up to 12 kHz.
    SuperWide,
    /// Up to 20 kHz.
    Full,
}

/// The table-of-contents byte, first in every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toc(pub u8);

impl Toc {
    /// The number of the configuration: mode, bandwidth and frame length in one.
    #[must_use]
    pub const fn config(self) -> u8 {
        self.0 >> 3
    }

    /// How frames are made.
    #[must_use]
    pub const fn mode(self) -> Mode {
        match self.config() {
            0..12 => Mode::Silk,
            12..16 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// What frames can carry.
    #[must_use]
    pub const fn bandwidth(self) -> Bandwidth {
        match self.config() {
            0..4 | 16..20 => Bandwidth::Narrow,
            4..8 => Bandwidth::Medium,
            8..12 | 20..24 => Bandwidth::Wide,
            12..14 | 24..28 => Bandwidth::SuperWide,
            _ => Bandwidth::Full,
        }
    }

    /// How long a frame lasts, in microseconds.
    #[must_use]
    pub const fn frame_us(self) -> u32 {
        let step = self.config() & 3;
        match self.mode() {
            Mode::Silk if step == 3 => 60_000,
            Mode::Silk => 10_000 << step,
            Mode::Hybrid => 10_000 << (step & 1),
            Mode::Celt => 2_500 << step,
        }
    }

    /// Whether frames have two channels.
    #[must_use]
    pub const fn stereo(self) -> bool {
        self.0 & 4 != 0
    }

    /// How many frames follow: 0 one, 1 two of equal size, 2 two, 3 as many as the next byte says.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0 & 3
    }
}

/// The most frames a packet can have: 120 ms of 2.5 ms each.
const MAX_FRAMES: usize = 48;

/// A packet whose framing was found sound; the rules are R1 to R7 of RFC 6716 section 3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusPacket {
    /// What all its frames are.
    pub toc: Toc,
    count: usize,
    sizes: [u16; MAX_FRAMES],
    first_frame_at: usize,
}

impl OpusPacket {
    /// Reads the framing.
    ///
    /// # Errors
    /// When the packet breaks one of the rules R1 to R7: a decoder must not touch it.
    pub fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(packet);
        let mut opus = Self {
            toc: Toc(r.u8()?), // R1
            count: 0,
            sizes: [0; MAX_FRAMES],
            first_frame_at: 0,
        };
        match opus.toc.code() {
            0 => opus.push(r.rest().len(), &r)?,
            1 => opus.equal(2, r.rest().len(), &r)?,
            2 => {
                let first = frame_length(&mut r)?;
                opus.push(first, &r)?;
                opus.last(r.rest().len(), &r)?;
            }
            _ => opus.counted(&mut r)?,
        }
        opus.first_frame_at = r.offset();
        Ok(opus)
    }

    /// Code 3: a count, then perhaps padding, then sizes or none.
    fn counted(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        let at = r.offset();
        let flags = r.u8()?;
        let count = usize::from(flags & 0x3f);
        if count == 0
            || count > MAX_FRAMES
            || self.toc.frame_us() * u32::from(flags & 0x3f) > 120_000
        {
            return Err(ParseError::invalid(at, "R5: no frame, or more than 120 ms"));
        }
        let padding = if flags & 0x40 == 0 { 0 } else { padding(r)? };
        let Some(length) = r.rest().len().checked_sub(padding) else {
            return Err(ParseError::invalid(r.offset(), "the padding is longer than the packet"));
        };
        if flags & 0x80 == 0 {
            return self.equal(count, length, r);
        }
        // Lengths must not be read from the padding: a reader that ends before it.
        let mut body = Reader::at(r.offset(), r.clone().take(length)?);
        for _ in 1..count {
            let size = frame_length(&mut body)?;
            self.push(size, &body)?;
        }
        r.take(body.offset() - r.offset())?;
        self.last(body.rest().len(), &body)
    }

    /// `count` frames that share `length` bytes.
    fn equal(&mut self, count: usize, length: usize, r: &Reader<'_>) -> Result<(), ParseError> {
        if !length.is_multiple_of(count) {
            return Err(ParseError::invalid(
                r.offset(),
                "R3, R6: the frames can't be of equal size",
            ));
        }
        (0..count).try_for_each(|_| self.push(length / count, r))
    }

    /// The last frame takes what the others left of `length` bytes.
    fn last(&mut self, length: usize, r: &Reader<'_>) -> Result<(), ParseError> {
        match length.checked_sub(self.frame_sizes().map(usize::from).sum()) {
            Some(rest) => self.push(rest, r),
            None => Err(ParseError::invalid(
                r.offset(),
                "R4, R7: the frames are longer than the packet",
            )),
        }
    }

    fn push(&mut self, size: usize, r: &Reader<'_>) -> Result<(), ParseError> {
        let slot = self.sizes.get_mut(self.count);
        let (Some(slot), Ok(size @ 0..=MAX_FRAME)) = (slot, u16::try_from(size)) else {
            return Err(ParseError::invalid(r.offset(), "R2: a frame of more than 1275 bytes"));
        };
        *slot = size;
        self.count += 1;
        Ok(())
    }

    /// Sizes of the frames in bytes.
    pub fn frame_sizes(&self) -> impl Iterator<Item = u16> + '_ {
        self.sizes.iter().copied().take(self.count)
    }

    /// How long the packet lasts, in ticks of 48 kHz.
    #[must_use]
    pub fn ticks(&self) -> u32 {
        let frames = u32::try_from(self.count).unwrap_or(0);
        frames * self.toc.frame_us() * 48 / 1_000
    }

    /// Whether the first frame starts with a copy of the one before (RFC 6716 section 4.2.4): in SILK
    /// and hybrid frames a flag behind the voice flags of each 20 ms says so, once for each channel.
    /// `packet` is what was parsed.
    #[must_use]
    pub fn has_fec(&self, packet: &[u8]) -> bool {
        if self.toc.mode() == Mode::Celt || self.frame_sizes().next().is_none_or(|size| size == 0) {
            return false;
        }
        let Some(&flags) = packet.get(self.first_frame_at) else { return false };
        let voice_flags = (self.toc.frame_us() / 20_000).max(1);
        let is_set = |behind: u32| flags & (0x80 >> behind) != 0;
        is_set(voice_flags) || self.toc.stereo() && is_set(2 * voice_flags + 1)
    }
}

/// The longest frame.
const MAX_FRAME: u16 = 1_275;

/// One byte, or two from 252 on: the second counts fours.
fn frame_length(r: &mut Reader<'_>) -> Result<usize, ParseError> {
    let first = usize::from(r.u8()?);
    if first < 252 { Ok(first) } else { Ok(first + 4 * usize::from(r.u8()?)) }
}

/// Bytes of padding: each 255 stands for 254 and says that another byte follows.
fn padding(r: &mut Reader<'_>) -> Result<usize, ParseError> {
    let mut padding = 0;
    loop {
        match r.u8()? {
            255 => padding += 254,
            last => return Ok(padding + usize::from(last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_lasts_as_long_as_its_frames() {
        let ticks = |packet: &[u8]| OpusPacket::parse(packet).unwrap().ticks();
        assert_eq!(ticks(&[0x78, 1]), 960, "hybrid, 20 ms");
        assert_eq!(ticks(&[0x79, 1, 2]), 1_920, "two of them");
        assert_eq!(ticks(&[0x18]), 2_880, "SILK, 60 ms");
        assert_eq!(ticks(&[0x80, 1]), 120, "CELT, 2.5 ms");
        assert_eq!(ticks(&[0x83, 48]), 5_760, "48 of them: the longest packet");
    }

    #[test]
    fn fec_is_announced_behind_the_voice_flags() {
        let fec = |packet: &[u8]| OpusPacket::parse(packet).unwrap().has_fec(packet);
        assert!(fec(&[0x48, 0b1100_0000, 0]), "SILK, 20 ms: one voice flag");
        assert!(!fec(&[0x48, 0b1000_0000, 0]));
        assert!(fec(&[0x50, 0b0010_0000, 0]), "SILK, 40 ms: two");
        assert!(!fec(&[0x50, 0b0101_1111, 0]));
        assert!(fec(&[0x4c, 0b0001_0000, 0]), "stereo: the side channel's flag");
        assert!(!fec(&[0x48]), "an empty frame");
        assert!(!fec(&[0x98, 0xff, 0xff]), "CELT never has it");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(packet in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(opus) = OpusPacket::parse(&packet) {
                prop_assert!((120..=5_760).contains(&opus.ticks()));
                let sizes: usize = opus.frame_sizes().map(usize::from).sum();
                prop_assert!(opus.first_frame_at + sizes <= packet.len());
                let _ = opus.has_fec(&packet);
            }
        }
    }
}
