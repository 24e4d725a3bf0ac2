//! What Firefox may ask for: codecs, packet lengths, pauses, repair, two channels; and many calls, calls that
//! begin ICE anew, calls from a page of elsewhere.
//!
//! What each means, and how it is judged, is in `common/wishes.rs` and `common/many.rs`, the same as for
//! Chromium; but what the page plays is heard at the loudspeaker, of a sound server without a card. Plain
//! `cargo test` leaves this file out (Cargo.toml says `test = false`); `./check --all` installs what it needs
//! and runs it. `firefox.rs` has halloo's own page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod firefox;
    pub mod halloo;
    pub mod listen;
    pub mod many;
    pub mod namespace;
    pub mod pulse;
    pub mod skip;
    pub mod stage;
    pub mod stall;
    pub mod wishes;
}
use common::firefox::{in_firefox, in_firefox_for_each};
use common::{many, wishes};

#[test]
fn g711_or_g722_alone_will_do() {
    in_firefox_for_each(&["PCMU", "PCMA", "G722"], wishes::one_codec_alone);
}

/// Firefox has no RED for sound: here the page writes it into what halloo is told.
#[test]
fn red_in_front_of_the_offer_is_left_out_of_the_answer() {
    let red = "{ told: [
        ['UDP/TLS/RTP/SAVPF 109', 'UDP/TLS/RTP/SAVPF 63 109'],
        ['a=rtpmap:109', 'a=rtpmap:63 red/48000/2\\r\\na=fmtp:63 109/109\\r\\na=rtpmap:109'],
    ] }";
    in_firefox(|stage, firefox| wishes::red_first(stage, firefox, red));
}

#[test]
fn sections_with_a_transport_each_may_be_offered() {
    in_firefox(wishes::max_compat);
}

#[test]
fn packets_are_as_long_as_was_agreed() {
    in_firefox_for_each(&[("10", 100.0), ("60", 1_000.0 / 60.0)], wishes::packets_of);
}

#[test]
fn pauses_are_not_sent_where_that_was_agreed() {
    in_firefox(wishes::pauses);
}

#[test]
fn copies_are_sent_where_the_receiver_can_use_them() {
    in_firefox_for_each(&[true, false], wishes::copies);
}

#[test]
fn left_stays_left_and_right_stays_right() {
    // `stereo=1` it offers by itself.
    let both = "{ edits: [['useinbandfec=1', 'useinbandfec=1;sprop-stereo=1']] }";
    in_firefox(|stage, firefox| wishes::left_and_right(stage, firefox, both));
}

#[test]
fn ten_calls_from_one_tab_are_as_good_as_the_first() {
    in_firefox(|stage, firefox| many::ten_calls(stage, firefox).map(drop));
}

#[test]
fn five_tabs_talk_at_once() {
    in_firefox(many::five_tabs);
}

#[test]
fn a_page_starts_ice_anew_and_the_sound_goes_on() {
    in_firefox_for_each(&many::RESTARTS, many::restart);
}

/// The page can't read the refusal, but the browser can: it is a 403.
#[test]
fn a_foreign_page_is_refused_unless_its_origin_is_allowed() {
    in_firefox(|stage, firefox| {
        firefox.note_refusals();
        many::foreign(stage, firefox)?;
        assert_eq!(firefox.refusals(), ["OPTIONS /whip 403"]);
        Ok(())
    });
}

/// Each refusal is a 403, which only the browser can read.
#[test]
fn the_token_opens_the_door_for_any_page() {
    in_firefox(|stage, firefox| {
        firefox.note_refusals();
        many::token(stage, firefox)?;
        // Without a token nothing is promised; a wrong one may be tried.
        assert_eq!(firefox.refusals(), ["OPTIONS /whip 403", "POST /whip 403"]);
        Ok(())
    });
}
