//! The page's files, compiled in: one binary is all there is to install.

use super::Role;
use crate::signal::Response;

/// The file at this path.
pub(super) fn file(path: &str, role: Role) -> Option<Response> {
    let (_, text) = FILES.iter().find(|(name, _)| *name == path)?;
    let content_type = match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/html; charset=utf-8",
    };
    let text = match role {
        Role::CallsTab if path == "/" => text.replace(LISTENS, CALLS),
        Role::CallsTab | Role::Listens => (*text).to_owned(),
    };
    let mut response = Response::new(200).body(content_type, text);
    response.header("Content-Security-Policy", POLICY);
    response.header("Permissions-Policy", "microphone=(self), camera=(), geolocation=()");
    response.header("Referrer-Policy", "no-referrer");
    response.header("X-Frame-Options", "DENY");
    Some(response)
}

/// Path and text. The page's own story begins in `page.js`.
const FILES: &[(&str, &str)] = &[
    ("/", include_str!("../../../web/index.html")),
    ("/style.css", include_str!("../../../web/style.css")),
    ("/page.js", include_str!("../../../web/page.js")),
    ("/call.js", include_str!("../../../web/call.js")),
    ("/negotiation.js", include_str!("../../../web/negotiation.js")),
    ("/recovery.js", include_str!("../../../web/recovery.js")),
    ("/signalling.js", include_str!("../../../web/signalling.js")),
    ("/events.js", include_str!("../../../web/events.js")),
    ("/sdp.js", include_str!("../../../web/sdp.js")),
    ("/trickle.js", include_str!("../../../web/trickle.js")),
    ("/sound.js", include_str!("../../../web/sound.js")),
    ("/figures.js", include_str!("../../../web/figures.js")),
    ("/words.js", include_str!("../../../web/words.js")),
    ("/view.js", include_str!("../../../web/view.js")),
];

/// How the page knows whether it calls or is called.
const LISTENS: &str = r#"<meta name="halloo" content="listens">"#;
const CALLS: &str = r#"<meta name="halloo" content="calls">"#;

/// Nothing but our own files runs, nothing is fetched but from us, and nobody may frame the page
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
