//! The last flight, twice more, unasked.
//!
//! Whoever sends the last flight of a handshake (the server) is done and runs no timer; if it is lost,
//! only the client's timer brings it back (RFC 6347 section 4.2.4), and that of plain OpenSSL takes a
//! second. So the same bytes go out again after 50 ms and after 150: a client that has them drops the
//! copies as replays, one that has not is done. [`super::handshake::Input::Heard`] saves even that.

use std::time::Duration;

use crate::time::Instant;

/// The datagrams, and when they go out again. Empty: nothing is repeated.
#[derive(Debug, Default)]
pub(super) struct LastFlight {
    datagrams: Vec<Vec<u8>>,
    due: Option<(Instant, Duration)>,
}

/// Until the first repetition; the next takes twice as long.
const FIRST: Duration = Duration::from_millis(50);
const LAST: Duration = Duration::from_millis(100);

impl LastFlight {
    /// Remembers what is about to be sent.
    pub(super) fn sent<'a>(now: Instant, datagrams: impl Iterator<Item = &'a [u8]>) -> Self {
        let datagrams = datagrams.map(<[u8]>::to_vec).collect();
        Self { datagrams, due: Some((now + FIRST, FIRST)) }
    }

    /// When [`Self::again`] has something to send.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.map(|(due, _)| due)
    }

    /// The flight, if its time has come.
    pub(super) fn again(&mut self, now: Instant) -> Option<&[Vec<u8>]> {
        let (due, waited) = self.due?;
        if now < due {
            return None;
        }
        self.due = (waited < LAST).then(|| (now + 2 * waited, 2 * waited));
        Some(&self.datagrams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flight_goes_out_again_after_50_ms_and_after_150() {
        let ms = Instant::from_millis;
        let mut flight = LastFlight::sent(ms(7), [&[1, 2][..], &[3]].into_iter());
        for (at, copies) in [(7, 0), (56, 0), (57, 2), (58, 0), (156, 0), (157, 2), (9_999, 0)] {
            let sent = flight.again(ms(at)).map_or(0, <[_]>::len);
            assert_eq!(sent, copies, "at {at} ms");
        }
        assert_eq!(flight.due(), None);
    }
}
