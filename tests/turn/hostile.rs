//! What the server, or somebody in its name, may send: dropped and counted.

use halloo::stun::{
    Attribute, Class, ErrorCode, Message, MessageWriter, Method, TransactionId, XorAddress,
};
use halloo::turn::{Carrier, Event, Input, Output};
use proptest::prelude::*;

use super::hand::{Table, data_indication, ip, mapped, peer, relayed, secs};

#[test]
fn data_of_those_who_were_not_permitted_is_dropped() {
    // rfc8656-11.4-1, rfc8656-12.6-1
    let mut table = Table::bound(Carrier::Datagrams);
    assert_eq!(table.receive(&data_indication((ip(66), 7_000).into(), b"sound")), None);
    assert_eq!(table.receive(b"\x40\x01\x00\x05sound"), None);
    assert_eq!(table.receive(b"\x50\x00\x00\x05sound"), None, "no channel has this number");
    assert_eq!(table.receive(b"\x40\x00\x00\x06sound"), None, "longer than the datagram");
    let dropped = table.client.dropped();
    assert_eq!((dropped.unpermitted, dropped.unknown_channels, dropped.malformed), (1, 1, 2));
}

#[test]
fn data_before_there_is_an_allocation_is_dropped() {
    let mut table = Table::new();
    table.client.handle_input(table.now, Input::Permit(peer().ip()));
    assert_eq!(table.receive(&data_indication(peer(), b"sound")), None);
    assert_eq!(table.client.dropped().unpermitted, 1);
}

#[test]
fn an_answer_to_nothing_we_asked_changes_nothing() {
    let mut table = Table::new();
    let mut allocate = Vec::new();
    while let Output::Transmit(bytes) = table.client.poll_output() {
        allocate = bytes.to_vec();
    }
    let asked = Message::parse(&allocate).unwrap();
    let mut guessed = Vec::new();
    MessageWriter::new(&mut guessed, Class::Success, Method::ALLOCATE, TransactionId([0; 12]))
        .attribute(Attribute::XorRelayedAddress(XorAddress(relayed())))
        .attribute(Attribute::XorMappedAddress(XorAddress(mapped())))
        .finish();
    let mut other_method = Vec::new();
    let error = ErrorCode { code: 403, reason: "" };
    MessageWriter::new(&mut other_method, Class::Error, Method::REFRESH, asked.id())
        .attribute(Attribute::ErrorCode(error))
        .finish();
    let mut request = Vec::new();
    MessageWriter::new(&mut request, Class::Request, Method::BINDING, asked.id()).finish();
    for datagram in [guessed, other_method, request] {
        assert_eq!(table.receive(&datagram), None);
    }
    table.run_until(secs(1));
    assert!(matches!(table.events[..], [Event::Allocated { .. }]));
    assert_eq!(table.client.dropped().unknown_transactions, 2);
    assert_eq!(table.client.dropped().ignored_messages, 1);
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    let mut table = Table::ready(Carrier::Datagrams);
    let told = table.events.len();
    let last = table.seen.last().unwrap();
    let mut again = Vec::new();
    MessageWriter::new(&mut again, Class::Success, last.method, last.id).finish();
    assert_eq!(table.receive(&again), None);
    assert_eq!((table.events.len(), table.client.dropped().unknown_transactions), (told, 1));
}

#[test]
fn ten_thousand_addresses_make_a_few_requests() {
    let mut table = Table::ready(Carrier::Datagrams);
    let before = table.seen.len();
    for n in 0..10_000_u32 {
        let ip = std::net::IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        table.client.handle_input(table.now, Input::Permit(ip));
        table.client.handle_input(table.now, Input::Bind((ip, 1).into()));
    }
    table.run();
    assert!(table.seen.len() - before <= 24, "{} requests", table.seen.len() - before);
}

proptest! {
    #[test]
    fn no_datagram_panics(datagrams: Vec<Vec<u8>>, first in any::<[u8; 2]>()) {
        let mut table = Table::bound(Carrier::Datagrams);
        for mut datagram in datagrams {
            if let Some(front) = datagram.get_mut(..2) {
                front.copy_from_slice(&first);
            }
            let _ = table.receive(&datagram);
            table.run();
        }
        prop_assert!(table.client.may_send(peer()));
    }

    #[test]
    fn our_own_request_come_back_damaged_is_not_believed(place in 0_usize..200, bit in 0_u8..8) {
        let mut table = Table::new();
        let mut request = None;
        while let Output::Transmit(bytes) = table.client.poll_output() {
            request = Some(bytes.to_vec());
        }
        let mut damaged = request.unwrap();
        let place = place % damaged.len();
        damaged[place] ^= 1 << bit;
        prop_assert_eq!(table.receive(&damaged), None);
        table.run_until(secs(1));
        let allocated = matches!(table.events[..], [Event::Allocated { .. }]);
        prop_assert!(allocated);
    }
}
