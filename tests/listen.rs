//! The ear of the other tests, `common/listen.rs`, hears what is there and nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, unreachable_pub)]

use std::path::Path;

mod common {
    pub mod listen;
}
use common::listen::Recording;

#[test]
fn pitch_is_heard_to_a_fraction_of_a_hertz() {
    for hz in [97.3, 440.0, 1_234.5, 3_000.0] {
        let heard = Recording::tone(hz, 0.25, 1.0, 48_000).pitch().unwrap();
        assert!((heard - hz).abs() < 0.2, "{heard}, not {hz}");
    }
    let short = Recording::tone(440.0, 0.25, 0.1, 8_000).pitch().unwrap();
    assert!((short - 440.0).abs() < 2.0, "{short}");
    assert_eq!(Recording::tone(440.0, 0.000_5, 1.0, 48_000).pitch(), None, "silence has none");
}

#[test]
fn levels_are_those_of_the_textbook() {
    assert!((Recording::tone(440.0, 1.0, 1.0, 48_000).level() - -3.01).abs() < 0.01);
    assert!((Recording::tone(440.0, 0.5, 1.0, 48_000).level() - -9.03).abs() < 0.01);
    assert!(Recording::tone(440.0, 0.0, 1.0, 48_000).level() < -100.0);
}

#[test]
fn two_tones_are_told_apart() {
    let mut both = Recording::tone(440.0, 0.5, 1.0, 48_000);
    let other = Recording::tone(1_000.0, 0.1, 1.0, 48_000);
    both.samples.iter_mut().zip(&other.samples).for_each(|(a, b)| *a += b);
    assert!((both.amplitude(440.0) - 0.5).abs() < 0.001);
    assert!((both.amplitude(1_000.0) - 0.1).abs() < 0.001);
    assert!(both.amplitude(700.0) < 0.001);
    assert!((both.purity(440.0) - 0.25 / 0.26).abs() < 0.001);
}

#[test]
fn a_clean_tone_has_no_glitch_even_if_its_clock_is_a_little_off() {
    assert_eq!(Recording::tone(440.0, 0.25, 3.0, 48_000).glitches(440.0), 0);
    assert_eq!(Recording::tone(440.3, 0.25, 3.0, 48_000).glitches(440.0), 0);
}

#[test]
fn gaps_clicks_and_jumps_are_counted() {
    let clean = Recording::tone(440.0, 0.25, 1.0, 48_000);
    let mut gap = clean.clone();
    gap.samples[24_000..24_480].fill(0.0);
    assert!((1..=2).contains(&gap.glitches(440.0)), "{}", gap.glitches(440.0));

    let mut click = clean.clone();
    click.samples[12_345] = -1.0;
    assert_eq!(click.glitches(440.0), 1);

    // 5 ms left out: 2.2 periods, so the phase jumps.
    let mut jump = clean.clone();
    jump.samples.drain(24_100..24_340);
    assert!((1..=2).contains(&jump.glitches(440.0)), "{}", jump.glitches(440.0));

    assert_eq!(Recording::tone(440.0, 0.0, 1.0, 48_000).glitches(440.0), 100, "silence is no tone");
    assert!(Recording::tone(880.0, 0.25, 1.0, 48_000).glitches(440.0) > 90, "nor is another one");
}

#[test]
fn a_delayed_and_quieter_copy_is_found() {
    // Noise that is the same each time.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let reference = Recording { rate: 8_000, samples: (0..4_000).map(|_| noise()).collect() };
    let mut heard = Recording { rate: 8_000, samples: vec![0.0; 1_234] };
    heard.samples.extend(reference.samples.iter().map(|sample| sample * 0.3));
    heard.samples.extend([0.0; 500]);
    let (lag, alike) = heard.correlation(&reference);
    assert_eq!(lag, 1_234);
    assert!(alike > 0.999, "{alike}");

    let other = Recording { rate: 8_000, samples: (0..4_000).map(|_| noise()).collect() };
    assert!(heard.correlation(&other).1 < 0.2);
}

#[test]
fn sound_is_found_and_cut_out() {
    let mut late = Recording { rate: 8_000, samples: vec![0.0; 4_000] };
    late.samples.extend(Recording::tone(440.0, 0.5, 1.0, 8_000).samples);
    assert!((late.first_sound(0.1).unwrap() - 0.5).abs() < 0.001);
    assert_eq!(late.first_sound(0.9), None);
    assert!((late.after_silence(0.1).seconds() - 1.0).abs() < 0.001);
    assert!((late.last(0.25).seconds() - 0.25).abs() < 0.001);
    assert!(late.between(3.0, 4.0).samples.is_empty(), "beyond the end is nothing");
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("listen.wav");
    let tone = Recording::tone(440.0, 0.5, 0.1, 16_000);
    tone.write(&path);
    let read = Recording::read(&path);
    assert_eq!((read.rate, read.samples.len()), (16_000, 1_600));
    let difference = |(a, b): (&f32, &f32)| (a - b).abs() < 0.000_1;
    assert!(read.samples.iter().zip(&tone.samples).all(difference));
}
