//! Header extensions: small facts beside the payload (RFC 8285), and the four that halloo knows.
//!
//! ```text
//! one-byte form (profile 0xBEDE)         two-byte form (profile 0x100X)
//!  0 1 2 3 4 5 6 7                        0               1
//! +-------+-------+---------------+      +---------------+---------------+----------------+
//! |  id   | len-1 | 1..16 bytes   |      |      id       |      len      | 0..255 bytes   |
//! +-------+-------+---------------+      +---------------+---------------+----------------+
//! ```
//! A zero byte pads. In the one-byte form id 15, and id 0 with a length, end the reading. What an id
//! means is agreed by `a=extmap`; ids that were not agreed are stepped over.
//!
//! Why RTP has them although SRTP leaves them in the clear: a relay that has no keys can still see who
//! is loud. Goes to `peer/receive.rs`. Read next: `packetize.rs`.

use crate::wire::{ParseError, Reader};

use super::cursor::{Cursor, NoRoom};
use super::{Packet, SequenceNumber};

/// The profile of the one-byte form.
pub const ONE_BYTE: u16 = 0xbede;

/// The elements of one header extension, in order: id and value.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    form: Form,
    r: Reader<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
}

impl<'a> Elements<'a> {
    /// The elements of an extension with this profile; `None` if the profile is a foreign one.
    #[must_use]
    pub fn new(profile: u16, extension: &'a [u8]) -> Option<Self> {
        let form = match profile {
            ONE_BYTE => Form::OneByte,
            0x1000..=0x100f => Form::TwoByte,
            _ => return None,
        };
        Some(Self { form, r: Reader::new(extension) })
    }

