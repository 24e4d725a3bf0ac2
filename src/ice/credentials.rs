//! ufrag and pwd: who a check is for, and the proof that it comes from whoever was told (RFC 8445
//! section 5.3, RFC 8839 section 5.4).
//!
//! A new pair of them begins a new ICE session: that is what an ICE restart is.

use rand::RngExt;
use rand::rngs::StdRng;

/// What one side announces: `a=ice-ufrag` and `a=ice-pwd`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the session: 4 to 256 characters.
    pub ufrag: String,
    /// Keys the HMAC of checks sent to this side: 22 to 256 characters.
    pub pwd: String,
}

/// The 64 `ice-char`s of RFC 8839 section 5.4: 6 bits each.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// 48 bits: twice what RFC 8445 section 5.3 asks, since one socket serves many calls by this name.
const UFRAG_CHARS: usize = 8;
/// 144 bits, where RFC 8445 section 5.3 asks for 128.
const PWD_CHARS: usize = 24;

impl Credentials {
    /// New ones, never used before.
    #[must_use]
    pub fn generate(rng: &mut StdRng) -> Self {
        let ufrag = ice_chars(rng, UFRAG_CHARS);
        let pwd = ice_chars(rng, PWD_CHARS);
        Self { ufrag, pwd }
    }

    /// Whether lengths and characters are those of RFC 8839 section 5.4.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let is_ice = |text: &str| text.bytes().all(|byte| ICE_CHARS.contains(&byte));
        (4..=256).contains(&self.ufrag.len())
            && (22..=256).contains(&self.pwd.len())
            && is_ice(&self.ufrag)
            && is_ice(&self.pwd)
    }
}

/// The password stays out of logs.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

fn ice_chars(rng: &mut StdRng, count: usize) -> String {
    let mut next = || ICE_CHARS.get(rng.random_range(0..ICE_CHARS.len())).copied();
    (0..count).filter_map(|_| next()).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn generated_credentials_are_long_enough_well_formed_and_new() {
        // rfc8445-5.3-1: 24 and 128 bits at 6 bits a character; rfc8445-9-1
        let mut rng = StdRng::seed_from_u64(1);
        let (one, other) = (Credentials::generate(&mut rng), Credentials::generate(&mut rng));
        assert!(one.ufrag.len() * 6 >= 24 && one.pwd.len() * 6 >= 128);
        assert!(one.is_well_formed());
        assert!(one.ufrag != other.ufrag && one.pwd != other.pwd);
    }

    #[test]
    fn lengths_and_characters_have_limits() {
        // rfc8839-5.4-1
        let of = |ufrag: &str, pwd: &str| Credentials { ufrag: ufrag.into(), pwd: pwd.into() };
        let pwd = "p".repeat(22);
        assert!(of("abcd", &pwd).is_well_formed());
        assert!(!of("abc", &pwd).is_well_formed());
        assert!(!of("ab:d", &pwd).is_well_formed());
        assert!(!of("abcd", &pwd[1..]).is_well_formed());
        assert!(!of(&"u".repeat(257), &pwd).is_well_formed());
    }

    #[test]
    fn a_password_is_not_printed() {
        let secret = Credentials { ufrag: "abcd".into(), pwd: "hidden+hidden+hidden+hi".into() };
        assert!(!format!("{secret:?}").contains("hidden"));
    }
}
