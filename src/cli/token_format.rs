//! How device tokens are printed. Pure: what is written goes to a writer.
//!
//! A token comes from a log, and what a caller once wrote there may be meant for a spreadsheet or a
//! database instead of a device.

use std::borrow::Cow;
use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::recover::RefusedToken;

/// In what form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TokenFormat {
    /// A line of names, then one for each token (RFC 4180)
    Csv,
    /// A JSON object in each line
    Jsonl,
    /// Statements that fill the temporary table `dead_tokens`
    Sql,
}

/// Prints tokens; how many of them the format cannot have.
pub(super) fn write(
    out: &mut impl Write,
    format: TokenFormat,
    tokens: &[RefusedToken],
) -> io::Result<u64> {
    match format {
        TokenFormat::Csv => csv(out, tokens),
        TokenFormat::Jsonl => jsonl(out, tokens),
        TokenFormat::Sql => sql(out, tokens),
    }
}

fn csv(out: &mut impl Write, tokens: &[RefusedToken]) -> io::Result<u64> {
    out.write_all(b"token,platform,app,reason,gone_since,first_seen,last_seen\r\n")?;
    for it in tokens {
        let (token, reason) = (csv_field(&it.token), csv_field(&it.reason));
        let (platform, app) = (it.lane.platform(), it.lane.app());
        let since = it.gone_since.map(|since| since.to_string());
        let since = since.unwrap_or_default();
        let (first, last) = (it.first_seen, it.last_seen);
        write!(
            out,
            "{token},{platform},{app},{reason},{since},{first},{last}\r\n"
        )?;
    }
    Ok(0)
}

/// A field that no spreadsheet takes for a formula: what a provider would give stays as it is.
fn csv_field(text: &str) -> Cow<'_, str> {
    let is_given = |byte: u8| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte);
    if text.bytes().all(is_given) {
        return Cow::Borrowed(text);
    }
    let mark = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        "'"
    } else {
        ""
    };
    Cow::Owned(format!("\"{mark}{}\"", text.replace('"', "\"\"")))
}

/// A token as JSON.
#[derive(Serialize)]
struct TokenJson<'a> {
    token: &'a str,
    platform: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    app: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_since: Option<u64>,
    first_seen: u64,
    last_seen: u64,
}

fn jsonl(out: &mut impl Write, tokens: &[RefusedToken]) -> io::Result<u64> {
    for it in tokens {
        let json = TokenJson {
            token: &it.token,
            platform: it.lane.platform(),
            app: it.lane.app(),
            reason: &it.reason,
            gone_since: it.gone_since,
            first_seen: it.first_seen,
            last_seen: it.last_seen,
        };
        serde_json::to_writer(&mut *out, &json)?;
        out.write_all(b"\n")?;
    }
    Ok(0)
}

fn sql(out: &mut impl Write, tokens: &[RefusedToken]) -> io::Result<u64> {
    out.write_all(CREATE.as_bytes())?;
    let (mut rows, mut left_out) = (0_usize, 0);
    for it in tokens {
        let Some(token) = sql_text(&it.token) else {
            left_out += 1;
            continue;
        };
        let begin = match rows.checked_rem(ROWS_AT_ONCE) {
            Some(0) if rows > 0 => ";\nINSERT INTO dead_tokens VALUES\n",
            Some(0) => "INSERT INTO dead_tokens VALUES\n",
            _ => ",\n",
        };
        let reason = sql_text(&it.reason);
        let reason = reason.as_deref().unwrap_or("NULL");
        let since = it.gone_since.filter(|since| i64::try_from(*since).is_ok());
        let since = since.map_or_else(|| "NULL".to_owned(), |since| since.to_string());
        let (platform, app) = (it.lane.platform(), it.lane.app());
        let (first, last) = (it.first_seen, it.last_seen);
        write!(
            out,
            "{begin}({token}, '{platform}', '{app}', {reason}, {since}, {first}, {last})"
        )?;
        rows += 1;
    }
    if rows > 0 {
        out.write_all(b";\n")?;
    }
    Ok(left_out)
}

/// A string literal that every database reads as this text: some take a backslash for the begin of
/// something, and what is not ASCII depends on the connection. No provider gives such a token.
fn sql_text(text: &str) -> Option<String> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'\\';
    let quoted = || format!("'{}'", text.replace('\'', "''"));
    text.bytes().all(is_plain).then(quoted)
}

/// The table that is filled, in words that most databases share.
const CREATE: &str = "CREATE TEMPORARY TABLE dead_tokens (token TEXT, platform TEXT, app TEXT, \
                      reason TEXT, gone_since BIGINT, first_seen BIGINT, last_seen BIGINT);\n";

