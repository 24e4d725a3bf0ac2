//! Why there is no call, from what was seen: facts in, a sentence and what would help out.
//!
//! ```text
//! "no way through: 4 pairs of addresses were checked by UDP (2 host-host, 2 host-srflx) and 1 by TCP (1
//!  host-host), none answered; both sides are behind NATs, and that of the other side seems to give every
//!  destination another port (symmetric): a TURN server is needed (--turn)"
//! ```
//! What was tried comes first, then what that suggests, then what a person can do. A sentence claims no more
//! than its evidence: whoever is silent may be switched off, too. Kinds of addresses have the names of
//! `a=candidate` lines; our own addresses are not in it, for the other side may read it.
//!
//! Facts come from `call/evidence.rs`. Read next: that.

use std::fmt;
use std::time::Duration;

use crate::ice::{Kind, Transport};
use crate::peer::event::Remedy;

/// Why, and what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) sentence: String,
    pub(super) remedy: Option<Remedy>,
}

/// How a side stands in the network, as far as its candidates tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// It named no address.
    #[default]
    Nowhere,
    /// It named addresses of a local network alone.
    Private,
    /// A server sees it as another address than it has.
    BehindNat,
    /// The same, and its NAT was seen to give one socket several ports.
    BehindSymmetricNat,
    /// It has an address of the internet.
    Public,
}

/// What is known when no pair of addresses has worked.
#[derive(Clone, Debug, Default)]
pub(super) struct NoPair {
    /// The pairs that were checked.
    pub(super) checked: Vec<Checked>,
    pub(super) ours: Place,
    pub(super) theirs: Place,
    /// Candidates of theirs that are names, and whose address nobody knows.
    pub(super) hidden: usize,
    /// Genuine checks of theirs.
    pub(super) came_in: u64,
    /// Checks of ours that were answered 401.
    pub(super) refused_by_them: u64,
    /// Checks of theirs that we answered 401.
    pub(super) refused_by_us: u64,
    /// What went wrong with our STUN and TURN servers.
    pub(super) servers: Option<NoHelp>,
}

/// A pair that was checked: our kind, theirs, and how packets went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked(pub(super) Kind, pub(super) Kind, pub(super) Transport);

/// Why servers that were given are of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoHelp {
    pub(super) told: String,
    /// Whether one of them takes neither our name nor our password.
    pub(super) refuses_us: bool,
}

/// The answer never came.
pub(super) fn no_description() -> Reason {
    Reason::new("the other side's description did not come", None)
}

/// ICE has failed.
pub(super) fn no_pair(facts: &NoPair) -> Reason {
    let (suggests, remedy) = match facts.checked.is_empty() {
        true => unpaired(facts),
        false => unanswered(facts),
    };
    let mut sentence = String::from("no way through: ");
    if !facts.checked.is_empty() {
        sentence.push_str(&tried(&facts.checked));
        sentence.push_str("; ");
    }
    sentence.push_str(&suggests);
    let Some(servers) = &facts.servers else { return Reason::new(sentence, Some(remedy)) };
    // A server that was given and does not help is nearer at hand than another one.
    let remedy = match remedy {
        Remedy::OpenFirewall if servers.refuses_us => Remedy::CheckPassword,
        Remedy::StunServer | Remedy::TurnServer => servers.remedy(),
        other => other,
    };
    Reason::new(format!("{sentence}; {servers}"), Some(remedy))
}

impl NoHelp {
    fn remedy(&self) -> Remedy {
        if self.refuses_us { Remedy::CheckPassword } else { Remedy::CheckServers }
    }
}

impl fmt::Display for NoHelp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.refuses_us { " (--turn-user, --turn-password)" } else { "" };
        write!(f, "{}{by}", self.told)
    }
}

/// Only relays may be used, and we have none.
pub(super) fn no_relay(servers: Option<NoHelp>) -> Reason {
    match servers {
        Some(why) => Reason::new(
            format!("only relays may be used, and there is none: {why}"),
            Some(why.remedy()),
        ),
        None => Reason::new(
            "only relays may be used, and no TURN server was given (--turn)",
            Some(Remedy::TurnServer),
        ),
    }
}

