//! Numbers of things, in words for the operator: "1 push", "2 pushes".
//!
//! Pure.

mod seldom;

use std::fmt::Display;

pub use seldom::Seldom;

/// So many: `one` is the word for one thing, `many` for none or several.
pub fn of(number: impl Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let word = if number == "1" { one } else { many };
    format!("{number} {word}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_thing_is_told_from_several() {
        let told = [0, 1, 2, 11].map(|number| super::of(number, "push", "pushes"));
        assert_eq!(told, ["0 pushes", "1 push", "2 pushes", "11 pushes"]);
    }
}
