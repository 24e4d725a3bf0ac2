//! (layer audio)
