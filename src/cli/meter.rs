//! The figures of running calls in one line, as a person likes to see them.
//!
//! ```text
//! 1:07  you ###...  they ####..  loss 0.3%  delay 84 ms  rtt 34 ms  gaps 0.1%
//! ```
//! It must fit into one row of the terminal, or it could not be written over; what is wanted least goes
//! first. Several calls share the line: the longest time, and of each figure the worst.

use std::time::Duration;

use crate::peer::event::Figures;

/// A call that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// How long it has been connected.
    pub(super) lasts: Duration,
    pub(super) figures: Figures,
    /// Why not both are heard, if so.
    pub(super) held: Option<&'static str>,
    pub(super) is_muted: bool,
}

impl Row {
    /// Where two calls share a line.
    fn with(self, other: &Self) -> Self {
        let (a, b) = (self.figures, other.figures);
        let concealed = if gaps(&a) >= gaps(&b) { a } else { b };
        Self {
            lasts: self.lasts.max(other.lasts),
            figures: Figures {
                loss: a.loss.max(b.loss),
                jitter: a.jitter.max(b.jitter),
                rtt: a.rtt.into_iter().chain(b.rtt).reduce(f64::max),
                level_in: a.level_in.max(b.level_in),
                level_out: a.level_out.max(b.level_out),
                jitter_buffer_delay: a.jitter_buffer_delay.max(b.jitter_buffer_delay),
                ..concealed
            },
            held: None,
            ..self
        }
    }
}

/// The line, shorter than `columns`.
pub(super) fn line(rows: &[Row], columns: usize) -> String {
    let Some(row) = rows.iter().copied().reduce(|sum, row| sum.with(&row)) else {
        return String::new();
    };
    let mut line = match rows.len() {
        1 => String::new(),
        calls => format!("{calls} calls  "),
    };
    line.push_str(&time(row.lasts));
    for part in parts(&row) {
        if line.len() + 2 + part.len() >= columns {
            break;
        }
        line.push_str("  ");
        line.push_str(&part);
    }
    line.truncate(columns.saturating_sub(1)); // it is ASCII
    line
}

/// Most wanted first.
fn parts(row: &Row) -> impl Iterator<Item = String> + use<> {
    let figures = row.figures;
    let you = match row.is_muted {
        true => "you (muted)".to_owned(),
        false => format!("you {}", bar(figures.level_in)),
    };
    let levels = row.held.map_or_else(
        || [Some(you), Some(format!("they {}", bar(figures.level_out)))],
        |held| [Some(held.to_owned()), None],
    );
    // From mouth to ear, as far as it can be measured from here.
    let delay = figures.rtt.map(|rtt| rtt / 2.0 + figures.jitter_buffer_delay);
    let known = [
        Some(format!("loss {:.1}%", 100.0 * figures.loss)),
        delay.map(|delay| format!("delay {delay:.0} ms")),
        figures.rtt.map(|rtt| format!("rtt {rtt:.0} ms")),
        Some(format!("gaps {:.1}%", 100.0 * gaps(&figures))),
        Some(format!("jitter {:.1} ms", figures.jitter)),
    ];
    levels.into_iter().chain(known).flatten()
}

/// The share of what was heard that was made up.
fn gaps(figures: &Figures) -> f64 {
    match figures.total_samples {
        0 => 0.0,
        total => figures.concealed_samples as f64 / total as f64,
    }
}

/// As clocks show it.
pub(super) fn time(lasts: Duration) -> String {
    let seconds = lasts.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
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

    const ROW: Row = Row {
        lasts: Duration::from_secs(67),
        figures: Figures {
            loss: 0.1,
            jitter: 3.0,
            rtt: Some(12.4),
            level_in: 0.0,
            level_out: -60.0,
            jitter_buffer_delay: 40.0,
            concealed_samples: 48,
            total_samples: 48_000,
            packets_sent: 0,
            packets_received: 0,
            packets_lost: 0,
        },
        held: None,
        is_muted: false,
    };

    #[test]
    fn a_bar_is_empty_in_silence_and_full_at_the_limit() {
        assert_eq!(bar(-127.0), "......");
        assert_eq!(bar(-30.0), "###...");
        assert_eq!(bar(0.0), "######");
        assert_eq!(bar(f64::NAN), "......");
    }

    #[test]
    fn a_line_says_how_well_it_goes() {
        assert_eq!(
            line(&[ROW], 100),
            "1:07  you ######  they ......  loss 10.0%  delay 46 ms  rtt 12 ms  gaps 0.1%  jitter 3.0 ms"
        );
        let muted = Row { is_muted: true, ..ROW };
        assert!(line(&[muted], 100).starts_with("1:07  you (muted)  they ......  loss"));
        let held = Row { held: Some("on hold (h resumes)"), ..ROW };
        assert!(line(&[held], 100).starts_with("1:07  on hold (h resumes)  loss"));
        let fresh = Row { figures: Figures { rtt: None, ..ROW.figures }, ..ROW };
        assert!(!line(&[fresh], 100).contains("delay"), "nobody knows it yet");
    }

    /// What changes from second to second taken out: numbers, and how far the bars go.
    fn shape(line: &str) -> String {
        let mut shape = line.replace('#', ".").replace(|sign: char| sign.is_ascii_digit(), "0");
        while shape.contains("00") {
            shape = shape.replace("00", "0");
        }
        shape
    }

    #[test]
    fn the_picture_in_the_readme_shows_such_a_line() {
        let words = include_str!("../../book/pictures/words.txt");
        let drawn = words.lines().find_map(|line| line.strip_prefix("terminal-call: ")).unwrap();
        assert!(drawn.contains("rtt"), "{drawn}: it shows nearly all");
        let made = line(&[ROW], 120);
        assert!(shape(&made).starts_with(&shape(drawn)), "{drawn}: run scripts/screenshots");
    }

    #[test]
    fn a_line_is_shorter_than_any_terminal_is_wide() {
        for columns in 1..120 {
            for rows in [&[ROW][..], &[ROW, ROW, ROW]] {
                let line = line(rows, columns);
                assert!(line.len() < columns, "{columns}: {line:?}");
            }
        }
        assert_eq!(line(&[ROW], 40), "1:07  you ######  they ......");
        assert_eq!(line(&[ROW], 12), "1:07");
    }

    #[test]
    fn several_calls_share_a_line() {
        let bad = Figures { loss: 0.2, rtt: None, level_out: -30.0, ..ROW.figures };
        let other = Row { lasts: Duration::from_secs(3_601), figures: bad, ..ROW };
        assert_eq!(
            line(&[ROW, other], 80),
            "2 calls  1:00:01  you ######  they ###...  loss 20.0%  delay 46 ms  rtt 12 ms"
        );
    }
}
