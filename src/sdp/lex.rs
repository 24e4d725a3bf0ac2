//! `x=value` lines, and where in them something is wrong (RFC 8866 section 5).
//!
//! SDP is lines of one lower-case letter, `=`, and a value. RFC 8866 asks for CRLF and tells readers to
//! take a bare LF; the world also sends spaces at line ends (Pion) and empty lines (aiortc's page), so
//! both are skipped here and nobody above has to know. What has no line end at its end was cut off in
//! the middle, and is refused.
//!
//! Read next: `attribute.rs`, which reads what follows `a=`.

use std::fmt;

/// Longest description taken, in bytes: ten times what a browser sends for a whole conference.
pub const MAX_LENGTH: usize = 64 * 1024;
/// Most lines taken.
pub const MAX_LINES: usize = 4096;

/// One line: its type letter and its value, without spaces at the end.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Counted from 1, as editors do.
    pub number: usize,
    /// The letter before `=`.
    pub letter: char,
    /// What stands behind `=`.
    pub value: &'a str,
}

impl<'a> Line<'a> {
    /// An error at `part`, which must be a piece of this line's value.
    pub fn error_at(&self, part: &str, reason: Reason) -> SdpError {
        // Both are slices of one text, so the distance of their addresses is the offset.
        let offset = (part.as_ptr() as usize).saturating_sub(self.value.as_ptr() as usize);
        let before = self.value.get(..offset).unwrap_or_default().chars().count();
        SdpError { line: self.number, column: before + "x=".len() + 1, reason }
    }

    /// An error of the line as a whole.
    pub fn error(&self, reason: Reason) -> SdpError {
        SdpError { line: self.number, column: 1, reason }
    }

    fn read(number: usize, text: &'a str) -> Result<Self, SdpError> {
        let error = |column, reason| SdpError { line: number, column, reason };
        let mut chars = text.chars();
        let letter = chars.next().filter(char::is_ascii_lowercase);
        let letter = letter.ok_or(error(1, Reason::NotALine))?;
        if chars.next() != Some('=') {
            return Err(error(2, Reason::NotALine));
        }
        let line = Self { number, letter, value: chars.as_str() };
        if line.value.is_empty() && letter != 's' {
            return Err(error(3, Reason::Invalid("a value is missing")));
        }
        let control = |byte| line.value.as_bytes().contains(&byte);
        if control(b'\r') || control(0) {
            let at = line.value.find(['\0', '\r']).unwrap_or_default();
            let part = line.value.get(at..).unwrap_or_default();
            return Err(line.error_at(part, Reason::Invalid("a control character inside a line")));
        }
        Ok(line)
    }
}

/// The lines of a text, one after the other; blank ones are skipped but counted. The last one needs no end:
/// scripts forget it, and whether a text was cut off is told by whoever carried it.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// Starts at line 1.
    ///
    /// # Errors
    /// When the text is longer than [`MAX_LENGTH`].
    pub fn new(text: &'a str) -> Result<Self, SdpError> {
        if text.len() > MAX_LENGTH {
            let reason = Reason::TooMuch { what: "bytes", limit: MAX_LENGTH };
            return Err(SdpError { line: 1, column: 1, reason });
        }
        Ok(Self { rest: text, number: 0 })
    }

    /// An error about what should have followed the last line.
    pub fn error_at_end(&self, reason: Reason) -> SdpError {
        SdpError { line: self.number + 1, column: 1, reason }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, SdpError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            self.number += 1;
            let (text, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            let text = text.trim_end_matches([' ', '\t', '\r']);
            if text.is_empty() {
                continue;
            }
            let error = |reason| SdpError { line: self.number, column: 1, reason };
            return Some(if self.number > MAX_LINES {
                Err(error(Reason::TooMuch { what: "lines", limit: MAX_LINES }))
            } else {
                Line::read(self.number, text)
            });
        }
        None
    }
}

/// Where a description stops making sense, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdpError {
    /// Line, from 1.
    pub line: usize,
    /// Character in that line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not a letter, `=`, and a value.
    NotALine,
    /// A type letter that RFC 8866 doesn't have here: the description is refused as a whole (section 5).
    UnknownLetter(char),
    /// The fixed order of lines is broken.
    OutOfOrder {
        /// This line…
        letter: char,
        /// …may not follow this one.
        after: char,
    },
    /// A line that may stand there once only.
    Repeated(char),
    /// A line that has to be there.
    Missing(char),
    /// The value breaks this rule.
    Invalid(&'static str),
    /// More than we take from a stranger.
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many are taken.
        limit: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotALine => f.write_str("not of the form `letter=value`"),
            Self::UnknownLetter(letter) => write!(f, "`{letter}=` is no line of SDP here"),
            Self::OutOfOrder { letter, after } => {
                write!(f, "`{letter}=` may not follow `{after}=`")
            }
            Self::Repeated(letter) => write!(f, "a second `{letter}=`"),
            Self::Missing(letter) => write!(f, "`{letter}=` is missing"),
            Self::Invalid(rule) => f.write_str(rule),
            Self::TooMuch { what, limit } => write!(f, "more than {limit} {what}"),
        }
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

impl std::error::Error for SdpError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<(usize, char, &str)>, SdpError> {
        Lines::new(text)?
            .map(|line| line.map(|line| (line.number, line.letter, line.value)))
            .collect()
    }

    #[test]
    fn any_line_end_and_blank_lines_are_taken() {
        // rfc8866-5-3
        let text = "v=0\r\ns=a b \n\r\nm=x \t\r\n \n\na=b";
        assert_eq!(
            lines(text),
            Ok(vec![(1, 'v', "0"), (2, 's', "a b"), (4, 'm', "x"), (7, 'a', "b")])
        );
    }

    #[test]
    fn what_is_not_a_line_is_refused_at_its_place() {
        for (text, line, column, reason) in [
            ("v=0\n{}\n", 2, 1, Reason::NotALine),
            ("v =0\n", 1, 2, Reason::NotALine),
            ("V=0\n", 1, 1, Reason::NotALine),
            ("a= \n", 1, 3, Reason::Invalid("a value is missing")),
            ("a=ö\rb\n", 1, 4, Reason::Invalid("a control character inside a line")),
        ] {
            assert_eq!(lines(text), Err(SdpError { line, column, reason }), "{text:?}");
        }
    }

    #[test]
    fn length_and_number_of_lines_are_limited() {
        let long = "a=b\n".repeat(MAX_LENGTH / 4 + 1);
        assert!(matches!(lines(&long), Err(SdpError { line: 1, .. })), "too long");
        let many = "a=b\n".repeat(MAX_LINES + 1);
        let reason = Reason::TooMuch { what: "lines", limit: MAX_LINES };
        assert_eq!(lines(&many), Err(SdpError { line: MAX_LINES + 1, column: 1, reason }));
    }

    #[test]
    fn an_error_names_the_column_of_the_wrong_part() {
        let line = Line { number: 7, letter: 'o', value: "- 1 zwölf IN" };
        let error = line.error_at(&line.value[4..], Reason::Invalid("a number"));
        assert_eq!(error.to_string(), "line 7, column 7: a number");
    }
}
