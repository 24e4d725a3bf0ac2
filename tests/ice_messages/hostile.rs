//! Any bytes, in any order.

use halloo::ice::{Input, Role, State};
use halloo::stun::{Attribute, ErrorCode};
use proptest::prelude::*;

use super::hand::{Hand, Sent};

/// A step that a stranger or a confused peer might cause.
fn step() -> impl Strategy<Value = (u8, u16, Vec<u8>)> {
    (any::<u8>(), 0..2_000u16, proptest::collection::vec(any::<u8>(), 0..120))
}

proptest! {
    #[test]
    fn no_bytes_and_no_order_of_inputs_break_it(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let role = if seed % 2 == 0 { Role::Controlling } else { Role::Controlled };
        let mut hand = Hand::early(role);
        let mut sent: Vec<Sent> = Vec::new();
        for (what, number, bytes) in steps {
            let from = format!("198.51.100.{}:{}", number % 3, 6_000 + number % 7);
            match what % 16 {
                0 => hand.give(&from, &bytes),
                1 => {
                    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
                    stun.extend(&bytes);
                    stun[3] = u8::try_from(stun.len().saturating_sub(20)).unwrap();
                    hand.give(&from, &stun);
                }
                2 | 3 => {
                    let nominates = (number % 2 == 0).then_some(Attribute::UseCandidate);
                    let attributes: Vec<_> = nominates.into_iter().collect();
                    let mut check = hand.fitting_check(&attributes);
                    if let Some(byte) = bytes.first().filter(|_| what > 128) {
                        let at = usize::from(*byte) % check.len();
                        check[at] ^= 1;
                    }
                    hand.give(&from, &check);
                }
                4 => {
                    let check = hand.check(&[Attribute::IceControlling(u64::MAX)]);
                    hand.give(&from, &check);
                }
                5 => {
                    let check = hand.check(&[Attribute::IceControlled(u64::MAX)]);
                    hand.give(&from, &check);
                }
                6..=8 => {
                    if let Some(request) = sent.pop() {
                        let answer = hand.answer_seeing(&request, &from);
                        hand.give(&request.to.to_string(), &answer);
                    }
                }
                9 => {
                    if let Some(request) = sent.pop() {
                        let error = hand.error(&request, ErrorCode::ROLE_CONFLICT);
                        hand.give(&request.to.to_string(), &error);
                    }
                }
                10 => hand.tell(Input::RemoteCredentials(hand.theirs.clone())),
                11 => hand.candidate(&from, u32::from(number) << 8),
                12 if number > 1_500 => hand.tell(Input::Restart),
                13 if number > 1_000 => hand.tell(Input::RemoteLite),
                14 => hand.wait(u64::from(number) * 20),
                15 if number > 1_900 => hand.tell(Input::Close),
                _ => hand.wait(u64::from(number)),
            }
            sent.extend(hand.requests());
            let states = hand.agent.pairs().count();
            prop_assert!(states <= 100);
            if matches!(hand.agent.state(), State::Failed | State::Closed) {
                prop_assert_eq!(hand.agent.send_pair(), None);
            }
            if hand.agent.selected().is_some() {
                prop_assert!(hand.agent.state() != State::New);
            }
        }
    }
}
