//! (layer stun)
