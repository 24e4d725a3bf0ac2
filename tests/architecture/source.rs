//! A source file as `architecture.rs` looks at it: code without comments, strings and tests.
//!
//! A few lines of lexer instead of a parser of Rust: enough to find names and paths.

use std::path::Path;

/// A file under `src/`.
pub struct Source {
    /// Its path below `src/`, with `/`.
    pub file: String,
    code: String,
    lines: usize,
}

/// All files below a folder.
pub fn files(src: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(src).unwrap().to_string_lossy().replace('\\', "/");
                sources.push(Source::new(&file, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    sources
}

impl Source {
    /// Reads a file's text.
    pub fn new(file: &str, text: &str) -> Self {
        let whole = blank_out_comments_and_strings(text);
        let code = without_tests(&whole);
        let lines = text.lines().count() - (whole.lines().count() - code.lines().count());
        Self { file: file.to_owned(), code, lines }
    }

    /// The module directly below the crate: `sdp` for `sdp/lex.rs`, `time` for `time.rs`.
    pub fn layer(&self) -> &str {
        self.file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Lines without those of its tests.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Whether the code names this: a word, or a path, braces of a `use` resolved.
    pub fn has(&self, name: &str) -> bool {
        if let Some((root, _)) = name.split_once("::")
            && self.paths(&format!("{root}::")).iter().any(|path| {
                let path = format!("{root}::{path}");
                path == name || path.starts_with(&format!("{name}::"))
            })
        {
            return true;
        }
        words(&self.code, name).next().is_some()
    }

    /// What follows `root`, each branch of a brace on its own: `{a, b::{c, d}}` is a, b::c, b::d.
    pub fn paths(&self, root: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for at in words(&self.code, root) {
            branches(&self.code[at + root.len()..], "", &mut paths);
        }
        paths
    }

    /// Whether a `super::super` goes up so far that the crate's root is meant.
    pub fn reaches_root_by_super(&self) -> bool {
        let file = self.file.trim_end_matches(".rs").trim_end_matches("/mod");
        let depth = file.split('/').count();
        let up = "super::".repeat(depth);
        words(&self.code, &up).any(|at| !self.code[..at].ends_with("super::"))
    }
}

/// Where `name` stands as a word of its own.
fn words<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back().is_some_and(part_of_word);
        let after = code[at + name.len()..].chars().next().is_some_and(part_of_word);
        !before && (!after || name.ends_with(':'))
    })
}

/// Reads one path, or a brace of them, at the start of `code`; gives back what follows.
fn branches<'a>(code: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let mut rest = code.trim_start();
    let mut path = prefix.to_owned();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{') {
            while !inside.starts_with('}') && !inside.is_empty() {
                let before = inside.len();
                inside = branches(inside, &path, paths).trim_start();
                inside = inside.strip_prefix(',').unwrap_or(inside).trim_start();
                if inside.len() == before {
                    break;
                }
            }
            return inside.strip_prefix('}').unwrap_or(inside);
        }
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*');
        let (word, after) = rest.split_at(word.unwrap_or(rest.len()));
        path.push_str(word);
        match after.strip_prefix("::") {
            Some(deeper) => {
                path.push_str("::");
                rest = deeper.trim_start();
            }
            None => {
                let path = path.trim_end_matches("::self").trim_end_matches("::").to_owned();
                paths.push(path);
                let end = after.find([',', '}', ';']).unwrap_or(after.len());
                return if after.trim_start().starts_with("as ") { &after[end..] } else { after };
            }
        }
    }
}

/// Comments, and what stands in quotes, become nothing; line ends stay.
fn blank_out_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            string_length(rest)
        } else if let Some(hashes) = raw_string_hashes(rest, &code) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if c == '\'' {
            char_length(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..skipped].matches('\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// How many bytes a string literal has, its quotes and escapes included.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The number of `#` if a raw string begins here.
fn raw_string_hashes(rest: &str, before: &str) -> Option<usize> {
    let inside_word = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let after = rest.strip_prefix('r').filter(|_| !inside_word || before.ends_with('b'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// How many bytes a character literal has; 0 for a lifetime.
fn char_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => rest[3..].find('\'').map_or(0, |end| 3 + end + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// Without any item marked as a test.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        rest = &rest[at + MARK.len()..];
        rest = &rest[item_length(rest)..];
    }
    kept + rest
}

/// To the item's semicolon, or past its last brace.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}
