//! Email addresses, parsed once at the boundary.

use std::collections::HashSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::domain_names::{self, is_basic, is_last_label};

/// An email address in its normal form: the local part in lowercase, the domain in Unicode as UTS 46 maps it (without
/// its transitional rules: `straße` is not `strasse`). Addresses with the same normal form belong to the same person.
///
/// The LMS must accept every address, because it refuses a whole call if one address in it is not accepted. So the
/// rules are those of Django's `EmailValidator`, but the local part must be ASCII: Django treats the letters `K`
/// (U+212A) and `ſ` like `k` and `s`, which may be the address of another person. Domains with other letters than those
/// of ASCII, and their forms with `xn--`, need the feature `idn`; without it they are refused.
///
/// Serde reads an address as it was stored and does not check it, so addresses that only older rules accept can be
/// read.
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
        domain_names::to_ascii(domain).map_or_else(|| self.0.clone(), |domain| format!("{local}@{domain}"))
    }

    /// An address from storage, which holds only parsed addresses. Not checked; parse user input with
    /// `text.parse::<Email>()`.
    pub fn from_storage(address: String) -> Self {
        Self(address)
    }

    /// An address to look something up by: also one that only older versions accepted, because it may be stored. Never
    /// give a license to it.
    ///
    /// # Errors
    /// No version accepted the text.
    pub fn to_look_up(text: &str) -> Result<Self, InvalidEmail> {
        text.parse().or_else(|problem| formerly_accepted(text.trim()).map(Self).ok_or(problem))
    }

    /// The normal form, or the address itself if it is not accepted any more.
    pub fn normal(&self) -> Self {
        self.0.parse().unwrap_or_else(|_| self.clone())
    }

    /// The forms in which storage may have this address: its own, the normal one, and the one that older versions kept
    /// as it was sent, with a domain in `xn--…`.
    pub fn stored_forms(&self) -> Vec<Self> {
        let Some((local, domain)) = self.0.rsplit_once('@') else { return vec![self.clone()] };
        if domain.is_ascii() && !domain.contains("xn--") && !domain.contains('[') {
            return vec![self.clone()];
        }
        let shown = Self(format!("{local}@{}", normal_domain(domain).unwrap_or_else(|| domain.to_owned())));
        let sent = Self(if domain.contains('[') { self.0.clone() } else { shown.as_smtp() });
        let mut forms = vec![self.clone(), shown, sent];
        forms.sort_unstable();
        forms.dedup();
        forms
    }

    /// Whether both are forms of one address. Two accepted addresses are the same only where they are equal.
    pub fn is_same(&self, other: &Self) -> bool {
        self == other || self.stored_forms().contains(other)
    }

    /// Whether a form of this address is among the stored ones.
    pub fn is_among(&self, stored: &HashSet<Self>) -> bool {
        self.stored_forms().iter().any(|form| stored.contains(form))
    }

    /// The stored forms of all these addresses, each once.
    pub fn all_stored_forms(emails: &[Self]) -> Vec<Self> {
        let mut forms: Vec<Self> = emails.iter().flat_map(Self::stored_forms).collect();
        forms.sort_unstable();
        forms.dedup();
        forms
    }

    /// The words of a search, in each form that a stored address may have: the normal form, and the forms that older
    /// versions stored. An address matches if it contains all words of one form. There are one to three forms.
    pub fn search_words(words: &[String]) -> Vec<Vec<String>> {
        let normal: Vec<String> = words.iter().map(|word| Self::search_word(word)).collect();
        let typed = words.iter().map(|word| unless_made_ascii(word, word.to_lowercase())).collect();
        let sent = normal.iter().map(|word| Self(word.clone()).search_as_sent()).collect();
        let mut forms = vec![normal, typed, sent];
        forms.sort_unstable();
        forms.dedup();
        forms
    }

    /// A word with a domain in `xn--…`.
    fn search_as_sent(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').map_or((None, &*self.0), |(local, domain)| (Some(local), domain));
        // Without `xn--`, a letter was mapped to one of ASCII, and the word would name somebody else.
        match (local, domain_names::to_ascii(domain).filter(|domain| domain.contains("xn--"))) {
            (Some(local), Some(domain)) => format!("{local}@{domain}"),
            (None, Some(domain)) => domain,
            (_, None) => self.0.clone(),
        }
    }

    /// A word that is searched for in addresses, in the form in which normal forms contain it.
    ///
    /// A word with letters that only mapping makes ASCII stays as it is and matches no local part: those letters name
    /// somebody else.
    fn search_word(word: &str) -> String {
        let (local, domain) = word.rsplit_once('@').map_or((None, word), |(local, domain)| (Some(local), domain));
        let domain_word = domain.split('.').map(domain_names::search_label).collect::<Vec<_>>().join(".");
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

/// The mapped word, or the word itself if only mapping makes it ASCII.
fn unless_made_ascii(word: &str, mapped: String) -> String {
    match mapped.is_ascii() && !word.is_ascii() {
        true => word.to_owned(),
        false => mapped,
    }
}

/// An address as older versions stored it: in lowercase, with letters of every script. `None` if none accepted it, or
/// if its lowercase names somebody else.
fn formerly_accepted(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let is_quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    let separates = |letter: char| letter.is_whitespace() || "()<>[]:;@\\,\"".contains(letter);
    let labels = || domain.split('.');
    let fits = !text.contains(char::is_control)
        && text.len() <= Email::MAX_LENGTH
        && (is_quoted || !local.is_empty() && !local.contains(separates))
        && labels().count() > 1
        && labels().all(|label| !label.is_empty() && !label.contains(separates));
    let folds = |letter: char| !letter.is_ascii() && letter.to_lowercase().all(|lower| lower.is_ascii());
    (fits && !text.contains(folds)).then(|| text.to_lowercase())
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
    domain_names::normal(text).filter(|domain| is_domain(domain))
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

fn is_punycode(label: &str) -> bool {
    label.strip_prefix("xn--").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn is_other_letter(letter: char) -> bool {
    letter >= '\u{a1}' && is_basic(letter)
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

#[cfg(all(test, feature = "idn"))]
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
    fn an_address_of_an_older_version_can_be_looked_up() {
        for (text, found) in [
            (" Amy@Example.COM ", "amy@example.com"),
            ("Jörg@Example.com", "jörg@example.com"),
            ("bob@exa_mple.com", "bob@exa_mple.com"),
            ("cid@127.0.0.1", "cid@127.0.0.1"),
            ("x@example.c", "x@example.c"),
            ("\"a b\"@example.com", "\"a b\"@example.com"),
        ] {
            assert_eq!(Email::to_look_up(text).map(String::from).as_deref(), Ok(found), "{text}");
        }
        let long = format!("{}@example.com", "ö".repeat(125));
        let never = [
            "",
            "amy",
            "amy@",
            "@example.com",
            "amy@host",
            "a b@example.com",
            "Amy <amy@example.com>",
            "a@b@c.d",
            "a@b..c",
        ];
        for text in never.into_iter().chain([&*long, "a\n@exa_mple.com", "a@exa mple.com"]) {
            assert_eq!(Email::to_look_up(text), Err(InvalidEmail), "{text}");
        }
        assert_eq!(Email::to_look_up("mi\u{212a}e@example.com"), Err(InvalidEmail), "mike is somebody else");
    }

    #[test]
    fn an_address_is_stored_in_every_form_that_a_version_gave_it() {
        for (address, forms) in [
            ("amy@example.com", &["amy@example.com"][..]),
            ("tw@m\u{fc}nchen.de", &["tw@m\u{fc}nchen.de", "tw@xn--mnchen-3ya.de"]),
            ("tw@xn--mnchen-3ya.de", &["tw@m\u{fc}nchen.de", "tw@xn--mnchen-3ya.de"]),
            ("j\u{f6}rg@xn--mnchen-3ya.de", &["j\u{f6}rg@m\u{fc}nchen.de", "j\u{f6}rg@xn--mnchen-3ya.de"]),
            ("bob@exa_mple.com", &["bob@exa_mple.com"]),
            ("mi\u{212a}e@example.com", &["mi\u{212a}e@example.com"]),
            ("amy@[ipv6:2001:db8::1]", &["amy@[2001:db8::1]", "amy@[ipv6:2001:db8::1]"]),
        ] {
            let found: Vec<_> = Email::from_storage(address.to_owned()).stored_forms();
            assert_eq!(found.iter().map(Email::as_str).collect::<Vec<_>>(), forms, "{address}");
        }
    }

    #[test]
    fn words_are_searched_for_in_every_stored_form() {
        let forms =
            |words: &[&str]| Email::search_words(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(forms(&["Amy", "Example.com"]), [["amy", "example.com"]]);
        assert_eq!(forms(&["two", "MÜNCHEN"]), [["two", "m\u{fc}nchen"], ["two", "xn--mnchen-3ya"]]);
        assert_eq!(forms(&["xn--mnchen-3ya"]), [["m\u{fc}nchen"], ["xn--mnchen-3ya"]]);
        assert_eq!(forms(&["a@XN--mnchen-3ya.de"]), [["a@m\u{fc}nchen.de"], ["a@xn--mnchen-3ya.de"]]);
        assert_eq!(forms(&["mi\u{212a}e"])[0], ["mi\u{212a}e"], "mike is somebody else");
        assert_eq!(forms(&[]), [[""; 0]]);
    }

    #[test]
    fn debug_output_hides_the_person() {
        let email: Email = "amy@example.com".parse().unwrap();
        assert_eq!(format!("{email:?}"), "Email(…@example.com)");
    }
}
