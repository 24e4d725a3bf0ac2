//! What nobody would send.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Insert { number: u16, timestamp: u32, codec: Codec, payload: Vec<u8> },
    Nothing(u16),
    Ask(u8),
    Wait(u32),
}

fn act() -> impl Strategy<Value = Act> {
    let codec =
        prop_oneof![Just(Codec::Opus), Just(Codec::G722), Just(Codec::Pcmu), Just(Codec::Pcma)];
    // Half of the numbers are close to each other, so that packets do get in.
    let number = prop_oneof![any::<u16>(), 65_500..=u16::MAX, 0_u16..40];
    let timestamp = prop_oneof![any::<u32>(), (0_u32..90).prop_map(|at| at * 960)];
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (number.clone(), timestamp, codec, payload).prop_map(
            |(number, timestamp, codec, payload)| Act::Insert { number, timestamp, codec, payload }
        ),
        1 => number.prop_map(Act::Nothing),
        3 => (1_u8..5).prop_map(Act::Ask),
        3 => prop_oneof![0_u32..50_000, any::<u32>()].prop_map(Act::Wait),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_packets_upsets_the_buffer(acts in prop::collection::vec(act(), 1..200)) {
        let mut buffer = JitterBuffer::new();
        let mut now = Instant::ZERO;
        for act in acts {
            match act {
                Act::Insert { number, timestamp, codec, payload } => {
                    buffer.insert(now, &Incoming { codec, ..incoming(number, timestamp, &payload) });
                }
                Act::Nothing(number) => buffer.insert_nothing(SequenceNumber(number)),
                Act::Wait(us) => now += Duration::from_micros(u64::from(us)),
                Act::Ask(times) => for _ in 0..times {
                    let duration = buffer.next(now).duration();
                    prop_assert!(duration > Duration::ZERO && duration <= Duration::from_millis(200));
                },
            }
            prop_assert!(buffer.depth() <= Duration::from_millis(200) * 128);
            prop_assert!(buffer.target() <= Duration::from_millis(800));
        }
    }
}
