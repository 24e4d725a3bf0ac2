//! Sound made a little shorter or longer, so that what follows is heard sooner or later.
//!
//! The jitter buffer wishes it when its delay should change. A vowel, a tone, a hum repeat themselves every
//! few milliseconds, and nobody counts how often: one cycle may be left out, or be played twice. `stretch`
//! looks for the *lag* after which the sound resembles itself most, and goes from one place to the other
//! by a cross-fade:
//!
//! ```text
//!            played before │ just decoded
//! as sent      . . . . . . │ A B C D E F      one lag from A to C: A B is like C D
//! faster       . . . . . . │ a D E F          a: A turns into C, and all behind it comes a lag sooner
//! slower       . . . . . . │ A B c B C D E F  c: C turns into A, and all behind it comes a lag later
//! ```
//! This is WSOLA (W. Verhelst and M. Roelands, 1993), and NetEq (libwebrtc) does much the same. What doesn't
//! repeat itself, an s or a rattle, stays as it is, unless it is so quiet that nobody would notice.
//!
//! It costs 12,000 products for a rough look at 8 kHz and 9,000 for a close one at 48 kHz and for each channel,
//! and twice as many for the energies; nothing if the sound should stay as it is. Used by `decode.rs`. Read
//! next: `bytewise.rs`.

use super::frame::Channels;

/// How fast to play a packet's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tempo {
    /// Just as it was sent.
    AsSent,
    /// One cycle less of it.
    Faster,
    /// One cycle more of it.
    Slower,
}

/// Changes what is in `sound` from `start` on, channels interleaved; what is before `start` was played and is
/// only compared. Answers by how many samples per channel it's longer now; below 0, shorter.
pub(super) fn stretch(
    sound: &mut Vec<f32>,
    start: usize,
    channels: Channels,
    tempo: Tempo,
) -> isize {
    let width = channels.count();
    let lag = match tempo {
        Tempo::AsSent => None,
        Tempo::Faster | Tempo::Slower => find_lag(sound, start, width),
    };
    let Some(lag) = lag else { return 0 };
    let by = isize::try_from(lag).unwrap_or(0);
    let (overlap, lag) = (OVERLAP.min(lag) * width, lag * width);
    if tempo == Tempo::Slower {
        let end = sound.len();
        sound.resize(end + lag, 0.0);
        sound.copy_within(start + overlap..end, start + overlap + lag);
    }
    let new = sound.get_mut(start..).unwrap_or_default();
    let Some((here, there)) = new.split_at_mut_checked(lag) else { return 0 };
    if tempo == Tempo::Slower {
        fade(there, here, overlap, width);
        return by;
    }
    fade(here, there, overlap, width);
    sound.drain(start + overlap..start + overlap + lag);
    -by
}

/// Within the first `overlap` samples `from` turns into `to`.
fn fade(from: &mut [f32], to: &[f32], overlap: usize, width: usize) {
    for (n, (from, to)) in from.iter_mut().zip(to).take(overlap).enumerate() {
        let share = (n / width + 1) as f32 / (overlap / width + 1) as f32;
        *from += (to - *from) * share;
    }
}

/// The lag after which the sound from `start` on repeats itself, with room behind it for the cross-fade.
fn find_lag(sound: &[f32], start: usize, width: usize) -> Option<usize> {
    let past = (start / width).min(PAST);
    let sound = sound.get(start - past * width..)?;
    let longest = (sound.len() / width).saturating_sub(past + OVERLAP).min(MAX_LAG);
    let window = past + OVERLAP;
    let sound = sound.get(..(window + longest) * width)?;

    // A rough look at all lags: one channel, one sample of six.
    let mut rough = [[0.0; COMPARED / STEP]];
    for (mean, samples) in rough.as_flattened_mut().iter_mut().zip(sound.chunks_exact(STEP * width))
    {
        *mean = samples.iter().sum::<f32>() / samples.len() as f32;
    }
    let lags = MIN_LAG / STEP..=longest / STEP;
    let (likeness, lag) = most_alike(&rough, lags, window / STEP)?;
    if likeness < ROUGHLY_ALIKE {
        return None;
    }
    // A close one at those around the best.
    let mut channels = [[0.0; COMPARED]; 2];
    for (n, channel) in channels.iter_mut().take(width).enumerate() {
        for (to, from) in channel.iter_mut().zip(sound.iter().skip(n).step_by(width)) {
            *to = *from;
        }
    }
    let lags = (lag * STEP - STEP).max(MIN_LAG)..=(lag * STEP + STEP).min(longest);
    let (likeness, lag) = most_alike(channels.get(..width)?, lags, window)?;
    (likeness >= ALIKE).then_some(lag)
}

/// The lag after which `window` samples are repeated best, and how well; of those as good, the longest.
fn most_alike<const N: usize>(
    channels: &[[f32; N]],
    lags: impl Iterator<Item = usize>,
    window: usize,
) -> Option<(f32, usize)> {
    lags.map(|lag| (likeness(channels, lag, window), lag)).max_by(|a, b| a.0.total_cmp(&b.0))
}

