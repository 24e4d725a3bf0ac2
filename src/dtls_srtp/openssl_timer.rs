//! What the `openssl` crate lacks and DTLS needs: the retransmission timer, and one verdict.
//!
//! The only `unsafe` module. OpenSSL keeps its own timer, on the wall clock: a flight that is not
//! answered is sent again after 50 ms, then 100, 200 … up to 3 s (RFC 6347 section 4.2.4 suggests one
//! second, but ICE has just shown that the path is alive and how long it is).
#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint, c_void};
use std::time::Duration;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslRef, SslStream};
use openssl::x509::X509VerifyResult;
use openssl_sys as ffi;

/// The first timeout; each further one is twice as long.
const FIRST_MICROSECONDS: c_uint = 50_000;
/// The longest timeout.
const LAST_MICROSECONDS: c_uint = 3_000_000;

/// Commands of `SSL_ctrl` that are macros in OpenSSL's headers (`DTLSv1_get_timeout` and its twin).
const DTLS_CTRL_GET_TIMEOUT: c_int = 73;
const DTLS_CTRL_HANDLE_TIMEOUT: c_int = 74;

type TimerCallback = unsafe extern "C" fn(*mut ffi::SSL, c_uint) -> c_uint;

unsafe extern "C" {
    fn DTLS_set_timer_cb(ssl: *mut ffi::SSL, callback: Option<TimerCallback>);
}

/// `struct timeval`, as `SSL_ctrl` fills it.
#[repr(C)]
struct Timeval {
    seconds: std::ffi::c_long,
    microseconds: std::ffi::c_long,
}

/// Makes the timer start at 50 ms instead of a second.
pub(super) fn shorten(ssl: &mut SslRef) {
    // SAFETY: the pointer is that of a live SSL, which stores the callback; the callback is a plain
    // function and touches nothing.
    unsafe { DTLS_set_timer_cb(ssl.as_ptr(), Some(next)) }
}

/// Microseconds until the next retransmission, given the last timeout (0: there was none).
unsafe extern "C" fn next(_ssl: *mut ffi::SSL, last: c_uint) -> c_uint {
    match last {
        0 => FIRST_MICROSECONDS,
        _ => last.saturating_mul(2).min(LAST_MICROSECONDS),
    }
}

/// Time left until a flight must be sent again; `None` when no answer is awaited.
pub(super) fn remaining(ssl: &SslRef) -> Option<Duration> {
    let mut left = Timeval { seconds: 0, microseconds: 0 };
    // SAFETY: the command writes one timeval to the pointer, which is a live one of ours.
    let running = unsafe {
        let left: *mut Timeval = &raw mut left;
        ffi::SSL_ctrl(ssl.as_ptr(), DTLS_CTRL_GET_TIMEOUT, 0, left.cast::<c_void>())
    };
    (running == 1).then(|| {
        let seconds = Duration::from_secs(left.seconds.try_into().unwrap_or(0));
        seconds + Duration::from_micros(left.microseconds.try_into().unwrap_or(0))
    })
}

/// Sends the flight again if its time has come.
///
/// # Errors
/// OpenSSL gives up, which it does after a dozen timeouts.
pub(super) fn handle_timeout<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    let ssl = stream.ssl().as_ptr();
    // SAFETY: the command takes no argument; the pointer is that of a live SSL, and the exclusive
    // borrow of its stream keeps everybody else away from both.
    let result = unsafe { ffi::SSL_ctrl(ssl, DTLS_CTRL_HANDLE_TIMEOUT, 0, std::ptr::null_mut()) };
    if result < 0 { Err(ErrorStack::get()) } else { Ok(()) }
}

/// The verdict on a certificate that OpenSSL says as a bad_certificate alert, which RFC 8122 section
/// 6.2 asks for when it is not the signalled one.
pub(super) fn certificate_rejected() -> X509VerifyResult {
    // SAFETY: the number is one of OpenSSL's own.
    unsafe { X509VerifyResult::from_raw(ffi::X509_V_ERR_CERT_REJECTED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rfc6347-4.2.4-1: doubling, from a start that WebRTC's fast paths allow.
    #[test]
    fn the_timer_starts_at_50_ms_and_doubles_to_3_s() {
        let mut last = 0;
        let timeouts: Vec<c_uint> = std::iter::from_fn(|| {
            // SAFETY: the function ignores the pointer.
            last = unsafe { next(std::ptr::null_mut(), last) };
            Some(last / 1_000)
        })
        .take(8)
        .collect();
        assert_eq!(timeouts, [50, 100, 200, 400, 800, 1_600, 3_000, 3_000]);
    }
}