/// There was a pair, and then there was none.
pub(super) fn consent_lost(consent: Consent, pair: Option<&str>) -> Reason {
    let by = pair.map(|pair| format!(" by the pair {pair}")).unwrap_or_default();
    match consent {
        Consent::Expired(after) => Reason::new(
            format!("the other side has not answered for {} s{by}", after.as_secs()),
            Some(Remedy::CheckNetwork),
        ),
        Consent::Refused => Reason::new(
            format!("the other side does not want our packets any more (403){by}"),
            Some(Remedy::CallAgain),
        ),
    }
}

/// How consent ended (RFC 7675).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// Nobody answered for so long.
    Expired(Duration),
    /// The other side took it back.
    Refused,
}

/// A pair works, and there are no keys after all that time.
pub(super) fn no_keys(waited: Duration, dtls_came: u64, pair: Option<&str>) -> Reason {
    let by = pair.map(|pair| format!(" by the pair {pair}")).unwrap_or_default();
    let seconds = waited.as_secs();
    let what = match dtls_came {
        0 => format!("no DTLS packet came within {seconds} s{by}, though checks were answered"),
        1 => format!("one DTLS packet came{by}, and no more within {seconds} s"),
        many => format!("{many} DTLS packets came{by}, and no end within {seconds} s"),
    };
    Reason::new(format!("the DTLS handshake failed: no answer: {what}"), None)
}

/// What is known when the call is connected, and nothing can be heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NoMedia {
    /// How many packets the other side says that it has sent; none if it has not reported.
    pub(super) they_sent: Option<u32>,
    /// Sealed packets that could not be opened.
    pub(super) unopened: u64,
    /// Authentic packets of formats that nobody agreed to, or of other sections.
    pub(super) unknown: u64,
}

/// Connected, and no sound: what a person is warned of.
pub(super) fn no_media(waited: Duration, facts: NoMedia) -> String {
    let why = instead(facts).unwrap_or_else(|| match facts.they_sent {
        Some(packets @ 1..) => {
            format!("the other side says that it has sent {packets} packets: they get lost")
        }
        Some(0) => "the other side says that it has sent none: is its microphone on?".to_owned(),
        None => "the other side has not even sent a report".to_owned(),
    });
    format!("connected, but nothing has arrived for {} s: {why}", waited.as_secs())
}

/// Sound came, and comes no more: what a person is warned of. The facts are those since it stopped.
pub(super) fn media_stopped(silent: Duration, facts: NoMedia) -> String {
    let why = instead(facts).unwrap_or_else(|| match facts.they_sent {
        Some(packets @ 1..) => {
            format!("it says that it has sent {packets} more packets: they get lost")
        }
        _ => "it is there and sends nothing: is its microphone on?".to_owned(),
    });
    format!("no sound from the other side for {} s: {why}", silent.as_secs())
}

/// What came in place of sound.
fn instead(facts: NoMedia) -> Option<String> {
    match facts {
        NoMedia { unknown: packets @ 1.., .. } => {
            Some(format!("{packets} packets came in a format that was not agreed on"))
        }
        NoMedia { unopened: packets @ 1.., .. } => {
            Some(format!("{packets} packets came that our keys do not open"))
        }
        _ => None,
    }
}

impl Reason {
    pub(super) fn new(sentence: impl Into<String>, remedy: Option<Remedy>) -> Self {
        Self { sentence: sentence.into(), remedy }
    }
}

impl From<&str> for Reason {
    fn from(sentence: &str) -> Self {
        Self::new(sentence, None)
    }
}

/// No check could be sent at all.
fn unpaired(facts: &NoPair) -> (String, Remedy) {
    let (what, remedy) = match (facts.ours, facts.theirs, facts.hidden) {
        (Place::Nowhere, Place::Nowhere, 0) => {
            ("neither side named an address that the other could try", Remedy::CheckNetwork)
        }
        (Place::Nowhere, ..) => ("this side has no address to call from", Remedy::CheckNetwork),
        (_, Place::Nowhere, 0) => ("the other side named no address", Remedy::CheckNetwork),
        (_, Place::Nowhere, names) => {
            let told = match names {
                1 => "a hidden one (.local), which".to_owned(),
                many => format!("{many} hidden ones (.local), which"),
            };
            let told = format!("as its address the other side named only {told} nobody here knows");
            return (told, Remedy::SameNetwork);
        }
        _ => ("no address of this side goes with one of the other side's", Remedy::TurnServer),
    };
    (what.to_owned(), remedy)
}

