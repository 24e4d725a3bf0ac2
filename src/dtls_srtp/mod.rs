//! (layer dtls_srtp)
