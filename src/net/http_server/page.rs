//! The page's files, compiled in: one binary is all there is to install.

use super::Role;
use crate::signal::Response;

/// The file at this path.
pub(super) fn file(path: &str, role: Role) -> Option<Response> {
    let (content_type, text) = match path {
        "/" => ("text/html; charset=utf-8", include_str!("../../../web/index.html")),
        "/call.js" => ("text/javascript; charset=utf-8", include_str!("../../../web/call.js")),
        "/style.css" => ("text/css; charset=utf-8", include_str!("../../../web/style.css")),
        _ => return None,
    };
    let text = match role {
        Role::CallsTab if path == "/" => text.replace(LISTENS, CALLS),
        Role::CallsTab | Role::Listens => text.to_owned(),
    };
    let mut response = Response::new(200).body(content_type, text);
    response.header("Content-Security-Policy", POLICY);
    response.header("Permissions-Policy", "microphone=(self), camera=(), geolocation=()");
    response.header("Referrer-Policy", "no-referrer");
    response.header("X-Frame-Options", "DENY");
    Some(response)
}

/// How the page knows whether it calls or is called.
const LISTENS: &str = r#"<meta name="halloo" content="listens">"#;
const CALLS: &str = r#"<meta name="halloo" content="calls">"#;

/// Nothing but our own two files runs, nothing is fetched but from us, and nobody may frame the page
/// to have somebody click on Call unawares.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; media-src 'self' blob: mediastream:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_knows_whether_it_is_called() {
        let html = |role| String::from_utf8(file("/", role).unwrap().body).unwrap();
        assert!(html(Role::Listens).contains(LISTENS) && !html(Role::Listens).contains(CALLS));
        assert!(html(Role::CallsTab).contains(CALLS) && !html(Role::CallsTab).contains(LISTENS));
    }
}
