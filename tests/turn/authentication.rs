//! Who we are, as often as the server wants to know (RFC 8489 section 9.2, RFC 8656 section 5).

use std::time::Duration;

use halloo::stun::Method;
use halloo::stun::credential::Declined;
use halloo::time::Instant;
use halloo::turn::{Carrier, Config, Ended, Event, Input, Reason};

use super::hand::{Act, Owned, Table, mapped, relayed, secs};

fn failed(table: &Table) -> &Reason {
    match table.events.last() {
        Some(Event::Ended(Ended::Failed(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_name_is_shown_when_the_server_asks_and_then_the_address_is_ours() {
    // rfc8656-5-1, rfc8656-7.1-1, rfc8656-7.1-2
    let mut table = Table::new();
    table.run();
    let [first, second] = &table.seen[..] else { panic!("{:?}", table.seen) };
    assert_eq!((first.method, second.method), (Method::ALLOCATE, Method::ALLOCATE));
    assert_eq!((&first.user, &first.realm), (&None, &None));
    assert_eq!(second.user.as_deref(), Some("alice"));
    assert_ne!(first.id, second.id, "another transaction");
    assert!(first.wants_udp && second.wants_udp && second.wants_both_families);
    let allocated = Event::Allocated { relayed: vec![relayed()], mapped: mapped() };
    assert_eq!(table.events, [allocated]);
}

#[test]
fn a_server_of_rfc_8489_gets_sha_256_and_a_hidden_name() {
    let mut table = Table::new();
    // The cookie, and both bits: password algorithms and username anonymity.
    table.nonce = "obMatJos2wAAAxyz";
    table.algorithms = Some(&[0, 2, 0, 0, 0, 1, 0, 0]);
    table.run();
    let signed = &table.seen[1];
    assert_eq!((&signed.user, signed.has_userhash, signed.sha256), (&None, true, true));
    assert!(matches!(table.events[..], [Event::Allocated { .. }]));
}

#[test]
fn a_new_nonce_is_taken_up_and_the_allocation_kept() {
    // rfc8656-8.1-1
    let mut table = Table::ready(Carrier::Datagrams);
    table.events.clear();
    table.nonce = "nonce two";
    table.run_until(secs(560));
    let refreshes: Vec<_> =
        table.seen.iter().filter(|seen| seen.method == Method::REFRESH).collect();
    assert_eq!(refreshes.len(), 1, "the permission's request met the new nonce first");
    assert_eq!(refreshes[0].nonce.as_deref(), Some("nonce two"));
    assert_eq!(table.events, []);

    table.nonce = "nonce three";
    table.tell(Input::Probe);
    assert_eq!(table.seen.iter().filter(|seen| seen.method == Method::REFRESH).count(), 3);
    assert_eq!(table.events, []);
}

#[test]
fn a_wrong_password_is_told_after_one_try() {
    let mut table = Table::with(Config::new("alice", "wrong", Carrier::Datagrams));
    table.run();
    assert_eq!(table.seen.len(), 2);
    assert_eq!(failed(&table), &Reason::Credential(Declined::Refused));
    assert_eq!(table.run(), None, "and nothing is asked again");
}

#[test]
fn without_a_name_the_server_is_not_asked_twice() {
    let config = Config { user: None, carrier: Carrier::Datagrams };
    let mut table = Table::with(config);
    table.run();
    assert_eq!(table.seen.len(), 1);
    assert_eq!(failed(&table).to_string(), "the server wants a user and a password");
}

#[test]
fn a_server_that_lets_everybody_in_is_believed_without_proof() {
    let config = Config { user: None, carrier: Carrier::Datagrams };
    let mut table = Table::with(config);
    table.acts.push_back(Act::Forge);
    table.run();
    assert!(matches!(table.events[..], [Event::Allocated { .. }]));
}

#[test]
fn a_server_that_always_has_another_realm_is_given_up_soon() {
    let mut table = Table::new();
    for realm in ["one", "two", "three", "four", "five", "six", "seven"] {
        let challenge = vec![Owned::Realm(realm), Owned::Nonce("n")];
        table.acts.push_back(Act::Refuse(401, challenge));
    }
    table.run();
    assert_eq!(failed(&table), &Reason::Credential(Declined::Refused));
    assert_eq!(table.seen.len(), 5, "four challenges taken up");
}

#[test]
fn a_realm_that_changes_in_the_call_is_not_answered() {
    let mut table = Table::ready(Carrier::Datagrams);
    let asked = table.seen.len();
    let other = vec![Owned::Realm("evil.example"), Owned::Nonce("n")];
    for code in [401, 438, 441] {
        table.acts.push_back(Act::Outrun(code, other.clone()));
        table.tell(Input::Probe);
    }
    assert_eq!(table.client.dropped().unproven_answers, 3);
    table.run_until(secs(1));
    let realms = table.seen[asked..].iter().map(|seen| seen.realm.as_deref());
    assert!(realms.clone().all(|realm| realm == Some("example.org")), "{realms:?}");
    assert!(
        !table.events.iter().any(|event| matches!(event, Event::Ended(_))),
        "the true answer came"
    );
}

#[test]
fn a_server_that_has_another_realm_now_has_lost_the_allocation() {
    let cases = [
        (Carrier::Datagrams, 300, None),
        (Carrier::Datagrams, 300, Some(441)),
        (Carrier::Stream, 0, None),
    ];
    for (carrier, ms, code) in cases {
        let mut table = Table::ready(carrier);
        table.realm = "elsewhere.example";
        table.acts.extend(code.map(Act::RefuseUnproven));
        table.tell(Input::Probe);
        let lost = Event::Ended(Ended::Failed(Reason::Lost));
        if ms > 0 {
            table.run_until(Instant::from_millis(ms - 1));
            assert_ne!(table.events.last(), Some(&lost), "the true answer has its time");
        }
        table.run_until(Instant::from_millis(ms));
        assert_eq!(table.events.last(), Some(&lost), "{carrier:?}");
    }
}

#[test]
fn an_answer_that_proves_nothing_is_waited_out() {
    // rfc8489-9.2.5
    let mut table = Table::new();
    table.acts.extend([Act::Properly, Act::Forge, Act::RefuseUnproven(486), Act::Properly]);
    table.run();
    assert_eq!(table.events, [], "as if it had not come");
    table.run_until(secs(2));
    assert!(matches!(table.events[..], [Event::Allocated { .. }]), "{:?}", table.events);
    assert_eq!(table.client.dropped().unproven_answers, 2);

    let mut table = Table::new();
    table.acts.push_back(Act::Properly);
    table.acts.extend(std::iter::repeat_n(Act::Forge, 7));
    table.run_until(secs(40));
    assert_eq!(failed(&table), &Reason::Unproven);

    let mut table = Table::by(Carrier::Stream);
    table.acts.extend([Act::Properly, Act::Forge]);
    table.run();
    assert_eq!(failed(&table), &Reason::Unproven, "nothing better can come on a stream");
}

#[test]
fn a_stripped_list_of_algorithms_is_noticed() {
    let mut table = Table::new();
    table.nonce = "obMatJos2gAAAxyz";
    table.run();
    assert_eq!(failed(&table), &Reason::Credential(Declined::Downgraded));
}

#[test]
fn a_silent_server_is_asked_seven_times_on_udp_and_once_on_a_stream() {
    for (carrier, asked) in [(Carrier::Datagrams, 7), (Carrier::Stream, 1)] {
        let mut table = Table::by(carrier);
        table.acts.extend(std::iter::repeat_n(Act::BeSilent, 20));
        table.run_until(secs(39));
        assert_eq!(table.events, []);
        table.run_until(secs(39) + Duration::from_millis(500));
        assert_eq!(failed(&table), &Reason::Silent);
        assert_eq!(table.seen.len(), asked, "{carrier:?}");
    }
}

#[test]
fn nothing_prints_the_password() {
    let config = Config::new("alice", "s3cret", Carrier::Datagrams);
    let mut table = Table::with(config.clone());
    table.run();
    let shown = format!("{config:?} {:?}", table.client);
    assert!(shown.contains("alice") && !shown.contains("s3cret"), "{shown}");
}
