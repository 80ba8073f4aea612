//! The documents: README.md, the pages of `etc/doc`, and what the benches measured.

#![allow(dead_code, reason = "each test binary uses the part that it needs")]

use std::fs;
use std::path::Path;

/// One document.
pub(crate) struct Document {
    /// Its path within the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every document, in the order of their paths.
pub(crate) fn all() -> Vec<Document> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(root.join("etc/doc")).unwrap();
    let pages = pages.map(|page| format!("etc/doc/{}", page.unwrap().file_name().display()));
    let mut paths: Vec<String> = pages.collect();
    paths.extend(["README.md", "benches/README.md"].map(str::to_owned));
    paths.sort();
    let read = |path: String| Document {
        text: fs::read_to_string(root.join(&path)).unwrap(),
        path,
    };
    paths.into_iter().map(read).collect()
}

/// All that they say.
pub(crate) fn text() -> String {
    let texts: Vec<String> = all().into_iter().map(|page| page.text).collect();
    texts.join("\n")
}

/// What stands between `<!-- name -->` and `<!-- /name -->`, which one document has, and its path.
pub(crate) fn between_marks(name: &str) -> (String, String) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let found: Vec<_> = all()
        .into_iter()
        .filter_map(|Document { path, text }| {
            let (_, rest) = text.split_once(&begin)?;
            let (inner, _) = rest.split_once(&end)?;
            Some((path, inner.to_owned()))
        })
        .collect();
    assert_eq!(found.len(), 1, "documents with {begin}");
    found.into_iter().next().unwrap()
}

/// The paragraph that begins with this, which stands in one document.
pub(crate) fn paragraph(begin: &str) -> String {
    let text = text();
    let begin = format!("\n\n{begin}");
    assert_eq!(text.matches(&begin).count(), 1, "{begin}");
    let (_, rest) = text.split_once(&begin).unwrap();
    rest.split("\n\n").next().unwrap().to_owned()
}

/// Whether a document shows this, whatever the numbers are.
pub(crate) fn shows(answer: &str) -> bool {
    normal(&text()).contains(normal(answer).trim())
}

/// The text with each number, and each word of hexadecimal digits, as `N`.
pub(crate) fn normal(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |at: char| at.is_ascii_alphanumeric() || at == '-' || at == '_';
        let end = rest.find(|at| !is_word(at)).unwrap_or(rest.len());
        if end == 0 {
            normal.push(first);
            rest = rest.split_at(first.len_utf8()).1;
            continue;
        }
        let (word, after) = rest.split_at(end);
        let is_digest = |word: &str| {
            let is_hex = |at: u8| at.is_ascii_digit() || (b'a'..=b'f').contains(&at);
            word.len() >= 4
                && word.bytes().all(|at| is_hex(at) || at == b'-')
                && (word.len() == 36 || word.bytes().any(|at| at.is_ascii_digit()))
        };
        if is_digest(word) {
            normal.push('N');
        } else {
            normal.push_str(word);
        }
        rest = after;
    }
    numbers_as_one(&normal)
}

/// Digits, with what groups them and parts them, are `N`.
fn numbers_as_one(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if !character.is_ascii_digit() {
            plain.push(character);
            continue;
        }
        plain.push('N');
        while let Some(next) = characters.peek().copied() {
            let mut ahead = characters.clone();
            ahead.next();
            let joins = matches!(next, '.' | ',')
                && ahead.next().is_some_and(|after| after.is_ascii_digit());
            if !next.is_ascii_digit() && !joins {
                break;
            }
            characters.next();
        }
    }
    plain.replace("N.N", "N").replace("N,N", "N")
}
