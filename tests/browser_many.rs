//! One call after another, many at once, and calls that change or end while they run.
//!
//! What Firefox does likewise is in `common/many.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod many;
    pub mod namespace;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}
use std::time::Duration;

use common::listen::Recording;
use common::many::{self, hears_now};
use common::stage::{Tab, lines, on_stage, on_stage_for_each, on_stage_in_browser, page_hears};

#[test]
fn ten_calls_from_one_tab_are_as_good_as_the_first() {
    on_stage_in_browser(|stage, browser| {
        let page = many::ten_calls(stage, browser)?;
        assert_eq!(page.complaints(), Vec::<String>::new());
        Ok(())
    });
}

#[test]
fn five_tabs_talk_at_once() {
    on_stage_in_browser(many::five_tabs);
}

#[test]
fn a_page_starts_ice_anew_and_the_sound_goes_on() {
    on_stage_for_each(&many::RESTARTS, many::restart);
}

#[test]
fn a_page_holds_the_call_and_takes_it_up_again() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{ wait: true }");
        page_hears(&visit.page)?;
        let turn = |direction: &str, answered: &str| {
            let change = format!(
                "offerAgain((pc) => {{ pc.getTransceivers()[0].direction = '{direction}'; }})"
            );
            assert_eq!(visit.page.evaluate(&change), 200);
            let answer = lines(&visit.page.evaluate("answered"), &format!("a={answered}"));
            assert_eq!(answer, [format!("a={answered}")], "offered {direction}");
            // A setup role once taken is kept (RFC 8842 section 5.5).
            let setup = lines(&visit.page.evaluate("answered"), "a=setup:");
            assert_eq!(setup, ["a=setup:active"]);
            visit.page.pass(2.0);
        };
        let halloos = |member: &str| {
            let found = "find(({ type }) => type === 'outbound-rtp')";
            visit.page.evaluate(&format!("halloos().then((all) => all.{found}.{member})"))
        };

        turn("sendonly", "recvonly");
        assert_eq!(halloos("active"), false);
        let sent = halloos("packetsSent");
        hears_now(&visit)?;
        assert_eq!(halloos("packetsSent"), sent, "on hold, halloo sends nothing");

        turn("inactive", "inactive");
        let heard = Recording::read(&visit.file).last(1.0).level();
        assert!(heard < -60.0, "halloo hears {heard} dBFS of a call that rests");

        turn("recvonly", "sendonly");
        page_hears(&visit.page)?;
        let heard = Recording::read(&visit.file).last(1.0).level();
        assert!(heard < -60.0, "halloo hears {heard} dBFS of a page that only listens");

        turn("sendrecv", "sendrecv");
        page_hears(&visit.page)?;
        hears_now(&visit)?;
        visit.hang_up();
        Ok(())
    });
}

/// Chromium's `connectionState` stays; the transport of the sender tells at once.
#[test]
fn a_foreign_page_learns_that_halloo_hung_up() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{}");
        visit.halloo.terminate();
        visit.page.wait_for("pc.getSenders()[0].transport.state === 'closed'");
        assert_eq!(visit.halloo.wait(Duration::from_secs(10)).code(), Some(0));
        Ok(())
    });
}

#[test]
fn the_token_opens_the_door_for_any_page() {
    on_stage_in_browser(many::token);
}
