//! A description as one line of text, carried by any chat: `halloo call paste`.
//!
//! ```text
//! halloo1.offer.K0ksS8zJ…7Wg.5c1f09ae.end
//!       |   |       |        |      '-- all of it came
//!       |   |       |        '--------- CRC-32 of what stands before: nothing was altered
//!       |   |       '------------------ Base64; in an answer the offer's CRC-32 first, then the SDP, deflated
//!       |   '-------------------------- or `answer`
//!       '------------------------------ the version: who can't read the next one says so
//! ```
//! People copy too little, chats wrap lines and quote them: [`Collector`] finds the line in whatever is
//! pasted, and what is wrong with it is said in words. Deflate starts with a dictionary of what every
//! description of ours says, so that a line is about 250 characters long. The alphabet is Base64's own
//! and not the one for URLs, since chats take `_` for a mark of emphasis.
//!
//! The checksum is against accidents. Against a chat that alters lines on purpose there is the phrase
//! that both ends show.
//!
//! Comes from and goes to `cli::paste`.

mod dictionary;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use openssl::base64;

use crate::sdp::{Description, SdpError};
use dictionary::DICTIONARY;

/// What a line says that its description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An offer.
    Offer,
    /// An answer, to the offer whose line bears this checksum.
    Answer {
        /// [`Pasted::checksum`] of the offer.
        to: u32,
    },
}

/// A description that came as a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pasted {
    /// Offer or answer.
    pub kind: Kind,
    /// What it says.
    pub description: Description,
    /// Names the line: an answer refers to it.
    pub checksum: u32,
}

/// Why a line can't be taken, for the person who pasted it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasteError {
    /// Nothing of ours in it.
    #[error("that is no line of halloo's: one begins with halloo1.")]
    Foreign,
    /// `halloo2.` and above.
    #[error("the line was made by a newer halloo")]
    Newer,
    /// The end is missing.
    #[error("the line is cut short: its end, .end, is missing")]
    Cut,
    /// The checksum doesn't fit.
    #[error("the line was altered on its way: its checksum does not fit")]
    Altered,
    /// Larger than any description of ours.
    #[error("the line is too long")]
    TooLong,
    /// Whole and unaltered, but no description.
    #[error("the line holds no description: {0}")]
    Description(SdpError),
}

/// The line of an offer or an answer, and the checksum that names it.
#[must_use]
pub fn write(kind: Kind, description: &Description) -> (String, u32) {
    let (word, mut bytes) = match kind {
        Kind::Offer => (OFFER, Vec::new()),
        Kind::Answer { to } => (ANSWER, to.to_be_bytes().to_vec()),
    };
    deflate(description.to_string().as_bytes(), &mut bytes);
    let text = base64::encode_block(&bytes);
    let line = format!("{BEGIN}{VERSION}.{word}.{}", text.trim_end_matches('='));
    let checksum = crc32fast::hash(line.as_bytes());
    (format!("{line}.{checksum:08x}{END}"), checksum)
}

/// Reads a line.
///
/// # Errors
/// It is none, or none of this version, or was cut or altered, or holds no description.
pub fn read(line: &str) -> Result<Pasted, PasteError> {
    let rest = line.strip_prefix(BEGIN).ok_or(PasteError::Foreign)?;
    let (version, rest) = rest.split_once('.').ok_or(PasteError::Cut)?;
    match version.parse::<u32>() {
        Ok(VERSION) => {}
        Ok(1..) => return Err(PasteError::Newer),
        _ => return Err(PasteError::Foreign),
    }
    let whole = line.strip_suffix(END).ok_or(PasteError::Cut)?;
    let (signed, written) = whole.rsplit_once('.').ok_or(PasteError::Cut)?;
    let checksum = crc32fast::hash(signed.as_bytes());
    if u32::from_str_radix(written, 16) != Ok(checksum) {
        return Err(PasteError::Altered);
    }
    let (word, text) = rest
        .split_once('.')
        .and_then(|(word, rest)| Some((word, rest.split_once('.')?.0)))
        .ok_or(PasteError::Altered)?;
    let bytes = decode(text)?;
    let (kind, deflated) = match (word, bytes.split_first_chunk()) {
        (OFFER, _) => (Kind::Offer, bytes.as_slice()),
        (ANSWER, Some((to, rest))) => (Kind::Answer { to: u32::from_be_bytes(*to) }, rest),
        _ => return Err(PasteError::Altered),
    };
    let sdp = inflate(deflated)?;
    let sdp = String::from_utf8(sdp).map_err(|_| PasteError::Altered)?;
    let description = sdp.parse().map_err(PasteError::Description)?;
    Ok(Pasted { kind, description, checksum })
}

