//! (layer ice)
