//! An impairment in words: `loss=10%,burst=3,delay=80ms,jitter=40ms,reorder=2%,dup=1%,seed=1`.

use std::str::FromStr;
use std::time::Duration;

use crate::net::impair::Impairment;

/// The text is no impairment; says which part isn't, and what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}`: {why}")]
pub struct BadImpairment {
    /// The part that can't be taken, as it was written.
    pub part: String,
    /// What would be taken in its place.
    pub why: String,
}

impl FromStr for Impairment {
    type Err = BadImpairment;

    fn from_str(text: &str) -> Result<Self, BadImpairment> {
        let mut impairment = Self::default();
        let mut seen = Vec::new();
        for part in text.split(',') {
            let refuse = |why: String| BadImpairment { part: part.to_owned(), why };
            let (key, value) = part
                .trim()
                .split_once('=')
                .ok_or_else(|| refuse(format!("write KEY=VALUE, where KEY is {KEYS}")))?;
            if seen.contains(&key) {
                return Err(refuse(format!("{key} was already given")));
            }
            seen.push(key);
            impairment.set(key, value).map_err(refuse)?;
        }
        impairment.check().map_err(|why| BadImpairment { part: text.to_owned(), why })?;
        Ok(impairment)
    }
}

const KEYS: &str = "one of loss, burst, delay, jitter, reorder, dup, seed";

impl Impairment {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "loss" => self.loss = share(value)?,
            "burst" => self.burst = Some(burst(value)?),
            "delay" => self.delay = duration(value)?,
            "jitter" => self.jitter = duration(value)?,
            "reorder" => self.reorder = share(value)?,
            "dup" => self.duplicate = share(value)?,
            "seed" => {
                self.seed = value.parse().map_err(|_| format!("{value} is no whole number"))?;
            }
            _ => return Err(format!("there is no {key}; it is {KEYS}")),
        }
        Ok(())
    }

    /// Losses in bursts need good packets between them: at least one on the average.
    fn check(&self) -> Result<(), String> {
        match self.burst {
            Some(burst) if self.loss > burst / (burst + 1.0) => Err(format!(
                "bursts of {burst} with one packet between them lose at most {:.0}%",
                100.0 * burst / (burst + 1.0)
            )),
            _ => Ok(()),
        }
    }
}

fn share(value: &str) -> Result<f64, String> {
    value
        .strip_suffix('%')
        .and_then(|percent| percent.parse::<f64>().ok())
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| format!("{value} is no share; write 0% to 100%"))
}

fn burst(value: &str) -> Result<f64, String> {
    value
        .parse::<f64>()
        .ok()
        .filter(|packets| (1.0..=10_000.0).contains(packets))
        .ok_or_else(|| format!("{value} is no mean number of packets; write 1 to 10000"))
}

fn duration(value: &str) -> Result<Duration, String> {
    // `ms` first: it ends in `s` too.
    let (number, unit) = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0)]
        .iter()
        .find_map(|(unit, seconds)| Some((value.strip_suffix(unit)?, seconds)))
        .ok_or_else(|| format!("{value} has no unit; write it as 80ms or 0.08s"))?;
    number
        .parse::<f64>()
        .ok()
        .map(|number| number * unit)
        .filter(|seconds| (0.0..=60.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{value} is no time up to 60s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_manual_is_understood() {
        let text = "loss=10%,burst=3,delay=80ms,jitter=40ms,reorder=2%,dup=1%,seed=1";
        let expected = Impairment {
            loss: 0.1,
            burst: Some(3.0),
            delay: Duration::from_millis(80),
            jitter: Duration::from_millis(40),
            reorder: 0.02,
            duplicate: 0.01,
            seed: 1,
        };
        assert_eq!(text.parse(), Ok(expected));
        assert_eq!("delay=0.5s".parse::<Impairment>().unwrap().delay, Duration::from_millis(500));
    }

    #[test]
    fn what_is_wrong_is_shown_with_what_would_be_right() {
        for (text, said) in [
            ("", "``: write KEY=VALUE, where KEY is one of loss, burst"),
            ("loss", "`loss`: write KEY=VALUE"),
            ("delay=1ms,los=1%", "`los=1%`: there is no los; it is one of loss"),
            ("loss=10", "`loss=10`: 10 is no share; write 0% to 100%"),
            ("loss=101%", "no share"),
            ("loss=NaN%", "no share"),
            ("delay=80", "`delay=80`: 80 has no unit"),
            ("delay=-1ms", "-1ms is no time up to 60s"),
            ("delay=infs", "infs is no time"),
            ("burst=0", "write 1 to 10000"),
            ("seed=x", "x is no whole number"),
            ("loss=1%,loss=2%", "`loss=2%`: loss was already given"),
            ("loss=60%,burst=1", "lose at most 50%"),
        ] {
            let refused = text.parse::<Impairment>().unwrap_err().to_string();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }
}
