//! What an error answer tells, in one line for a person: problem documents, JSON, HTML, text.
//!
//! It comes from a stranger and goes to a terminal: cut to one line, without control characters.

use hyper::StatusCode;
use serde_json::Value;

/// The line; none if the body tells no more than the status.
pub(super) fn in_one_line(status: StatusCode, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let told = match serde_json::from_str(&text) {
        Ok(json) => of_json(&json),
        Err(_) if text.trim_start().starts_with('<') => of_html(&text),
        Err(_) => text.trim().lines().next().map(str::to_owned),
    };
    let told = one_line(&told?);
    let says_nothing_new = [status.to_string().as_str(), status.as_str()].contains(&told.as_str())
        || status.canonical_reason() == Some(&told);
    (!told.is_empty() && !says_nothing_new).then_some(told)
}

/// A problem document's title and detail (RFC 9457), or what others put in their places.
fn of_json(json: &Value) -> Option<String> {
    let member = |name| json.get(name)?.as_str().map(one_line);
    match (member("title"), member("detail")) {
        (Some(title), Some(detail)) => {
            Some(format!("{} ({})", one_line(&title), one_line(&detail)))
        }
        (title, detail) => {
            title.or(detail).or_else(|| member("message")).or_else(|| member("error"))
        }
    }
}

/// The title of a page, else its text.
fn of_html(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase(); // as long as it was, so that places are the same
    let title = lower.find("<title").and_then(|start| {
        let start = start + lower.get(start..)?.find('>')? + 1;
        let end = start + lower.get(start..)?.find("</title")?;
        html.get(start..end)
    });
    let bare = match title {
        Some(title) => title.to_owned(),
        None => html
            .split('<')
            .filter_map(|part| part.split_once('>'))
            .fold(String::new(), |text, (_tag, after)| text + " " + after),
    };
    let words: Vec<&str> = bare.split_whitespace().collect();
    Some(ENTITIES.iter().fold(words.join(" "), |text, (name, sign)| text.replace(name, sign)))
}

fn one_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|character| !character.is_control()).take(LONGEST).collect()
}

const LONGEST: usize = 200;
/// `&amp;` last, so that what it makes is not read again.
const ENTITIES: [(&str, &str); 6] = [
    ("&nbsp;", " "),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&amp;", "&"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_as_servers_write_them() {
        for (body, told) in [
            (r#"{"title":"Not so","detail":"line 3\u001b[31m"}"#, Some("Not so (line 3[31m)")),
            (r#"{"title":"No room","detail":"all lines\nof it"}"#, Some("No room (all lines)")),
            (r#"{"title":"Only that"}"#, Some("Only that")),
            (r#"{"detail":"Not here"}"#, Some("Not here")),
            (r#"{"error":"no","message":"room is full"}"#, Some("room is full")),
            (r#"{"error":{"code":7}}"#, None),
            ("[]", None),
            ("no\nreally", Some("no")),
            ("400 Bad Request", None),
            ("400: Bad Request", Some("400: Bad Request")),
            ("Bad Request", None),
            ("<html><head><TITLE>\n Gone &amp; lost</title>", Some("Gone & lost")),
            ("<title>400 Bad Request</title><center>nginx", None),
            ("<html><body><h1>No\nroom</h1>\n<p>here</p></body>", Some("No room here")),
            ("<", None),
            ("<title", None),
            ("  ", None),
            ("", None),
        ] {
            let line = in_one_line(StatusCode::BAD_REQUEST, body.as_bytes());
            assert_eq!(line.as_deref(), told, "{body}");
        }
        let long = in_one_line(StatusCode::OK, "x".repeat(9_000).as_bytes()).unwrap();
        assert_eq!(long.len(), LONGEST);
        assert_eq!(
            in_one_line(StatusCode::OK, b"\xff\x1b\xfe").as_deref(),
            Some("\u{fffd}\u{fffd}")
        );
    }
}
