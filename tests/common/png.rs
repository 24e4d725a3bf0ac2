//! A PNG made small: a picture of a page has few colours, and 8 bits name each of them.
//!
//! Reads what Chromium writes (8 bits per channel, RGB or RGBA, not interlaced) and writes the same with a
//! palette of the 256 most frequent colours; others (in shadows) become the most similar of them.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

use std::collections::HashMap;
use std::io::{Read, Write};

use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// The same picture with a palette.
pub fn small(png: &[u8]) -> Vec<u8> {
    let picture = Picture::read(png);
    let (palette, rows) = picture.indexed();
    let mut header = Vec::new();
    header.extend((picture.width as u32).to_be_bytes());
    header.extend(((picture.pixels.len() / picture.width) as u32).to_be_bytes());
    header.extend([8, 3, 0, 0, 0]); // 8 bits, a palette
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in rows.chunks(picture.width) {
        compressed.write_all(&[0]).unwrap(); // no filter: indices have no gradients
        compressed.write_all(row).unwrap();
    }
    let mut out = png[..8].to_vec();
    chunk(&mut out, b"IHDR", &header);
    chunk(&mut out, b"PLTE", &palette.concat());
    chunk(&mut out, b"IDAT", &compressed.finish().unwrap());
    chunk(&mut out, b"IEND", &[]);
    out
}

struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn read(png: &[u8]) -> Self {
        let (mut at, mut data, mut header) = (8, Vec::new(), [0; 13]);
        while at < png.len() {
            let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
            let content = &png[at + 8..at + 8 + length];
            match &png[at + 4..at + 8] {
                b"IHDR" => header.copy_from_slice(content),
                b"IDAT" => data.extend_from_slice(content),
                _ => {}
            }
            at += 12 + length;
        }
        let width = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize;
        let channels = match header[8..] {
            [8, 2, 0, 0, 0] => 3,
            [8, 6, 0, 0, 0] => 4,
            ref other => panic!("a PNG of another kind: {other:?}"),
        };
        let mut raw = Vec::new();
        ZlibDecoder::new(data.as_slice()).read_to_end(&mut raw).unwrap();
        let bytes = unfiltered(&raw, width * channels, channels);
        Self { width, pixels: bytes.chunks(channels).map(|p| [p[0], p[1], p[2]]).collect() }
    }

    /// The palette, and the place of each pixel's colour in it: the most frequent colours as they are, the
    /// others as the most similar one of them.
    fn indexed(&self) -> (Vec<[u8; 3]>, Vec<u8>) {
        let mut counts: HashMap<[u8; 3], u32> = HashMap::new();
        for pixel in &self.pixels {
            *counts.entry(*pixel).or_default() += 1;
        }
        let mut palette: Vec<_> = counts.keys().copied().collect();
        palette.sort_by_key(|colour| (std::cmp::Reverse(counts[colour]), *colour));
        palette.truncate(256);
        let places: HashMap<_, _> =
            counts.keys().map(|colour| (*colour, nearest(&palette, *colour))).collect();
        let rows = self.pixels.iter().map(|pixel| places[pixel]).collect();
        (palette, rows)
    }
}

fn nearest(palette: &[[u8; 3]], colour: [u8; 3]) -> u8 {
    let distance = |other: &[u8; 3]| -> u32 {
        let parts = other.iter().zip(colour);
        parts.map(|(one, other)| u32::from(one.abs_diff(other)).pow(2)).sum()
    };
    let best = palette.iter().enumerate().min_by_key(|(_, other)| distance(other));
    best.map_or(0, |(place, _)| place as u8)
}

/// Section 9 of the PNG specification: each byte was told as the difference to one that came before.
fn unfiltered(raw: &[u8], row: usize, step: usize) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    for line in raw.chunks(row + 1) {
        let start = out.len();
        for (n, byte) in line[1..].iter().enumerate() {
            let before = |back: usize, here: bool| -> i16 {
                if here { i16::from(out[start + n - back]) } else { 0 }
            };
            let left = before(step, n >= step);
            let above = before(row, start > 0);
            let both = before(row + step, n >= step && start > 0);
            let guess = match line[0] {
                0 => 0,
                1 => left,
                2 => above,
                3 => (left + above) / 2,
                4 => paeth(left, above, both),
                other => panic!("no filter {other}"),
            };
            out.push(byte.wrapping_add(guess as u8));
        }
    }
    out
}

fn paeth(left: i16, above: i16, both: i16) -> i16 {
    let guess = left + above - both;
    let far = |one: i16| (guess - one).abs();
    if far(left) <= far(above) && far(left) <= far(both) {
        left
    } else if far(above) <= far(both) {
        above
    } else {
        both
    }
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    out.extend((content.len() as u32).to_be_bytes());
    out.extend(kind);
    out.extend(content);
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(content);
    out.extend(crc.sum().to_be_bytes());
}
