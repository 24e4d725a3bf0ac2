//! (layer signal)
