//! Messages on a stream: where one ends and the next begins.
//!
//! A stream hands out bytes in pieces of any size. Each protocol on it says by a [`Measure`] how long the
//! message is that some bytes begin with; [`Messages`] collects the pieces, and hands out whole messages.
//! A stream that has lost its rhythm can't find it again.
//!
//! Measures: `turn::stream` (RFC 8656 section 12.5), `ice::stream` (RFC 4571).

/// Bytes that have come, and of which messages are taken.
#[derive(Debug)]
pub struct Messages {
    bytes: Vec<u8>,
    /// Those before were taken.
    taken: usize,
    measure: Measure,
    /// With all that is around it.
    longest: usize,
}

/// How long the message is that these bytes begin with; `None` if they are too few to say.
pub type Measure = fn(&[u8]) -> Result<Option<Extent>, OutOfStep>;

/// Where a message lies in what is sent for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes in front that are no part of it.
    pub skip: usize,
    /// Its own.
    pub length: usize,
    /// All, padding included.
    pub whole: usize,
}

/// The stream carries something else than it should, or is out of step: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream carries something else than it should")]
pub struct OutOfStep;

impl Messages {
    /// Of a stream that has just begun; no message is longer than `longest`.
    #[must_use]
    pub const fn new(measure: Measure, longest: usize) -> Self {
        Self { bytes: Vec::new(), taken: 0, measure, longest }
    }

    /// These bytes have come. Says whether there was room: take messages in between, and there is.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let fits = self.bytes.len() + bytes.len() <= 2 * self.longest;
        if fits {
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    /// The next whole message; `None` if more has to come first.
    ///
    /// # Errors
    /// The stream is of no use any more.
    pub fn next_message(&mut self) -> Result<Option<&mut [u8]>, OutOfStep> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some(Extent { skip, length, whole }) = (self.measure)(rest)? else { return Ok(None) };
        if rest.len() < whole {
            return Ok(None);
        }
        let begin = self.taken + skip;
        self.taken += whole;
        Ok(self.bytes.get_mut(begin..begin + length))
    }
}
