//! What a server may say instead of yes (RFC 8656 section 7.4).

use std::net::SocketAddr;

use halloo::turn::{Carrier, Ended, Event, Reason};

use super::hand::{Act, Owned, Table, mapped, relayed, secs};
use halloo::stun::Method;

fn refused(code: u16, attributes: Vec<Owned>) -> Table {
    let mut table = Table::new();
    table.acts.extend([Act::Properly, Act::Refuse(code, attributes)]);
    table.run_until(secs(120));
    table
}

#[test]
fn a_refusal_is_told_once_with_its_reason_and_nothing_is_asked_again() {
    // rfc8656-7.4-2, rfc8656-7.4-3: for this call it is settled
    for code in [400, 403, 437, 441, 442, 486, 500, 508] {
        let table = refused(code, vec![]);
        assert_eq!(table.seen.len(), 2, "{code}");
        let [Event::Ended(Ended::Failed(Reason::Refused(refusal)))] = &table.events[..] else {
            panic!("{code}: {:?}", table.events);
        };
        assert_eq!((refusal.code, refusal.said.as_str()), (code, "No"));
    }
}

#[test]
fn some_refusals_leave_something_to_try() {
    // rfc8656-7.4-1, rfc8445-5.1.1.2-4
    let reason = |code| match refused(code, vec![]).events.pop() {
        Some(Event::Ended(Ended::Failed(reason))) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(437).wants_another_port() && !reason(486).wants_another_port());
    assert!(reason(486).is_lack_of_resources() && reason(508).is_lack_of_resources());
    assert!(!reason(403).is_lack_of_resources());
}

/// rfc8656-7.1-2
#[test]
fn a_server_without_ipv4_is_asked_for_ipv6_alone_and_then_for_what_it_has() {
    const BOTH: (bool, bool) = (true, false);
    const IPV6: (bool, bool) = (false, true);
    for (refusals, asked) in [
        (1, &[BOTH, BOTH, IPV6][..]),
        (2, &[BOTH, BOTH, IPV6, (false, false)]),
        (3, &[BOTH, BOTH, IPV6, (false, false)]),
    ] {
        let mut table = Table::new();
        table.acts.push_back(Act::Properly);
        table.acts.extend((0..refusals).map(|_| Act::Refuse(440, vec![])));
        table.run();
        let seen = table.seen.iter();
        let families: Vec<_> =
            seen.map(|seen| (seen.wants_both_families, seen.wants_ipv6_alone)).collect();
        assert_eq!(families, asked);
        let is_granted = matches!(table.events[..], [Event::Allocated { .. }]);
        assert_eq!(is_granted, refusals < 3, "{:?}", table.events);
    }
}

#[test]
fn one_address_of_each_family_may_be_ours() {
    let mut table = Table::new();
    let sixth: SocketAddr = "[2001:db8::9]:41000".parse().unwrap();
    table.allocation.push(Owned::Relayed(sixth));
    table.run();
    let allocated = Event::Allocated { relayed: vec![relayed(), sixth], mapped: mapped() };
    assert_eq!(table.events, [allocated]);
}

#[test]
fn an_address_that_nothing_can_come_to_is_given_back() {
    // rfc8656-7.3-1
    let mut table = Table::new();
    table.allocation[0] = Owned::Relayed("0.0.0.0:0".parse().unwrap());
    table.run();
    let last = table.seen.last().unwrap();
    assert_eq!((last.method, last.lifetime), (Method::REFRESH, Some(0)));
    assert_eq!(table.events, [Event::Ended(Ended::Failed(Reason::NoUsableAddress))]);
}

#[test]
fn an_answer_that_demands_what_we_do_not_know_has_failed() {
    let mut table = Table::new();
    table.allocation.push(Owned::Unknown(0x7ff0));
    table.run();
    assert_eq!(table.events, [Event::Ended(Ended::Failed(Reason::NotUnderstood))]);
}

#[test]
fn another_server_is_named_to_whoever_can_go_there() {
    let servers: Vec<SocketAddr> =
        ["203.0.113.10:3478", "[2001:db8::10]:3478"].map(|text| text.parse().unwrap()).to_vec();
    for carrier in [Carrier::Datagrams, Carrier::Stream] {
        let mut table = Table::by(carrier);
        let named = servers.iter().map(|server| Owned::Alternate(*server)).collect();
        table.acts.push_back(Act::Refuse(300, named));
        table.run();
        let alternate = Ended::Alternate { servers: servers.clone(), domain: None };
        assert_eq!(table.events, [Event::Ended(alternate)]);
        assert_eq!(table.run(), None);
    }
    let mut table = Table::new();
    table.acts.push_back(Act::Refuse(300, vec![]));
    table.run();
    assert_eq!(table.events, [Event::Ended(Ended::Failed(Reason::NotUnderstood))]);
}

#[test]
fn a_signed_request_is_sent_elsewhere_only_by_who_knows_the_password() {
    let mut table = Table::new();
    table.acts.extend([Act::Properly, Act::RefuseUnproven(300), Act::Properly]);
    table.run_until(secs(1));
    assert!(matches!(table.events[..], [Event::Allocated { .. }]), "{:?}", table.events);
}
