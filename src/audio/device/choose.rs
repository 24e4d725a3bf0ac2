//! Which devices there are, which one is meant, and in which format to open it.
//!
//! cpal asks ALSA, CoreAudio or WASAPI. On Linux ALSA also lists plug-ins that only convert (`lavrate`,
//! `upmix` …) and `null`, which no clock paces; they are left out. A machine without sound still has an
//! ALSA device called `default`: only opening it tells. Used by `device.rs`; its list is what
//! `halloo devices` shows.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{
    Device, ErrorKind, Host, SampleFormat, StreamConfig, SupportedBufferSize,
    SupportedStreamConfigRange,
};
use serde::Serialize;

use super::supervise::{Direction, Wish};
use super::watch::Buffer;
use super::{Choice, OpenError};

/// What the machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Devices {
    /// Microphones and the like.
    pub inputs: Vec<DeviceInfo>,
    /// Loudspeakers and the like.
    pub outputs: Vec<DeviceInfo>,
}

impl Devices {
    /// Whether there is no sound system at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.outputs.is_empty()
    }
}

/// A device, in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// What to call it in `device:NAME`.
    pub name: String,
    /// What the system says of it.
    pub description: String,
    /// Whether `default` means it.
    pub default: bool,
    /// Whether another program keeps it to itself; its formats can't be asked for then.
    pub busy: bool,
    /// How its samples may come.
    pub formats: Vec<FormatInfo>,
}

/// What a sample format goes with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FormatInfo {
    /// `f32`, `i16` …
    pub format: String,
    /// Fewest and most channels.
    pub channels: [u16; 2],
    /// Lowest and highest sample rate.
    pub rates: [u32; 2],
}

/// Lists the devices. Takes 5 to 500 ms, since each is asked: not for the driver's loop.
#[must_use]
pub fn list() -> Devices {
    let _quiet = Quiet::new();
    let host = cpal::default_host();
    Devices {
        inputs: list_one_way(&host, Direction::Input),
        outputs: list_one_way(&host, Direction::Output),
    }
}

fn list_one_way(host: &Host, direction: Direction) -> Vec<DeviceInfo> {
    let default = default_device(host, direction).and_then(|device| device.id().ok());
    let mut infos = Vec::new();
    for device in usable(host, direction) {
        let (formats, busy) = match ranges(&device, direction) {
            Ok(ranges) => (formats(&ranges), false),
            Err(error) => (Vec::new(), error.kind() == ErrorKind::DeviceBusy),
        };
        if formats.is_empty() && !busy {
            continue;
        }
        infos.push(DeviceInfo {
            name: name(&device),
            description: description(&device),
            default: device.id().ok() == default,
            busy,
            formats,
        });
    }
    infos
}

fn usable(host: &Host, direction: Direction) -> impl Iterator<Item = Device> {
    host.devices().into_iter().flatten().filter(move |device| {
        let this_way = match direction {
            Direction::Input => device.supports_input(),
            Direction::Output => device.supports_output(),
        };
        this_way && !CONVERTERS.contains(&name(device).as_str())
    })
}

/// ALSA's devices that are none.
const CONVERTERS: &[&str] =
    &["null", "lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix", "jack", "oss"];

/// ALSA's descriptions repeat themselves, its identifiers don't; elsewhere it is the other way round.
fn name(device: &Device) -> String {
    match device.id() {
        Ok(id) if cfg!(any(target_os = "linux", target_os = "freebsd")) => id.id().to_owned(),
        _ => device.to_string(),
    }
}

fn description(device: &Device) -> String {
    device.description().map_or_else(
        |_| name(device),
        |text| {
            let lines: Vec<&str> = text.extended().collect();
            if lines.is_empty() { text.name().to_owned() } else { lines.join(", ") }
        },
    )
}

