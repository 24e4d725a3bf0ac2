use super::super::packetize::Packetizer;
use super::super::{ExtensionIds, Extensions};
use super::*;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

fn wire(number: u16, timestamp: u32, payload: usize) -> Vec<u8> {
    let mut stream = Packetizer::new(Ssrc(7), &mut StdRng::seed_from_u64(1));
    let mut wire = vec![0; 12 + payload];
    stream.header(111, &Extensions::default(), &ExtensionIds::default(), &mut wire).unwrap();
    stream.sent(Instant::ZERO, payload, 960);
    wire[2..4].copy_from_slice(&number.to_be_bytes());
    wire[4..8].copy_from_slice(&timestamp.to_be_bytes());
    wire
}

/// A source of 20 ms packets, of which the first two in sequence came before.
struct Source(Reception, Instant);

impl Source {
    fn start() -> Self {
        let first = wire(100, 0, 80);
        let packet = Packet::parse(&first).unwrap();
        let mut source = Self(Reception::new(Instant::ZERO, &packet), Instant::ZERO);
        source.packet(100, 0);
        source.packet(101, 960);
        source
    }

    fn packet(&mut self, number: u16, timestamp: u32) -> Validity {
        let validity =
            self.0.received(self.1, &Packet::parse(&wire(number, timestamp, 80)).unwrap(), 48_000);
        self.1 += Duration::from_millis(20);
        validity
    }
}

#[test]
fn loss_is_reported_by_interval_and_in_all() {
    let mut source = Source::start();
    for number in [102, 103, 105] {
        source.packet(number, (u32::from(number) - 100) * 960);
    }
    let report = source.0.report(source.1);
    assert_eq!((report.fraction_lost, report.cumulative_lost), (51, 1), "one of 101 to 105");
    assert_eq!(report.highest_sequence, 105);
    source.packet(106, 6 * 960);
    let report = source.0.report(source.1);
    assert_eq!((report.fraction_lost, report.cumulative_lost), (0, 1));
}

#[test]
fn duplicates_make_the_loss_negative() {
    // rfc3550-6.4.1-3
    let mut source = Source::start();
    for _ in 0..3 {
        source.packet(101, 960);
    }
    assert_eq!(source.0.report(source.1).cumulative_lost, -3);
}

#[test]
fn the_highest_number_carries_its_wraps() {
    // rfc3550-6.4.1-5
    let mut validation = Validation::new(SequenceNumber(65_534), 1);
    for number in [65_534, 65_535, 1, 0, 2] {
        validation.update(SequenceNumber(number));
    }
    assert_eq!(validation.highest(), (1 << 16) + 2);
    assert_eq!((validation.expected(), validation.received()), (5, 5));
}

#[test]
fn a_source_is_counted_after_two_packets_in_sequence() {
    // rfc3550-A.1-1
    let mut validation = Validation::new(SequenceNumber(5), MIN_SEQUENTIAL);
    let verdicts = [5, 7, 8].map(|number| validation.update(SequenceNumber(number)));
    assert_eq!(verdicts, [Validity::Unconfirmed, Validity::Unconfirmed, Validity::Valid]);
    // A jump needs two in a row as well.
    for (number, verdict) in [
        (3_008, Validity::Unconfirmed),
        (9, Validity::Valid),
        (5_000, Validity::Unconfirmed),
        (5_001, Validity::Valid),
        (4_900, Validity::Unconfirmed),
        (4_902, Validity::Valid),
    ] {
        assert_eq!(validation.update(SequenceNumber(number)), verdict, "{number}");
    }
}

#[test]
fn before_any_sender_report_both_delays_are_zero_and_then_they_tell_the_round_trip() {
    // rfc3550-6.4.1-2, rfc3550-6.4.1-4
    let mut source = Source::start();
    let report = source.0.report(source.1);
    assert_eq!((report.lsr, report.dlsr), (0, 0));
    assert_eq!(round_trip(NtpTime(1 << 40), &report), None);

    let sent = NtpTime(0x1234_5678_8000_0000);
    let info = SenderInfo { ntp: sent, timestamp: RtpTimestamp(0), packets: 1, octets: 1 };
    let came = Instant::from_millis(5_000);
    source.0.sender_report(came, info);
    let report = source.0.report(came + Duration::from_millis(250));
    assert_eq!((report.lsr, report.dlsr), (0x5678_8000, 0x4000));
    let trip = round_trip(sent + Duration::from_millis(300), &report).unwrap();
    assert!(trip.abs_diff(Duration::from_millis(50)) < Duration::from_micros(50), "{trip:?}");
    assert_eq!(round_trip(sent, &report), Some(Duration::ZERO), "a claim too long is nothing");
}

#[test]
fn padding_is_received_but_says_nothing_about_jitter() {
    let mut source = Source::start();
    source.packet(102, 1_920);
    // Chromium's probes repeat the timestamp of the last sound, half a second later.
    source.1 += Duration::from_millis(500);
    let mut probe = wire(103, 1_920, 4);
    probe[0] |= 0x20;
    probe[15] = 4;
    source.0.received(source.1, &Packet::parse(&probe).unwrap(), 48_000);
    assert_eq!(source.0.jitter(), Duration::ZERO);
    let report = source.0.report(source.1);
    assert_eq!((report.cumulative_lost, report.highest_sequence), (0, 103));
    assert_eq!((source.0.packets(), source.0.payload_octets()), (4, 3 * 80));
}

#[test]
fn silence_is_neither_loss_nor_jitter() {
    let mut source = Source::start();
    source.1 += Duration::from_millis(400);
    source.packet(102, 960 * 22);
    let report = source.0.report(source.1);
    assert_eq!((report.jitter, report.cumulative_lost, report.fraction_lost), (0, 0, 0));
}

#[test]
fn jitter_moves_a_sixteenth_of_the_way() {
    // rfc3550-A.8-1
    let mut jitter = Jitter::default();
    jitter.packet(Instant::ZERO, RtpTimestamp(0), 48_000);
    jitter.packet(Instant::from_millis(30), RtpTimestamp(960), 48_000);
    assert_eq!(jitter.reported(), 480 / 16, "10 ms of 48 kHz, a sixteenth");
    let before = jitter.reported();
    jitter.packet(Instant::from_millis(50), RtpTimestamp(7), 8_000);
    assert_eq!(jitter.reported(), before, "another clock can't be compared");
}

#[test]
fn a_source_times_out_after_five_intervals() {
    // rfc3550-6.3.5-1
    let source = Source::start();
    let last = source.0.last_packet_at();
    let interval = Duration::from_secs(1);
    assert!(!source.0.is_timed_out(last + interval * 5, interval));
    assert!(source.0.is_timed_out(last + interval * 5 + Duration::from_millis(1), interval));
}

proptest! {
    #[test]
    fn no_order_of_numbers_upsets_the_counters(numbers in prop::collection::vec(any::<u16>(), 1..200)) {
        let mut validation = Validation::new(SequenceNumber(numbers[0]), MIN_SEQUENTIAL);
        for number in numbers {
            validation.update(SequenceNumber(number));
            let _ = (validation.expected(), validation.received(), validation.highest());
        }
    }
}