/// Checks left, and no answer proved anything.
fn unanswered(facts: &NoPair) -> (String, Remedy) {
    if facts.refused_by_them > 0 {
        let times = times(facts.refused_by_them);
        let told = format!(
            "the other side refused our credentials{times} (401): it has another description of us"
        );
        return (told, Remedy::CallAgain);
    }
    if facts.refused_by_us > 0 && facts.came_in == 0 {
        let times = times(facts.refused_by_us);
        let told = format!(
            "checks came in with wrong credentials{times} (401): they belong to another description"
        );
        return (told, Remedy::CallAgain);
    }
    if facts.came_in > 0 {
        let told = "checks of the other side came in, so packets pass in one direction only";
        return (told.to_owned(), Remedy::OpenFirewall);
    }
    let ours = facts.checked.iter().any(|Checked(ours, ..)| *ours == Kind::Relayed);
    let theirs = facts.checked.iter().any(|Checked(_, theirs, _)| *theirs == Kind::Relayed);
    if ours || theirs {
        return with_relay(ours, theirs, facts);
    }
    let by_tcp = facts.checked.iter().any(|Checked(.., by)| *by == Transport::Tcp);
    without_relay(facts.ours, facts.theirs, if by_tcp { "UDP and TCP" } else { "UDP" })
}

/// What the two places suggest, where `ours` or `theirs` had a relay. It lets in only those whose address its
/// client has named to it (RFC 8656 section 9), and whoever has no server does not know how it looks from there.
fn with_relay(ours: bool, theirs: bool, facts: &NoPair) -> (String, Remedy) {
    let (whose, stranger) = match (ours, theirs) {
        (true, true) => ("both sides had a relay", None),
        (true, false) => ("this side had a relay", Some((facts.theirs, "the other side"))),
        _ => ("the other side had a relay", Some((facts.ours, "this side"))),
    };
    if let Some((Place::Private, who)) = stranger {
        let told = format!(
            "{whose}, which lets in only addresses that it is told, and {who} knows only its addresses in \
             the local network: there a STUN server is needed (--stun), or a TURN server (--turn)"
        );
        return (told, Remedy::StunServer);
    }
    let told = format!("{whose}, and even that did not help: is the other side there?");
    (told, Remedy::OpenFirewall)
}

/// What the two places suggest, where no relay was at hand and packets were tried `by` these.
fn without_relay(ours: Place, theirs: Place, by: &str) -> (String, Remedy) {
    use Place::{BehindNat, BehindSymmetricNat, Private, Public};
    const NEEDED: &str = "a TURN server is needed (--turn)";
    let symmetric =
        |whose: &str| format!("{whose} to give every destination another port (symmetric)");
    match (ours, theirs) {
        (Public, _) | (_, Public) => {
            let whose = if theirs == Public { "the other side" } else { "this side" };
            let told = format!(
                "{whose} has a public address, so probably a firewall stops {by}: open it, or {NEEDED}"
            );
            (told, Remedy::OpenFirewall)
        }
        (Private, _) | (_, Private) => {
            let whose = match (ours, theirs) {
                (Private, Private) => "both sides know only their addresses",
                (Private, _) => "this side knows only its addresses",
                _ => "the other side knows only its addresses",
            };
            let told = format!(
                "{whose} in the local network: from another one a STUN server is needed (--stun), \
                 or a TURN server (--turn)"
            );
            (told, Remedy::StunServer)
        }
        (BehindNat | BehindSymmetricNat, BehindNat | BehindSymmetricNat) => {
            let which = match (ours == BehindSymmetricNat, theirs == BehindSymmetricNat) {
                (true, true) => symmetric("both seem"),
                (true, false) => symmetric("that of this side seems"),
                (false, true) => symmetric("that of the other side seems"),
                (false, false) => {
                    format!("{}, or the network stops {by}", symmetric("one of them seems"))
                }
            };
            (format!("both sides are behind NATs, and {which}: {NEEDED}"), Remedy::TurnServer)
        }
        _ => (NEEDED.to_owned(), Remedy::TurnServer),
    }
}

