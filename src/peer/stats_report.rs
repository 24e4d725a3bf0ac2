//! Fills in the W3C's dictionaries from what the machines have counted.
//!
//! ```text
//! inbound-rtp I0 <-> remote-outbound-rtp RO0    media-playout AP0    codec CI111
//! outbound-rtp O0 <-> remote-inbound-rtp RI0    media-source S0      codec CO111
//! transport T0 -> candidate-pair P1 -> local-candidate L0.0, remote-candidate R0
//!              -> certificate CL, CR
//! ```
//! In an ICE restart media stays on a pair of the session before, and so do its dictionaries. The report of a call
//! that has ended is its last one, with the states of ICE and DTLS closed. What the other side told is dated by when it was heard. `streams.rs` has the upper half of the table,
//! `transport.rs` the lower.

mod streams;
mod transport;

use crate::dtls_srtp::Certificate;
use crate::peer::event::DtlsState;
use crate::peer::negotiate::Negotiation;
use crate::peer::receive::Receiver;
use crate::peer::report::Reports;
use crate::peer::send::Sender;
use crate::peer::servers::Servers;
use crate::peer::stats::{Report, Stats};
use crate::peer::transport::Transport;
use crate::time::{Instant, NtpTime};

const TRANSPORT: &str = "T0";
const INBOUND: &str = "I0";
const OUTBOUND: &str = "O0";
const REMOTE_INBOUND: &str = "RI0";
const REMOTE_OUTBOUND: &str = "RO0";
const SOURCE: &str = "S0";
const PLAYOUT: &str = "AP0";
const LOCAL_CERTIFICATE: &str = "CL";
const REMOTE_CERTIFICATE: &str = "CR";

/// All that there is to tell about a call.
pub(super) struct Facts<'a> {
    pub(super) now: Instant,
    pub(super) wall_clock: NtpTime,
    pub(super) certificate: &'a Certificate,
    pub(super) negotiation: &'a Negotiation,
    pub(super) transport: Option<&'a Transport>,
    pub(super) servers: &'a Servers,
    pub(super) sender: &'a Sender,
    pub(super) is_sending: bool,
    pub(super) receiver: &'a Receiver,
    pub(super) reports: &'a Reports,
    pub(super) dtls: DtlsState,
}

/// Writes the whole report.
pub(super) fn write(facts: &Facts<'_>) -> Report {
    let mut report = Report::default();
    let now = facts.time(facts.now);
    report.insert(LOCAL_CERTIFICATE, now, transport::certificate(facts.certificate.der()));
    report.insert(PLAYOUT, now, Stats::MediaPlayout(facts.playout()));
    report.insert(SOURCE, now, Stats::MediaSource(facts.source()));
    if let Some(transport) = facts.transport {
        report.insert(TRANSPORT, now, Stats::Transport(facts.transport(transport)));
        if let Some(agreed) = &transport.agreed {
            let theirs = transport::certificate(&agreed.remote_certificate);
            report.insert(REMOTE_CERTIFICATE, now, theirs);
        }
        facts.candidates(&transport.agent, &mut report);
        facts.pairs(transport, &mut report);
    }
    facts.sent(&mut report);
    facts.received(&mut report);
    report
}

impl Facts<'_> {
    /// Milliseconds since 1970.
    fn time(&self, at: Instant) -> f64 {
        milliseconds(self.wall_clock + at.since_start())
    }
}

/// Since 1970.
fn milliseconds(time: NtpTime) -> f64 {
    time.to_unix().as_secs_f64() * 1e3
}
