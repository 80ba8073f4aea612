//! A notification in which columns of a CSV file are named. Pure.

use std::fmt;

use serde_json::Value;

use super::csv::CsvRow;

/// A notification as JSON, in whose texts `{column}` stands for what a row has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessageTemplate {
    parts: Vec<TemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    /// JSON as it is.
    Json(String),
    /// That column, within a text of JSON.
    Column(usize),
    /// An array of that column, of all rows that have the rest in common.
    DeviceToken(usize),
}

/// What a row makes of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FilledTemplate {
    /// All of it, less the device token.
    pub(super) rest: Vec<u8>,
    /// Where the device tokens stand in the rest, if they can be of several rows.
    pub(super) at: Option<usize>,
    /// The row's, as JSON.
    pub(super) device_token: Vec<u8>,
}

/// Why a template is none, or does not go with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MessageTemplate {
    /// Reads one whose columns have these names.
    ///
    /// # Errors
    ///
    /// That it is no object of JSON, or names a column that there is not.
    pub(super) fn read(json: &[u8], columns: &CsvRow) -> Result<Self, TemplateError> {
        let value: Value = serde_json::from_slice(json)
            .map_err(|error| TemplateError(format!("it is no JSON: {error}")))?;
        let Value::Object(fields) = &value else {
            let text = "it is no notification: a JSON object was expected, as POST /push takes it";
            return Err(TemplateError(text.to_owned()));
        };
        let is_token = |name: &str| {
            ["token", "tokens"]
                .iter()
                .any(|it| name.eq_ignore_ascii_case(it))
        };
        let mut tokens = fields.iter().filter(|(name, _)| is_token(name));
        let token = match (tokens.next(), tokens.next()) {
            (Some((name, value)), None) => lone_column(value, columns)?.map(|at| (name, at)),
            _ => None,
        };
        let mut compiled = Self { parts: Vec::new() };
        compiled.json("{");
        for (number, (name, value)) in fields.iter().enumerate() {
            compiled.name(number, name);
            match token {
                Some((token, column)) if token == name => {
                    compiled.parts.push(TemplatePart::DeviceToken(column));
                }
                _ => compiled.value(value, columns)?,
            }
        }
        compiled.json("}");
        Ok(compiled)
    }

    /// Fills it with a row of as many fields as there are columns.
    pub(super) fn fill(&self, row: &CsvRow, filled: &mut FilledTemplate) {
        let FilledTemplate {
            rest,
            at,
            device_token,
        } = filled;
        rest.clear();
        device_token.clear();
        *at = None;
        for part in &self.parts {
            match part {
                TemplatePart::Json(json) => rest.extend_from_slice(json.as_bytes()),
                TemplatePart::Column(column) => {
                    let begin = rest.len();
                    push_json(rest, row.field(*column));
                    // Its quotation marks are the template's.
                    rest.pop();
                    rest.remove(begin);
                }
                TemplatePart::DeviceToken(column) => {
                    *at = Some(rest.len());
                    push_json(device_token, row.field(*column));
                }
            }
        }
    }

    fn json(&mut self, json: &str) {
        match self.parts.last_mut() {
            Some(TemplatePart::Json(before)) => before.push_str(json),
            _ => self.parts.push(TemplatePart::Json(json.to_owned())),
        }
    }

    fn name(&mut self, number: usize, name: &str) {
        if number > 0 {
            self.json(",");
        }
        self.json(&Value::from(name).to_string());
        self.json(":");
    }

    fn value(&mut self, value: &Value, columns: &CsvRow) -> Result<(), TemplateError> {
        match value {
            Value::String(text) => {
                self.json("\"");
                for part in text_parts(text, columns)? {
                    match part {
                        TextPart::Literal(text) => {
                            let json = Value::from(text).to_string();
                            let inner = json.get(1..json.len().saturating_sub(1));
                            self.json(inner.unwrap_or_default());
                        }
                        TextPart::Column(column) => {
                            self.parts.push(TemplatePart::Column(column));
                        }
                    }
                }
                self.json("\"");
            }
            Value::Array(values) => {
                self.json("[");
                for (number, value) in values.iter().enumerate() {
                    if number > 0 {
                        self.json(",");
                    }
                    self.value(value, columns)?;
                }
                self.json("]");
            }
            Value::Object(fields) => {
                self.json("{");
                for (number, (name, value)) in fields.iter().enumerate() {
                    self.name(number, name);
                    self.value(value, columns)?;
                }
                self.json("}");
            }
            other => self.json(&other.to_string()),
        }
        Ok(())
    }
}

/// Appends a text as JSON, with its quotation marks.
pub(super) fn push_json(out: &mut Vec<u8>, text: &str) {
    // Neither a text nor memory can fail here.
    let _written = serde_json::to_writer(out, text);
}

/// A part of a text of a template.
#[derive(Debug, PartialEq, Eq)]
enum TextPart {
    Literal(String),
    Column(usize),
}

