//! A bad network on purpose: `--impair loss=10%,burst=3,delay=80ms,jitter=40ms,reorder=2%,dup=1%,seed=1`.
//!
//! A [`Link`] is one direction. Given the time, it says when each packet arrives: never, once or
//! twice. It holds no packets and reads no clock, so the same seed spoils the same packets, in
//! a real call as in a test in virtual time.
//!
//! RTP has a lane of its own. How many checks, handshake messages and reports go between two packets of sound
//! hangs on timers and on how busy the machines are; the n-th packet of sound meets the same fate whatever
//! they do. (To a relay that is so once a channel is bound: what goes in Send indications looks like STUN.)
//!
//! Losses come in bursts as E. N. Gilbert described (*Capacity of a burst-noise channel*, 1960): the
//! link is good, and loses nothing, or bad, and loses everything.
//!
//! ```text
//!            loss / (burst (1 - loss))
//!          +--------------------------->
//!    good                                bad      share of time in bad = loss
//!          <---------------------------+          mean stay in bad     = burst packets
//!                   1 / burst
//! ```
//! Without `burst` each packet is lost on its own.
//!
//! ```
//! use halloo::net::impair::{Direction, Impairment, Link};
//! use halloo::time::Instant;
//! let impairment: Impairment = "delay=80ms,dup=100%".parse()?;
//! let mut link = Link::new(&impairment, Direction::Out);
//! let arrivals: Vec<_> = link.carry(Instant::ZERO, b"any packet").collect();
//! assert_eq!(arrivals, [Instant::from_millis(80); 2]);
//! # Ok::<(), halloo::net::impair::BadImpairment>(())
//! ```

mod held;
mod parse;

pub use held::Held;
pub use parse::BadImpairment;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::peer::demux::{Protocol, classify};
use crate::time::Instant;

/// How bad the network is. [`Default`] is a perfect one; parsed from text by [`str::parse`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Mean number of packets lost in a row; none for independent losses.
    pub burst: Option<f64>,
    /// Every packet comes this much later.
    pub delay: Duration,
    /// And up to this much later still, evenly spread; in order, as in a queue that fills and drains.
    pub jitter: Duration,
    /// Share of packets that others overtake, 0 to 1.
    pub reorder: f64,
    /// Share of packets that come twice, 0 to 1.
    pub duplicate: f64,
    /// The same seed spoils the same packets.
    pub seed: u64,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            loss: 0.0,
            burst: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            reorder: 0.0,
            duplicate: 0.0,
            seed: 1,
        }
    }
}

/// Which way packets go. The two directions of one impairment are spoiled differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From us.
    Out,
    /// To us.
    In,
}

/// One direction of a bad network.
#[derive(Debug)]
pub struct Link {
    settings: Impairment,
    rtp: Lane,
    rest: Lane,
}

/// What has become of packets of one kind.
#[derive(Debug)]
struct Lane {
    rng: StdRng,
    state: State,
    latest: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    Bad,
}

/// How long an overtaken packet waits: the next one or two of a call's packets pass it.
const OVERTAKEN_BY: Duration = Duration::from_millis(30);

impl Link {
    /// A link that has carried nothing yet.
    #[must_use]
    pub fn new(settings: &Impairment, direction: Direction) -> Self {
        let lane = |number: u64| {
            let number = 2 * number + u64::from(direction == Direction::In);
            Lane::new(settings.seed.wrapping_mul(4).wrapping_add(number))
        };
        Self { settings: *settings, rtp: lane(0), rest: lane(1) }
    }

    /// When a packet handed over at `now` arrives: no time, one, or two.
    pub fn carry(&mut self, now: Instant, packet: &[u8]) -> impl Iterator<Item = Instant> + use<> {
        let lane = if is_rtp(packet) { &mut self.rtp } else { &mut self.rest };
        lane.carry(now, &self.settings)
    }
}

impl Lane {
    fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), state: State::Good, latest: Instant::ZERO }
    }

    fn carry(
        &mut self,
        now: Instant,
        settings: &Impairment,
    ) -> impl Iterator<Item = Instant> + use<> {
        // Every packet draws the same numbers: whether one is lost doesn't change the next one's luck.
        let [lost, later, overtaken, twice] = self.rng.random::<[f64; 4]>();
        let copies = match self.loses(lost, settings) {
            true => 0,
            false if twice < settings.duplicate => 2,
            false => 1,
        };
        let queued = now + settings.delay + settings.jitter.mul_f64(later);
        let arrival = if overtaken < settings.reorder {
            queued + OVERTAKEN_BY
        } else {
            self.latest = self.latest.max(queued);
            self.latest
        };
        std::iter::repeat_n(arrival, copies)
    }

    fn loses(&mut self, drawn: f64, settings: &Impairment) -> bool {
        let Impairment { loss, burst, .. } = *settings;
        let Some(burst) = burst else { return drawn < loss };
        let change = match self.state {
            State::Good => loss / (burst * (1.0 - loss)),
            State::Bad => 1.0 / burst,
        };
        if drawn < change {
            self.state = match self.state {
                State::Good => State::Bad,
                State::Bad => State::Good,
            };
        }
        self.state == State::Bad
    }
}

