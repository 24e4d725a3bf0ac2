//! Where a `Location` leads (RFC 9110 section 10.2.2): a reference, seen from the URL that was asked.

use hyper::Uri;

/// Resolves a reference (RFC 3986 section 5.2). None: it leads nowhere by HTTP, or out of encryption.
pub(super) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.trim();
    // What a fragment says is for whoever asked, not for the server.
    let location = location.split('#').next().filter(|rest| !rest.is_empty())?;
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    let absolute = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{}", without_dots(location))
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else if has_scheme(location) {
        location.to_owned()
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{}", without_dots(&format!("{folder}/{location}")))
    };
    let url: Uri = absolute.parse().ok()?;
    let stays_safe = match url.scheme_str()? {
        "https" => true,
        "http" => scheme == "http",
        _ => false,
    };
    (stays_safe && url.authority().is_some()).then_some(url)
}

/// `http://…`, and not `calls/1:2`.
fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one))
    })
}

/// Takes `.` and `..` out of a path (RFC 3986 section 5.2.4); a query stays as it is.
fn without_dots(reference: &str) -> String {
    let (path, query) = match reference.find('?').and_then(|at| reference.split_at_checked(at)) {
        Some(parts) => parts,
        None => (reference, ""),
    };
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let slash = if path.ends_with("/.") || path.ends_with("/..") { "/" } else { "" };
    let slash = if kept.is_empty() { "" } else { slash };
    format!("/{}{slash}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_seen_from_the_url_that_was_asked() {
        let base = "http://a.example:81/in/whip?x=1".parse().unwrap();
        for (location, url) in [
            ("/calls/1", "http://a.example:81/calls/1"),
            ("/calls/1?to=http://c.example/", "http://a.example:81/calls/1?to=http://c.example/"),
            ("/a/./b/../c", "http://a.example:81/a/c"),
            ("1", "http://a.example:81/in/1"),
            ("./1", "http://a.example:81/in/1"),
            ("../1", "http://a.example:81/1"),
            ("../../../1?y=../2", "http://a.example:81/1?y=../2"),
            ("..", "http://a.example:81/"),
            ("s/..", "http://a.example:81/in/"),
            ("?id=2", "http://a.example:81/in/whip?id=2"),
            ("s/1:2", "http://a.example:81/in/s/1:2"),
            (" http://b.example/2#part ", "http://b.example/2"),
            ("HTTPS://b.example/2", "https://b.example/2"),
            ("//b.example/2", "http://b.example/2"),
        ] {
            assert_eq!(resolve(&base, location), url.parse().ok(), "{location}");
        }
        for nowhere in
            [" ", "#part", "ftp://b.example/2", "mailto:b@b.example", "/a b", "http:///x"]
        {
            assert_eq!(resolve(&base, nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn nothing_leads_out_of_encryption() {
        let base = "https://a.example/whip".parse().unwrap();
        assert_eq!(resolve(&base, "http://a.example/calls/1"), None);
        assert_eq!(resolve(&base, "/calls/1"), "https://a.example/calls/1".parse().ok());
    }
}
