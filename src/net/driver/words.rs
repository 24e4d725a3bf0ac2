//! The words that two people read to each other, computed where nobody waits for them.
//!
//! ```text
//! handshake done -> ask -> the thread "words", a fifth of a second -> Command::Words -> `connected` is told
//! ```
//! One thread for all calls, begun with the first of them: a hundred callers at once must not take every
//! core from those who are talking. What it still has to do when the driver ends is left undone.

use std::sync::mpsc;

#[cfg(target_os = "linux")]
use rustix::process::{getpriority_process, setpriority_process};
use tokio::sync::mpsc::WeakUnboundedSender;

use crate::dtls_srtp::{CertificateHash, Phrase};
use crate::net::driver::calls::CallKey;
use crate::net::driver::handle::Command;

/// Whether people get words to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// `connected` bears them.
    #[default]
    Told,
    /// It doesn't, and is told at once: where only the time of a set-up matters.
    LeftOut,
}

/// One call's question.
type Question = (CallKey, [CertificateHash; 2]);

/// Where questions go.
pub(super) struct Phrases {
    words: Words,
    questions: Option<mpsc::Sender<Question>>,
    /// Weak, because the driver ends when nobody holds a handle any more.
    answers: WeakUnboundedSender<Command>,
}

impl Phrases {
    pub(super) fn new(words: Words, answers: WeakUnboundedSender<Command>) -> Self {
        Self { words, questions: None, answers }
    }

    /// Asks for a call's words; says whether an answer will come.
    pub(super) fn ask(&mut self, key: CallKey, hashes: [CertificateHash; 2]) -> bool {
        if self.words == Words::LeftOut {
            return false;
        }
        if self.questions.is_none() {
            self.questions = spawn(self.answers.clone());
        }
        self.questions.as_ref().is_some_and(|thread| thread.send((key, hashes)).is_ok())
    }
}

fn spawn(answers: WeakUnboundedSender<Command>) -> Option<mpsc::Sender<Question>> {
    let (sender, questions) = mpsc::channel::<Question>();
    let work = move || {
        stand_back();
        for (key, [ours, theirs]) in questions {
            let phrase = Phrase::of(&ours, &theirs);
            let words = phrase.map_err(|error| tracing::warn!("no phrase: {error}"));
            let Some(driver) = answers.upgrade() else { return };
            let _driver_has_ended = driver.send(Command::Words(key, words.ok()));
        }
    };
    let thread = std::thread::Builder::new().name("words".to_owned()).spawn(work);
    thread.map_err(|error| tracing::warn!("no phrase: no thread: {error}")).ok()?;
    Some(sender)
}

/// On a busy machine, the thread that sends sound goes first. Linux has a niceness for each thread; where
/// the whole process has one, it stays as it is.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        getpriority_process(None).and_then(|now| setpriority_process(None, now.max(NICE)))
    {
        tracing::debug!("the words have the priority of the sound: {error}");
    }
}

/// A ninth of the processor while others want it, so that the words still come.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_words_stand_back_and_nobody_with_them() {
        let here = getpriority_process(None).unwrap();
        let there = std::thread::spawn(|| {
            stand_back();
            getpriority_process(None).unwrap()
        });
        assert_eq!(there.join().unwrap(), here.max(NICE));
        assert_eq!(getpriority_process(None).unwrap(), here);
    }
}
