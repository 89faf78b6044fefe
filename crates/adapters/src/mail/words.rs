//! Renders the texts of mails.

use license_manager_domain::ports::MailKind;
use minijinja::Environment;
use minijinja::value::Serde;
use serde_json::Map;

/// The content of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// A single line.
    pub(super) subject: String,
    /// The plain text.
    pub(super) text: String,
    /// The HTML form. Every value in it is escaped.
    pub(super) html: String,
}

/// The templates of every kind of mail.
#[derive(Debug, Clone)]
pub(super) struct Templates(Environment<'static>);

/// Used when the customer's name or the plan's title is unknown.
const SOME_CUSTOMER: &str = "your organization";
const SOME_PLAN: &str = "the subscription plan";

impl Templates {
    /// Reads the templates.
    ///
    /// # Errors
    /// When a template is invalid.
    pub(super) fn new() -> Result<Self, String> {
        let mut environment = Environment::new();
        let mut add = |name: String, source: &'static str| {
            environment
                .add_template_owned(name.clone(), source)
                .map_err(|error| format!("the template {name} is not valid: {error}"))
        };
        add("layout.html".to_owned(), include_str!("../../templates/layout.html"))?;
        add("layout.txt".to_owned(), include_str!("../../templates/layout.txt"))?;
        add("parts.html".to_owned(), include_str!("../../templates/parts.html"))?;
        add("parts.txt".to_owned(), include_str!("../../templates/parts.txt"))?;
        for kind in MailKind::ALL {
            for form in ["html", "txt"] {
                // minijinja decides by the name's extension whether to escape.
                add(format!("{}.{form}", kind.as_str()), source(kind))?;
            }
        }
        Ok(Self(environment))
    }

    /// Renders a mail of this kind. Unknown properties are ignored; missing ones are left out.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub(super) fn words(&self, kind: MailKind, properties: &Map<String, serde_json::Value>) -> Result<Words, String> {
        let (text, subject) = self.render(kind, "txt", properties)?;
        let (html, _) = self.render(kind, "html", properties)?;
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Words { subject, text: without_gaps(&text), html })
    }

    fn render(
        &self,
        kind: MailKind,
        form: &str,
        properties: &Map<String, serde_json::Value>,
    ) -> Result<(String, String), String> {
        let name = format!("{}.{form}", kind.as_str());
        let said = |property: &str, otherwise: &str| {
            let text = properties.get(property).and_then(serde_json::Value::as_str).map(str::trim);
            text.filter(|text| !text.is_empty()).unwrap_or(otherwise).to_owned()
        };
        let mut context = properties.clone();
        context.insert("customer".to_owned(), said("enterprise_customer_name", SOME_CUSTOMER).into());
        context.insert("plan".to_owned(), said("subscription_plan_title", SOME_PLAN).into());
        context.insert("layout".to_owned(), format!("layout.{form}").into());
        context.insert("parts".to_owned(), format!("parts.{form}").into());
        let rendered = || {
            let template = self.0.get_template(&name)?;
            let mut captured = template.render_captured(Serde(&context))?;
            let subject = captured.with_state_mut(|state| state.render_block("subject"))?;
            Ok((captured.into_output(), subject))
        };
        rendered().map_err(|error: minijinja::Error| format!("the template {name} cannot be rendered: {error}"))
    }
}

fn source(kind: MailKind) -> &'static str {
    match kind {
        MailKind::Assignment => include_str!("../../templates/assignment.jinja"),
        MailKind::Reminder => include_str!("../../templates/reminder.jinja"),
        MailKind::PostActivation => include_str!("../../templates/post_activation.jinja"),
        MailKind::AutoApplied => include_str!("../../templates/auto_applied.jinja"),
        MailKind::AutoAppliedNoPortal => include_str!("../../templates/auto_applied_no_portal.jinja"),
        MailKind::RevocationCap => include_str!("../../templates/revocation_cap.jinja"),
        MailKind::InitialUtilization => include_str!("../../templates/initial_utilization.jinja"),
        MailKind::LimitedAllocations => include_str!("../../templates/limited_allocations.jinja"),
        MailKind::NoAllocations => include_str!("../../templates/no_allocations.jinja"),
        MailKind::BulkEnrollmentResult => include_str!("../../templates/bulk_enrollment_result.jinja"),
    }
}

