//! Packets to peers and from them (RFC 8656 sections 11 and 12.4 to 12.6).

use halloo::stun::{Class, Message, Method};
use halloo::turn::{Carrier, Event, HEADROOM, Input};

use super::hand::{Act, Table, data_indication, ip, peer};

#[test]
fn a_packet_goes_the_long_way_until_the_channel_is_bound() {
    // rfc8656-11.1-1, rfc8656-12.4-1
    let mut table = Table::ready(Carrier::Datagrams);
    let long = table.wrap(peer(), b"sound").unwrap();
    let message = Message::parse(&long).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::SEND));
    assert_eq!(message.xor_peer_address(), Some(peer()));
    assert_eq!(message.data(), Some(&b"sound"[..]));

    table.acts.push_back(Act::BeSilent);
    table.tell(Input::Bind(peer()));
    assert_eq!(table.wrap(peer(), b"sound").unwrap().len(), long.len(), "not before the answer");
    table.run_until(halloo::time::Instant::from_millis(500));
    assert_eq!(table.wrap(peer(), b"sound").unwrap(), b"\x40\x00\x00\x05sound");
}

#[test]
fn on_a_stream_everything_is_padded_to_32_bits() {
    // rfc8656-12.5-1
    let mut table = Table::bound(Carrier::Stream);
    assert_eq!(table.wrap(peer(), b"sound").unwrap(), b"\x40\x00\x00\x05sound\0\0\0");
    assert_eq!(table.wrap(peer(), b"four").unwrap(), b"\x40\x00\x00\x04four");
}

#[test]
fn nothing_goes_to_where_nothing_may() {
    let mut table = Table::new();
    assert_eq!(table.wrap(peer(), b"sound"), None, "no allocation");
    table.run();
    assert_eq!(table.wrap(peer(), b"sound"), None, "no permission");
    table.acts.push_back(Act::BeSilent);
    table.tell(Input::Permit(peer().ip()));
    assert_eq!(table.wrap(peer(), b"sound"), None, "no answer");
    assert_eq!(table.client.dropped().unsendable, 3);
}

#[test]
fn a_permission_is_for_an_address_and_all_its_ports() {
    let mut table = Table::ready(Carrier::Datagrams);
    let other_port = (peer().ip(), 7_001).into();
    assert!(table.wrap(other_port, b"sound").is_some());
    assert_eq!(table.wrap((ip(99), 7_000).into(), b"sound"), None);
}

#[test]
fn binding_a_channel_permits_the_peer_too() {
    let mut table = Table::new();
    table.run();
    table.tell(Input::Bind(peer()));
    let bind = table.seen.iter().find(|seen| seen.method == Method::CHANNEL_BIND).unwrap();
    assert_eq!((bind.channel, &bind.peers[..]), (Some(0x4000), &[peer()][..]));
    assert_eq!(table.events.last(), Some(&Event::Permitted(peer().ip())));
    assert_eq!(table.wrap(peer(), b"x").unwrap(), b"\x40\x00\x00\x01x");
}

#[test]
fn what_comes_in_is_handed_on_where_it_lies() {
    let mut table = Table::bound(Carrier::Datagrams);
    let by_channel = b"\x40\x00\x00\x05sound\0\0\0";
    assert_eq!(table.receive(by_channel), Some((peer(), b"sound".to_vec())));
    let (_, range) = table.client.receive(table.now, by_channel).unwrap();
    assert_eq!(range, 4..9);
    let indication = data_indication(peer(), b"sound");
    assert_eq!(table.receive(&indication), Some((peer(), b"sound".to_vec())));
}

#[test]
fn a_packet_costs_neither_an_allocation_nor_a_copy() {
    let mut table = Table::bound(Carrier::Datagrams);
    let mut buffer = Vec::with_capacity(1_500);
    buffer.resize(HEADROOM + 160, 7);
    let incoming = [&b"\x40\x00\x00\xa0"[..], &[9; 160]].concat();
    let now = table.now;
    let client = &mut table.client;
    let info = allocation_counter::measure(|| {
        for _ in 0..100 {
            buffer.truncate(HEADROOM + 160);
            let begin = client.wrap(peer(), &mut buffer, HEADROOM).unwrap();
            assert_eq!(begin, HEADROOM - 4);
            assert!(client.receive(now, &incoming).is_some());
        }
    });
    assert_eq!(info.count_total, 0);

    let mut table = Table::ready(Carrier::Datagrams);
    table.wrap(peer(), b"warm");
    let client = &mut table.client;
    let info = allocation_counter::measure(|| {
        for _ in 0..100 {
            buffer.truncate(HEADROOM + 160);
            client.wrap(peer(), &mut buffer, HEADROOM).unwrap();
        }
    });
    assert_eq!(info.count_total, 0, "nor does an indication");
}
