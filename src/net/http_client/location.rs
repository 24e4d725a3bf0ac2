//! Where a `Location` leads (RFC 9110 section 10.2.2, RFC 3986 section 5.2).

use hyper::Uri;

/// A `Location` seen from the URL that was asked (RFC 3986 section 5.2, without dot segments, which
/// servers resolve themselves).
pub(super) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.trim();
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    if location.is_empty() {
        return None;
    }
    if location.contains("://") {
        return location.parse().ok();
    }
    if let Some(other) = location.strip_prefix("//") {
        return format!("{scheme}://{other}").parse().ok();
    }
    if location.starts_with('/') {
        return format!("{scheme}://{authority}{location}").parse().ok();
    }
    let folder = match base.path().rsplit_once('/') {
        Some((folder, _)) => folder,
        None => "",
    };
    format!("{scheme}://{authority}{folder}/{location}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_seen_from_the_url_that_was_asked() {
        let base = "http://a.example:81/in/whip?x=1".parse().unwrap();
        for (location, url) in [
            ("/calls/1", "http://a.example:81/calls/1"),
            ("1", "http://a.example:81/in/1"),
            ("http://b.example/2", "http://b.example/2"),
            ("//b.example/2", "http://b.example/2"),
        ] {
            assert_eq!(resolve(&base, location), url.parse().ok(), "{location}");
        }
        assert_eq!(resolve(&base, " "), None);
    }
}
