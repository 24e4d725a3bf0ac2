//! What Chromium may ask for: codecs, packet lengths, pauses, repair, two channels, in whatever order.
//!
//! What each means, and how it is judged, is in `common/wishes.rs`; `firefox_codecs.rs` has the same for
//! Firefox.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stage;
    pub mod stall;
    pub mod wishes;
}
use common::stage::{
    HALF, halloo_heard, on_stage, on_stage_for_each, on_stage_in_browser, page_hears,
};
use common::wishes;

#[test]
fn g711_or_g722_alone_will_do() {
    on_stage_for_each(&["PCMU", "PCMA", "G722"], wishes::one_codec_alone);
}

#[test]
fn our_own_order_of_codecs_counts_when_it_was_asked_for() {
    on_stage(|stage| {
        let mut visit = stage.visit(&["--codec", "pcma", "--codec", "opus"]);
        visit.calls("{}");
        page_hears(&visit.page)?;
        assert_eq!(wishes::codecs(&visit.page), ["audio/PCMA", "audio/PCMA"]);
        visit.hang_up();
        halloo_heard(&visit.file, HALF)
    });
}

#[test]
fn red_in_front_of_the_offer_is_left_out_of_the_answer() {
    let red = "{ codecs: ['red', 'opus', 'PCMU'] }";
    on_stage_in_browser(|stage, browser| wishes::red_first(stage, browser, red));
}

#[test]
fn sections_with_a_transport_each_may_be_offered() {
    on_stage_in_browser(wishes::max_compat);
}

#[test]
fn packets_are_as_long_as_was_agreed() {
    on_stage_for_each(&[("10", 100.0), ("60", 1_000.0 / 60.0)], wishes::packets_of);
}

#[test]
fn pauses_are_not_sent_where_that_was_agreed() {
    on_stage_in_browser(wishes::pauses);
}

#[test]
fn copies_are_sent_where_the_receiver_can_use_them() {
    on_stage_for_each(&[true, false], wishes::copies);
}

#[test]
fn left_stays_left_and_right_stays_right() {
    let both = "{ edits: [['useinbandfec=1', 'useinbandfec=1;stereo=1;sprop-stereo=1']] }";
    on_stage_in_browser(|stage, browser| wishes::left_and_right(stage, browser, both));
}
