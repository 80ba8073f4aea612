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

/// A number with a comma between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_thing_is_told_from_several() {
        let told = [0, 1, 2, 11].map(|number| super::of(number, "push", "pushes"));
        assert_eq!(told, ["0 pushes", "1 push", "2 pushes", "11 pushes"]);
    }

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (81_204, "81,204"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(super::grouped(number), text);
        }
        assert_eq!(super::grouped(u64::MAX), "18,446,744,073,709,551,615");
    }
}