/// How many pairs, by UDP and by TCP, and of which kinds, in the order in which they were given.
fn tried(checked: &[Checked]) -> String {
    if let [Checked(ours, theirs, by)] = checked {
        let (ours, theirs, by) = (ours.name(), theirs.name(), by.name());
        return format!("the one pair of addresses ({ours}-{theirs} by {by}) did not answer");
    }
    let mut ways = String::new();
    for by in [Transport::Udp, Transport::Tcp] {
        let pairs = checked.iter().filter(|Checked(.., it)| *it == by);
        let (count, by) = (pairs.clone().count(), by.name());
        let kinds = kinds(pairs);
        ways += &match (count, ways.is_empty()) {
            (0, _) => continue,
            (1, true) => format!("1 pair of addresses was checked by {by} ({kinds})"),
            (_, true) => format!("{count} pairs of addresses were checked by {by} ({kinds})"),
            (_, false) => format!(" and {count} by {by} ({kinds})"),
        };
    }
    format!("{ways}, none answered")
}

fn kinds<'c>(pairs: impl Iterator<Item = &'c Checked>) -> String {
    let mut kinds: Vec<((Kind, Kind), usize)> = Vec::new();
    for Checked(ours, theirs, _) in pairs {
        match kinds.iter_mut().find(|(known, _)| *known == (*ours, *theirs)) {
            Some((_, count)) => *count += 1,
            None => kinds.push(((*ours, *theirs), 1)),
        }
    }
    let named = kinds
        .iter()
        .map(|((ours, theirs), count)| format!("{count} {}-{}", ours.name(), theirs.name()));
    named.collect::<Vec<_>>().join(", ")
}

