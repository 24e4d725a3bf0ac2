//! The callbacks of `ring.rs`, given to cpal for whatever sample type the device has.
//!
//! What differs between microphone and loudspeaker is in [`OneWay`]; the supervisor in `device.rs` is the
//! same for both. Error callbacks count, and no more: there may be 100,000 a second.

use std::sync::Arc;
use std::time::Duration;

use cpal::traits::DeviceTrait;
use cpal::{ErrorKind, FromSample, Sample, SampleFormat, SizedSample, Stream, StreamConfig};

use super::supervise::Direction;
use crate::audio::frame::Channels;
use crate::audio::resample::RateError;
use crate::audio::ring::{
    self, CaptureCallback, CaptureRing, Gauge, Layout, PlaybackCallback, PlaybackRing,
};

/// What differs between microphone and loudspeaker.
pub(super) trait OneWay: Send + Sized + 'static {
    const DIRECTION: Direction;
    type Callback: Build + Send + 'static;

    fn ends(
        layout: Layout,
        channels: Channels,
        gauge: &Arc<Gauge>,
    ) -> Result<(Self::Callback, Self), RateError>;
}

impl OneWay for CaptureRing {
    const DIRECTION: Direction = Direction::Input;
    type Callback = CaptureCallback;

    fn ends(
        layout: Layout,
        channels: Channels,
        gauge: &Arc<Gauge>,
    ) -> Result<(CaptureCallback, Self), RateError> {
        ring::capture(layout, channels, gauge)
    }
}

impl OneWay for PlaybackRing {
    const DIRECTION: Direction = Direction::Output;
    type Callback = PlaybackCallback;

    fn ends(
        layout: Layout,
        channels: Channels,
        gauge: &Arc<Gauge>,
    ) -> Result<(PlaybackCallback, Self), RateError> {
        ring::playback(layout, channels, gauge)
    }
}

/// A sample as a card has it, from and to ours.
pub(super) trait CardSample: SizedSample + FromSample<f32> {
    fn to_f32(self) -> f32;
}

impl<T: SizedSample + FromSample<f32>> CardSample for T
where
    f32: FromSample<T>,
{
    fn to_f32(self) -> f32 {
        f32::from_sample(self)
    }
}

/// A callback that can be given to cpal for samples of any type.
pub(super) trait Build {
    fn stream<T: CardSample>(
        self,
        device: &cpal::Device,
        config: StreamConfig,
        gauge: Arc<Gauge>,
    ) -> Result<Stream, cpal::Error>;
}

impl Build for CaptureCallback {
    fn stream<T: CardSample>(
        mut self,
        device: &cpal::Device,
        config: StreamConfig,
        gauge: Arc<Gauge>,
    ) -> Result<Stream, cpal::Error> {
        device.build_input_stream(
            config,
            move |samples: &[T], _| self.heard(samples, T::to_f32),
            move |error| count(&gauge, &error),
            Some(POLL),
        )
    }
}

impl Build for PlaybackCallback {
    fn stream<T: CardSample>(
        mut self,
        device: &cpal::Device,
        config: StreamConfig,
        gauge: Arc<Gauge>,
    ) -> Result<Stream, cpal::Error> {
        device.build_output_stream(
            config,
            move |samples: &mut [T], _| self.wanted(samples, T::from_sample),
            move |error| count(&gauge, &error),
            Some(POLL),
        )
    }
}

fn count(gauge: &Gauge, error: &cpal::Error) {
    match error.kind() {
        // These say that the stream runs on.
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated => gauge.set_gone(),
        _ => gauge.error(),
    }
}

/// How long the card's thread waits for the card before it looks whether it is still there.
const POLL: Duration = Duration::from_millis(500);

pub(super) fn build<C: Build>(
    device: &cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    callback: C,
    gauge: Arc<Gauge>,
) -> Result<Stream, cpal::Error> {
    match format {
        SampleFormat::F32 => callback.stream::<f32>(device, config, gauge),
        SampleFormat::F64 => callback.stream::<f64>(device, config, gauge),
        SampleFormat::I8 => callback.stream::<i8>(device, config, gauge),
        SampleFormat::I16 => callback.stream::<i16>(device, config, gauge),
        SampleFormat::I24 => callback.stream::<cpal::I24>(device, config, gauge),
        SampleFormat::I32 => callback.stream::<i32>(device, config, gauge),
        SampleFormat::I64 => callback.stream::<i64>(device, config, gauge),
        SampleFormat::U8 => callback.stream::<u8>(device, config, gauge),
        SampleFormat::U16 => callback.stream::<u16>(device, config, gauge),
        SampleFormat::U24 => callback.stream::<cpal::U24>(device, config, gauge),
        SampleFormat::U32 => callback.stream::<u32>(device, config, gauge),
        SampleFormat::U64 => callback.stream::<u64>(device, config, gauge),
        _ => Err(ErrorKind::UnsupportedConfig.into()),
    }
}
