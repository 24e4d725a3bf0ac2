//! Whole calls between two peers, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation, unreachable_pub, dead_code)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::time::Duration;

use common::call::Call;
use common::listen::Recording;
use halloo::net::impair::Impairment;

#[test]
fn a_clean_call_connects_and_both_hear_the_others_tone() {
    let delay = Duration::from_millis(10);
    let mut call = Call::new(1, &Impairment { delay, ..Impairment::default() });
    call.signal();
    call.connect();
    call.run_for(Duration::from_secs(2));
    for side in [&call.alice, &call.bob] {
        let heard = Recording { samples: side.heard.clone(), rate: 48_000 }.last(1.0);
        let pitch = heard.pitch().unwrap();
        let others = 1_100.0 - f64::from(side.tone);
        assert!((pitch - others).abs() < 1.0, "{pitch} Hz");
        assert_eq!(side.peer.figures().concealed_samples, 0);
    }
}
