//! Permissions: the server passes on what comes from an address only if we said so, and forgets it after
//! five minutes (RFC 8656 section 9).
//!
//! ```text
//! Wanted  --Asked-----> Asked
//! Asked   --Granted---> Held      packets pass, for 300 s
//! Asked   --Refused---> Refused   this address never
//! Held    --Due-------> Wanted    after 240 s; packets pass meanwhile
//! ```
//! One request carries all addresses that wait, and only one is under way. If it is refused, one of them
//! may be the reason: then they go one at a time.

use std::net::IpAddr;
use std::time::Duration;

use crate::time::Instant;

/// Addresses that we deal with; the other side can announce many more.
const MOST: usize = 64;
/// Addresses in one request: it still fits into any packet.
const BATCH: usize = 16;
/// Section 9.
const LIFETIME: Duration = Duration::from_secs(300);
/// The request may have to be repeated for 39.5 s.
const RENEW_AFTER: Duration = Duration::from_secs(240);
/// What is due so soon goes along.
const ALONG: Duration = Duration::from_secs(30);

/// Who may send to us, and whom we may send to.
#[derive(Debug, Default)]
pub(super) struct Permissions(Vec<Permission>);

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    state: State,
    /// Packets pass until then.
    until: Option<Instant>,
    /// Whether it goes in a request of its own.
    alone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    Asked,
    Held { renew: Instant },
    Refused,
}

impl Permissions {
    /// Says whether the address is new here, and has a place.
    pub(super) fn want(&mut self, ip: IpAddr) -> bool {
        let is_new = !self.0.iter().any(|known| known.ip == ip);
        let has_place = is_new && self.0.len() < MOST;
        if has_place {
            self.0.push(Permission { ip, state: State::Wanted, until: None, alone: false });
        }
        has_place
    }

