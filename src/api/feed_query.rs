//! What a request for records of a feed asks for, and the body of its answer.
//!
//! Pure: no I/O, no clock.

use std::borrow::Cow;

use crate::feed::FeedPage;
use crate::http1::query::pairs;

/// Records and gaps of an answer, if the request does not say.
pub(super) const LIMIT: usize = 1000;
/// Our limit: records and gaps of an answer; its bytes bound them, too.
pub(super) const LIMIT_MAX: usize = 10_000;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wished<'q> {
    pub(super) after: Option<Cow<'q, str>>,
    pub(super) limit: usize,
}

/// What a query asks for.
pub(super) fn wished(query: &str) -> Result<Wished<'_>, String> {
    let mut wished = Wished {
        after: None,
        limit: LIMIT,
    };
    for pair in pairs(query) {
        let (name, value) = pair.map_err(|_| "url parameters could not be parsed".to_owned())?;
        match &*name {
            "after" => wished.after = Some(value).filter(|value| !value.is_empty()),
            "limit" => {
                let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
                let limit = value.parse().ok().filter(|_| is_number);
                let limit = limit.filter(|limit| (1..=LIMIT_MAX).contains(limit));
                wished.limit =
                    limit.ok_or_else(|| format!("limit must be a number from 1 to {LIMIT_MAX}"))?;
            }
            _ => return Err("the query may have after and limit, and nothing else".to_owned()),
        }
    }
    Ok(wished)
}

/// The page as JSON.
pub(super) fn body(page: &FeedPage) -> Vec<u8> {
    let mut out = b"{\"records\":[".to_vec();
    out.extend_from_slice(&page.records);
    // A cursor has letters, digits, dots and hyphens.
    let rest = format!("],\"next\":\"{}\",\"more\":{}}}\n", page.next, page.more);
    out.extend_from_slice(rest.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_what_it_says_and_nothing_else_is_taken() {
        let of = |after: Option<&str>, limit| {
            let after = after.map(|after| after.to_owned().into());
            Ok(Wished { after, limit })
        };
        assert_eq!(wished(""), of(None, LIMIT));
        assert_eq!(wished("after="), of(None, LIMIT));
        assert_eq!(wished("after=a%2Eb&limit=1"), of(Some("a.b"), 1));
        assert_eq!(wished("limit=10000"), of(None, LIMIT_MAX));
        for wrong in [
            "limit=0",
            "limit=10001",
            "limit=",
            "limit=-1",
            "limit=+1",
            "limit=1e3",
        ] {
            let error = "limit must be a number from 1 to 10000".to_owned();
            assert_eq!(wished(wrong), Err(error), "{wrong}");
        }
        for wrong in ["aftr=a", "after=%zz", "after=a;b"] {
            assert!(wished(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_is_one_object() {
        let page = FeedPage {
            records: b"{\"cursor\":\"c\"}".to_vec(),
            items: 1,
            next: "settlements.1.2".to_owned(),
            more: true,
            oldest: None,
        };
        assert_eq!(
            String::from_utf8(body(&page)).unwrap(),
            "{\"records\":[{\"cursor\":\"c\"}],\"next\":\"settlements.1.2\",\"more\":true}\n"
        );
    }
}
