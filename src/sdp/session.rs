//! A whole description: the session's own lines, then a section for each `m=` (RFC 8866 section 5).
//!
//! ```text
//! v=0                                     always 0
//! o=- 6052 2 IN IP4 127.0.0.1             who made it; the second number grows with every change
//! s=-                                     a name nobody reads
//! t=0 0                                   no beginning, no end
//! a=group:BUNDLE 0                        attributes of the session…
//! m=audio 9 UDP/TLS/RTP/SAVPF 111 0       a section: kind, port, protocol, formats
//! c=IN IP4 0.0.0.0                        where to, if ICE had not a better idea
//! a=mid:0                                 …and of the section
//! ```
//! The order of the letters is fixed, so a reader needs no lookahead. Lines that a call has no use for
//! are checked for their order and kept as text: what was read is written back, except `k=`, which is
//! dropped (section 5.12).
//!
//! Read next: `section.rs`, how a section is asked for its attributes; then `answer.rs`.

use std::fmt;
use std::str::FromStr;

use super::attribute::Attribute;
use super::codec::{digits, parse_payload_type};
use super::lex::{Line, Lines, Reason, SdpError};

/// Most sections taken.
pub const MAX_SECTIONS: usize = 128;

/// An offer or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `o=`
    pub origin: Origin,
    /// `s=`, empty if it was a space or nothing.
    pub name: String,
    /// The other lines before the attributes, in their order, `t=` among them.
    pub lines: Vec<TextLine>,
    /// `a=` of the session.
    pub attributes: Vec<Attribute>,
    /// One for each `m=`.
    pub media: Vec<Media>,
}

/// `o=`: names this description (RFC 8866 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `-` for none.
    pub username: String,
    /// The same as long as the call lasts: digits, below 2^63 when we write it (RFC 9429 section 5.2.1).
    pub session_id: String,
    /// One more for each description that differs from the one before.
    pub version: u64,
    /// Such as `IP4`.
    pub address_type: String,
    /// Means nothing here: `0.0.0.0`, so that no address leaks.
    pub address: String,
}

/// A line kept as it is: its letter and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLine(pub char, pub String);

/// An `m=` line and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Such as `audio`.
    pub kind: String,
    /// 0: refused (or bundle-only); 9: not known yet.
    pub port: u16,
    /// How many ports, where the line says so.
    pub ports: Option<u16>,
    /// Such as `UDP/TLS/RTP/SAVPF`.
    pub protocol: String,
    /// Payload types, best first.
    pub formats: Vec<String>,
    /// `i=`, `c=`, `b=`, in their order.
    pub lines: Vec<TextLine>,
    /// `a=`
    pub attributes: Vec<Attribute>,
}

/// Letters of the session in the order they must have; `t` and `r` alternate.
const SESSION_ORDER: &str = "vosiuepcbtrzka";
/// Those of a section, after its `m`.
const MEDIA_ORDER: &str = "icbka";
/// Letters that may come once.
const ONCE: &str = "vosiuc";

impl FromStr for Description {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, SdpError> {
        let mut lines = Lines::new(text)?.peekable();
        let mut session = SessionReader::default();
        while let Some(line) = lines.next_if(|line| !matches!(line, Ok(Line { letter: 'm', .. }))) {
            session.read(line?)?;
        }
        let first_media = lines.peek().and_then(|line| line.as_ref().ok()).map(|line| line.number);
        let end = first_media.unwrap_or(text.lines().count() + 1);
        let mut description = session.finish(end)?;

        let mut after = 'm';
        for line in lines {
            let line = line?;
            if line.letter == 'm' {
                if description.media.len() == MAX_SECTIONS {
                    let reason = Reason::TooMuch { what: "sections", limit: MAX_SECTIONS };
                    return Err(line.error(reason));
                }
                description.media.push(Media::parse(&line)?);
            } else {
                description.check_mid(&line)?;
                let media = description.media.last_mut();
                media.map_or(Ok(()), |media| media.read(&line, after))?;
            }
            after = line.letter;
        }
        Ok(description)
    }
}

impl Description {
    /// Two sections of one name could not be told apart (RFC 5888 section 4).
    fn check_mid(&self, line: &Line<'_>) -> Result<(), SdpError> {
        match line.value.strip_prefix("mid:").filter(|_| line.letter == 'a') {
            Some(mid) if self.media.iter().any(|media| media.mid() == Some(mid)) => {
                Err(line.error_at(mid, Reason::Invalid("a section before has this mid")))
            }
            _ => Ok(()),
        }
    }
}

