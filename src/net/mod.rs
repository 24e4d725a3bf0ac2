//! (layer net)
