//! The loop that owns all calls: one thread, its sockets, its peers, one heap of timers.
//!
//! ```text
//! POST /whip ──> Handle::accept_offer ──command──> commands ──> a Peer, registered with the Router
//!            <──────────── answer <──────────────────┘
//!
//! datagram ──> udp ──> Router ──> Peer ──> drain ──┬──> udp, or impaired: network
//!                                                  ├──> events: whoever listens
//!                                                  └──> timers
//! sound <──> voices <──> Peer
//! ```
//! HTTP lives elsewhere, on other threads, and reaches the loop only by a [`Handle`]: a slow page costs
//! no call its sound. No task per call either: a packet that finds its call by one look into a table
//! needs neither a lock nor a wake-up of its own.
//!
//! Read first: `run.rs`, the loop. Then `commands.rs`, `drain.rs`, `voices.rs`, `renegotiate.rs`.

mod call;
mod call_id;
mod calls;
mod commands;
mod drain;
mod handle;
mod made;
mod names;
mod network;
mod options;
mod refusal;
mod relay_link;
mod relays;
mod renegotiate;
mod returning;
mod ringing;
mod roused;
mod run;
mod servers;
mod story;
mod streams;
mod timers;
mod uplinks;
mod voices;
mod words;

pub use call::{CallState, CallSummary, Caller, TimedEvent};
pub use call_id::{CallId, NotACallId};
pub use handle::{Followed, Handle, Microphone, Reader};
pub use names::Mdns;
pub use options::Options;
pub use refusal::Refusal;
pub use renegotiate::{Applied, Exchanged, Offered};
pub use ringing::Ringing;
pub use words::Words;

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};

use crate::dtls_srtp::Certificate;
use crate::ice::Policy;
use crate::net::sound::Sound;
use crate::net::tcp::Tcp;
use crate::net::udp::Sockets;
use crate::net::watch::Watch;
use crate::net::world::World;
use crate::peer::Router;
use calls::{CallKey, Calls, Which};
use handle::{Answer, Command};
use names::Names;
use network::Network;
use returning::Returning;
use run::Life;
use timers::Timers;
use voices::Frames;
use words::Phrases;

/// Everything that the loop owns.
struct Driver {
    world: World,
    options: Options,
    /// One for all calls of the process: making it costs more than a call's first packet may.
    certificate: Arc<Certificate>,
    network: Network,
    watch: Watch,
    /// Whether it is time to look at the addresses.
    has_other_addresses: bool,
    router: Router<CallKey>,
    calls: Calls,
    timers: Timers<(CallKey, Which)>,
    sound: Sound,
    microphone: Microphone,
    frames: Frames,
    commands: mpsc::UnboundedReceiver<Command>,
    next_command: Option<Command>,
    /// For those whom the loop itself sends out. Weak: it ends when nobody else can ask anything.
    own_commands: mpsc::WeakUnboundedSender<Command>,
    events: broadcast::Sender<(CallId, TimedEvent)>,
    phrases: Phrases,
    names: Names,
    life: Life,
    /// What ended calls had borrowed.
    returning: Returning,
    /// Those who wait for the end.
    farewells: Vec<Answer<()>>,
}

/// Events that a slow listener may be behind.
const EVENTS: usize = 1_024;

/// Binds the sockets and starts the loop, on a thread of its own. It ends by [`Handle::shutdown`], or
/// when the last handle is gone.
///
/// # Errors
/// [`Refusal::System`]: the port is in use, or the system lacks something.
pub fn start(options: Options, sound: Sound) -> Result<Handle, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| system("no event loop", &error))?;
    let (watch, sockets) = {
        let _sockets_belong_to_it = runtime.enter();
        // First: what changes from here on is told.
        (Watch::new(), sockets(&options))
    };
    let ready = sockets
        .map_err(|error| system(&format!("no UDP socket on port {}", options.udp_port), &error))
        .and_then(|sockets| {
            let certificate = Certificate::generate();
            Ok((sockets, certificate.map_err(|error| system("no certificate", &error))?))
        });
    let (sockets, certificate) = match ready {
        Ok(ready) => ready,
        Err(refusal) => {
            runtime.shutdown_background(); // dropping it would wait, and our caller may be async
            return Err(refusal);
        }
    };
    let (sender, commands) = mpsc::unbounded_channel();
    let events = broadcast::Sender::new(EVENTS);
    let world = World::new();
    let handle = Handle { commands: sender, events: events.clone(), world };
    let driver = Driver {
        world,
        certificate: Arc::new(certificate),
        phrases: Phrases::new(options.words, handle.commands.downgrade()),
        names: Names::new(options.mdns, options.interfaces.clone(), handle.commands.downgrade()),
        network: Network::new(sockets, options.impair.as_ref()),
        watch,
        has_other_addresses: false,
        options,
        router: Router::default(),
        calls: Calls::default(),
        timers: Timers::new(),
        frames: Frames { heard: sound.frame(), spoken: sound.frame(), keys: Vec::new() },
        sound,
        microphone: Microphone::Open,
        commands,
        next_command: None,
        own_commands: handle.commands.downgrade(),
        events,
        life: Life::Running,
        returning: Returning::default(),
        farewells: Vec::new(),
    };
    let thread = std::thread::Builder::new().name("calls".to_owned());
    let spawned = thread.spawn(move || runtime.block_on(driver.run()));
    spawned.map_err(|error| system("no thread", &error))?;
    Ok(handle)
}

/// Where relays alone are used, nobody is to learn an address of ours, and none is of use. And what
/// `--impair` loses, TCP would send again: a call would go around the bad network.
fn sockets(options: &Options) -> std::io::Result<Sockets> {
    let tcp = match (options.peer.policy, options.impair) {
        (Policy::All, None) => options.tcp,
        (Policy::All, Some(_)) | (Policy::Relay, _) => Tcp::Off,
    };
    Sockets::bind(&options.interfaces, options.udp_port, tcp)
}

fn system(what: &str, why: &dyn std::fmt::Display) -> Refusal {
    Refusal::System { detail: format!("{what}: {why}") }
}
