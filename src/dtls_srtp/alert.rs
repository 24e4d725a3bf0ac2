//! Alerts: how DTLS says that it ends, and why (RFC 5246 section 7.2).
//!
//! ```text
//! +------+-----------+---------+---------------+----------+-------+-------------+
//! | 21   | version 2 | epoch 2 | sequence no 6 | length 2 | level | description |
//! +------+-----------+---------+---------------+----------+-------+-------------+
//! ```
//! OpenSSL tells which alert it received, but not which it sent; what it sends before it encrypts
//! (epoch 0) can be read in the datagram.

use std::fmt;

use crate::wire::Reader;

/// The description byte of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert(pub u8);

/// Who sent an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// We did.
    Local,
    /// The other side did.
    Remote,
}

impl Alert {
    /// The normal end.
    pub const CLOSE_NOTIFY: Self = Self(0);
    /// No agreement on ciphers, or on anything else.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// The certificate is not the signalled one (RFC 8122 section 6.2).
    pub const BAD_CERTIFICATE: Self = Self(42);

    /// The RFC's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(number, _)| *number == self.0).map_or("unknown", |(_, name)| name)
    }

    /// The fatal alert in the clear among the records of a datagram, if there is one.
    pub(super) fn find_fatal(datagram: &[u8]) -> Option<Self> {
        let mut r = Reader::new(datagram);
        while !r.is_empty() {
            let [content_type, _, _, epoch_high, epoch_low] = r.array().ok()?;
            let _sequence_number: [u8; 6] = r.array().ok()?;
            let length = r.u16().ok()?;
            let fragment = r.take(length.into()).ok()?;
            if let (ALERT, 0, 0, &[FATAL, number]) = (content_type, epoch_high, epoch_low, fragment)
            {
                return Some(Self(number));
            }
        }
        None
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alert({self})")
    }
}

/// The content type of records that carry alerts.
const ALERT: u8 = 21;
/// The level of alerts that end the association.
const FATAL: u8 = 2;

/// Descriptions that a DTLS 1.2 endpoint may send.
const NAMES: &[(u8, &str)] = &[
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (21, "decryption_failed"),
    (22, "record_overflow"),
    (30, "decompression_failure"),
    (40, "handshake_failure"),
    (41, "no_certificate"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (60, "export_restriction"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (120, "no_application_protocol"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE_RECORD: [u8; 14] = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9];
    const ALERT_RECORD: [u8; 15] = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 42];

    #[test]
    fn a_fatal_alert_is_found_behind_another_record() {
        let datagram = [&HANDSHAKE_RECORD[..], &ALERT_RECORD].concat();
        assert_eq!(Alert::find_fatal(&datagram), Some(Alert::BAD_CERTIFICATE));
        assert_eq!(Alert::BAD_CERTIFICATE.to_string(), "bad_certificate (42)");
    }

    #[test]
    fn warnings_encrypted_alerts_and_torn_records_are_not_fatal_alerts() {
        let mut warning = ALERT_RECORD;
        warning[13] = 1;
        let mut encrypted = ALERT_RECORD;
        encrypted[4] = 1;
        for datagram in [&warning[..], &encrypted, &ALERT_RECORD[..14], &HANDSHAKE_RECORD, &[]] {
            assert_eq!(Alert::find_fatal(datagram), None);
        }
    }
}