/// Puts together what was pasted: a line may come in pieces, with spaces or quotation marks at its wraps.
#[derive(Clone, Debug, Default)]
pub struct Collector(String);

impl Collector {
    /// A piece, as it was read. `None`: more is needed.
    ///
    /// # Errors
    /// There is no line in it, or what [`read`] says.
    pub fn add(&mut self, piece: &str) -> Option<Result<Pasted, PasteError>> {
        let is_ours = |one: &char| one.is_ascii_alphanumeric() || matches!(one, '.' | '+' | '/');
        let begun = !self.0.is_empty();
        // A second copy starts anew; what stands before the beginning is somebody's greeting.
        match last_beginning(piece) {
            Some(from) => self.0 = from.chars().filter(is_ours).collect(),
            None if begun => self.0.extend(piece.chars().filter(is_ours)),
            None if piece.trim().is_empty() => return None,
            None => return Some(Err(PasteError::Foreign)),
        }
        if let Some(at) = end_of_line(&self.0) {
            self.0.truncate(at + END.len());
            return Some(read(&std::mem::take(&mut self.0)));
        }
        if self.0.len() > LONGEST {
            self.0.clear();
            return Some(Err(PasteError::TooLong));
        }
        None
    }

    /// Nothing more will come.
    ///
    /// # Errors
    /// What had come was the beginning of a line.
    pub fn finish(self) -> Result<(), PasteError> {
        if self.0.is_empty() { Ok(()) } else { Err(PasteError::Cut) }
    }
}

/// Where [`END`] stands behind the checksum: the text of a line may begin with the same letters.
fn end_of_line(line: &str) -> Option<usize> {
    let (checksum, _) = line.match_indices('.').nth(2)?;
    line.get(checksum..)?.find(END).map(|at| checksum + at)
}

/// The name with a version behind it. Who greets with it means no line.
fn last_beginning(piece: &str) -> Option<&str> {
    let mut starts = piece.rmatch_indices(BEGIN).filter_map(|(at, _)| piece.get(at..));
    let is_versioned = |from: &&str| {
        from.strip_prefix(BEGIN)
            .is_some_and(|rest| rest.starts_with(|one: char| one.is_ascii_digit()))
    };
    starts.find(is_versioned)
}

fn deflate(sdp: &[u8], onto: &mut Vec<u8>) {
    let mut deflater = Compress::new(Compression::best(), RAW);
    let _known_to_both = deflater.set_dictionary(DICTIONARY.as_bytes());
    loop {
        let done = usize::try_from(deflater.total_in()).unwrap_or(usize::MAX);
        onto.reserve(1 << 10);
        let rest = sdp.get(done..).unwrap_or_default();
        match deflater.compress_vec(rest, onto, FlushCompress::Finish) {
            Ok(Status::Ok) => {}
            Ok(Status::StreamEnd | Status::BufError) | Err(_) => return,
        }
    }
}

