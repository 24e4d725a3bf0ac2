//! When reports are due: often enough to be useful, seldom enough to be cheap (RFC 3550 section 6.2 and
//! 6.3, RFC 4585 section 3.5).
//!
//! ```text
//! T = the larger of Tmin and  members * mean size / (5 % of the bandwidth)
//! next = last + T * (0.5 to 1.5) / (e - 1.5)
//! ```
//! Why by chance: members that started together would otherwise report together for ever. Why e - 1.5:
//! when a report is due, the interval is computed again and perhaps found too short ("reconsideration");
//! that alone would make reports rarer than meant. In the profile AVPF there is no Tmin between two
//! members; instead halloo sets `T_rr_interval`, the least time between two full reports, to a second.
//! Comes from `peer/report.rs`, which asks when and then writes. Next layer: [`crate::audio`].

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::time::Instant;

/// Which timing rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// RTP/SAVP: Tmin is 5 s, half of it before the first report (RFC 3550 section 6.3.1).
    Avp,
    /// RTP/SAVP with the reduced minimum: Tmin is 360 s divided by the bandwidth in kbit/s.
    ReducedMinimum,
    /// RTP/SAVPF, which WebRTC uses: no Tmin, but this `T_rr_interval`.
    Avpf(Duration),
}

/// The clock of our reports.
#[derive(Debug)]
pub struct Schedule {
    profile: Profile,
    /// Bits per second of the whole session.
    bandwidth: f64,
    rng: StdRng,
    /// `tp`: when the last report was sent.
    last: Option<Instant>,
    /// `tn`: when the next one is due.
    next: Instant,
    /// Not before so much time after the last: `T_rr_interval`, with chance.
    held_back: Duration,
    /// Bytes of a report, all headers included, in the mean of the last 16 or so.
    mean_size: f64,
}

/// Who takes part; in a call, two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Members {
    /// All, ourselves included.
    pub all: u32,
    /// Those who send sound.
    pub senders: u32,
    /// Whether we are one of them.
    pub we_send: bool,
}

impl Members {
    /// A call in which both speak.
    pub const CALL: Self = Self { all: 2, senders: 2, we_send: true };
}

impl Schedule {
    /// The first report is due at once: between two members that is allowed (RFC 3550 section 6.2), and
    /// the peer learns the round trip a second sooner. `bandwidth` is the session's, in bits per second.
    #[must_use]
    pub fn new(now: Instant, profile: Profile, bandwidth: u32, rng: StdRng) -> Self {
        let bandwidth = f64::from(bandwidth.max(1));
        Self {
            profile,
            bandwidth,
            rng,
            last: None,
            next: now,
            held_back: Duration::ZERO,
            mean_size: FIRST_SIZE,
        }
    }

    /// When to ask [`Schedule::is_due`] again.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Whether to send a report now. If the interval turns out longer than thought, the answer is no and
    /// [`Schedule::next`] is later (reconsideration, section 6.3.6).
    pub fn is_due(&mut self, now: Instant, members: Members) -> bool {
        if now < self.next {
            return false;
        }
        let Some(last) = self.last else { return true };
        let reconsidered = last + self.randomised(members);
        if reconsidered <= now {
            return true;
        }
        self.next = reconsidered;
        false
    }

    /// A report of `bytes` was sent: with SRTCP's index and tag, as RFC 3711 section 3.4 asks.
    pub fn sent(&mut self, now: Instant, bytes: usize, members: Members) {
        self.weigh(bytes);
        self.last = Some(now);
        if let Profile::Avpf(least) = self.profile {
            self.held_back = least.mul_f64(self.rng.random_range(0.5..1.5));
        }
        self.next = now + self.randomised(members);
    }

    /// A compound of `bytes` was received: it uses the same share of the bandwidth.
    pub fn received(&mut self, bytes: usize) {
        self.weigh(bytes);
    }

    /// The interval without chance: five of them without a packet, and a member is gone.
    #[must_use]
    pub fn interval(&self, members: Members) -> Duration {
        let share = self.share(members);
        let floor = match self.profile {
            Profile::Avp => self.halved_at_first(FIVE_SECONDS),
            Profile::ReducedMinimum => self.halved_at_first(360_000.0 / self.bandwidth),
            Profile::Avpf(least) => least.as_secs_f64(),
        };
        Duration::from_secs_f64(share.max(floor).clamp(0.0, LONGEST))
    }

    /// Members times mean size over their share of 5 % of the bandwidth. Senders, if they are a quarter
    /// of all or less, share a quarter of it (section 6.3.1).
    fn share(&self, members: Members) -> f64 {
        let all = members.all.max(1);
        let senders = members.senders.min(all);
        let (count, part) = match (senders * 4 <= all && senders > 0, members.we_send) {
            (true, true) => (senders, 0.25),
            (true, false) => (all - senders, 0.75),
            (false, _) => (all, 1.0),
        };
        f64::from(count) * self.mean_size * 8.0 / (self.bandwidth * RTCP_SHARE * part)
    }

    fn halved_at_first(&self, minimum: f64) -> f64 {
        if self.last.is_none() { minimum / 2.0 } else { minimum }
    }

