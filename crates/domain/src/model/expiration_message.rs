//! A customer's message to learners of an expired plan.

use crate::error::FieldErrors;

/// A message to learners of an expired plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExpirationMessage {
    /// The title, at most 512 characters.
    pub modal_header_text: String,
    /// The message, as sanitized HTML, at most 20,000 characters. Without the feature `html`, tags become text.
    pub modal_messaging: String,
    /// The button's label, at most 255 characters.
    pub button_label: String,
    /// The button's http or https URL, at most 512 characters.
    pub button_url: String,
}

/// Changes to an expiration message. Absent fields stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in ExpirationMessage
pub struct ExpirationMessageChanges {
    /// Whether there is a message. `false` drops its texts.
    pub enabled: Option<bool>,
    pub modal_header_text: Option<String>,
    pub modal_messaging: Option<String>,
    pub button_label: Option<String>,
    pub button_url: Option<String>,
}

/// The longest message, in characters. Sanitizing takes time that grows with the square of the nesting.
const MAX_MESSAGING: usize = 20_000;

impl ExpirationMessageChanges {
    /// The changes with sanitized HTML. A message that is too long stays as it is: it is refused later. Call this outside
    /// of a transaction, because it takes time.
    pub(crate) fn sanitized(mut self) -> Self {
        self.modal_messaging =
            self.modal_messaging.map(|html| if is_too_long(&html) { html } else { sanitized(&html) });
        self
    }

    /// The message as learners would see it, if these are all of its texts; `None` if it is off.
    ///
    /// # Errors
    /// Each invalid field, by its name on the wire.
    pub fn preview(self) -> Result<Option<ExpirationMessage>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let message = self.sanitized().apply(None, &mut errors);
        if errors.iter().next().is_some() { Err(errors) } else { Ok(message) }
    }

    /// The changed message, of changes that are [sanitized](Self::sanitized). Adds an error for each invalid field, by its name on the wire.
    pub(crate) fn apply(
        self,
        before: Option<ExpirationMessage>,
        errors: &mut FieldErrors,
    ) -> Option<ExpirationMessage> {
        let given = [
            ("modal_header_text_v2", &self.modal_header_text),
            ("expired_subscription_modal_messaging_v2", &self.modal_messaging),
            ("button_label_in_modal_v2", &self.button_label),
            ("url_for_button_in_modal_v2", &self.button_url),
        ];
        if !self.enabled.unwrap_or(before.is_some()) {
            for (field, text) in given {
                if text.as_ref().is_some_and(|text| !text.trim().is_empty()) {
                    errors.add(field, "Without a custom message this must be empty.");
                }
            }
            return None;
        }
        let before = before.unwrap_or_else(|| ExpirationMessage {
            modal_header_text: String::new(),
            modal_messaging: String::new(),
            button_label: String::new(),
            button_url: String::new(),
        });
        let message = ExpirationMessage {
            modal_header_text: self.modal_header_text.unwrap_or(before.modal_header_text),
            modal_messaging: self.modal_messaging.unwrap_or(before.modal_messaging),
            button_label: self.button_label.unwrap_or(before.button_label),
            button_url: self.button_url.unwrap_or(before.button_url),
        };
        message.check(errors);
        Some(message)
    }
}

impl ExpirationMessage {
    /// The message without anything dangerous, for one that comes from another system. HTML that is too long to be
    /// sanitized and an address that does not lead to the web are left out.
    pub fn harmless(mut self) -> Self {
        self.modal_messaging = match is_too_long(&self.modal_messaging) {
            true => String::new(),
            false => sanitized(&self.modal_messaging),
        };
        if !self.leads_to_the_web() {
            self.button_url = String::new();
        }
        self
    }

    fn leads_to_the_web(&self) -> bool {
        is_web_address(&self.button_url)
    }

    fn check(&self, errors: &mut FieldErrors) {
        for (field, text, longest) in [
            ("modal_header_text_v2", &self.modal_header_text, 512),
            ("expired_subscription_modal_messaging_v2", &self.modal_messaging, MAX_MESSAGING),
            ("button_label_in_modal_v2", &self.button_label, 255),
            ("url_for_button_in_modal_v2", &self.button_url, 512),
        ] {
            if text.trim().is_empty() {
                errors.add(field, "A custom message needs this.");
            } else if text.chars().count() > longest {
                errors.add(field, format!("At most {longest} characters."));
            }
        }
        if !self.button_url.trim().is_empty() && !self.leads_to_the_web() {
            errors.add("url_for_button_in_modal_v2", "A button leads to an http or https address.");
        }
    }
}

fn is_too_long(html: &str) -> bool {
    html.chars().count() > MAX_MESSAGING
}

