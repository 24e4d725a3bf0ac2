//! The page's files, compiled in: one binary is all there is to install.

use super::Role;
use crate::signal::Response;

/// The file at this path; `name` is what the person called this halloo.
pub(super) fn file(path: &str, role: Role, name: &str) -> Option<Response> {
    let (_, text) = FILES.iter().find(|(name, _)| *name == path)?;
    let content_type = match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/html; charset=utf-8",
    };
    let text = if path == "/" { filled(text, role, name) } else { (*text).to_owned() };
    let mut response = Response::new(200).body(content_type, text);
    response.header("Content-Security-Policy", POLICY);
    response.header("Permissions-Policy", "microphone=(self), camera=(), geolocation=()");
    response.header("Referrer-Policy", "no-referrer");
    response.header("X-Frame-Options", "DENY");
    Some(response)
}

/// The page, with what only this halloo knows.
fn filled(page: &str, role: Role, name: &str) -> String {
    let name = escaped(name);
    let (role, heading) = match role {
        Role::Listens => (LISTENS, format!("Call {name}")),
        Role::CallsTab => (CALLS, format!("{name} calls")),
    };
    page.replace(LISTENS, role)
        .replace(NAMELESS, &format!(r#"<meta name="halloo-name" content="{name}">"#))
        .replace(TITLE, &format!("<title>{heading}</title>"))
        .replace(HEADING, &format!("<h1>{heading}</h1>"))
}

/// Text as HTML has it, in an attribute too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
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

/// Where its name goes.
const NAMELESS: &str = r#"<meta name="halloo-name" content="halloo">"#;
const TITLE: &str = "<title>halloo</title>";
const HEADING: &str = "<h1>halloo</h1>";

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
        let html = |role| String::from_utf8(file("/", role, "a").unwrap().body).unwrap();
        assert!(html(Role::Listens).contains(LISTENS) && !html(Role::Listens).contains(CALLS));
        assert!(html(Role::CallsTab).contains(CALLS) && !html(Role::CallsTab).contains(LISTENS));
    }

    #[test]
    fn the_page_has_a_name_and_nothing_that_is_in_it_runs() {
        let html = |role, name| String::from_utf8(file("/", role, name).unwrap().body).unwrap();
        let page = html(Role::Listens, "Küche");
        assert!(page.contains("<title>Call Küche</title>") && page.contains("<h1>Call Küche</h1>"));
        assert!(page.contains(r#"<meta name="halloo-name" content="Küche">"#));
        assert!(html(Role::CallsTab, "Küche").contains("<h1>Küche calls</h1>"));
        let evil = html(Role::Listens, r#""><script>alert('&')</script>"#);
        assert!(!evil.contains("<script>") && !evil.contains("'&'"), "{evil}");
        assert!(evil.contains(
            "<h1>Call &quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;</h1>"
        ));
    }
}