fn times(count: u64) -> String {
    if count == 1 { String::new() } else { format!(" {count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{Host, Relayed, ServerReflexive};
    use Place::{BehindNat, BehindSymmetricNat, Nowhere, Private, Public};

    fn of(checked: &[(Kind, Kind)], ours: Place, theirs: Place) -> NoPair {
        let by_udp = checked.iter().map(|(ours, theirs)| Checked(*ours, *theirs, Transport::Udp));
        NoPair { checked: by_udp.collect(), ours, theirs, ..NoPair::default() }
    }

    #[test]
    fn what_was_tried_is_counted_by_transport_and_kind() {
        use Transport::{Tcp, Udp};
        for (checked, told) in [
            (
                &[Checked(Host, Host, Tcp)][..],
                "the one pair of addresses (host-host by TCP) did not answer",
            ),
            (
                &[
                    Checked(Host, ServerReflexive, Udp),
                    Checked(Host, Host, Udp),
                    Checked(Host, ServerReflexive, Udp),
                ],
                "3 pairs of addresses were checked by UDP (2 host-srflx, 1 host-host), none answered",
            ),
            (
                &[
                    Checked(Host, Host, Udp),
                    Checked(Host, Host, Tcp),
                    Checked(Host, Host, Udp),
                    Checked(Host, ServerReflexive, Tcp),
                ],
                "2 pairs of addresses were checked by UDP (2 host-host) and 2 by TCP (1 host-host, \
                 1 host-srflx), none answered",
            ),
            (
                &[Checked(Host, Host, Tcp), Checked(Host, Host, Udp)],
                "1 pair of addresses was checked by UDP (1 host-host) and 1 by TCP (1 host-host), \
                 none answered",
            ),
        ] {
            assert_eq!(tried(checked), told);
        }
    }

    #[test]
    fn where_tcp_was_tried_too_udp_alone_is_not_blamed() {
        let reason = |by| {
            let checked = vec![Checked(Host, Host, Transport::Udp), Checked(Host, Host, by)];
            let facts = NoPair { checked, ..of(&[], Private, Public) };
            no_pair(&facts).sentence
        };
        assert!(reason(Transport::Udp).contains("probably a firewall stops UDP: open it"));
        assert!(reason(Transport::Tcp).contains("probably a firewall stops UDP and TCP: open it"));
    }

    #[test]
    fn the_places_of_both_suggest_what_is_in_the_way() {
        let reflexive = [(Host, ServerReflexive)];
        for (ours, theirs, says, remedy) in [
            (BehindSymmetricNat, BehindSymmetricNat, "both seem to give", Remedy::TurnServer),
            (BehindSymmetricNat, BehindNat, "that of this side seems", Remedy::TurnServer),
            (BehindNat, BehindSymmetricNat, "that of the other side seems", Remedy::TurnServer),
            (BehindNat, BehindNat, "or the network stops UDP: a TURN", Remedy::TurnServer),
            (Private, BehindNat, "this side knows only its addresses", Remedy::StunServer),
            (BehindNat, Private, "the other side knows only its addresses", Remedy::StunServer),
            (Private, Private, "both sides know only their addresses", Remedy::StunServer),
            (Private, Public, "the other side has a public address", Remedy::OpenFirewall),
            (Public, Private, "this side has a public address", Remedy::OpenFirewall),
        ] {
            let reason = no_pair(&of(&reflexive, ours, theirs));
            assert!(reason.sentence.contains(says), "{ours:?}, {theirs:?}: {}", reason.sentence);
            assert_eq!(reason.remedy, Some(remedy), "{ours:?}, {theirs:?}");
        }
    }

    #[test]
    fn where_a_relay_was_checked_no_relay_is_asked_for() {
        for (pair, whose) in [
            ((Relayed, Host), "this side had"),
            ((Host, Relayed), "the other side had"),
            ((Relayed, Relayed), "both sides had"),
        ] {
            let reason = no_pair(&of(&[pair], BehindNat, BehindSymmetricNat));
            assert!(reason.sentence.contains(whose), "{}", reason.sentence);
            assert!(!reason.sentence.contains("--turn"), "{}", reason.sentence);
            assert_eq!(reason.remedy, Some(Remedy::OpenFirewall));
        }
    }

    #[test]
    fn a_relay_that_does_not_know_whom_to_let_in_is_told_by_whoever_knows_no_outside() {
        for (pair, ours, theirs, whose, who) in [
            ((Relayed, Host), BehindNat, Private, "this side had", "and the other side knows"),
            ((Host, Relayed), Private, Private, "the other side had", "and this side knows"),
        ] {
            let reason = no_pair(&of(&[pair], ours, theirs));
            assert!(reason.sentence.contains(whose), "{}", reason.sentence);
            assert!(reason.sentence.contains(who), "{}", reason.sentence);
            assert_eq!(reason.remedy, Some(Remedy::StunServer));
        }
        let by_two = no_pair(&of(&[(Relayed, Relayed)], Private, Private));
        assert_eq!(by_two.remedy, Some(Remedy::OpenFirewall));
    }

    #[test]
    fn refused_checks_outweigh_any_guess_about_nats() {
        let base = of(&[(Host, Host)], Private, Private);
        let by_them = no_pair(&NoPair { refused_by_them: 7, refused_by_us: 3, ..base.clone() });
        assert!(by_them.sentence.contains("refused our credentials 7 times (401)"), "{by_them:?}");
        let by_us = no_pair(&NoPair { refused_by_us: 3, ..base.clone() });
        assert!(by_us.sentence.contains("wrong credentials 3 times (401)"), "{by_us:?}");
        for reason in [by_them, by_us] {
            assert_eq!(reason.remedy, Some(Remedy::CallAgain));
        }
        let stranger = no_pair(&NoPair { refused_by_us: 3, came_in: 5, ..base });
        assert!(stranger.sentence.contains("in one direction only"), "{stranger:?}");
    }

    #[test]
    fn without_a_pair_it_is_told_whose_addresses_are_missing() {
        let named = |ours, theirs, hidden| {
            let reason = no_pair(&NoPair { hidden, ..of(&[], ours, theirs) });
            (reason.sentence, reason.remedy)
        };
        for (ours, theirs, hidden, says) in [
            (Nowhere, Nowhere, 0, "neither side named an address"),
            (Nowhere, Public, 0, "this side has no address"),
            (Private, Nowhere, 0, "the other side named no address"),
            (Private, Nowhere, 1, "only a hidden one (.local)"),
            (Private, Nowhere, 2, "only 2 hidden ones (.local)"),
            (Private, Private, 0, "no address of this side goes with"),
        ] {
            let (sentence, remedy) = named(ours, theirs, hidden);
            assert!(sentence.contains(says), "{sentence}");
            assert_eq!(remedy == Some(Remedy::SameNetwork), hidden > 0, "{sentence}");
        }
    }

    #[test]
    fn a_server_that_failed_is_named_and_is_what_to_look_at() {
        let told = "turn:relay.example: the server does not answer".to_owned();
        let servers = Some(NoHelp { told: told.clone(), refuses_us: false });
        let facts = of(&[(Host, ServerReflexive)], BehindNat, BehindNat);
        let reason = no_pair(&NoPair { servers: servers.clone(), ..facts });
        assert!(reason.sentence.ends_with(&told), "{reason:?}");
        assert_eq!(reason.remedy, Some(Remedy::CheckServers));
        assert_eq!(no_relay(servers).remedy, Some(Remedy::CheckServers));
        assert_eq!(no_relay(None).remedy, Some(Remedy::TurnServer));
    }

    #[test]
    fn a_server_that_does_not_know_us_points_to_the_password_and_not_to_a_firewall() {
        let told = "turn:relay.example: the server refuses this user (401)".to_owned();
        let servers = Some(NoHelp { told, refuses_us: true });
        for (ours, theirs) in [(BehindNat, BehindNat), (Private, Public), (Private, Private)] {
            let facts = of(&[(Host, ServerReflexive)], ours, theirs);
            let reason = no_pair(&NoPair { servers: servers.clone(), ..facts });
            let named = "refuses this user (401) (--turn-user, --turn-password)";
            assert!(reason.sentence.ends_with(named), "{reason:?}");
            assert_eq!(reason.remedy, Some(Remedy::CheckPassword), "{ours:?}, {theirs:?}");
        }
        assert_eq!(no_relay(servers).remedy, Some(Remedy::CheckPassword));
    }

    #[test]
    fn silence_after_connecting_is_told_with_what_the_other_side_says_about_it() {
        let told = |they_sent, unopened, unknown| {
            no_media(Duration::from_secs(5), NoMedia { they_sent, unopened, unknown })
        };
        assert!(told(None, 0, 0).starts_with("connected, but nothing has arrived for 5 s: "));
        assert!(told(None, 0, 0).ends_with("not even sent a report"));
        assert!(told(Some(0), 0, 0).ends_with("is its microphone on?"));
        assert!(told(Some(250), 0, 0).contains("sent 250 packets: they get lost"));
        assert!(told(Some(250), 250, 0).contains("our keys do not open"));
        assert!(told(Some(250), 9, 250).contains("250 packets came in a format"));
    }

    #[test]
    fn sound_that_stopped_is_told_with_what_came_instead() {
        let told = |they_sent, unopened, unknown| {
            media_stopped(Duration::from_secs(5), NoMedia { they_sent, unopened, unknown })
        };
        assert!(told(None, 0, 0).starts_with("no sound from the other side for 5 s: it is there"));
        assert!(told(Some(250), 0, 0).ends_with("has sent 250 more packets: they get lost"));
        assert!(told(Some(250), 9, 0).contains("9 packets came that our keys do not open"));
        assert!(told(Some(250), 9, 8).contains("8 packets came in a format"));
    }

    #[test]
    fn a_lost_way_is_told_with_how_long_and_by_which_pair() {
        let expired = Consent::Expired(Duration::from_secs(30));
        assert_eq!(
            consent_lost(expired, Some("host-srflx to 192.0.2.1:5000")).sentence,
            "the other side has not answered for 30 s by the pair host-srflx to 192.0.2.1:5000"
        );
        assert_eq!(
            consent_lost(Consent::Refused, None).sentence,
            "the other side does not want our packets any more (403)"
        );
        let keys = |came| no_keys(Duration::from_secs(45), came, Some("host-host to x")).sentence;
        assert!(keys(0).contains("no DTLS packet came within 45 s by the pair host-host to x"));
        assert!(
            keys(1).contains("one DTLS packet came") && keys(4).contains("4 DTLS packets came")
        );
    }
}