fn formats(ranges: &[SupportedStreamConfigRange]) -> Vec<FormatInfo> {
    let mut formats: Vec<FormatInfo> = Vec::new();
    for range in ranges {
        let format = range.sample_format().to_string();
        let (low, high) = (range.min_sample_rate(), range.max_sample_rate());
        match formats.iter_mut().find(|known| known.format == format) {
            Some(known) => {
                let ([few, many], [slow, fast]) = (known.channels, known.rates);
                known.channels = [few.min(range.channels()), many.max(range.channels())];
                known.rates = [slow.min(low), fast.max(high)];
            }
            None => formats.push(FormatInfo {
                format,
                channels: [range.channels(); 2],
                rates: [low, high],
            }),
        }
    }
    formats
}

/// Opens the device for a moment.
fn ranges(
    device: &Device,
    direction: Direction,
) -> Result<Vec<SupportedStreamConfigRange>, cpal::Error> {
    match direction {
        Direction::Input => device.supported_input_configs().map(Iterator::collect),
        Direction::Output => device.supported_output_configs().map(Iterator::collect),
    }
}

pub(super) fn default_device(host: &Host, direction: Direction) -> Option<Device> {
    match direction {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    }
}

/// The device that is meant.
pub(super) fn find(
    host: &Host,
    direction: Direction,
    choice: &Choice,
) -> Result<Device, OpenError> {
    let wanted = match choice {
        Choice::Default => return default_device(host, direction).ok_or(OpenError::NoSound),
        Choice::Named(wanted) => wanted,
    };
    let devices: Vec<Device> = usable(host, direction).collect();
    let same = |text: &str| text.eq_ignore_ascii_case(wanted);
    let found = devices.iter().find(|device| same(&name(device)));
    found.or_else(|| devices.iter().find(|device| same(&description(device)))).cloned().ok_or_else(
        || OpenError::Unknown { name: wanted.clone(), known: devices.iter().map(name).collect() },
    )
}

/// The format nearest to the wish: its rate, its number of channels, `f32`. The card's own conversions are
/// seldom better than ours, and ours are never worse than needed.
pub(super) fn format(
    device: &Device,
    direction: Direction,
    wish: &Wish,
    buffer: Buffer,
) -> Result<(StreamConfig, SampleFormat), OpenError> {
    let wanted = u16::try_from(wish.channels.count()).unwrap_or(1);
    let ranges = ranges(device, direction).map_err(|error| wish.refused(&error))?;
    let best = ranges.iter().filter(|range| known(range.sample_format())).min_by_key(|range| {
        let rate = rate_within(range, wish.rate);
        let fewer = range.channels() < wanted;
        let format = match range.sample_format() {
            SampleFormat::F32 => 0,
            SampleFormat::I32 | SampleFormat::I24 => 1,
            SampleFormat::I16 => 2,
            _ => 3,
        };
        // A rate below 16 kHz costs more than a channel.
        (rate < 16_000, fewer, range.channels().abs_diff(wanted), rate.abs_diff(wish.rate), format)
    });
    let best = best.ok_or_else(|| wish.refused(&ErrorKind::UnsupportedConfig.into()))?;
    let rate = rate_within(best, wish.rate);
    let period = rate / 1_000 * buffer.millis();
    let buffer_size = match best.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => {
            cpal::BufferSize::Fixed(period.clamp(*min, *max))
        }
        _ => cpal::BufferSize::Default,
    };
    let config = StreamConfig { channels: best.channels(), sample_rate: rate, buffer_size };
    Ok((config, best.sample_format()))
}

fn rate_within(range: &SupportedStreamConfigRange, wanted: u32) -> u32 {
    wanted.clamp(range.min_sample_rate(), range.max_sample_rate().max(range.min_sample_rate()))
}

fn known(format: SampleFormat) -> bool {
    !matches!(format, SampleFormat::DsdU8 | SampleFormat::DsdU16 | SampleFormat::DsdU32)
}

/// While it lives, libasound doesn't write to this thread's standard error.
pub(super) struct Quiet {
    /// Takes libasound's complaints instead; nobody reads them, cpal's errors say the same.
    #[cfg(target_os = "linux")]
    _complaints: Option<std::rc::Rc<std::cell::RefCell<alsa::Output>>>,
}

impl Quiet {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            _complaints: alsa::Output::local_error_handler().ok(),
        }
    }
}
