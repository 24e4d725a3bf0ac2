//! The figures of a running call in one line, as a person likes to see them.

use crate::peer::event::Figures;

/// Levels both ways or who holds the call, then how well it goes; narrower than any terminal, or it could not be written
/// over.
pub(super) fn line(figures: &Figures, held: Option<&str>) -> String {
    let rtt = figures.rtt.map_or("?".to_owned(), |rtt| format!("{rtt:.0}"));
    let concealed = match figures.total_samples {
        0 => 0.0,
        total => 100.0 * figures.concealed_samples as f64 / total as f64,
    };
    let levels = held.map_or_else(
        || format!("out {} in {}", bar(figures.level_in), bar(figures.level_out)),
        str::to_owned,
    );
    format!(
        "{levels}  rtt {rtt} jitter {:.1} buffer {:.0} ms  loss {:.1}% gaps {concealed:.1}%",
        figures.jitter,
        figures.jitter_buffer_delay,
        100.0 * figures.loss,
    )
}

/// A level from -60 dBov (nothing) to 0 (all).
fn bar(level: f64) -> String {
    const WIDTH: u8 = 6;
    const FLOOR: f64 = -60.0;
    let share = (1.0 - level.clamp(FLOOR, 0.0) / FLOOR) * f64::from(WIDTH);
    (0..WIDTH).map(|place| if f64::from(place) + 0.5 <= share { '#' } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_empty_in_silence_and_full_at_the_limit() {
        assert_eq!(bar(-127.0), "......");
        assert_eq!(bar(-30.0), "###...");
        assert_eq!(bar(0.0), "######");
        assert_eq!(bar(f64::NAN), "......");
    }

    #[test]
    fn a_line_says_how_well_it_goes() {
        let figures = Figures {
            loss: 0.1,
            rtt: Some(12.4),
            level_in: 0.0,
            level_out: -60.0,
            concealed_samples: 48,
            total_samples: 48_000,
            ..Figures::default()
        };
        let held = line(&figures, Some("on hold"));
        assert!(held.starts_with("on hold  rtt 12 "), "{held}");
        let line = line(&figures, None);
        assert_eq!(
            line,
            "out ###### in ......  rtt 12 jitter 0.0 buffer 0 ms  loss 10.0% gaps 0.1%"
        );
    }
}
