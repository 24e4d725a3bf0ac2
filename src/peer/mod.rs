//! (layer peer)
