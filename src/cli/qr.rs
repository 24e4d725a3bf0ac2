//! An address as a picture that a phone's camera reads (QR code, ISO/IEC 18004).
//!
//! Two rows of squares to a line, by half blocks. A scanner wants dark squares on a light ground with a
//! quiet margin, so the colours are set, black on white, whatever the terminal's own are. Where colours
//! are not wished for, light squares are drawn and dark ones left out, as most terminals are dark; most
//! scanners read it the other way round, too.

use qrcode::{Color, EcLevel, QrCode};

/// Whether the picture may set colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// Black on white.
    Set,
    /// As the terminal has them.
    AsTheyAre,
}

/// The picture, line by line; none if the text is too long for one.
pub(super) fn lines(text: &str, colours: Colours) -> Vec<String> {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else { return Vec::new() };
    let width = code.width();
    let squares = code.to_colors();
    let is_dark = |x: usize, y: usize| {
        let inside = (MARGIN..MARGIN + width).contains(&x) && (MARGIN..MARGIN + width).contains(&y);
        let at = || (y - MARGIN) * width + (x - MARGIN);
        inside && squares.get(at()) == Some(&Color::Dark)
    };
    let side = width + 2 * MARGIN;
    let row = |y: usize| {
        let both = (0..side).map(|x| half_blocks(is_dark(x, y), is_dark(x, y + 1), colours));
        match colours {
            Colours::Set => format!("{BLACK_ON_WHITE}{}{PLAIN}", both.collect::<String>()),
            Colours::AsTheyAre => both.collect(),
        }
    };
    (0..side).step_by(2).map(row).collect()
}

/// Two squares, one above the other.
const fn half_blocks(upper: bool, lower: bool, colours: Colours) -> char {
    // Drawn is what is dark where ink is black, what is light where it is the terminal's.
    let (upper, lower) = match colours {
        Colours::Set => (upper, lower),
        Colours::AsTheyAre => (!upper, !lower),
    };
    match (upper, lower) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

/// The standard asks for four squares around.
const MARGIN: usize = 4;
/// By number from the palette of 256, since themes paint "black" and "white" as they like.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_the_code_with_a_margin() {
        let plain = lines("https://192.0.2.7:8443/", Colours::AsTheyAre);
        let width = plain[0].chars().count();
        assert!(plain.iter().all(|line| line.chars().count() == width));
        assert_eq!(plain.len(), width.div_ceil(2));
        // The margin is light: drawn. The finder pattern's corner is dark: left out.
        assert!(plain[0].chars().all(|one| one == '█') && plain[1].chars().all(|one| one == '█'));
        let corner: String = plain[2].chars().skip(MARGIN).take(7).collect();
        assert_eq!(corner, " ▄▄▄▄▄ ");
        let set = lines("https://192.0.2.7:8443/", Colours::Set);
        assert!(set[2].contains("█▀▀▀▀▀█") && set[2].ends_with(PLAIN), "{}", set[2]);
        assert_eq!(lines(&"x".repeat(5_000), Colours::Set), Vec::<String>::new());
    }
}