/// Normalized correlation, 1 where sound is the same later; that of the channel which is less alike. The
/// quieter it is, the less of it takes part: silence is like silence.
fn likeness<const N: usize>(channels: &[[f32; N]], lag: usize, window: usize) -> f32 {
    let unheard = UNHEARD * window as f32;
    let of_channel = |sound: &[f32; N]| {
        let here = sound.get(..window).unwrap_or_default();
        let there = sound.get(lag..lag + window).unwrap_or_default();
        let energies = (product(here, here) + unheard) * (product(there, there) + unheard);
        (product(here, there) + unheard) / energies.sqrt()
    };
    channels.iter().map(of_channel).fold(1.0, f32::min)
}

/// The inner product, of whole eights: by one at a time it would be slow where nothing is optimized.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = 0.0;
    for ([a0, a1, a2, a3, a4, a5, a6, a7], [b0, b1, b2, b3, b4, b5, b6, b7]) in
        a.as_chunks().0.iter().zip(b.as_chunks().0)
    {
        sum += a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7;
    }
    sum
}

/// What of the past takes part in the comparison: 10 ms.
pub(super) const PAST: usize = 480;
/// 15 ms: the cycle of a voice of 66 Hz.
pub(super) const MAX_LAG: usize = 720;
/// 2.5 ms. What repeats itself sooner does so here as well.
const MIN_LAG: usize = 120;
/// The cross-fade: 5 ms, or the whole cycle if that is shorter.
const OVERLAP: usize = 240;
/// The most that is looked at: 30 ms.
const COMPARED: usize = PAST + OVERLAP + MAX_LAG;
/// The rough look takes one sample of so many.
const STEP: usize = 6;
/// Half a step beside the right lag, high tones are alike no better than this.
const ROUGHLY_ALIKE: f32 = 0.5;
/// What NetEq asks for, too.
const ALIKE: f32 = 0.9;
/// Mean square below which likeness matters less and less: what is at -50 dBFS passes as it is.
const UNHEARD: f32 = 9e-5;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f32::consts::TAU;

    const TEMPOS: [Tempo; 2] = [Tempo::Faster, Tempo::Slower];

    /// So many samples of some sound for each channel.
    fn sound(samples: usize, of: &[&dyn Fn(usize) -> f32]) -> Vec<f32> {
        (0..samples).flat_map(|n| of.iter().map(move |channel| channel(n))).collect()
    }

    fn tone(hz: f32) -> impl Fn(usize) -> f32 {
        move |n| 0.5 * (n as f32 * hz * TAU / 48_000.0).sin()
    }

    fn noise(amplitude: f32) -> impl Fn(usize) -> f32 {
        move |n| {
            let scrambled = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let scrambled = (scrambled ^ scrambled >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            amplitude * ((scrambled >> 40) as f32 / 8_388_608.0 - 1.0)
        }
    }

    /// A voice at 100 Hz: a pulse each 10 ms, ringing at 700 Hz.
    fn voice(n: usize) -> f32 {
        let since = (n % 480) as f32;
        0.6 * (since * 700.0 * TAU / 48_000.0).sin() * (-since / 100.0).exp()
    }

    /// Stretches what is behind `past` and says by how much, after a look at the length.
    fn stretched(sound: &mut Vec<f32>, past: usize, channels: Channels, tempo: Tempo) -> isize {
        let before = sound.len();
        let by = stretch(sound, past * channels.count(), channels, tempo);
        assert_eq!(sound.len() as isize, before as isize + by * channels.count() as isize);
        assert!(if tempo == Tempo::Faster { by <= 0 } else { by >= 0 });
        by
    }

    /// The farthest that one channel is from its tone: as it was before the join, or moved behind it.
    fn off(sound: &[f32], channel: usize, width: usize, hz: f32, by: isize) -> f32 {
        let at = |n: isize| 0.5 * (n as f32 * hz * TAU / 48_000.0).sin();
        let each = (0_isize..).zip(sound.iter().skip(channel).step_by(width));
        each.map(|(n, s)| (s - at(n)).abs().min((s - at(n - by)).abs())).fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_stays_that_tone() {
        for hz in [90.0, 200.0, 440.0, 700.0, 1_000.0, 3_100.0] {
            for tempo in TEMPOS {
                let mut sound = sound(1_440, &[&tone(hz)]);
                let by = stretched(&mut sound, 480, Channels::Mono, tempo);
                assert!((120..=720).contains(&by.abs()), "{hz} Hz {tempo:?}: {by}");
                // Half a sample of phase is what a whole number of samples can't avoid.
                let bearable = 0.5 * (0.5 * hz * TAU / 48_000.0) + 0.01;
                let off = off(&sound, 0, 1, hz, by);
                assert!(off < bearable, "{hz} Hz {tempo:?} by {by}: {off}");
            }
        }
    }

    #[test]
    fn two_tones_in_stereo_both_stay_what_they_are() {
        for tempo in TEMPOS {
            let mut sound = sound(1_440, &[&tone(440.0), &tone(660.0)]);
            let by = stretched(&mut sound, 480, Channels::Stereo, tempo);
            assert!(by != 0, "both repeat themselves after 4.5 ms");
            assert!(off(&sound, 0, 2, 440.0, by) < 0.04, "{tempo:?} by {by}");
            assert!(off(&sound, 1, 2, 660.0, by) < 0.06, "{tempo:?} by {by}");
        }
        // What repeats itself on one side alone must not be cut on the other.
        let mut one_sided = sound(1_440, &[&tone(440.0), &noise(0.1)]);
        assert_eq!(stretched(&mut one_sided, 480, Channels::Stereo, Tempo::Faster), 0);
        // The other side is silent: nothing to spoil there. So is the mean of opposite sides.
        let mut half = sound(1_440, &[&tone(440.0), &|_| 0.0]);
        assert!(stretched(&mut half, 480, Channels::Stereo, Tempo::Faster) < 0);
        let mut opposite = sound(1_440, &[&tone(440.0), &|n| -tone(440.0)(n)]);
        let by = stretched(&mut opposite, 480, Channels::Stereo, Tempo::Slower);
        assert!(by == 0 || off(&opposite, 0, 2, 440.0, by) < 0.04, "{by}");
    }

    #[test]
    fn a_voice_gets_one_whole_cycle_less_or_more() {
        for (tempo, by) in [(Tempo::Faster, -480), (Tempo::Slower, 480)] {
            // Wherever in the cycle the packet begins.
            for begin in [0, 100, 250, 400] {
                let mut sound = sound(1_440, &[&|n| voice(n + begin)]);
                assert_eq!(stretched(&mut sound, 480, Channels::Mono, tempo), by, "{begin}");
                let off = sound.iter().enumerate().map(|(n, s)| (s - voice(n + begin)).abs());
                assert!(off.fold(0.0, f32::max) < 1e-4, "the pulses keep their distance: {begin}");
            }
        }
    }

    #[test]
    fn loud_noise_stays_as_it_is_and_quiet_noise_need_not() {
        for tempo in TEMPOS {
            let mut loud = sound(1_440, &[&noise(0.2)]);
            let before = loud.clone();
            assert_eq!(stretched(&mut loud, 480, Channels::Mono, tempo), 0);
            assert_eq!(loud, before);
            let mut quiet = sound(1_440, &[&noise(0.004)]);
            assert!(stretched(&mut quiet, 480, Channels::Mono, tempo) != 0, "-53 dBFS");
            let mut silence = vec![0.0; 1_440];
            assert_eq!(stretched(&mut silence, 480, Channels::Mono, tempo).abs(), 720, "the most");
            assert!(silence.iter().all(|sample| *sample == 0.0));
        }
    }

    #[test]
    fn of_a_sudden_start_nothing_is_cut() {
        let mut sound = sound(1_440, &[&|n| if n < 900 { 0.0 } else { noise(0.3)(n) }]);
        let start = sound[900..].to_vec();
        for tempo in TEMPOS {
            stretched(&mut sound, 480, Channels::Mono, tempo);
            assert_eq!(sound[sound.len() - start.len()..], start, "{tempo:?}");
        }
    }

    #[test]
    fn packets_of_every_length_are_stretched_as_far_as_they_have_room() {
        for (ms_tenths, most) in
            [(25, 0), (50, 0), (100, 240), (200, 720), (600, 720), (1_200, 720)]
        {
            for (past, channels) in
                [(0, Channels::Mono), (480, Channels::Mono), (77, Channels::Stereo)]
            {
                let samples = past + ms_tenths * 48 / 10;
                let tone: &dyn Fn(usize) -> f32 = &tone(440.0);
                for tempo in TEMPOS {
                    let mut sound = sound(samples, &vec![tone; channels.count()]);
                    let by = stretched(&mut sound, past, channels, tempo).unsigned_abs();
                    assert!(by <= most && (by > 0) == (most > 0), "{ms_tenths} {past}: {by}");
                    assert!(off(&sound, 0, channels.count(), 440.0, by as isize) < 0.6);
                }
            }
        }
        let mut same = vec![0.1; 960];
        assert_eq!(stretch(&mut same, 0, Channels::Mono, Tempo::AsSent), 0);
        assert_eq!(same.len(), 960);
    }

    #[test]
    fn nothing_is_allocated_where_there_is_room() {
        let mut sound = sound(1_440, &[&tone(440.0)]);
        sound.reserve_exact(MAX_LAG);
        let (place, capacity) = (sound.as_ptr(), sound.capacity());
        stretched(&mut sound, 480, Channels::Mono, Tempo::Slower);
        assert_eq!((sound.as_ptr(), sound.capacity()), (place, capacity));
    }

    proptest! {
        #[test]
        fn no_sound_upsets_it(
            mut sound in prop::collection::vec(any::<f32>(), 0..3_000),
            past in 0_usize..1_600,
            stereo: bool,
            slower: bool,
        ) {
            let channels = if stereo { Channels::Stereo } else { Channels::Mono };
            let width = channels.count();
            sound.truncate(sound.len() / width * width);
            let past = past.min(sound.len() / width);
            stretched(&mut sound, past, channels, TEMPOS[usize::from(slower)]);
        }
    }
}
