//! The page needs nothing from elsewhere and nothing inline; its policy says so, and it keeps to it.
#![allow(clippy::unwrap_used)]

const HTML: &str = include_str!("../web/index.html");
const SCRIPT: &str = include_str!("../web/call.js");
const STYLE: &str = include_str!("../web/style.css");

#[test]
fn the_policy_allows_the_pages_own_files_and_nothing_else() {
    let policy = HTML.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    let rules: Vec<_> = policy.split("; ").collect();
    assert_eq!(rules.first(), Some(&"default-src 'none'"));
    for rule in rules {
        let (_, sources) = rule.split_once(' ').unwrap();
        assert!(["'none'", "'self'", "data:"].contains(&sources), "{rule}");
    }
}

#[test]
fn nothing_comes_from_elsewhere() {
    for (name, text) in [("index.html", HTML), ("style.css", STYLE), ("call.js", SCRIPT)] {
        for scheme in ["http:", "https:", "//cdn", "url(", "@import"] {
            // One sentence tells the person where to open the page.
            let told = text.matches("http://localhost").count() * usize::from(scheme == "http:");
            assert_eq!(text.matches(scheme).count(), told, "{scheme} in {name}");
        }
    }
    assert_eq!(SCRIPT.lines().filter(|line| line.starts_with("import ")).count(), 0);
}

#[test]
fn nothing_is_inline() {
    assert!(!HTML.contains("<style"));
    assert!(!HTML.contains("style="));
    assert_eq!(HTML.matches("<script").count(), 1);
    assert!(HTML.contains("<script src=\"call.js\" type=\"module\"></script>"));
    let handler = HTML.split('<').find(|tag| tag.contains(" on"));
    assert_eq!(handler, None, "an event handler in an attribute");
    for forbidden in ["eval(", "new Function", "innerHTML", "document.write"] {
        assert!(!SCRIPT.contains(forbidden), "{forbidden}");
    }
}

/// Every element that the script looks for is there, and labelled for those who can't see it.
#[test]
fn script_and_page_agree_on_their_names() {
    let names = SCRIPT.split("byId(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for name in names.chain(["call", "mute", "hang-up"]) {
        assert!(HTML.contains(&format!("id=\"{name}\"")), "no element {name}");
    }
    assert!(HTML.contains("<html lang=\"en\">"));
    assert!(HTML.contains("id=\"state\" role=\"status\""));
    assert!(HTML.contains("id=\"reason\" role=\"alert\""));
    assert_eq!(HTML.matches("role=\"meter\"").count(), HTML.matches("aria-labelledby").count());
}
