//! What our OpenSSL agrees to, and what it asks us while it shakes hands.
//!
//! DTLS 1.2 only; forward secrecy and AEAD only; a certificate from both sides; no tickets, no
//! renegotiation, no cookies (ICE has proved the address), no MKI (RFC 8827 section 6.5).

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    ClientHelloResponse, Ssl, SslContext, SslMethod, SslOptions, SslRef, SslSessionCacheMode,
    SslVerifyMode, SslVersion,
};
use openssl::x509::{X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult};

use super::certificate::{CertificateKind, Fingerprint, HashAlgorithm};
use super::failure::Failure;
use super::keys::SrtpProfile;
use super::openssl_timer;

/// What one handshake and OpenSSL's callbacks tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The signalled fingerprints, once they are known.
    pub(super) expected: Option<Vec<Fingerprint>>,
    /// Why a callback ended the handshake.
    pub(super) verdict: Option<Failure>,
    /// The only kind of certificate that the client's cipher suites allow.
    pub(super) client_insists_on: Option<CertificateKind>,
    /// Lines of an NSS key log, if somebody wants them.
    pub(super) key_log: Option<Vec<String>>,
}

/// A [`Shared`] as both sides hold it.
#[derive(Clone, Debug, Default)]
pub(super) struct Link(Arc<Mutex<Shared>>);

impl Link {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of each suite's two twins, ours is the one for ECDSA certificates as a server; as a client both
/// will do, because a peer's certificate may be RSA.
const CIPHER_SUITES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
     ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
     ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/// The registered numbers of the suites above.
const ECDSA_SUITES: [[u8; 2]; 3] = [[0xc0, 0x2b], [0xc0, 0x2c], [0xcc, 0xa9]];
const RSA_SUITES: [[u8; 2]; 3] = [[0xc0, 0x2f], [0xc0, 0x30], [0xcc, 0xa8]];

/// Datagrams of a handshake stay below this (RFC 6347 section 4.1.1).
pub(super) const MTU: u32 = 1_200;

/// OpenSSL's configuration around one certificate, for both roles.
pub(super) fn configure(x509: &X509Ref, key: &PKey<Private>) -> Result<SslContext, ErrorStack> {
    let index = link_index()?;
    let mut builder = SslContext::builder(SslMethod::dtls())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_options(
        SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_cipher_list(CIPHER_SUITES)?;
    builder.set_groups_list("X25519:P-256:P-384")?;
    builder.set_tlsext_use_srtp(&profile_list())?;
    builder.set_certificate(x509)?;
    builder.set_private_key(key)?;
    builder.check_private_key()?;

    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    builder.set_verify_callback(mode, move |_, chain| judge(chain, index));
    builder.set_client_hello_callback(move |ssl, _alert| {
        if let Some(link) = ssl.ex_data(index) {
            link.lock().client_insists_on = only_kind(ssl.client_hello_ciphers().unwrap_or(&[]));
        }
        Ok(ClientHelloResponse::SUCCESS)
    });
    builder.set_keylog_callback(move |ssl, line| {
        if let Some(link) = ssl.ex_data(index)
            && let Some(log) = &mut link.lock().key_log
        {
            log.push(line.to_owned());
        }
    });
    Ok(builder.build())
}

/// One handshake, with its link to us.
pub(super) fn new_ssl(context: &SslContext, link: &Link) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(context)?;
    ssl.set_ex_data(link_index()?, link.clone());
    ssl.set_mtu(MTU)?;
    openssl_timer::shorten(&mut ssl);
    Ok(ssl)
}

/// Where an `Ssl` keeps its [`Link`]: one place in the whole process.
fn link_index() -> Result<Index<Ssl, Link>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Link>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let index = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| index))
}

/// Our profiles by OpenSSL's names, dearest first.
fn profile_list() -> String {
    SrtpProfile::OFFERED
        .iter()
        .filter_map(|profile| openssl_name(*profile))
        .collect::<Vec<_>>()
        .join(":")
}

fn openssl_name(profile: SrtpProfile) -> Option<&'static str> {
    Some(match profile {
        SrtpProfile::AesCm128HmacSha1_80 => "SRTP_AES128_CM_SHA1_80",
        SrtpProfile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        SrtpProfile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        _ => return None,
    })
}

/// The profile that was agreed on.
pub(super) fn agreed_profile(ssl: &SslRef) -> Option<SrtpProfile> {
    let name = ssl.selected_srtp_profile()?.name();
    SrtpProfile::OFFERED.into_iter().find(|profile| openssl_name(*profile) == Some(name))
}

/// Is this certificate the signalled one, and do we have a profile? By now both hellos were read.
///
/// Nobody signed the chain, so all that OpenSSL says about it is of no interest.
fn judge(chain: &mut X509StoreContextRef, index: Index<Ssl, Link>) -> bool {
    if chain.error_depth() != 0 {
        return true; // not the peer's own certificate
    }
    let Err((link, failure)) = accept(chain, index) else { return true };
    chain.set_error(match failure {
        Failure::FingerprintMismatch { .. } => openssl_timer::certificate_rejected(),
        _ => X509VerifyResult::APPLICATION_VERIFICATION,
    });
    if let Some(link) = link {
        link.lock().verdict = Some(failure);
    }
    false
}

/// Nothing signalled yet is no mismatch: `handshake` looks again before it hands out keys.
fn accept(
    chain: &X509StoreContextRef,
    index: Index<Ssl, Link>,
) -> Result<(), (Option<Link>, Failure)> {
    let ssl = X509StoreContext::ssl_idx().ok().and_then(|ssl| chain.ex_data(ssl));
    let Some((ssl, link)) = ssl.and_then(|ssl| Some((ssl, ssl.ex_data(index)?.clone()))) else {
        return Err((None, Failure::OpenSsl("no handshake around a certificate".into())));
    };
    if agreed_profile(ssl).is_none() {
        return Err((Some(link), Failure::NoSharedProfile));
    }
    let der = chain.current_cert().and_then(|shown| shown.to_der().ok()).unwrap_or_default();
    let mismatch = link
        .lock()
        .expected
        .as_ref()
        .is_some_and(|expected| !Fingerprint::any_matches(expected, &der));
    if mismatch {
        let shown = Fingerprint::of(HashAlgorithm::Sha256, &der);
        return Err((Some(link), Failure::FingerprintMismatch { shown }));
    }
    Ok(())
}

/// What a client's list of suites says about certificates, when it leaves no room for ours.
fn only_kind(suites: &[u8]) -> Option<CertificateKind> {
    let offers = |known: &[[u8; 2]]| suites.chunks_exact(2).any(|s| known.iter().any(|k| k == s));
    match (offers(&ECDSA_SUITES), offers(&RSA_SUITES)) {
        (true, false) => Some(CertificateKind::Ecdsa),
        (false, true) => Some(CertificateKind::Rsa),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_suites_for_our_certificate_tells_what_the_client_wants() {
        assert_eq!(only_kind(&[0xc0, 0x2f, 0x00, 0xff]), Some(CertificateKind::Rsa));
        assert_eq!(only_kind(&[0xc0, 0x2f, 0xc0, 0x2b]), None);
        assert_eq!(only_kind(&[0x00, 0xff, 0xcc]), None);
    }

    /// rfc8827-6.5-2: AES128_CM_HMAC_SHA1_80 is among them. rfc8827-6.5-3: no NULL cipher is.
    #[test]
    fn every_offered_profile_has_a_name_that_openssl_knows() {
        assert_eq!(
            profile_list(),
            "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80"
        );
        assert!(!CIPHER_SUITES.contains("NULL"));
    }
}
