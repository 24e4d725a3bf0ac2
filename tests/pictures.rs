//! The pictures in the README show what the program says: `scripts/screenshots` takes them of real calls and
//! writes beside them, in `words.txt`, what each of them says. When that is no longer said, take them anew.
//!
//! The line of the terminal is held against its picture where it is made, in `src/cli/meter.rs`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

const README: &str = include_str!("../README.md");
const WORDS: &str = include_str!("../web/words.js");
const SAID: &str = include_str!("../book/pictures/words.txt");

/// Each picture and what it says: of the page the state, what it means, and the reason and advice if any.
fn said() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    SAID.lines().map(|line| {
        let (name, words) = line.split_once(": ").unwrap();
        (name, words.split(" | ").collect())
    })
}

/// The states of the page: their words, and what those mean.
fn states() -> Vec<(&'static str, &'static str)> {
    let (states, _) = WORDS.split_once("/** A reason to end a call").unwrap();
    let pairs = states.lines().filter_map(|line| line.split_once("[\"")?.1.split_once("\"]"));
    pairs.filter_map(|(pair, _)| pair.split_once("\", \"")).collect()
}

#[test]
fn each_state_of_the_page_has_a_picture_with_its_words() {
    let states = states();
    assert!(states.len() > 15, "{states:?}");
    for (state, meaning) in states {
        let shows = |words: &[&str]| {
            words.first() == Some(&state) && (meaning.is_empty() || words.get(1) == Some(&meaning))
        };
        let found = said().any(|(_, words)| shows(&words));
        assert!(found, "no picture says {state:?}, {meaning:?}: run scripts/screenshots");
    }
}

#[test]
fn each_picture_is_in_the_readme_and_whoever_cannot_see_it_is_told_what_it_says() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/book/pictures"));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let files = files.map(|name| name.into_string().unwrap());
    let mut pictures: Vec<_> = files.filter(|name| name != "words.txt").collect();
    pictures.sort();
    let mut named: Vec<_> = said().map(|(name, _)| format!("{name}.png")).collect();
    named.sort();
    assert_eq!(pictures, named, "run scripts/screenshots, and remove those that it does not take");
    for (name, words) in said() {
        let link = format!("\"book/pictures/{name}.png\"");
        assert!(README.contains(&link), "{link} is not in README.md");
        let shown = README.lines().find(|line| line.contains(&format!("src={link}")));
        let Some(line) = shown.filter(|_| name.starts_with("page-")) else { continue };
        assert!(
            line.contains(words.first().unwrap()),
            "{name} says {words:?}, and README.md: {line}"
        );
    }
    for link in README.split("\"book/pictures/").skip(1) {
        let name = link.split('"').next().unwrap().to_owned();
        assert!(pictures.contains(&name), "README.md shows {name}, which is not there");
    }
}
