//! Email addresses, parsed once at the boundary.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

/// An email address in its normal form: the local part in lowercase, the domain in Unicode as UTS 46 maps it (without
/// its transitional rules: `straße` is not `strasse`). Addresses with the same normal form belong to the same person.
///
/// The LMS must accept every address, because it refuses a whole call for one that it does not accept. So the rules
/// are those of Django's `EmailValidator`, but the local part must be ASCII: Django also takes the letters `K` (U+212A)
/// and `ſ` for `k` and `s`, and they would name somebody else.
///
/// Serde reads an address as it was stored and does not check it. An address that was accepted by older rules can so
/// still be read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

/// The text is not an email address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Enter a valid email address, such as name@example.com.")]
pub struct InvalidEmail;

impl Email {
    /// The longest accepted address in characters: the size of the LMS's column.
    pub const MAX_LENGTH: usize = 254;

    /// The normal form.
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

    /// The address as SMTP needs it: a domain with other letters as `xn--…`, and an IPv6 address with its tag.
    pub fn as_smtp(&self) -> String {
        let Some((local, domain)) = self.0.rsplit_once('@') else { return self.0.clone() };
        if domain.starts_with('[') && domain.contains(':') {
            return format!("{local}@[IPv6:{}", &domain[1..]);
        }
        let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
        ascii.map_or_else(|_| self.0.clone(), |domain| format!("{local}@{domain}"))
    }

    /// An address from storage, which holds only parsed addresses. Not checked; parse user input with
    /// `text.parse::<Email>()`.
    pub fn from_storage(address: String) -> Self {
        Self(address)
    }

    /// A word that is searched for in addresses, in the form in which normal forms contain it.
    ///
    /// A word with letters that only mapping makes ASCII stays as it is and matches no local part: those letters name
    /// somebody else.
    pub fn search_word(word: &str) -> String {
        let (local, domain) = word.rsplit_once('@').map_or((None, word), |(local, domain)| (Some(local), domain));
        let labels = domain.split('.').map(|label| {
            let shown = |label: &[char], _: &[char], _| label.iter().all(|letter| is_basic(*letter));
            match Uts46::new().to_user_interface(label.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, shown) {
                (label, Ok(())) => label.into_owned(),
                // A part of a label need not be a label.
                _ => label.to_lowercase(),
            }
        });
        let domain_word = labels.collect::<Vec<_>>().join(".");
        let unless_made_ascii = |word: &str, mapped: String| match mapped.is_ascii() && !word.is_ascii() {
            true => word.to_owned(),
            false => mapped,
        };
        match local {
            Some(local) => format!("{}@{domain_word}", unless_made_ascii(local, local.to_lowercase())),
            None => unless_made_ascii(domain, domain_word),
        }
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let normal = || {
            let (local, domain) = text.trim().rsplit_once('@').filter(|(local, _)| is_local_part(local))?;
            let address = format!("{}@{}", local.to_ascii_lowercase(), normal_domain(domain)?);
            (address.chars().count() <= Self::MAX_LENGTH).then_some(Self(address))
        };
        normal().ok_or(InvalidEmail)
    }
}

/// Words of ASCII with dots between them, or a quoted string. Only an escape makes a space part of a quoted string.
fn is_local_part(text: &str) -> bool {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{}|~-".contains(&byte);
    let escaped = |byte: u8| matches!(byte, 1..=9 | 11 | 12 | 14..=127);
    let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.split('.').all(|word| !word.is_empty() && word.bytes().all(in_word));
    };
    let mut bytes = quoted.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'\\' => bytes.next().is_some_and(escaped),
            b'"' | b' ' | b'\t' => false,
            _ => escaped(byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// The normal form of a domain, `localhost` or an address in brackets; `None` if the LMS would refuse it as it was sent,
/// or in its normal form.
fn normal_domain(text: &str) -> Option<String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Some("localhost".to_owned());
    }
    if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        // The tag is SMTP's, and the LMS does without.
        let tag = literal.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:"));
        let untagged = tag.map_or(literal, |tag| &literal[tag.len()..]);
        let v4 = literal.parse::<Ipv4Addr>().map(|address| address.to_string());
        let address = v4.or_else(|_| untagged.parse::<Ipv6Addr>().map(|address| address.to_string())).ok()?;
        return Some(format!("[{address}]"));
    }
    if !is_domain(text) {
        return None;
    }
    // A label that the LMS accepts as `xn--…` alone stays so.
    let shown = |label: &[char], last: &[char], _| {
        label.iter().all(|letter| is_basic(*letter)) && (label != last || is_last_label(&String::from_iter(label)))
    };
    let (domain, mapped) =
        Uts46::new().to_user_interface(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, shown);
    mapped.is_ok().then_some(domain.into_owned()).filter(|domain| is_domain(domain))
}

/// Whether Django accepts it: labels with dots between them.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let letters = label.chars().count();
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || is_other_letter(letter);
        (1..=63).contains(&letters) && label.chars().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.rsplit_once('.').is_some_and(|(labels, last)| {
        labels.split('.').all(is_label)
            && is_label(last)
            && (is_last_label(last) || is_punycode(&last.to_ascii_lowercase()))
    })
}

/// Whether a label can be the last one of a domain.
fn is_last_label(label: &str) -> bool {
    label.chars().count() >= 2 && !label.contains(|letter: char| letter.is_ascii_digit())
}