/// Collects the session's lines until the first `m=`.
#[derive(Default)]
struct SessionReader {
    after: Option<char>,
    origin: Option<Origin>,
    name: Option<String>,
    timed: bool,
    lines: Vec<TextLine>,
    attributes: Vec<Attribute>,
}

impl SessionReader {
    fn read(&mut self, line: Line<'_>) -> Result<(), SdpError> {
        self.check_order(&line)?;
        match line.letter {
            'v' if line.value != "0" => {
                return Err(line.error_at(line.value, Reason::Invalid("the version is not 0")));
            }
            // A key in clear text is worth nothing, and RFC 8866 section 5.12 wants it discarded.
            'v' | 'k' => {}
            'o' => self.origin = Some(Origin::parse(&line)?),
            's' => self.name = Some(line.value.to_owned()),
            'a' => self.attributes.push(attribute(&line)?),
            letter => {
                if letter == 't' {
                    check_timing(&line)?;
                    self.timed = true;
                }
                self.lines.push(TextLine(letter, line.value.to_owned()));
            }
        }
        Ok(())
    }

    fn check_order(&mut self, line: &Line<'_>) -> Result<(), SdpError> {
        let letter = line.letter;
        let place = place(SESSION_ORDER, line)?;
        match self.after.replace(letter) {
            None if letter != 'v' => Err(line.error(Reason::Missing('v'))),
            Some(after) if after == letter && ONCE.contains(letter) => {
                Err(line.error(Reason::Repeated(letter)))
            }
            Some(after) => match SESSION_ORDER.find(after) {
                Some(before) if before > place && (after, letter) != ('r', 't') => {
                    Err(line.error(Reason::OutOfOrder { letter, after }))
                }
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// `end` is the line where what is missing should have stood.
    fn finish(self, end: usize) -> Result<Description, SdpError> {
        let missing = |letter| SdpError { line: end, column: 1, reason: Reason::Missing(letter) };
        self.after.ok_or(missing('v'))?;
        let origin = self.origin.ok_or(missing('o'))?;
        let name = self.name.ok_or(missing('s'))?;
        if !self.timed {
            return Err(missing('t'));
        }
        let (lines, attributes) = (self.lines, self.attributes);
        Ok(Description { origin, name, lines, attributes, media: Vec::new() })
    }
}

impl Origin {
    fn parse(line: &Line<'_>) -> Result<Self, SdpError> {
        let mut words = line.value.split(' ');
        let fields = [(); 6].map(|()| words.next().unwrap_or_default());
        let [username, session_id, version, network, address_type, address] = fields;
        let error = |part, rule| Err(line.error_at(part, Reason::Invalid(rule)));
        if address.is_empty() || words.next().is_some() {
            return error(line.value, "o= has six fields");
        }
        if session_id.is_empty() || !session_id.bytes().all(|c| c.is_ascii_digit()) {
            return error(session_id, "the session id is a number");
        }
        let Some(version) = digits(version) else {
            return error(version, "the session version is a number");
        };
        if network != "IN" || !matches!(address_type, "IP4" | "IP6") {
            return error(network, "an address is given as IN IP4 or IN IP6");
        }
        let (username, session_id) = (username.to_owned(), session_id.to_owned());
        let (address_type, address) = (address_type.to_owned(), address.to_owned());
        Ok(Self { username, session_id, version, address_type, address })
    }
}

impl Media {
    pub(super) fn parse(line: &Line<'_>) -> Result<Self, SdpError> {
        let error = |part: &str, reason| Err(line.error_at(part, reason));
        let mut words = line.value.split(' ');
        let [kind, port, protocol] = [(); 3].map(|()| words.next().unwrap_or_default());
        let formats: Vec<_> = words.clone().map(str::to_owned).collect();
        if formats.iter().any(String::is_empty) || formats.is_empty() {
            return error(line.value, Reason::Invalid("m= has at least four fields"));
        }
        let (number, ports) =
            port.split_once('/').map_or((port, None), |(port, ports)| (port, Some(ports)));
        let Some(number) = digits(number) else {
            return error(port, Reason::Invalid("a port is a number up to 65535"));
        };
        let ports = match ports.map(digits) {
            Some(None) => return error(port, Reason::Invalid("the count of ports is a number")),
            counted => counted.flatten(),
        };
        if is_rtp(protocol) {
            for format in words {
                parse_payload_type(format).map_err(|reason| line.error_at(format, reason))?;
            }
        }
        let (kind, protocol) = (kind.to_owned(), protocol.to_owned());
        let (lines, attributes) = (Vec::new(), Vec::with_capacity(32));
        Ok(Self { kind, port: number, ports, protocol, formats, lines, attributes })
    }

    fn read(&mut self, line: &Line<'_>, after: char) -> Result<(), SdpError> {
        let letter = line.letter;
        let place = place(MEDIA_ORDER, line)?;
        if MEDIA_ORDER.find(after).is_some_and(|before| before > place) {
            return Err(line.error(Reason::OutOfOrder { letter, after }));
        }
        match letter {
            'a' => self.attributes.push(attribute(line)?),
            'k' => {}
            _ => self.lines.push(TextLine(letter, line.value.to_owned())),
        }
        Ok(())
    }

    /// Whether the formats are payload types.
    pub fn is_rtp(&self) -> bool {
        is_rtp(&self.protocol)
    }

    /// `a=mid`
    pub fn mid(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Mid(mid) => Some(mid.as_str()),
            _ => None,
        })
    }
}

fn is_rtp(protocol: &str) -> bool {
    protocol.contains("RTP/")
}

fn place(order: &str, line: &Line<'_>) -> Result<usize, SdpError> {
    order.find(line.letter).ok_or_else(|| line.error(Reason::UnknownLetter(line.letter)))
}

pub(super) fn attribute(line: &Line<'_>) -> Result<Attribute, SdpError> {
    Attribute::parse(line.value).map_err(|reason| {
        let value = line.value.split_once(':').map_or(line.value, |(_, value)| value);
        line.error_at(value, reason)
    })
}

fn check_timing(line: &Line<'_>) -> Result<(), SdpError> {
    let numbers = line.value.split(' ').map(digits::<u64>);
    let numbers: Option<Vec<_>> = numbers.collect();
    match numbers {
        Some(numbers) if numbers.len() == 2 => Ok(()),
        _ => Err(line.error_at(line.value, Reason::Invalid("t= has two numbers"))),
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { username, session_id, version, address_type, address } = &self.origin;
        write!(f, "v=0\r\no={username} {session_id} {version} IN {address_type} {address}\r\n")?;
        // RFC 8866 section 5.3: s= is never empty, a space stands for no name.
        let name = if self.name.is_empty() { " " } else { &self.name };
        write!(f, "s={name}\r\n")?;
        self.lines.iter().try_for_each(|line| line.fmt(f))?;
        self.attributes.iter().try_for_each(|attribute| write!(f, "a={attribute}\r\n"))?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind, self.port)?;
        self.ports.iter().try_for_each(|ports| write!(f, "/{ports}"))?;
        write!(f, " {}", self.protocol)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))?;
        f.write_str("\r\n")?;
        self.lines.iter().try_for_each(|line| line.fmt(f))?;
        self.attributes.iter().try_for_each(|attribute| write!(f, "a={attribute}\r\n"))
    }
}