    /// The addresses of the next request; they count as asked for. None if nothing is due.
    pub(super) fn next(&mut self, now: Instant) -> Vec<IpAddr> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let waits = |permission: &Permission| match permission.state {
            State::Wanted => true,
            State::Held { renew } => renew <= now + ALONG,
            State::Asked | State::Refused => false,
        };
        let alone = self.0.iter().position(|permission| permission.alone && waits(permission));
        let mut batch = Vec::new();
        for (place, permission) in self.0.iter_mut().enumerate() {
            let goes = alone.map_or(!permission.alone, |alone| alone == place);
            if goes && batch.len() < BATCH && waits(permission) {
                permission.state = State::Asked;
                batch.push(permission.ip);
            }
        }
        batch
    }

    /// The server agreed. Says which of them are permitted for the first time.
    pub(super) fn granted(&mut self, now: Instant, ips: &[IpAddr]) -> Vec<IpAddr> {
        let mut first = Vec::new();
        for permission in self.of(ips) {
            if permission.until.is_none() {
                first.push(permission.ip);
            }
            permission.state = State::Held { renew: now + RENEW_AFTER };
            permission.until = Some(now + LIFETIME);
        }
        first
    }

    /// The server did not. Says which of them that settles.
    pub(super) fn refused(&mut self, ips: &[IpAddr]) -> Vec<IpAddr> {
        let is_batch = ips.len() > 1;
        let mut settled = Vec::new();
        for permission in self.of(ips) {
            if is_batch {
                (permission.state, permission.alone) = (State::Wanted, true);
            } else {
                (permission.state, permission.until) = (State::Refused, None);
                settled.push(permission.ip);
            }
        }
        settled
    }

    /// Nobody answered. Those that pass until now are asked for again; says which of the others are given
    /// up.
    pub(super) fn unanswered(&mut self, now: Instant, ips: &[IpAddr]) -> Vec<IpAddr> {
        let mut settled = Vec::new();
        for permission in self.of(ips) {
            if permission.until.is_some_and(|until| until > now) {
                permission.state = State::Wanted;
            } else {
                permission.state = State::Refused;
                settled.push(permission.ip);
            }
        }
        settled
    }

    /// Whether packets from and to this address pass.
    pub(super) fn allow(&self, now: Instant, ip: IpAddr) -> bool {
        self.0.iter().any(|known| known.ip == ip && known.until.is_some_and(|until| until > now))
    }

    /// When [`Self::next`] has something.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0
            .iter()
            .filter_map(|permission| match permission.state {
                State::Wanted => Some(Instant::ZERO),
                State::Held { renew } => Some(renew),
                State::Asked | State::Refused => None,
            })
            .min()
    }

    fn of(&mut self, ips: &[IpAddr]) -> impl Iterator<Item = &mut Permission> {
        self.0.iter_mut().filter(|permission| ips.contains(&permission.ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [IpAddr; 0] = [];

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    fn secs(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn what_is_wanted_goes_together_once() {
        let mut permissions = Permissions::default();
        assert!(permissions.want(ip(1)) && permissions.want(ip(2)));
        assert!(!permissions.want(ip(1)), "known");
        assert_eq!(permissions.next(Instant::ZERO), [ip(1), ip(2)]);
        assert_eq!(permissions.next(Instant::ZERO), NONE);
        assert!(!permissions.allow(Instant::ZERO, ip(1)), "asked is not granted");
        assert_eq!(permissions.granted(Instant::ZERO, &[ip(1), ip(2)]), [ip(1), ip(2)]);
        assert!(permissions.allow(Instant::ZERO, ip(1)));
    }

    #[test]
    fn a_permission_is_renewed_before_its_300_s_are_over() {
        // rfc8656-9-1
        let mut permissions = Permissions::default();
        permissions.want(ip(1));
        permissions.next(Instant::ZERO);
        permissions.granted(Instant::ZERO, &[ip(1)]);
        permissions.want(ip(2));
        permissions.next(secs(20));
        permissions.granted(secs(20), &[ip(2)]);
        assert_eq!(permissions.due(), Some(secs(240)));
        assert_eq!(permissions.next(secs(239)), NONE);
        assert_eq!(permissions.next(secs(240)), [ip(1), ip(2)], "the other goes along");
        assert!(permissions.allow(secs(299), ip(1)), "it holds while it is renewed");
        assert!(!permissions.allow(secs(300), ip(1)));
        assert_eq!(permissions.granted(secs(300), &[ip(1), ip(2)]), NONE, "not for the first time");
        assert!(permissions.allow(secs(599), ip(1)));
    }

    #[test]
    fn one_forbidden_address_does_not_spoil_the_others() {
        let mut permissions = Permissions::default();
        for last in 1..=3 {
            permissions.want(ip(last));
        }
        let batch = permissions.next(Instant::ZERO);
        assert_eq!(permissions.refused(&batch), NONE, "which of them?");
        assert_eq!(permissions.next(Instant::ZERO), [ip(1)]);
        permissions.granted(Instant::ZERO, &[ip(1)]);
        assert_eq!(permissions.next(Instant::ZERO), [ip(2)]);
        assert_eq!(permissions.refused(&[ip(2)]), [ip(2)]);
        assert_eq!(permissions.next(Instant::ZERO), [ip(3)]);
        permissions.granted(Instant::ZERO, &[ip(3)]);
        assert_eq!(permissions.next(Instant::ZERO), NONE);
        assert!(!permissions.want(ip(2)), "and is not asked for again");
    }

    #[test]
    fn silence_ends_a_new_one_and_not_one_that_holds() {
        let mut permissions = Permissions::default();
        permissions.want(ip(1));
        permissions.next(Instant::ZERO);
        permissions.granted(Instant::ZERO, &[ip(1)]);
        permissions.next(secs(240));
        permissions.want(ip(2));
        permissions.next(secs(241));
        assert_eq!(permissions.unanswered(secs(281), &[ip(1), ip(2)]), [ip(2)]);
        assert_eq!(permissions.next(secs(281)), [ip(1)]);
        assert_eq!(permissions.unanswered(secs(320), &[ip(1)]), [ip(1)], "now it is over");
    }

    #[test]
    fn the_other_side_can_not_make_us_ask_for_thousands() {
        let mut permissions = Permissions::default();
        let wanted = (0..10_000_u32).filter(|n| permissions.want(IpAddr::from(n.to_be_bytes())));
        assert_eq!(wanted.count(), MOST);
        assert_eq!(permissions.next(Instant::ZERO).len(), BATCH);
    }
}
