//! (layer sdp)
