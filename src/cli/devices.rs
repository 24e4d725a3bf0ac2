//! `halloo devices`: which microphones and loudspeakers there are, and what to call them.

use super::Failure;
use super::options::DevicesOptions;
use super::show::write_stdout;
use crate::net::world::World;
use crate::signal::events::line;
use crate::time::Instant;

/// Runs the command.
///
/// # Errors
/// None: a machine without sound is told so, and works all the same.
#[cfg(feature = "device")]
pub fn run(options: &DevicesOptions) -> Result<(), Failure> {
    let world = World::new();
    let devices = crate::audio::device::list();
    let both = [("input", &devices.inputs), ("output", &devices.outputs)];
    if options.telling.json {
        for (direction, devices) in both {
            for device in devices {
                write_stdout(&json_line(world.now(), direction, device));
            }
        }
        if devices.is_empty() {
            write_stdout(&no_sound(world.now()));
        }
        return Ok(());
    }
    if devices.is_empty() {
        write_stdout(NO_SOUND);
        return Ok(());
    }
    for (direction, devices) in both {
        write_stdout(&format!("{direction}s (--{direction} device:NAME; * is the default)"));
        if devices.is_empty() {
            write_stdout("  none");
        }
        for device in devices {
            write_stdout(&plain(device));
        }
    }
    Ok(())
}

/// Runs the command in a build that knows no sound card.
///
/// # Errors
/// None.
#[cfg(not(feature = "device"))]
pub fn run(options: &DevicesOptions) -> Result<(), Failure> {
    if options.telling.json {
        write_stdout(&no_sound(World::new().now()));
    } else {
        write_stdout("this halloo was built without sound devices (cargo feature `device`)");
        write_stdout(NO_SOUND);
    }
    Ok(())
}

const NO_SOUND: &str = "no sound system here; calls work with --input tone:440 or file:PATH and --output file:PATH or null";

fn no_sound(at: Instant) -> String {
    line(at, None, &serde_json::json!({ "event": "warning", "text": NO_SOUND }))
}

#[cfg(feature = "device")]
use crate::audio::device::{DeviceInfo, FormatInfo};

#[cfg(feature = "device")]
fn json_line(at: Instant, direction: &str, device: &DeviceInfo) -> String {
    let mut found = serde_json::json!({ "event": "device", "direction": direction });
    if let (Some(found), Ok(serde_json::Value::Object(members))) =
        (found.as_object_mut(), serde_json::to_value(device))
    {
        found.extend(members);
    }
    line(at, None, &found)
}

#[cfg(feature = "device")]
fn plain(device: &DeviceInfo) -> String {
    let mark = if device.default { '*' } else { ' ' };
    let formats: Vec<_> = device.formats.iter().map(format_text).collect();
    let described = match device.description == device.name {
        true => String::new(),
        false => format!("  ({})", device.description),
    };
    let formats = match device.busy {
        true => "another program keeps it to itself".to_owned(),
        false => formats.join(", "),
    };
    format!("{mark} {}{described}\n      {formats}", device.name)
}

#[cfg(feature = "device")]
fn format_text(format: &FormatInfo) -> String {
    let range = |[low, high]: [u32; 2]| match low == high {
        true => low.to_string(),
        false => format!("{low}-{high}"),
    };
    format!(
        "{} {} Hz {} ch",
        format.format,
        range(format.rates),
        range(format.channels.map(u32::from))
    )
}

#[cfg(all(test, feature = "device"))]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_by_name_and_formats() {
        let device = DeviceInfo {
            name: "hw:0".into(),
            description: "Built-in".into(),
            default: true,
            busy: false,
            formats: vec![FormatInfo {
                format: "f32".into(),
                channels: [1, 2],
                rates: [48_000, 48_000],
            }],
        };
        assert_eq!(plain(&device), "* hw:0  (Built-in)\n      f32 48000 Hz 1-2 ch");
        assert_eq!(
            json_line(Instant::from_millis(20), "input", &device),
            r#"{"t":0.02,"event":"device","direction":"input","name":"hw:0","description":"Built-in","default":true,"busy":false,"formats":[{"format":"f32","channels":[1,2],"rates":[48000,48000]}]}"#
        );
    }
}