impl fmt::Display for TextLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}\r\n", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\n";

    fn error(text: &str) -> String {
        text.parse::<Description>().map_or_else(|e| e.to_string(), |_| "no error".to_owned())
    }

    #[test]
    fn lines_have_a_fixed_order() {
        // rfc8866-5-1
        assert_eq!(error(HEAD), "no error");
        assert_eq!(error(""), "line 1, column 1: `v=` is missing");
        assert_eq!(error("s=-\nv=0\n"), "line 1, column 1: `v=` is missing");
        assert_eq!(error("v=1\n"), "line 1, column 3: the version is not 0");
        assert_eq!(error("v=0\nv=0\n"), "line 2, column 1: a second `v=`");
        assert_eq!(error("v=0\ns=-\nt=0 0\n"), "line 4, column 1: `o=` is missing");
        let late = format!("{HEAD}b=AS:1\n");
        assert_eq!(error(&late), "line 5, column 1: `b=` may not follow `t=`");
        let repeats = format!("{HEAD}r=1 2\nt=0 0\nr=1 2\nz=0 0\n");
        assert_eq!(error(&repeats), "no error", "t= and r= may alternate");
        let media = format!("{HEAD}m=audio 9 RTP/AVP 0\na=mid:0\nc=IN IP4 0.0.0.0\n");
        assert_eq!(error(&media), "line 7, column 1: `c=` may not follow `a=`");
    }

    #[test]
    fn an_unknown_letter_refuses_the_whole_description() {
        // rfc8866-5-2
        assert_eq!(error(&format!("{HEAD}x=1\n")), "line 5, column 1: `x=` is no line of SDP here");
        let media = format!("{HEAD}m=audio 9 RTP/AVP 0\nt=0 0\n");
        assert_eq!(error(&media), "line 6, column 1: `t=` is no line of SDP here");
    }

    #[test]
    fn the_origin_has_six_fields() {
        // rfc8866-5.2-1
        let origin = |value: &str| error(&format!("v=0\no={value}\ns=-\nt=0 0\n"));
        assert_eq!(origin("- 1 2 IN IP4"), "line 2, column 3: o= has six fields");
        assert_eq!(origin("- 1 2 IN IP4 a b"), "line 2, column 3: o= has six fields");
        assert_eq!(origin("- x 2 IN IP4 a"), "line 2, column 5: the session id is a number");
        assert_eq!(origin("- 1 x IN IP4 a"), "line 2, column 7: the session version is a number");
        assert_eq!(
            origin("- 1 2 XX IP4 a"),
            "line 2, column 9: an address is given as IN IP4 or IN IP6"
        );
    }

    #[test]
    fn an_empty_session_name_is_read_and_never_written() {
        // rfc8866-5.3-1
        for name in ["s=", "s= "] {
            let text = format!("v=0\no=- 1 2 IN IP4 a\n{name}\nt=0 0\n");
            let written = text.parse::<Description>().unwrap().to_string();
            assert!(written.contains("\r\ns= \r\n"), "{written}");
        }
    }

    #[test]
    fn a_key_is_discarded_and_bandwidth_kept() {
        // rfc8866-5.12-1, rfc8866-5.8-1
        let text = "v=0\r\no=- 1 2 IN IP4 a\r\ns=-\r\nb=X-YZ:128\r\nt=0 0\r\nk=clear:abc\r\n\
                    m=audio 9/2 RTP/AVP 0\r\nb=AS:64\r\nk=clear:abc\r\n";
        let written = text.parse::<Description>().unwrap().to_string();
        assert_eq!(written, text.replace("k=clear:abc\r\n", ""));
    }

    #[test]
    fn an_m_line_is_refused_at_its_wrong_field() {
        let media = |value: &str| error(&format!("{HEAD}m={value}\n"));
        assert_eq!(media("audio 9 RTP/AVP"), "line 5, column 3: m= has at least four fields");
        assert_eq!(
            media("audio 65536 RTP/AVP 0"),
            "line 5, column 9: a port is a number up to 65535"
        );
        let payload_type = "line 5, column 19: a payload type is a number up to 127";
        assert_eq!(media("audio 9 RTP/AVP 0 128"), payload_type.replace("19", "21"));
        assert_eq!(media("audio 9 RTP/AVP x"), payload_type);
        assert_eq!(media("application 9 UDP/DTLS/SCTP webrtc-datachannel"), "no error");
    }

    #[test]
    fn a_wrong_attribute_is_refused_at_its_value() {
        let text = format!("{HEAD}a=setup:both\n");
        let expected = "line 5, column 9: setup is active, passive, actpass or holdconn";
        assert_eq!(error(&text), expected);
    }

    #[test]
    fn a_mid_names_one_section() {
        // rfc8829-5.8.3-1
        let text = format!("{HEAD}m=audio 9 RTP/AVP 0\na=mid:0\nm=audio 9 RTP/AVP 0\na=mid:0\n");
        assert_eq!(error(&text), "line 8, column 7: a section before has this mid");
    }

    #[test]
    fn sections_are_limited() {
        let many = format!("{HEAD}{}", "m=audio 9 RTP/AVP 0\n".repeat(MAX_SECTIONS + 1));
        assert_eq!(error(&many), "line 133, column 1: more than 128 sections");
    }
}