    fn read(&mut self) -> Result<Option<(u8, &'a [u8])>, ParseError> {
        while let Some(&first) = self.r.rest().first() {
            self.r.take(1)?;
            if first == 0 {
                continue;
            }
            let (id, length) = match self.form {
                Form::TwoByte => (first, usize::from(self.r.u8()?)),
                Form::OneByte if matches!(first >> 4, 0 | 15) => return Ok(None),
                Form::OneByte => (first >> 4, usize::from(first & 0x0f) + 1),
            };
            return Ok(Some((id, self.r.take(length)?)));
        }
        Ok(None)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<(u8, &'a [u8]), ParseError>;

    /// The next element, or why there is none. Ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        let element = self.read().transpose();
        if !matches!(element, Some(Ok(_))) {
            self.r = Reader::new(&[]);
        }
        element
    }
}

/// Which id means what, as agreed by `a=extmap`. The ids stay the same for the whole session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`: to which m-section a packet belongs.
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`.
    pub audio_level: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    pub abs_send_time: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub transport_cc: Option<u8>,
}

/// What the agreed extensions of one packet say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a> {
    /// The m-section's `a=mid`, as bytes of UTF-8.
    pub mid: Option<&'a [u8]>,
    /// How loud the packet is.
    pub audio_level: Option<AudioLevel>,
    /// When it was sent.
    pub abs_send_time: Option<AbsSendTime>,
    /// Its number among all packets of the transport.
    pub transport_cc: Option<SequenceNumber>,
}

impl<'a> Extensions<'a> {
    /// Reads what was agreed. An extension that is cut off counts as absent: the packet's sound is
    /// still good.
    #[must_use]
    pub fn read(packet: &Packet<'a>, ids: &ExtensionIds) -> Self {
        let elements =
            packet.header.extension.and_then(|e| Elements::new(e.profile, packet.extension));
        let mut seen = Self::default();
        for element in elements.into_iter().flatten() {
            let Ok((id, value)) = element else { return Self::default() };
            seen.take(id, value, ids);
        }
        seen
    }

    fn take(&mut self, id: u8, value: &'a [u8], ids: &ExtensionIds) {
        let id = Some(id);
        if id == ids.mid {
            self.mid = Some(value);
        } else if id == ids.audio_level {
            self.audio_level = value.first().copied().map(AudioLevel::from_byte);
        } else if id == ids.abs_send_time {
            self.abs_send_time = value.first_chunk().copied().map(AbsSendTime::from_bytes);
        } else if id == ids.transport_cc {
            self.transport_cc =
                value.first_chunk().map(|number| SequenceNumber(u16::from_be_bytes(*number)));
        }
    }

    /// Writes the extension's own header and its elements, padded to whole words. Writes nothing if
    /// there is nothing to say. Returns whether something was written.
    ///
    /// # Errors
    /// When `out` is full.
    pub(super) fn write(&self, ids: &ExtensionIds, out: &mut Cursor<'_>) -> Result<bool, NoRoom> {
        let level = self.audio_level.map(|level| [level.to_byte()]);
        let sent = self.abs_send_time.map(AbsSendTime::to_bytes);
        let number = self.transport_cc.map(|number| number.0.to_be_bytes());
        let elements = [
            (ids.mid, self.mid),
            (ids.audio_level, level.as_ref().map(<[u8; 1]>::as_slice)),
            (ids.abs_send_time, sent.as_ref().map(<[u8; 3]>::as_slice)),
            (ids.transport_cc, number.as_ref().map(<[u8; 2]>::as_slice)),
        ];
        let elements = elements.into_iter().filter_map(|(id, value)| Some((id?, value?)));
        write_elements(elements, out)
    }
}

/// One-byte form unless an id or a value asks for the other.
fn write_elements<'a>(
    elements: impl Iterator<Item = (u8, &'a [u8])> + Clone,
    out: &mut Cursor<'_>,
) -> Result<bool, NoRoom> {
    let small =
        |(id, value): (u8, &[u8])| (1..=14).contains(&id) && (1..=16).contains(&value.len());
    let form = if elements.clone().all(small) { Form::OneByte } else { Form::TwoByte };
    let size = |(_, value): (u8, &[u8])| value.len() + if form == Form::OneByte { 1 } else { 2 };
    let length: usize = elements.clone().map(size).sum();
    if length == 0 {
        return Ok(false);
    }
    let words = length.div_ceil(4);
    let profile = if form == Form::OneByte { ONE_BYTE } else { 0x1000 };
    out.put(&profile.to_be_bytes())?;
    out.put(&u16::try_from(words).map_err(|_| NoRoom)?.to_be_bytes())?;
    for (id, value) in elements {
        let length = u8::try_from(value.len()).map_err(|_| NoRoom)?;
        match form {
            Form::OneByte => out.put(&[id << 4 | length.saturating_sub(1)])?,
            Form::TwoByte => out.put(&[id, length])?,
        }
        out.put(value)?;
    }
    out.zeros(4 * words - length)?;
    Ok(true)
}

/// How loud a packet is, and whether it is speech (RFC 6464 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender's guess whether someone is speaking.
    pub voice: bool,
    /// Decibels below overload: 0 is the loudest, 127 is digital silence.
    pub below_overload: u8,
}

impl AudioLevel {
    /// Digital silence.
    pub const SILENCE: Self = Self { voice: false, below_overload: 127 };

    /// From the extension's one byte.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        Self { voice: byte & 0x80 != 0, below_overload: byte & 0x7f }
    }

    /// The extension's one byte.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        let level = if self.below_overload > 127 { 127 } else { self.below_overload };
        if self.voice { level | 0x80 } else { level }
    }

    /// The level in dBov: 0 is the loudest, -127 is silence.
    #[must_use]
    pub fn dbov(self) -> i16 {
        -i16::from(self.below_overload)
    }
}

/// When a packet was sent: seconds modulo 64, in 2^-18 of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsSendTime(pub u32);

impl AbsSendTime {
    /// From NTP time: the last 6 bits of its seconds, the first 18 of its fraction.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "24 bits are what the field has")]
    pub const fn from_ntp(time: crate::time::NtpTime) -> Self {
        Self((time.0 >> 14) as u32 & 0x00ff_ffff)
    }

    const fn from_bytes([a, b, c]: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, a, b, c]))
    }

    const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IDS: ExtensionIds = ExtensionIds {
        mid: Some(4),
        audio_level: Some(1),
        abs_send_time: Some(2),
        transport_cc: Some(3),
    };

    fn written(extensions: &Extensions<'_>, ids: &ExtensionIds) -> Vec<u8> {
        let mut wire = [0xff; 64];
        let mut out = Cursor::new(&mut wire);
        extensions.write(ids, &mut out).unwrap();
        let length = out.length();
        wire[..length].to_vec()
    }

    fn packet(wire: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend(wire);
        packet
    }

    #[test]
    fn what_is_written_is_read() {
        // rfc8834-5.2.2-1, rfc8834-5.2.4-1, rfc8285-4.2-1, rfc8285-4.3-1
        let all = Extensions {
            mid: Some(b"audio0"),
            audio_level: Some(AudioLevel { voice: true, below_overload: 30 }),
            abs_send_time: Some(AbsSendTime(0x00ab_cdef)),
            transport_cc: Some(SequenceNumber(65_535)),
        };
        let large_id = ExtensionIds { mid: Some(200), ..IDS };
        for (ids, profile) in [(IDS, [0xbe, 0xde]), (large_id, [0x10, 0x00])] {
            let wire = packet(&written(&all, &ids));
            assert_eq!(wire[12..14], profile);
            let packet = Packet::parse(&wire).unwrap();
            assert_eq!(Extensions::read(&packet, &ids), all);
        }
    }

    #[test]
    fn an_empty_mid_needs_the_two_byte_form() {
        let wire = written(&Extensions { mid: Some(b""), ..Extensions::default() }, &IDS);
        assert_eq!(wire, [0x10, 0, 0, 1, 4, 0, 0, 0]);
    }

    #[test]
    fn nothing_to_say_takes_no_byte() {
        assert!(written(&Extensions::default(), &IDS).is_empty());
        let unagreed = Extensions { mid: Some(b"0"), ..Extensions::default() };
        assert!(written(&unagreed, &ExtensionIds::default()).is_empty());
    }

    #[test]
    fn ids_that_were_not_agreed_are_stepped_over() {
        // rfc8285-5-1
        let wire = packet(&[0xbe, 0xde, 0, 2, 0x50, 0xaa, 0x10, 0x1e, 0, 0, 0, 0]);
        let seen = Extensions::read(&Packet::parse(&wire).unwrap(), &IDS);
        let level = AudioLevel { voice: false, below_overload: 30 };
        assert_eq!(seen, Extensions { audio_level: Some(level), ..Extensions::default() });
    }

    #[test]
    fn a_cut_extension_is_dropped_and_the_sound_kept() {
        let wire = packet(&[0xbe, 0xde, 0, 1, 0x10, 0x1e, 0x47, 0xaa, 0xf0]);
        let packet = Packet::parse(&wire).unwrap();
        assert_eq!(Extensions::read(&packet, &IDS), Extensions::default());
        assert_eq!(packet.payload, [0xf0]);
    }

    #[test]
    fn send_time_is_the_middle_of_ntp_time() {
        let time = crate::time::NtpTime(0x0000_0041_8000_0000);
        assert_eq!(AbsSendTime::from_ntp(time), AbsSendTime(1 << 18 | 1 << 17));
    }

    proptest! {
        #[test]
        fn any_extension_is_read_to_its_end(profile in 0x1000_u16..0x1010, one in any::<bool>(),
                                            wire in prop::collection::vec(any::<u8>(), 0..64)) {
            let profile = if one { ONE_BYTE } else { profile };
            let seen: usize =
                Elements::new(profile, &wire).unwrap().flatten().map(|(_, value)| value.len()).sum();
            prop_assert!(seen <= wire.len());
        }
    }
}