/// The text with at most one empty line in a row; omitted parts of a template leave gaps.
fn without_gaps(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line);
        }
    }
    lines.join("\n").trim().to_owned() + "\n"
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// A value for every property of any mail.
    pub(in crate::mail) fn every_property() -> Map<String, serde_json::Value> {
        let properties = json!({
            "greeting": "Dear team,\nwelcome.",
            "closing": "Yours, Ada",
            "license_activation_key": "5a84a8b2-b7b3-47ee-90b6-95ccd769f728",
            "license_activation_link": "https://portal/acme/licenses/5a84a8b2-b7b3-47ee-90b6-95ccd769f728/activate",
            "enterprise_customer_slug": "acme",
            "enterprise_customer_name": "Acme, Inc.",
            "enterprise_sender_alias": "Acme Academy",
            "enterprise_contact_email": "help@acme.example",
            "enterprise_reply_to": "answers@acme.example",
            "subscription_plan_title": "Data Science",
            "num_revocations_applied": 5,
            "date": "2026-11-22T04:35:00Z",
            "num_allocated_licenses": 15,
            "num_total_licenses": 20,
            "utilization_percentage": 75,
            "learner_portal_url": "https://portal/acme",
            "manage_learners_url": "https://admin/acme/admin/subscriptions/manage-learners/7",
            "download_url": "https://licenses/results/7?token=secret",
        });
        serde_json::from_value(properties).unwrap()
    }

    fn words(kind: MailKind, properties: &Map<String, serde_json::Value>) -> Words {
        Templates::new().unwrap().words(kind, properties).unwrap()
    }

    #[test]
    fn every_mail_says_what_it_is_about_in_both_forms() {
        for (kind, subject, said) in [
            (MailKind::Assignment, "Activate your license from Acme, Inc.", "/activate"),
            (MailKind::Reminder, "Your license from Acme, Inc. still waits for you", "/activate"),
            (MailKind::PostActivation, "Welcome! Your license from Acme, Inc. is active", "https://portal/acme"),
            (MailKind::AutoApplied, "Acme, Inc. gave you a license", "https://portal/acme"),
            (MailKind::AutoAppliedNoPortal, "Acme, Inc. gave you a license", "where you usually do"),
            (
                MailKind::RevocationCap,
                "Acme, Inc. has used up the revocations of Data Science",
                "on 2026-11-22: 5 activated",
            ),
            (
                MailKind::InitialUtilization,
                "How Data Science is used after its first week",
                "15 of its 20 licenses are taken (75%)",
            ),
            (
                MailKind::LimitedAllocations,
                "Few licenses are left in Data Science",
                "15 of the 20 licenses of Data Science",
            ),
            (MailKind::NoAllocations, "No license is left in Data Science", "All 20 licenses"),
            (MailKind::BulkEnrollmentResult, "The enrollments you asked for are done", "/results/7?token=secret"),
        ] {
            let words = words(kind, &every_property());
            assert_eq!(words.subject, subject);
            assert!(words.text.contains(said), "{}", words.text);
            // A slash is escaped too.
            assert!(words.html.replace("&#x2f;", "/").contains(said), "{}", words.html);
            assert!(words.html.contains(&format!("<title>{subject}</title>")), "{}", words.html);
            assert!(!words.text.contains(['<', '{']) && !words.html.contains('{'), "{}", words.text);
            assert!(words.text.ends_with("\n\nQuestions? Write to help@acme.example.\n"), "{}", words.text);
        }
    }

    #[test]
    fn an_assignment_in_plain_text_reads_well() {
        assert_eq!(
            words(MailKind::Assignment, &every_property()).text,
            "Dear team,\n\
             welcome.\n\
             \n\
             Acme, Inc. has a license for you. With it you can take every course of the subscription at no cost to you.\n\
             \n\
             Activate it to begin. If you have no account yet, you can make one on the way: use the address this mail was sent to.\n\
             \n\
             Activate your license:\n\
             https://portal/acme/licenses/5a84a8b2-b7b3-47ee-90b6-95ccd769f728/activate\n\
             \n\
             Yours, Ada\n\
             \n\
             Questions? Write to help@acme.example.\n"
        );
    }

    #[test]
    fn a_mail_without_properties_has_no_gaps() {
        let nothing = Map::new();
        let assignment = words(MailKind::Assignment, &nothing);
        assert_eq!(assignment.subject, "Activate your license from your organization");
        assert!(assignment.text.starts_with("your organization has a license for you."), "{}", assignment.text);
        for kind in MailKind::ALL {
            let words = words(kind, &nothing);
            assert!(!words.text.contains("\n\n\n") && !words.text.contains("Questions"), "{}", words.text);
            assert!(!words.html.contains("href"), "{}", words.html);
        }
    }

    #[test]
    fn user_input_is_escaped_in_html_and_unchanged_in_text() {
        let hostile = "<script>alert(1)</script> & \"more\"";
        let mut properties = every_property();
        for value in properties.values_mut().filter(|value| value.is_string()) {
            *value = hostile.into();
        }
        for kind in MailKind::ALL {
            let words = words(kind, &properties);
            assert!(!words.html.contains("<script>") && !words.html.contains("\"more\""), "{}", words.html);
            assert!(words.text.contains(hostile), "{}", words.text);
        }
        properties.insert("enterprise_customer_name".to_owned(), "Acme\r\nBcc: everybody@example.com".into());
        let subject = words(MailKind::Assignment, &properties).subject;
        assert_eq!(subject, "Activate your license from Acme Bcc: everybody@example.com");
    }

    #[test]
    fn templates_use_only_known_properties() {
        let templates = Templates::new().unwrap();
        let known: BTreeSet<_> = every_property().into_iter().map(|(name, _)| name).collect();
        let made_here = ["customer", "plan", "layout", "parts"].map(str::to_owned);
        for (name, template) in templates.0.templates().filter(|(name, _)| !name.starts_with("parts")) {
            for used in template.undeclared_variables(false) {
                assert!(known.contains(&used) || made_here.contains(&used), "{name} uses {used}");
            }
        }
    }
}