/// The column that a value is as a whole, alone or in an array.
fn lone_column(value: &Value, columns: &CsvRow) -> Result<Option<usize>, TemplateError> {
    let text = match value {
        Value::String(text) => text,
        Value::Array(values) => match values.as_slice() {
            [Value::String(text)] => text,
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(match text_parts(text, columns)?.as_slice() {
        [TextPart::Column(column)] => Some(*column),
        _ => None,
    })
}

/// Takes a text apart: `{column}` is a column, `{{` and `}}` are braces.
fn text_parts(text: &str, columns: &CsvRow) -> Result<Vec<TextPart>, TemplateError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else {
            let (name, after) = from
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .ok_or_else(|| TemplateError::brace(text))?;
            if !literal.is_empty() {
                parts.push(TextPart::Literal(std::mem::take(&mut literal)));
            }
            parts.push(TextPart::Column(column(name, columns)?));
            rest = after;
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(TextPart::Literal(literal));
    }
    Ok(parts)
}

fn column(name: &str, columns: &CsvRow) -> Result<usize, TemplateError> {
    let named = |at: &usize| columns.field(*at) == name;
    let mut found = (0..columns.len()).filter(named);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => Err(TemplateError(format!("there are two columns {name:?}"))),
        (None, _) => {
            let columns = (0..columns.len()).map(|at| columns.field(at));
            let columns: Vec<&str> = columns.take(COLUMNS_SHOWN).collect();
            Err(TemplateError(format!(
                "there is no column {name:?}: there are {}; a brace that is none of a column is \
                 written twice",
                columns.join(", ")
            )))
        }
    }
}

impl TemplateError {
    fn brace(text: &str) -> Self {
        let text = crate::texts::first(text, TEXT_SHOWN);
        Self(format!(
            "a brace in {text:?} names no column; one that is meant as such is written twice"
        ))
    }
}

/// Columns that are listed where another one was named.
const COLUMNS_SHOWN: usize = 20;

/// Characters of a text with an unknown brace that are shown.
const TEXT_SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::super::csv::next_row;
    use super::super::input_text::InputText;
    use super::*;

    fn row(text: &str) -> CsvRow {
        let mut row = CsvRow::default();
        let mut text = InputText::begin(text.as_bytes()).unwrap();
        next_row(&mut text, &mut row).unwrap().unwrap().unwrap();
        row
    }

    fn filled(template: &str, columns: &str, of: &str) -> FilledTemplate {
        let template = MessageTemplate::read(template.as_bytes(), &row(columns)).unwrap();
        let mut filled = FilledTemplate::default();
        template.fill(&row(of), &mut filled);
        filled
    }

    #[test]
    fn columns_are_put_into_texts_as_json() {
        let template =
            r#"{"message":"Hi {name}, {{no column}} \"{name}\"","data":{"to":["{id}",7]}}"#;
        let filled = filled(template, "id,name", "1,\"O\"\"Neill\nü\"");
        let value: Value = serde_json::from_slice(&filled.rest).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "message": "Hi O\"Neill\nü, {no column} \"O\"Neill\nü\"",
                "data": {"to": ["1", 7]},
            })
        );
        assert_eq!(filled.at, None);
    }

    #[test]
    fn a_device_token_that_is_a_column_is_kept_apart() {
        for token in [r#""{t}""#, r#"["{t}"]"#] {
            let template = format!(r#"{{"Token":{token},"title":"a"}}"#);
            let filled = filled(&template, "t", "ab\"12");
            assert_eq!(filled.rest, br#"{"Token":,"title":"a"}"#);
            assert_eq!(filled.at, Some(9));
            assert_eq!(filled.device_token, br#""ab\"12""#);
        }
        for token in [r#""x{t}""#, r#"["{t}","b"]"#, "7"] {
            let template = format!(r#"{{"token":{token}}}"#);
            assert_eq!(filled(&template, "t", "a").at, None, "{token}");
        }
        let two = r#"{"token":"{t}","tokens":"{t}"}"#;
        assert_eq!(filled(two, "t", "a").at, None);
    }

    #[test]
    fn what_is_no_template_of_these_columns_is_told() {
        for (template, why) in [
            ("", "it is no JSON"),
            ("[]", "it is no notification"),
            (
                r#"{"message":"{nmae}"}"#,
                "there is no column \"nmae\": there are t, name, t",
            ),
            (r#"{"message":"{t}"}"#, "there are two columns \"t\""),
            (r#"{"a":{"b":["{"]}}"#, "a brace in \"{\" names no column"),
            (r#"{"message":"a } b"}"#, "a brace in"),
            (r#"{"token":"{nmae}"}"#, "there is no column"),
        ] {
            let error = MessageTemplate::read(template.as_bytes(), &row("t,name,t")).unwrap_err();
            assert!(error.to_string().contains(why), "{template}: {error}");
        }
    }
}