fn inflate(deflated: &[u8]) -> Result<Vec<u8>, PasteError> {
    let mut inflater = Decompress::new(RAW);
    let _known_to_both = inflater.set_dictionary(DICTIONARY.as_bytes());
    let mut sdp = Vec::with_capacity(LONGEST);
    // It grows no further than what is reserved, whatever the line promises.
    match inflater.decompress_vec(deflated, &mut sdp, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) => Ok(sdp),
        Ok(Status::Ok | Status::BufError) if sdp.len() == sdp.capacity() => {
            Err(PasteError::TooLong)
        }
        _ => Err(PasteError::Altered),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, PasteError> {
    let padded = format!("{text}{}", "=".repeat(text.len().wrapping_neg() % 4));
    base64::decode_block(&padded).map_err(|_| PasteError::Altered)
}

const BEGIN: &str = "halloo";
const VERSION: u32 = 1;
const OFFER: &str = "offer";
const ANSWER: &str = "answer";
const END: &str = ".end";
/// Without zlib's own header and checksum.
const RAW: bool = false;
/// A description of ours with twenty candidates has 2 kB.
const LONGEST: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFER_SDP: &str = "v=0\r\no=- 3016818570325498344 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0\r\nm=audio 46285 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.2\r\na=mid:0\r\n\
        a=rtpmap:111 opus/48000/2\r\na=ice-ufrag:BySruaO6\r\na=ice-pwd:NhXz6qhQUCkrPf/mdmiu3lsn\r\n\
        a=fingerprint:sha-256 61:17:3D:6B:CC:E5:24:FD:84:F8:B5:3A:77:EC:23:4F:2A:79:5D:89:DA:4E:07:\
        21:05:55:C8:DC:D6:42:01:25\r\na=setup:actpass\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.2 46285 typ host\r\na=end-of-candidates\r\n";

    fn offer() -> Description {
        OFFER_SDP.parse().unwrap()
    }

    fn line() -> String {
        write(Kind::Offer, &offer()).0
    }

    /// What comes of this text, pasted at once.
    fn paste(text: &str) -> Option<Result<Pasted, PasteError>> {
        Collector::default().add(text)
    }

    #[test]
    fn a_line_brings_the_description_and_is_short() {
        let (line, checksum) = write(Kind::Offer, &offer());
        let pasted = read(&line).unwrap();
        assert_eq!(pasted, Pasted { kind: Kind::Offer, description: offer(), checksum });
        assert!(line.len() < 260, "{} characters", line.len());
        let kind = Kind::Answer { to: checksum };
        assert_eq!(read(&write(kind, &offer()).0).unwrap().kind, kind);
    }

    #[test]
    fn a_line_is_found_in_what_surrounds_it() {
        let line = line();
        let (front, back) = line.split_at(100);
        for text in [
            format!("Bob, halloo again! Here it is: {line} Yours, Ann"),
            format!("> {front}\n> {back}\n"),
            format!("  {line}\r\n"),
            format!("{front}{line}"),
        ] {
            assert_eq!(paste(&text).unwrap().unwrap().description, offer(), "{text}");
        }
        let mut pieces = Collector::default();
        assert_eq!(pieces.add("\n"), None);
        assert_eq!(pieces.add(&format!("> {front}\n")), None);
        assert!(pieces.add(&format!("> {back}\n")).unwrap().is_ok());
        assert_eq!(pieces.finish(), Ok(()));
    }

    #[test]
    fn a_text_that_begins_like_the_end_is_no_end() {
        let kind = Kind::Answer { to: 0x7a77_4000 };
        let line = write(kind, &offer()).0;
        assert!(line.starts_with("halloo1.answer.end"), "{line}");
        assert_eq!(paste(&line).unwrap().unwrap().kind, kind);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let line = line();
        assert_eq!(paste("good morning"), Some(Err(PasteError::Foreign)));
        assert_eq!(paste(&line[1..]), Some(Err(PasteError::Foreign)));
        assert_eq!(paste(&line.replace("halloo1", "halloo2")), Some(Err(PasteError::Newer)));
        for end in [10, 60, line.len() - 1] {
            let mut cut = Collector::default();
            assert_eq!(cut.add(&line[..end]), None, "{end}");
            assert_eq!(cut.finish(), Err(PasteError::Cut));
        }
        let mut flipped = line.clone();
        let other = if &line[40..41] == "x" { "y" } else { "x" };
        flipped.replace_range(40..41, other);
        assert_eq!(paste(&flipped), Some(Err(PasteError::Altered)));
        let missing = format!("{}{}", &line[..40], &line[42..]);
        assert_eq!(paste(&missing), Some(Err(PasteError::Altered)));
        assert_eq!(paste(&line.replace("offer", "answer")), Some(Err(PasteError::Altered)));
    }

    #[test]
    fn a_line_that_would_grow_without_end_is_refused() {
        let mut bytes = Vec::new();
        deflate(&vec![b'a'; 1 << 20], &mut bytes);
        let signed = format!("halloo1.offer.{}", base64::encode_block(&bytes).replace('=', ""));
        let bomb = format!("{signed}.{:08x}.end", crc32fast::hash(signed.as_bytes()));
        assert!(bomb.len() < 2_000);
        assert_eq!(paste(&bomb), Some(Err(PasteError::TooLong)));
        let mut endless = Collector::default();
        assert_eq!(endless.add("halloo1.offer."), None);
        assert_eq!(endless.add(&"a".repeat(LONGEST)), Some(Err(PasteError::TooLong)));
    }

    proptest! {
        #[test]
        fn whatever_is_pasted_nothing_breaks(pieces in prop::collection::vec("(halloo1[.])?.{0,40}([.]end)?", 0..6)) {
            let mut collector = Collector::default();
            for piece in &pieces {
                let _ = collector.add(piece);
            }
            let _ = collector.finish();
        }

        #[test]
        fn one_wrong_character_is_noticed(at in 0_usize..200, with in "[A-Za-z0-9+/.]") {
            let mut line = line();
            prop_assume!(line[at..=at] != with);
            line.replace_range(at..=at, &with);
            prop_assert!(read(&line).is_err());
        }
    }
}