/// Our limit: rows of one statement, of which databases take no unlimited number.
const ROWS_AT_ONCE: usize = 500;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::push::LaneId;

    fn token(token: &str) -> RefusedToken {
        RefusedToken {
            lane: LaneId::IOS,
            token: token.into(),
            reason: "Unregistered".into(),
            gone_since: Some(1_577_836_800_123),
            first_seen: 1_577_836_801,
            last_seen: 1_577_836_900,
        }
    }

    fn written(format: TokenFormat, tokens: &[RefusedToken]) -> (String, u64) {
        let mut out = Vec::new();
        let left_out = write(&mut out, format, tokens).unwrap();
        (String::from_utf8(out).unwrap(), left_out)
    }

    #[test]
    fn each_format_has_all_that_is_known() {
        let app = RefusedToken {
            lane: LaneId::named("shop/android").unwrap(),
            gone_since: None,
            reason: "UNREGISTERED".into(),
            ..token("c:A_b-1")
        };
        let tokens = [token("ab12"), app];
        for (format, expected) in [
            (
                TokenFormat::Csv,
                "token,platform,app,reason,gone_since,first_seen,last_seen\r\n\
                 ab12,ios,,Unregistered,1577836800123,1577836801,1577836900\r\n\
                 c:A_b-1,android,shop,UNREGISTERED,,1577836801,1577836900\r\n",
            ),
            (
                TokenFormat::Jsonl,
                "{\"token\":\"ab12\",\"platform\":\"ios\",\"reason\":\"Unregistered\",\
                 \"gone_since\":1577836800123,\"first_seen\":1577836801,\"last_seen\":1577836900}\n\
                 {\"token\":\"c:A_b-1\",\"platform\":\"android\",\"app\":\"shop\",\
                 \"reason\":\"UNREGISTERED\",\"first_seen\":1577836801,\"last_seen\":1577836900}\n",
            ),
            (
                TokenFormat::Sql,
                "CREATE TEMPORARY TABLE dead_tokens (token TEXT, platform TEXT, app TEXT, \
                 reason TEXT, gone_since BIGINT, first_seen BIGINT, last_seen BIGINT);\n\
                 INSERT INTO dead_tokens VALUES\n\
                 ('ab12', 'ios', '', 'Unregistered', 1577836800123, 1577836801, 1577836900),\n\
                 ('c:A_b-1', 'android', 'shop', 'UNREGISTERED', NULL, 1577836801, 1577836900);\n",
            ),
        ] {
            assert_eq!(written(format, &tokens), (expected.to_owned(), 0));
        }
        let (empty, _) = written(TokenFormat::Sql, &[]);
        assert_eq!(empty.lines().count(), 1);
        let many = vec![token("ab"); 2 * ROWS_AT_ONCE + 1];
        let (many, _) = written(TokenFormat::Sql, &many);
        assert_eq!(many.matches("INSERT").count(), 3);
        assert_eq!(many.matches(";\n").count(), 4);
    }

    #[test]
    fn hostile_tokens_are_no_formula_and_no_statement() {
        for (hostile, in_csv, in_sql) in [
            ("a'b", "\"a'b\"", Some("'a''b'")),
            (
                "'); DROP TABLE devices; --",
                "\"'); DROP TABLE devices; --\"",
                Some("'''); DROP TABLE devices; --'"),
            ),
            ("a\"b,c", "\"a\"\"b,c\"", Some("'a\"b,c'")),
            (
                "=cmd|' /C calc'!A0",
                "\"'=cmd|' /C calc'!A0\"",
                Some("'=cmd|'' /C calc''!A0'"),
            ),
            ("-1+1", "\"'-1+1\"", Some("'-1+1'")),
            ("-aB:1_", "-aB:1_", Some("'-aB:1_'")),
            ("@SUM(A1)", "\"'@SUM(A1)\"", Some("'@SUM(A1)'")),
            ("\tx", "\"'\tx\"", None),
            ("\\' OR 1=1 --", "\"\\' OR 1=1 --\"", None),
            ("a\r\nb", "\"a\r\nb\"", None),
            ("\u{ff07}", "\"\u{ff07}\"", None),
            ("a\0", "\"a\0\"", None),
        ] {
            assert_eq!(csv_field(hostile), in_csv, "{hostile}");
            assert_eq!(sql_text(hostile).as_deref(), in_sql, "{hostile}");
            let left_out = u64::from(in_sql.is_none());
            assert_eq!(written(TokenFormat::Sql, &[token(hostile)]).1, left_out);
        }
    }

    proptest! {
        #[test]
        fn any_token_is_one_field_and_one_literal(text in any::<String>()) {
            let field = csv_field(&text);
            match field.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
                Some(inner) => prop_assert!(!inner.replace("\"\"", "").contains('"')),
                None => prop_assert!(!field.contains(['"', ',', '\r', '\n', '='])),
            }
            if let Some(literal) = sql_text(&text) {
                let inner = literal.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
                let inner = inner.unwrap();
                prop_assert!(!inner.replace("''", "").contains('\''));
                prop_assert!(!literal.contains(['\\', '\n', '\0']));
            }
        }
    }
}
