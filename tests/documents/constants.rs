//! The constants of the source, and what they are worth.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A constant, or what else is documented as a limit.
pub(crate) struct Constant {
    /// Its file within the repository.
    pub(crate) file: String,
    pub(crate) name: String,
    /// What it is set to, as it is written; empty if it is no constant.
    pub(crate) expression: String,
    /// Whether its documentation calls it `Our limit`.
    pub(crate) is_limit: bool,
}

/// What a constant is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Number(u64),
    Time(Duration),
}

/// Every constant of the product, and every other item that is documented as a limit.
pub(crate) struct Constants {
    pub(crate) all: Vec<Constant>,
    by_name: BTreeMap<String, Vec<usize>>,
}

impl Constants {
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut all = Vec::new();
        read_below(root, &root.join("src"), &mut all);
        let mut by_name = BTreeMap::<String, Vec<usize>>::new();
        for (index, constant) in all.iter().enumerate() {
            by_name
                .entry(constant.name.clone())
                .or_default()
                .push(index);
        }
        Self { all, by_name }
    }

    pub(crate) fn find(&self, file: &str, name: &str) -> Option<&Constant> {
        let mut of_name = self
            .by_name
            .get(name)?
            .iter()
            .map(|index| &self.all[*index]);
        of_name.find(|constant| constant.file == file)
    }

    /// What it is worth, if that can be told from the source.
    pub(crate) fn value(&self, constant: &Constant) -> Option<Value> {
        let mut reader = Reader {
            rest: &constant.expression,
            file: &constant.file,
            constants: self,
        };
        let value = reader.sum()?;
        reader.rest.trim().is_empty().then_some(value)
    }

    /// What a name in that file stands for. One of another file does if all of that name are alike.
    fn named(&self, file: &str, name: &str) -> Option<Value> {
        if let Some(constant) = self.find(file, name) {
            return self.value(constant);
        }
        let of_name = self.by_name.get(name)?.iter();
        let mut values = of_name.map(|index| self.value(&self.all[*index]));
        let first = values.next()??;
        values.all(|other| other == Some(first)).then_some(first)
    }
}

fn read_below(root: &Path, directory: &Path, all: &mut Vec<Constant>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "tests" {
                read_below(root, &path, all);
            }
        } else if path.extension().is_some_and(|it| it == "rs") && name != "tests.rs" {
            let file = path.strip_prefix(root).unwrap().display().to_string();
            read_file(&file, &fs::read_to_string(&path).unwrap(), all);
        }
    }
}

fn read_file(file: &str, text: &str, all: &mut Vec<Constant>) {
    let mut is_limit = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with("mod tests {") {
            return;
        }
        if let Some(doc) = line.strip_prefix("///") {
            is_limit |= doc.starts_with(" Our limit");
            continue;
        }
        if line.starts_with("#[") {
            continue;
        }
        let constant = line.split_once("const ").filter(|(before, rest)| {
            (before.is_empty() || before.starts_with("pub")) && !rest.starts_with("fn ")
        });
        let named = match constant {
            Some((_, rest)) => rest.split_once(": ").map(|(name, _)| {
                let mut whole = line.to_owned();
                while !whole.contains(';') {
                    whole.push_str(lines.next().unwrap().trim());
                }
                let expression = whole.split_once('=').map_or("", |(_, set)| set.trim());
                (name, expression.split(';').next().unwrap().to_owned())
            }),
            None if is_limit => {
                let before_name = line.find("fn ").map_or(0, |at| at + 3);
                let name = line[before_name..].split(|at: char| !is_of_name(at)).next();
                name.map(|name| (name, String::new()))
            }
            None => None,
        };
        if let Some((name, expression)) = named {
            all.push(Constant {
                file: file.to_owned(),
                name: name.to_owned(),
                expression,
                is_limit,
            });
        }
        is_limit = false;
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Reads an expression from its left.
struct Reader<'a> {
    rest: &'a str,
    file: &'a str,
    constants: &'a Constants,
}

impl Reader<'_> {
    fn takes(&mut self, text: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn sum(&mut self) -> Option<Value> {
        let mut value = self.product()?;
        loop {
            if self.takes("+") {
                value = number(number_of(value)? + number_of(self.product()?)?);
            } else if self.takes("-") {
                value = number(number_of(value)? - number_of(self.product()?)?);
            } else if self.takes("<<") {
                value = number(number_of(value)? << number_of(self.product()?)?);
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<Value> {
        let mut value = self.unit()?;
        loop {
            if self.takes("*") {
                value = number(number_of(value)? * number_of(self.unit()?)?);
            } else if self.takes("/") {
                value = number(number_of(value)? / number_of(self.unit()?)?);
            } else {
                return Some(value);
            }
        }
    }

    fn unit(&mut self) -> Option<Value> {
        if self.takes("(") {
            let value = self.sum()?;
            return self.takes(")").then_some(value);
        }
        let word = self.word()?;
        let last = word.rsplit("::").next()?;
        let value = match last {
            "from_secs" => Value::Time(Duration::from_secs(self.argument()?)),
            "from_millis" => Value::Time(Duration::from_millis(self.argument()?)),
            "from_nanos" => Value::Time(Duration::from_nanos(self.argument()?)),
            digits if digits.starts_with(|at: char| at.is_ascii_digit()) => literal(digits)?,
            name => self.constants.named(self.file, name)?,
        };
        if self.takes("as ") {
            self.word()?;
        }
        Some(value)
    }

    fn argument(&mut self) -> Option<u64> {
        if !self.takes("(") {
            return None;
        }
        let value = number_of(self.sum()?)?;
        self.takes(")").then_some(value)
    }

    fn word(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let is_of_path = |at: char| is_of_name(at) || at == ':';
        let end = self
            .rest
            .find(|at| !is_of_path(at))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then(|| word.to_owned())
    }
}

fn literal(digits: &str) -> Option<Value> {
    let digits = digits.replace('_', "");
    let read = match digits.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
        None => digits.parse(),
    };
    read.ok().map(Value::Number)
}

fn number(value: u64) -> Value {
    Value::Number(value)
}

fn number_of(value: Value) -> Option<u64> {
    match value {
        Value::Number(number) => Some(number),
        Value::Time(_) => None,
    }
}
