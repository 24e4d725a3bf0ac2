//! Does anybody vouch for a certificate? The system's certificate authorities, or those of
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`, asked as RFC 5280 and RFC 6125 say.
//!
//! On many systems they are one file with a hundred certificates, and to read it takes OpenSSL longer
//! than all the rest of a call's beginning. So they are asked only where it matters, after the
//! handshake, and on a thread of its own.

use std::net::IpAddr;

use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509CheckFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509Ref, X509StoreContext};

/// What they say against a certificate for this host, today: nothing, if somebody vouches for it.
/// `chain` is what the server sent beside it.
pub(super) fn objection(
    certificate: &X509Ref,
    chain: Vec<X509>,
    host: &str,
) -> Result<Option<String>, ErrorStack> {
    let mut wanted = X509VerifyParam::new()?;
    wanted.set_purpose(X509PurposeId::SSL_SERVER)?;
    // As long keys as Debian asks for: 2048 bits of RSA, and no SHA-1.
    wanted.set_auth_level(2);
    match host.parse::<IpAddr>() {
        Ok(address) => wanted.set_ip(address)?,
        Err(_) => {
            wanted.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
            wanted.set_host(host)?;
        }
    }
    let mut authorities = X509StoreBuilder::new()?;
    authorities.set_default_paths()?;
    authorities.set_param(&wanted)?;
    let mut beside = Stack::new()?;
    for certificate in chain {
        beside.push(certificate)?;
    }
    let mut question = X509StoreContext::new()?;
    let vouched = question.init(&authorities.build(), certificate, &beside, |question| {
        let holds = question.verify_cert()?;
        Ok((!holds).then(|| question.error().error_string().to_owned()))
    });
    // A failed check leaves its story in OpenSSL's queue of errors, where the next reader would find it.
    drop(ErrorStack::get());
    vouched
}