    /// The interval with chance. `T_rr_interval` has its own, drawn once for each report: it isn't
    /// reconsidered, so its mean needs no compensation (RFC 4585 section 3.5.3).
    fn randomised(&mut self, members: Members) -> Duration {
        let interval = match self.profile {
            Profile::Avpf(_) => self.share(members),
            _ => self.interval(members).as_secs_f64(),
        };
        let seconds = interval * self.rng.random_range(0.5..1.5) / COMPENSATION;
        Duration::from_secs_f64(seconds.clamp(0.0, LONGEST)).max(self.held_back)
    }

    #[expect(clippy::cast_precision_loss, reason = "a datagram is smaller than 2^16")]
    fn weigh(&mut self, bytes: usize) {
        self.mean_size += ((bytes + UDP_AND_IP) as f64 - self.mean_size) / 16.0;
    }
}

/// e - 1.5: what reconsideration makes reports rarer by.
const COMPENSATION: f64 = std::f64::consts::E - 1.5;
/// The share of the bandwidth that reports may take.
const RTCP_SHARE: f64 = 0.05;
/// Tmin of RFC 3550.
const FIVE_SECONDS: f64 = 5.0;
/// No interval is longer: a peer that claims a million members doesn't silence us.
const LONGEST: f64 = 30.0;
/// Headers of UDP and IPv4 count too (section 6.2).
const UDP_AND_IP: usize = 28;
/// What a first report will probably be: SR, one block, a name, SRTCP's trailer, and headers.
const FIRST_SIZE: f64 = 128.0;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const AVPF: Profile = Profile::Avpf(Duration::from_secs(1));

    fn schedule(profile: Profile, bandwidth: u32) -> Schedule {
        Schedule::new(Instant::ZERO, profile, bandwidth, StdRng::seed_from_u64(7))
    }

    /// Times between reports of a call, over an hour, asked whenever the schedule says.
    fn gaps(mut schedule: Schedule) -> Vec<f64> {
        let (mut gaps, mut last) = (Vec::new(), Instant::ZERO);
        let mut now = schedule.next();
        while now < Instant::from_millis(3_600_000) {
            if schedule.is_due(now, Members::CALL) {
                gaps.push((now - last).as_secs_f64());
                last = now;
                schedule.sent(now, 100, Members::CALL);
            }
            now = schedule.next();
        }
        gaps
    }

    fn mean(gaps: &[f64]) -> f64 {
        gaps.iter().sum::<f64>() / gaps.len() as f64
    }

    #[test]
    fn a_call_reports_at_once_and_then_about_once_a_second() {
        let gaps = gaps(schedule(AVPF, 64_000));
        assert_eq!(gaps[0], 0.0);
        let mean = mean(&gaps[1..]);
        assert!((0.95..1.1).contains(&mean), "{mean}");
        assert!(gaps[1..].iter().all(|gap| (0.5..=1.5).contains(gap)));
    }

    #[test]
    fn reports_keep_to_a_twentieth_of_the_bandwidth() {
        // rfc3550-6.2-1, rfc3711-3.4-3: 20 kbit/s carry 1,000 bit/s of reports, of both members
        let gaps = gaps(schedule(AVPF, 20_000));
        let rate = f64::from(100 + 28) * 8.0 * 2.0 / mean(&gaps[1..]);
        assert!((850.0..1_150.0).contains(&rate), "{rate} bit/s");
    }

    #[test]
    fn without_feedback_five_seconds_are_the_least_and_half_of_it_before_the_first() {
        // rfc3550-6.3.1-1
        let mut schedule = schedule(Profile::Avp, 64_000);
        assert_eq!(schedule.interval(Members::CALL), Duration::from_millis(2_500));
        schedule.sent(Instant::ZERO, 100, Members::CALL);
        assert_eq!(schedule.interval(Members::CALL), Duration::from_secs(5));
        let gaps = gaps(self::schedule(Profile::Avp, 64_000));
        let (mean, short) = (mean(&gaps[1..]), 2.5 / COMPENSATION - 0.01);
        assert!((4.7..5.3).contains(&mean), "{mean}: reconsideration and its compensation cancel");
        assert!(gaps[1..].iter().all(|gap| (short..7.5).contains(gap)));
    }

    #[test]
    fn the_reduced_minimum_shrinks_with_bandwidth() {
        // rfc3550-6.3.1-1
        let mut schedule = schedule(Profile::ReducedMinimum, 360_000);
        assert_eq!(schedule.interval(Members::CALL), Duration::from_millis(500));
        schedule.sent(Instant::ZERO, 100, Members::CALL);
        assert_eq!(schedule.interval(Members::CALL), Duration::from_secs(1));
    }

    #[test]
    fn few_senders_share_a_quarter() {
        let schedule = schedule(AVPF, 8_000);
        let seconds = |we_send| {
            let members = Members { all: 100, senders: 4, we_send };
            schedule.share(members)
        };
        assert!((seconds(true) - 4.0 * 128.0 * 8.0 / 100.0).abs() < 1e-9);
        assert!((seconds(false) - 96.0 * 128.0 * 8.0 / 300.0).abs() < 1e-9);
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        assert_eq!(gaps(schedule(AVPF, 64_000)), gaps(schedule(AVPF, 64_000)));
    }
}