/// Whether it is a packet of sound, also on the way to or from a relay (RFC 8656 section 12.4: the data is
/// behind four bytes).
fn is_rtp(packet: &[u8]) -> bool {
    let protocol = match classify(packet) {
        Some(Protocol::TurnChannel) => packet.get(4..).and_then(classify),
        protocol => protocol,
    };
    protocol == Some(Protocol::Rtp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u64 = 50_000;
    const SOUND: &[u8] = &[0x80, 111];

    /// One packet each 20 ms; when each of them arrives.
    fn run(impairment: &str, direction: Direction) -> Vec<Vec<Instant>> {
        let mut link = Link::new(&impairment.parse().unwrap(), direction);
        (0..PACKETS).map(|i| link.carry(Instant::from_millis(20 * i), SOUND).collect()).collect()
    }

    fn share(runs: &[Vec<Instant>], what: impl Fn(&[Instant]) -> bool) -> f64 {
        runs.iter().filter(|copies| what(copies)).count() as f64 / runs.len() as f64
    }

    fn mean_burst(runs: &[Vec<Instant>]) -> f64 {
        let lost = runs.iter().filter(|copies| copies.is_empty()).count();
        let bursts = runs.windows(2).filter(|w| !w[0].is_empty() && w[1].is_empty()).count();
        lost as f64 / bursts as f64
    }

    #[test]
    fn the_same_seed_spoils_the_same_packets() {
        let all = "loss=10%,burst=3,delay=80ms,jitter=40ms,reorder=2%,dup=1%";
        let first = run(&format!("{all},seed=7"), Direction::Out);
        assert_eq!(first, run(&format!("{all},seed=7"), Direction::Out));
        assert_ne!(first, run(&format!("{all},seed=8"), Direction::Out));
        assert_ne!(first, run(&format!("{all},seed=7"), Direction::In), "the other way is another");
    }

    #[test]
    fn what_goes_between_two_packets_of_sound_does_not_change_their_fate() {
        let all = "loss=10%,burst=3,delay=80ms,jitter=40ms,reorder=2%,dup=1%,seed=7";
        let alone = run(all, Direction::Out);
        let mut link = Link::new(&all.parse().unwrap(), Direction::Out);
        let [stun, dtls, rtcp] = [[0, 1], [22, 254], [0x80, 200]];
        let relayed = [&[0x40, 0, 0, 2], SOUND].concat();
        for (at, fate) in (0..PACKETS).map(|i| Instant::from_millis(20 * i)).zip(alone) {
            let busy = (at - Instant::ZERO).as_millis() % 7;
            for other in [stun, dtls, rtcp].iter().take(usize::try_from(busy).unwrap()) {
                let _whatever_becomes_of_it = link.carry(at, other);
            }
            let sound = if busy < 3 { SOUND } else { &relayed };
            assert_eq!(link.carry(at, sound).collect::<Vec<_>>(), fate, "at {at:?}");
        }
        assert!(!is_rtp(&[0x40, 0, 0, 2, 0x80, 200]) && !is_rtp(&[0x40]) && !is_rtp(&[]));
    }

    #[test]
    fn as_many_are_lost_as_asked_and_in_bursts_as_long() {
        for (impairment, loss, burst) in [
            ("loss=10%", 0.1, 1.0 / 0.9),
            ("loss=10%,burst=1", 0.1, 1.0),
            ("loss=10%,burst=3", 0.1, 3.0),
            ("loss=50%,burst=20", 0.5, 20.0),
        ] {
            let run = run(impairment, Direction::Out);
            let lost = share(&run, <[_]>::is_empty);
            assert!((lost - loss).abs() < 0.12 * loss, "{impairment}: {lost} lost");
            let mean = mean_burst(&run);
            assert!((mean - burst).abs() < 0.1 * burst, "{impairment}: {mean} in a row");
        }
        assert_eq!(share(&run("loss=100%", Direction::Out), <[_]>::is_empty), 1.0);
    }

    #[test]
    fn as_many_come_twice_or_are_overtaken_as_asked() {
        let run = run("dup=1%,reorder=2%,delay=5ms", Direction::Out);
        let twice = share(&run, |copies| copies.len() == 2);
        assert!((twice - 0.01).abs() < 0.002, "{twice} came twice");
        let overtaken = run.windows(2).filter(|w| w[0][0] > w[1][0]).count();
        let overtaken = overtaken as f64 / run.len() as f64;
        assert!((overtaken - 0.02).abs() < 0.003, "{overtaken} were overtaken");
    }

    #[test]
    fn jitter_spreads_within_its_bounds_and_keeps_the_order() {
        let run = run("delay=80ms,jitter=40ms", Direction::Out);
        let late: Vec<_> = run
            .iter()
            .zip(0_u64..)
            .map(|(copies, i)| copies[0] - Instant::from_millis(20 * i))
            .collect();
        assert!(late.iter().all(|l| (80..=120).contains(&l.as_millis())));
        assert!(
            late.iter().max().unwrap().as_millis() >= 118
                && late.iter().min().unwrap().as_millis() <= 82
        );
        assert!(run.windows(2).all(|w| w[0][0] <= w[1][0]), "only reorder= reorders");
    }
}
