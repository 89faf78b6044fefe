//! Words in messages for people.

use std::fmt::Display;

/// A number, written as it is to be read, with the words for one or for many: `1 license`, `2 licenses`.
pub fn counted(number: impl Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let words = if number == "1" { one } else { many };
    format!("{number} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let told = [0, 1, 2, 21, -1].map(|number| counted(number, "license is", "licenses are"));
        assert_eq!(told, ["0 licenses are", "1 license is", "2 licenses are", "21 licenses are", "-1 licenses are"]);
        assert_eq!(counted("10,000 or more", "message", "messages"), "10,000 or more messages");
    }
}
