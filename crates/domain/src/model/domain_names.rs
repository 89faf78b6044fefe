//! The domains of email addresses. International ones need the feature `idn`.

#[cfg(feature = "idn")]
pub(super) use international::{normal, search_label, to_ascii};
#[cfg(not(feature = "idn"))]
pub(super) use plain::{normal, search_label, to_ascii};

/// Whether the LMS accepts a label as the last one of a domain.
pub(super) fn is_last_label(label: &str) -> bool {
    label.chars().count() >= 2 && !label.contains(|letter: char| letter.is_ascii_digit())
}

/// Whether the letter is of Unicode's first plane: the LMS knows no other.
pub(super) fn is_basic(letter: char) -> bool {
    letter <= '\u{ffff}'
}

#[cfg(feature = "idn")]
mod international {
    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

    use super::{is_basic, is_last_label};

    /// The domain with other letters as `xn--…`; `None` if that is not possible.
    pub(in crate::model) fn to_ascii(domain: &str) -> Option<String> {
        let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
        ascii.ok().map(|domain| domain.into_owned())
    }

    /// A part of a label, in the form in which normal domains contain it.
    pub(in crate::model) fn search_label(label: &str) -> String {
        let shown = |label: &[char], _: &[char], _| label.iter().all(|letter| is_basic(*letter));
        match Uts46::new().to_user_interface(label.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, shown) {
            (label, Ok(())) => label.into_owned(),
            // A part of a label need not be a label.
            _ => label.to_lowercase(),
        }
    }

    /// The domain in Unicode as UTS 46 maps it; `None` if it is not a domain.
    pub(in crate::model) fn normal(domain: &str) -> Option<String> {
        // A label that the LMS accepts as `xn--…` alone stays so.
        let shown = |label: &[char], last: &[char], _| {
            label.iter().all(|letter| is_basic(*letter)) && (label != last || is_last_label(&String::from_iter(label)))
        };
        let (domain, mapped) =
            Uts46::new().to_user_interface(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, shown);
        mapped.is_ok().then(|| domain.into_owned())
    }
}

/// Domains of ASCII only. `xn--…` is refused too: without the mapping, one domain would have two forms, and a person two
/// addresses.
#[cfg(not(feature = "idn"))]
mod plain {
    pub(in crate::model) fn to_ascii(domain: &str) -> Option<String> {
        domain.is_ascii().then(|| domain.to_ascii_lowercase())
    }

    pub(in crate::model) fn search_label(label: &str) -> String {
        label.to_lowercase()
    }

    pub(in crate::model) fn normal(domain: &str) -> Option<String> {
        let domain = to_ascii(domain)?;
        (!domain.split('.').any(|label| label.starts_with("xn--"))).then_some(domain)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_plain_domains_are_accepted() {
            assert_eq!(normal("Example.COM").as_deref(), Some("example.com"));
            for international in ["münchen.de", "xn--mnchen-3ya.de", "example.XN--p1ai"] {
                assert_eq!(normal(international), None, "{international}");
            }
        }
    }
}
