//! Email addresses, parsed once at the boundary.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

/// An email address in lowercase: addresses that differ only in case belong to the same person.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// The text is not an email address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Enter a valid email address, such as name@example.com.")]
pub struct InvalidEmail;

impl Email {
    /// The longest accepted address in bytes (RFC 5321, path limit).
    pub const MAX_LENGTH: usize = 254;

    /// The address in lowercase.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as a quoted JSON string, as message payloads contain it.
    pub fn as_json(&self) -> String {
        serde_json::Value::from(self.0.as_str()).to_string()
    }

    /// The address as a CSV cell, with quotes doubled.
    pub fn as_csv(&self) -> String {
        self.0.replace('"', "\"\"")
    }

    /// An address from storage, which holds only parsed addresses. Not checked; parse user input with
    /// `text.parse::<Email>()`.
    pub fn from_storage(address: String) -> Self {
        Self(address)
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        // Checked in lowercase, because lowercase can change or lengthen some letters.
        let text = text.trim().to_lowercase();
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        if text.len() > Self::MAX_LENGTH || EmailAddress::parse_with_options(&text, options).is_err() {
            return Err(InvalidEmail);
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

/// Shows only the domain: addresses are personal data, and `{:?}` ends up in logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.0.rsplit_once('@').map_or("", |(_, domain)| domain);
        write!(f, "Email(…@{domain})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_differ_in_case_are_equal() {
        assert_eq!("Amy@Example.COM".parse::<Email>(), " amy@example.com".parse());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "amy", "amy@", "@example.com", "amy@localhost", "Amy <amy@example.com>", "a b@example.com"] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text}");
        }
        assert_eq!(format!("{}@example.com", "a".repeat(250)).parse::<Email>(), Err(InvalidEmail));
    }

    #[test]
    fn an_accepted_address_is_accepted_again() {
        let local = "İ".repeat(32);
        for text in ["amy@acmeİ.com", &format!("{local}@example.com"), "ΟΔΥΣΣΕΥΣ@example.com", "STRASSE@example.com"]
        {
            let Ok(email) = text.parse::<Email>() else { continue };
            assert_eq!(email.as_str().parse(), Ok(email.clone()), "{text}");
        }
        assert_eq!("amy@acmeİ.com".parse::<Email>(), Err(InvalidEmail));
        assert!("ΟΔΥΣΣΕΥΣ@example.com".parse::<Email>().is_ok());
    }

    #[test]
    fn debug_output_hides_the_person() {
        let email: Email = "amy@example.com".parse().unwrap();
        assert_eq!(format!("{email:?}"), "Email(…@example.com)");
    }
}
