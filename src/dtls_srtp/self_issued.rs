//! What all certificates that we sign ourselves have in common (RFC 5280).
//!
//! A P-256 key, because every peer takes it and a handshake costs least; a random serial number, because
//! browsers keep certificates of one issuer and number apart; our own name, which tells nothing.
//!
//! Used for DTLS by `certificate.rs`, and for the page's TLS by `net`.

use openssl::asn1::Asn1TimeRef;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509Builder, X509NameBuilder};

/// A new key. OpenSSL draws the randomness.
pub(crate) fn key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

/// A certificate of ours for `key`, without extensions; what is left is to sign it.
pub(crate) fn unsigned(
    key: &PKey<Private>,
    [not_before, not_after]: [&Asn1TimeRef; 2],
) -> Result<X509Builder, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "halloo")?;
    let name = name.build();
    let mut serial_number = BigNum::new()?;
    serial_number.rand(64, MsbOption::ONE, false)?;

    let mut builder = X509Builder::new()?;
    builder.set_version(X509_V3)?;
    builder.set_serial_number(serial_number.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(not_before)?;
    builder.set_not_after(not_after)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}

/// X.509 counts its versions from zero.
const X509_V3: i32 = 2;
