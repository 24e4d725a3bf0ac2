//! The page needs nothing from elsewhere and nothing inline; its policy says so, and it keeps to it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

use halloo::peer::event::Remedy;

const HTML: &str = include_str!("../web/index.html");
const STYLE: &str = include_str!("../web/style.css");
const SERVED: &str = include_str!("../src/net/http_server/page.rs");

/// The modules in `web/`: name and text.
fn modules() -> Vec<(String, String)> {
    let files = std::fs::read_dir(web()).unwrap().map(|entry| entry.unwrap().path());
    let mut modules: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "js"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    modules.sort();
    modules
}

fn web() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/web"))
}

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
    let files = [("index.html", HTML), ("style.css", STYLE)].map(|(n, t)| (n.into(), t.into()));
    for (name, text) in modules().into_iter().chain(files) {
        for scheme in ["http:", "https:", "//cdn", "url(", "@import"] {
            // One sentence tells the person where to open the page; one rule asks how it was opened.
            let told = match scheme {
                "http:" => text.matches("http://localhost").count(),
                "https:" => text.matches("location.protocol === \"https:\"").count(),
                _ => 0,
            };
            assert_eq!(text.matches(scheme).count(), told, "{scheme} in {name}");
        }
    }
}

/// A module that is imported and not served would be a page that does nothing.
#[test]
fn every_module_is_there_is_served_and_is_used() {
    let modules = modules();
    let imports = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("import "));
        lines.map(|line| line.split('"').nth(1).unwrap().trim_start_matches("./").into()).collect()
    };
    let imported: Vec<_> = modules.iter().flat_map(|(_, text)| imports(text)).collect();
    for (name, text) in &modules {
        assert!(SERVED.contains(&format!("(\"/{name}\", include_str!")), "{name} is not served");
        assert!(name == "page.js" || imported.contains(name), "nobody imports {name}");
        assert!(text.lines().count() < 300, "{name} is too long for one sitting");
        assert!(text.starts_with("// "), "{name} does not say what it is");
    }
    for name in imported {
        assert!(modules.iter().any(|(module, _)| *module == name), "there is no {name}");
    }
}

#[test]
fn nothing_is_inline() {
    assert!(!HTML.contains("<style"));
    assert!(!HTML.contains("style="));
    assert_eq!(HTML.matches("<script").count(), 1);
    assert!(HTML.contains("<script src=\"page.js\" type=\"module\"></script>"));
    let handler = HTML.split('<').find(|tag| tag.contains(" on"));
    assert_eq!(handler, None, "an event handler in an attribute");
    for (name, text) in modules() {
        for forbidden in ["eval(", "new Function", "innerHTML", "document.write"] {
            assert!(!text.contains(forbidden), "{forbidden} in {name}");
        }
    }
}

/// Every element that the script looks for is there, and labelled for those who can't see it.
#[test]
fn script_and_page_agree_on_their_names() {
    for (_, text) in modules() {
        for call in ["byId(\"", "set(\""] {
            for rest in text.split(call).skip(1) {
                let name = rest.split('"').next().unwrap();
                assert!(HTML.contains(&format!("id=\"{name}\"")), "no element {name}");
            }
        }
    }
    for reference in ["href=\"#", "aria-labelledby=\""] {
        for rest in HTML.split(reference).skip(1) {
            let name = rest.split('"').next().unwrap();
            assert!(HTML.contains(&format!("id=\"{name}\"")), "nothing is called {name}");
        }
    }
    assert!(HTML.contains("<html lang=\"en\">"));
    assert!(HTML.contains("role=\"status\""));
    assert!(HTML.contains("id=\"reason\" role=\"alert\""));
}

/// Whoever opens the page without scripts is told so, and is not left alone with a dead button.
#[test]
fn without_scripts_the_page_says_so() {
    assert!(HTML.contains("<noscript>"));
}

/// Without words it would be advice that nobody gets.
#[test]
fn each_remedy_that_halloo_may_name_has_words() {
    let modules = modules();
    let (_, words) = modules.iter().find(|(name, _)| name == "words.js").unwrap();
    for remedy in [
        Remedy::StunServer,
        Remedy::TurnServer,
        Remedy::CheckServers,
        Remedy::CheckPassword,
        Remedy::OpenFirewall,
        Remedy::CheckNetwork,
        Remedy::SameNetwork,
        Remedy::CallAgain,
    ] {
        let name = serde_json::to_value(remedy).unwrap();
        assert!(words.contains(&format!("\n  {}:", name.as_str().unwrap())), "{name}");
    }
}

#[test]
fn the_pages_functions_do_what_they_say() {
    // That `.js` files are modules a browser learns from the page, node from a package.json beside them.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page-units");
    for folder in ["web", "tests/pages"] {
        std::fs::create_dir_all(place.join(folder)).unwrap();
    }
    for (name, text) in modules() {
        std::fs::write(place.join("web").join(name), text).unwrap();
    }
    std::fs::write(place.join("tests/pages/units.test.mjs"), UNITS).unwrap();
    std::fs::write(place.join("package.json"), r#"{ "type": "module" }"#).unwrap();
    let mut node = Command::new("node");
    node.args(["--test", "tests/pages/units.test.mjs"]).current_dir(&place);
    let output = node.output().expect("node (Debian: apt install nodejs)");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" pass ") && !said.contains(" pass 0\n"), "{said}");
}

const UNITS: &str = include_str!("pages/units.test.mjs");