#[cfg(feature = "url")]
fn is_web_address(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Without the feature `url`, fewer addresses are accepted: those that need no normal form.
#[cfg(not(feature = "url"))]
fn is_web_address(address: &str) -> bool {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphanumeric())
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

/// The text with every tag shown as text, because nothing sanitizes HTML without the feature `html`.
#[cfg(not(feature = "html"))]
fn sanitized(html: &str) -> String {
    let text = html.trim().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// The HTML without anything dangerous: known safe tags and attributes stay, links lead only to http and https, and
/// scripts and styles are removed with their text.
#[cfg(feature = "html")]
fn sanitized(html: &str) -> String {
    ammonia::Builder::default()
        .add_tags(["span"])
        .url_schemes(std::collections::HashSet::from(["http", "https"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .clean(html)
        .to_string()
        .trim()
        .to_owned()
}

#[cfg(all(test, feature = "html"))]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_at_most_20_000_characters() {
        let errors_of = |modal_messaging: String| {
            let changes = ExpirationMessageChanges {
                enabled: Some(true),
                modal_header_text: Some("Over".to_owned()),
                modal_messaging: Some(modal_messaging),
                button_label: Some("Ask".to_owned()),
                button_url: Some("https://example.com".to_owned()),
            };
            let mut errors = FieldErrors::default();
            changes.sanitized().apply(None, &mut errors);
            errors.into_result().err().map(|error| format!("{error:?}"))
        };
        assert_eq!(errors_of("ä".repeat(MAX_MESSAGING)), None);
        // 80,000 open tags take half a minute to sanitize, so a message is measured first.
        for html in ["ä".repeat(MAX_MESSAGING + 1), "<div>".repeat(80_000)] {
            let errors = errors_of(html).unwrap_or_default();
            assert!(errors.contains("expired_subscription_modal_messaging_v2") && errors.contains("20000"), "{errors}");
        }
    }

    #[test]
    fn harmless_html_stays_as_it_is() {
        let html = "<p>Your <span>plan</span> <strong>ended</strong>.</p>";
        assert_eq!(sanitized(html), html);
        let link = sanitized(r#"<a href="https://example.com/help?a=1">Help</a>"#);
        assert!(link.contains(r#"href="https://example.com/help?a=1""#), "{link}");
    }

    #[test]
    fn nothing_that_runs_or_leads_elsewhere_is_left() {
        for (html, left) in [
            ("<script>alert(1)</script>", ""),
            ("<style>p { color: red }</style>gone", "gone"),
            (r#"<p onclick="alert(1)">Hi</p>"#, "<p>Hi</p>"),
            (r#"<span style="position: fixed">Hi</span>"#, "<span>Hi</span>"),
            ("<iframe src=\"https://example.com\"></iframe>", ""),
        ] {
            assert_eq!(sanitized(html), left, "{html}");
        }
        for address in
            ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "ftp://x.org/", "/there", "//x.org"]
        {
            let link = sanitized(&format!(r#"<a href="{address}">Hi</a>"#));
            assert!(!link.contains("href"), "{address}: {link}");
        }
    }

    #[test]
    fn a_message_from_elsewhere_is_made_harmless() {
        let message = |html: &str, url: &str| ExpirationMessage {
            modal_header_text: "Over".to_owned(),
            modal_messaging: html.to_owned(),
            button_label: "Renew".to_owned(),
            button_url: url.to_owned(),
        };
        let harmless = message("<p>Over</p>", "https://example.com");
        assert_eq!(harmless.clone().harmless(), harmless);
        let made = message("<p onclick=\"x()\">Over</p>", "javascript:alert(1)").harmless();
        assert_eq!(made, message("<p>Over</p>", ""));
        assert_eq!(message(&"x".repeat(MAX_MESSAGING + 1), "https://example.com").harmless().modal_messaging, "");
    }

    #[test]
    fn a_button_leads_to_the_web() {
        for (url, accepted) in [
            ("https://example.com/renew", true),
            ("http://example.com", true),
            ("javascript:alert(1)", false),
            ("ftp://example.com", false),
            ("example.com", false),
            ("/renew", false),
        ] {
            let changes = ExpirationMessageChanges {
                enabled: Some(true),
                modal_header_text: Some("Over".to_owned()),
                modal_messaging: Some("<p>Over</p>".to_owned()),
                button_label: Some("Renew".to_owned()),
                button_url: Some(url.to_owned()),
            };
            let mut errors = FieldErrors::default();
            changes.apply(None, &mut errors);
            let at_fault: Vec<_> = errors.iter().map(|(field, _)| field).collect();
            let expected: &[&str] = if accepted { &[] } else { &["url_for_button_in_modal_v2"] };
            assert_eq!(at_fault, expected, "{url}");
        }
    }
}