fn is_punycode(label: &str) -> bool {
    label.strip_prefix("xn--").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn is_other_letter(letter: char) -> bool {
    letter >= '\u{a1}' && is_basic(letter)
}

/// Whether the letter is of Unicode's first plane: the LMS knows no other.
fn is_basic(letter: char) -> bool {
    letter <= '\u{ffff}'
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

    fn normal(text: &str) -> Option<String> {
        text.parse::<Email>().ok().map(String::from)
    }

    #[test]
    fn an_address_has_one_normal_form() {
        for (text, expected) in [
            (" Amy@Example.COM ", "amy@example.com"),
            ("same@xn--mnchen-3ya.de", "same@münchen.de"),
            ("Same@MÜNCHEN.de", "same@münchen.de"),
            ("same@mu\u{308}nchen.de", "same@münchen.de"),
            ("info@müller.example", "info@müller.example"),
            ("somchai@เว็บ.ไทย", "somchai@เว็บ.ไทย"),
            ("amy@straße.de", "amy@straße.de"),
            ("amy@strasse.de", "amy@strasse.de"),
            ("amy@LocalHost", "amy@localhost"),
            ("amy@[10.0.0.1]", "amy@[10.0.0.1]"),
            ("amy@[2001:DB8:0:0::1]", "amy@[2001:db8::1]"),
            ("amy@[IPv6:2001:db8::1]", "amy@[2001:db8::1]"),
            ("amy@valid-----hyphens.com", "amy@valid-----hyphens.com"),
            ("amy@example.XN--P1AI", "amy@example.рф"),
            // The LMS takes letters beyond U+FFFF only in this form.
            ("amy@xn--n28h.ws", "amy@xn--n28h.ws"),
            ("O'Hara.!#$%&*+/=?^_`{}|~-@example.com", "o'hara.!#$%&*+/=?^_`{}|~-@example.com"),
            ("\"Amy@\\ home\"@example.com", "\"amy@\\ home\"@example.com"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(expected), "{text}");
            assert_eq!(normal(expected).as_deref(), Some(expected), "{text} again");
        }
    }

    #[test]
    fn what_the_lms_refuses_is_refused() {
        let long = |letters| format!("amy@{}.com", "a".repeat(letters));
        assert!(normal(&long(63)).is_some());
        assert_eq!(normal(&long(64)), None);
        for text in [
            "",
            "amy",
            "amy@",
            "@example.com",
            "Amy <amy@example.com>",
            "a b@example.com",
            "a..b@example.com",
            ".a@example.com",
            "\"a b\"@example.com",
            "\"a\"b\"@example.com",
            "\"@example.com",
            "\"a\\\"@example.com",
            "jörg@example.com",
            "bob@exa_mple.com",
            "cid@127.0.0.1",
            "x@example.c",
            "x@example.é",
            "x@example",
            "x@example.c0m",
            "x@example.com.",
            "x@-example.com",
            "x@example-.com",
            "x@example..com",
            "x@exa mple.com",
            "x@[127.0.0.256]",
            "x@[2001:dg8::1]",
            "x@[IPv6:10.0.0.1]",
            "x@[]",
            "x@example。com",
            "x@xn--a.com",
            "x@example.xn--",
            "x@😉.ws",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn a_letter_that_folds_to_ascii_is_not_that_letter() {
        for letter in ['\u{212a}', 'ſ', 'İ', 'ı'] {
            assert_eq!(normal(&format!("mi{letter}e@example.com")), None, "{letter}");
        }
        assert_eq!(normal("mike@\u{212a}ino.example").as_deref(), Some("mike@kino.example"), "a domain is the same");
    }

    #[test]
    fn the_lms_s_column_limits_the_length() {
        let address = |letters: usize| format!("{}@münchen.de", "a".repeat(letters));
        assert!(normal(&address(Email::MAX_LENGTH - 11)).is_some(), "characters count");
        assert_eq!(normal(&address(Email::MAX_LENGTH - 10)), None);
    }

    #[test]
    fn a_mail_server_reads_the_domain_in_ascii() {
        for (text, expected) in [
            ("info@müller.example", "info@xn--mller-kva.example"),
            ("amy@straße.de", "amy@xn--strae-oqa.de"),
            ("amy@example.com", "amy@example.com"),
            ("amy@[10.0.0.1]", "amy@[10.0.0.1]"),
            ("amy@[2001:db8::1]", "amy@[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(text.parse::<Email>().unwrap().as_smtp(), expected);
        }
    }

    #[test]
    fn a_searched_word_has_the_form_of_what_it_is_searched_in() {
        for (word, expected) in [
            ("Al", "al"),
            ("O'Hara_x%", "o'hara_x%"),
            ("MÜNCH", "münch"),
            ("mu\u{308}nch", "münch"),
            ("xn--mnchen-3ya.de", "münchen.de"),
            ("Same@XN--MNCHEN-3YA", "same@münchen"),
            ("@STRAßE.", "@straße."),
            ("ü", "ü"),
            ("@xn--n28h.ws", "@xn--n28h.ws"),
            ("@😉.ws", "@xn--n28h.ws"),
            // These find nobody's local part.
            ("mi\u{212a}e", "mi\u{212a}e"),
            ("mi\u{212a}e@example.com", "mi\u{212a}e@example.com"),
            // Local parts that older rules accepted are found.
            ("JÖRG@Example.com", "jörg@example.com"),
        ] {
            assert_eq!(Email::search_word(word), expected, "{word}");
        }
    }

    #[test]
    fn what_older_rules_accepted_can_be_read() {
        let email: Email = serde_json::from_str(r#""jörg@example.com""#).unwrap();
        assert_eq!(email.as_str(), "jörg@example.com");
    }

    #[test]
    fn debug_output_hides_the_person() {
        let email: Email = "amy@example.com".parse().unwrap();
        assert_eq!(format!("{email:?}"), "Email(…@example.com)");
    }
}
