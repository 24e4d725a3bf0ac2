//! What a person reads about microphone and loudspeaker: one line for each thing that happened.
//!
//! A line says what is wrong and what that means for the call. What passes by itself in a moment is told
//! when it has passed; what doesn't, once, and then its end.

#[cfg(not(feature = "device"))]
use super::no_device::{Event, Lost, OpenError};
#[cfg(feature = "device")]
use crate::audio::device::{Event, Lost, OpenError};

/// How a device is spoken of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    device: &'static str,
    /// What happens while it is away.
    away: &'static str,
    /// What happens when the system has none at all.
    none: &'static str,
}

pub(super) const MICROPHONE: Words = Words {
    device: "microphone",
    away: "the other side hears silence",
    none: "the other side hears a tone",
};

pub(super) const LOUDSPEAKER: Words =
    Words { device: "loudspeaker", away: "you hear nothing", none: "you hear nothing" };

/// What was told of a device, so that the next line fits.
#[derive(Debug)]
pub(super) struct Told {
    words: Words,
    is_default: bool,
    /// What happened before it is opened again.
    lost: Option<Lost>,
}

impl Told {
    pub(super) const fn new(words: Words, is_default: bool) -> Self {
        Self { words, is_default, lost: None }
    }

    /// It can't be opened; no reason when the system has no thread for it.
    pub(super) fn missing(&self, why: Option<&OpenError>) -> String {
        let Words { device, away, none } = self.words;
        let taken = why.is_some_and(OpenError::is_taken);
        let instead = if self.is_default && !taken { none } else { away };
        let why = why.map_or("the system has no thread for it".to_owned(), ToString::to_string);
        format!("no {device}: {why}; {instead} until it can be opened")
    }

    /// It could be opened after all.
    pub(super) fn found(&self) -> String {
        format!("the {} is there now", self.words.device)
    }

    /// The line for an event, if it deserves one.
    pub(super) fn event(&mut self, event: &Event) -> Option<String> {
        let Words { device, away, .. } = self.words;
        match event {
            Event::Opened(opened) => match self.lost.take()? {
                Lost::Crackling => None,
                Lost::DefaultChanged => {
                    Some(format!("the system's {device} is now {}, and used", opened.name))
                }
                _ => Some(format!("the {device} is back")),
            },
            Event::Lost(lost) => {
                // Which of them is told: the first, until it is open again.
                if self.lost.is_some() {
                    return None;
                }
                self.lost = Some(*lost);
                match lost {
                    Lost::Crackling => {
                        Some(format!("the {device} crackles; it is opened with a larger buffer"))
                    }
                    Lost::DefaultChanged => None,
                    lost => Some(format!("the {device} was lost: {lost}; {away} until it is back")),
                }
            }
            Event::Interrupted(1) => Some(format!(
                "the {device} broke off for a moment: it was moved, or the machine was too busy"
            )),
            Event::Interrupted(times) => {
                Some(format!("the {device} broke off {times} times: the machine is too busy"))
            }
        }
    }
}

#[cfg(all(test, feature = "device"))]
mod tests {
    use super::*;
    use crate::audio::device::Opened;

    fn opened() -> Event {
        Event::Opened(Opened {
            name: "Headset".into(),
            rate: 48_000,
            channels: 1,
            format: "f32".into(),
        })
    }

    #[test]
    fn a_device_that_is_not_there_is_one_line_with_what_that_means() {
        let microphone = Told::new(MICROPHONE, true);
        assert_eq!(
            microphone.missing(Some(&OpenError::NoSound)),
            "no microphone: this machine has no such sound device; the other side hears a tone until it \
             can be opened"
        );
        assert_eq!(
            microphone.missing(Some(&OpenError::Busy)),
            "no microphone: another program keeps it to itself; the other side hears silence until it can \
             be opened"
        );
        let gone = OpenError::Unknown { name: "hw:9".into(), known: vec!["default".into()] };
        assert_eq!(
            Told::new(LOUDSPEAKER, false).missing(Some(&gone)),
            "no loudspeaker: no device is called 'hw:9'; there are: default; you hear nothing until it \
             can be opened"
        );
        assert_eq!(microphone.found(), "the microphone is there now");
    }

    #[test]
    fn a_device_that_comes_and_goes_is_told_of_once_each_way() {
        let mut told = Told::new(LOUDSPEAKER, true);
        assert_eq!(told.event(&opened()), None, "the first time is no news");
        assert_eq!(
            told.event(&Event::Lost(Lost::Errors)).unwrap(),
            "the loudspeaker was lost: the device only gives errors; you hear nothing until it is back"
        );
        assert_eq!(told.event(&Event::Lost(Lost::Stalled)), None, "it was not back meanwhile");
        assert_eq!(told.event(&opened()).unwrap(), "the loudspeaker is back");
        assert_eq!(told.event(&Event::Lost(Lost::DefaultChanged)), None);
        assert_eq!(
            told.event(&opened()).unwrap(),
            "the system's loudspeaker is now Headset, and used"
        );
        assert_eq!(
            told.event(&Event::Lost(Lost::Crackling)).unwrap(),
            "the loudspeaker crackles; it is opened with a larger buffer"
        );
        assert_eq!(told.event(&opened()), None);
    }
}
