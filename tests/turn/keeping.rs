//! What has an end is renewed before it, and given back in the end (RFC 8656 sections 8, 9 and 12).

use std::time::Duration;

use halloo::stun::Method;
use halloo::turn::{Carrier, Ended, Event, Input, Reason};

use super::hand::{Act, Owned, Table, ip, peer, secs};

#[test]
fn an_hour_passes_and_nothing_expires() {
    // rfc8656-8-1, rfc8656-9-1, rfc8656-12.1-1
    let mut table = Table::bound(Carrier::Datagrams);
    let (mut until, hour) = (secs(0), secs(3_600));
    while until < hour {
        until += Duration::from_secs(30);
        table.run_until(until);
        assert!(table.client.may_send(peer()), "at {until:?}");
        let sent = table.wrap(peer(), b"sound").unwrap();
        assert_eq!(sent[..2], [0x40, 0], "by its channel, at {until:?}");
    }
    let count = |method| table.methods().iter().filter(|seen| **seen == method).count();
    assert_eq!(count(Method::REFRESH), 3_600 / 540);
    assert_eq!(count(Method::CHANNEL_BIND), 1 + 3_600 / 540);
    assert!((12..=15).contains(&(count(Method::CREATE_PERMISSION))));
    assert!(table.events.iter().all(|event| !matches!(event, Event::Ended(_))));
}

#[test]
fn a_short_lifetime_is_refreshed_at_half_of_it() {
    let mut table = Table::new();
    table.allocation[2] = Owned::Lifetime(60);
    table.run_until(secs(29));
    assert!(!table.methods().contains(&Method::REFRESH));
    table.run_until(secs(31));
    assert!(table.methods().contains(&Method::REFRESH));
}

#[test]
fn hanging_up_gives_the_allocation_back() {
    // rfc8656-8-2
    let mut table = Table::bound(Carrier::Datagrams);
    table.tell(Input::Close);
    let last = table.seen.last().unwrap();
    assert_eq!((last.method, last.lifetime), (Method::REFRESH, Some(0)));
    assert_eq!(table.events.last(), Some(&Event::Ended(Ended::Closed)));
    assert_eq!(table.run(), None);
    assert_eq!(table.wrap(peer(), b"sound"), None);
}

#[test]
fn one_that_is_gone_already_is_given_back_all_the_same() {
    let mut table = Table::ready(Carrier::Datagrams);
    table.acts.push_back(Act::Refuse(437, vec![]));
    table.tell(Input::Close);
    assert_eq!(table.events.last(), Some(&Event::Ended(Ended::Closed)));
}

#[test]
fn what_was_never_there_is_not_given_back() {
    let mut table = Table::new();
    table.acts.push_back(Act::BeSilent);
    table.run();
    table.tell(Input::Close);
    assert_eq!(table.methods(), [Method::ALLOCATE]);
    assert_eq!(table.events, [Event::Ended(Ended::Closed)]);
}

#[test]
fn a_server_that_has_forgotten_us_is_found_out() {
    // rfc8656-5-2
    for input in [Input::Probe, Input::Permit(ip(9)), Input::Bind(peer())] {
        let mut table = Table::ready(Carrier::Datagrams);
        table.acts.push_back(Act::Refuse(437, vec![]));
        table.tell(input);
        let lost = Event::Ended(Ended::Failed(Reason::Lost));
        assert_eq!(table.events.last(), Some(&lost), "{input:?}");
        assert!(!table.client.may_send(peer()));
    }
}

/// The server of a call is away for some seconds: sound must not wait for an interval that has doubled.
#[test]
fn a_server_that_may_be_gone_is_asked_at_least_every_second() {
    let mut table = Table::ready(Carrier::Datagrams);
    table.run_until(secs(539));
    table.acts.extend(std::iter::repeat_n(Act::BeSilent, 1_000));
    let asked = table.seen.len();
    table.run_until(secs(545));
    assert_eq!(table.seen.len() - asked, 4, "the usual refresh: after 0, 0.5, 1.5, 3.5 s");

    let asked = table.seen.len();
    for ms in [0, 250, 600, 1_200] {
        table.run_until(secs(545) + Duration::from_millis(ms));
        table.tell(Input::Probe);
    }
    assert_eq!(table.seen.len() - asked, 2, "however often it is said");
    table.run_until(secs(551));
    assert_eq!(table.seen.len() - asked, 9, "two in one and a half seconds");

    table.run_until(secs(577));
    assert_eq!(table.events.last(), Some(&Event::Ended(Ended::Failed(Reason::Silent))));
}

#[test]
fn a_broken_stream_is_the_end() {
    let mut table = Table::ready(Carrier::Stream);
    table.tell(Input::Disconnected);
    assert_eq!(table.events.last(), Some(&Event::Ended(Ended::Failed(Reason::Disconnected))));
    let told = table.events.len();
    table.tell(Input::Disconnected);
    table.tell(Input::Close);
    assert_eq!(table.events.len(), told, "once");
}

#[test]
fn permissions_are_asked_for_together_and_a_forbidden_one_spoils_no_other() {
    // rfc8656-10.1-1
    let mut table = Table::new();
    for last in [1, 2, 3] {
        table.client.handle_input(table.now, Input::Permit(ip(last)));
    }
    let no = || Act::Refuse(403, vec![]);
    table.acts.extend([Act::Properly, Act::Properly, no(), Act::Properly, no()]);
    table.run();
    let asked: Vec<Vec<_>> = table
        .seen
        .iter()
        .filter(|seen| seen.method == Method::CREATE_PERMISSION)
        .map(|seen| seen.peers.iter().map(|peer| peer.ip()).collect())
        .collect();
    assert_eq!(asked, [vec![ip(1), ip(2), ip(3)], vec![ip(1)], vec![ip(2)], vec![ip(3)]]);
    let [_, Event::Permitted(one), Event::Forbidden(two, reason), Event::Permitted(three)] =
        &table.events[..]
    else {
        panic!("{:?}", table.events);
    };
    assert_eq!([*one, *two, *three], [ip(1), ip(2), ip(3)]);
    assert_eq!(reason.to_string(), "the server forbids it (403 No)");
}
