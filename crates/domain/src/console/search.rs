//! What somebody searches for.

use std::ops::RangeInclusive;

use uuid::Uuid;

use crate::model::email::Email;

/// A search for everything, as typed. What it can mean decides which columns are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerm {
    /// The text without surrounding spaces.
    pub typed: String,
    /// The same in lowercase.
    pub text: String,
    /// The ids that begin with the text, if it can be the beginning of one.
    pub ids: Option<RangeInclusive<Uuid>>,
    /// The LMS user id that the text can be.
    pub lms_user_id: Option<i64>,
    /// The addresses that the text can be, in every stored form, or the beginning of addresses.
    pub emails: Vec<String>,
    /// The Salesforce id that the text can be, as typed.
    pub salesforce_id: Option<String>,
}

impl SearchTerm {
    /// The shortest text that is searched for.
    pub const MIN_LENGTH: usize = 3;
    /// The longest text that is searched for, in characters.
    pub const MAX_LENGTH: usize = 254;

    /// Reads what was typed; `None` if it is too short or too long to search for. A number may be shorter: it is an LMS
    /// user id.
    pub fn read(typed: &str) -> Option<Self> {
        let typed = typed.trim();
        let lms_user_id = typed.parse().ok().filter(|id| *id > 0);
        let length = typed.chars().count();
        if typed.contains('\0') || length > Self::MAX_LENGTH || (length < Self::MIN_LENGTH && lms_user_id.is_none()) {
            return None;
        }
        let text = typed.to_lowercase();
        let is_salesforce_id = typed.len() == 18 && typed.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let address = Email::to_look_up(typed).map(|email| email.stored_forms());
        let mut emails: Vec<String> = address.unwrap_or_default().into_iter().map(String::from).collect();
        if !emails.contains(&text) {
            emails.push(text.clone());
        }
        Some(Self {
            ids: ids_beginning_with(&text),
            lms_user_id,
            emails,
            salesforce_id: is_salesforce_id.then(|| typed.to_owned()),
            typed: typed.to_owned(),
            text,
        })
    }
}

/// The ids that begin with this text, with or without hyphens. Fewer than four digits name too many.
fn ids_beginning_with(text: &str) -> Option<RangeInclusive<Uuid>> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !(4..=32).contains(&digits.len()) {
        return None;
    }
    let filled = |digit: &str| Uuid::parse_str(&format!("{digits}{}", digit.repeat(32 - digits.len()))).ok();
    Some(filled("0")?..=filled("f")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_searched_in_every_stored_form() {
        let term = SearchTerm::read("  Amy@Example.com ").unwrap();
        assert_eq!((term.text.as_str(), term.emails), ("amy@example.com", vec!["amy@example.com".to_owned()]));
        assert_eq!((term.ids, term.lms_user_id, term.salesforce_id), (None, None, None));
    }

    #[test]
    fn the_beginning_of_an_id_is_a_range() {
        let ids = SearchTerm::read("B2a9cb9d-8F").unwrap().ids.unwrap();
        assert_eq!(ids.start().to_string(), "b2a9cb9d-8f00-0000-0000-000000000000");
        assert_eq!(ids.end().to_string(), "b2a9cb9d-8fff-ffff-ffff-ffffffffffff");
        for text in ["b2a", "b2a9x", "b2a9cb9d8fc443be8d7817a939e6b5b90"] {
            assert_eq!(SearchTerm::read(text).unwrap().ids, None, "{text}");
        }
    }

    #[test]
    fn numbers_and_salesforce_ids_are_known_by_their_form() {
        assert_eq!(SearchTerm::read("7").unwrap().lms_user_id, Some(7));
        assert_eq!(SearchTerm::read("-7"), None, "too short for anything else");
        assert_eq!(
            SearchTerm::read("00kDEMO00000000001").unwrap().salesforce_id.as_deref(),
            Some("00kDEMO00000000001")
        );
        assert_eq!(SearchTerm::read("ab"), None);
        assert_eq!(SearchTerm::read(&"a".repeat(255)), None);
        assert_eq!(SearchTerm::read("abc\0"), None);
    }
}
