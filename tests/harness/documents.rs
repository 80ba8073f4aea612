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
