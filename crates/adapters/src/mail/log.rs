//! Writes mails to the log when no mail service is configured.

use async_trait::async_trait;
use license_manager_domain::ports::{CampaignMail, Mail, MailKind, Undelivered, UnsentMail};
use license_manager_domain::{Email, LmsUserId};
use serde_json::{Map, Value};
use url::Url;

use super::words::Templates;

/// Logs mails: the kind, the domain of the address, the subject and the text. Personal data is left out, and links that
/// grant something are cut to their host.
#[derive(Debug, Clone)]
pub struct LogMail(Templates);

/// Properties that are safe to log: they identify no person and grant nothing.
const HARMLESS: [&str; 11] = [
    "enterprise_customer_slug",
    "enterprise_customer_name",
    "subscription_plan_title",
    "num_revocations_applied",
    "date",
    "num_allocated_licenses",
    "num_total_licenses",
    "utilization_percentage",
    "learner_portal_url",
    "admin_portal_url",
    "manage_learners_url",
];

/// Links that let anybody who has them act.
const SECRET_LINKS: [&str; 2] = ["license_activation_link", "download_url"];

impl LogMail {
    /// Reads the templates.
    ///
    /// # Errors
    /// When a template is invalid.
    pub fn new() -> Result<Self, String> {
        Templates::new().map(Self)
    }

    fn entry(&self, mail: &Mail) -> Result<String, String> {
        let words = self.0.words(mail.kind, &harmless(&mail.properties))?;
        let domain = mail.to.as_str().rsplit_once('@').map_or("", |(_, domain)| domain);
        let kind = mail.kind.as_str();
        // Indented, so that no line of a mail looks like a line of the log.
        let text: String = words.text.lines().map(|line| format!("\n    {line}")).collect();
        Ok(format!("mail ({kind}) for somebody at {domain}, not sent\n    Subject: {}\n{text}", words.subject))
    }
}

fn harmless(properties: &Map<String, Value>) -> Map<String, Value> {
    let shown = |(name, value): (&String, &Value)| {
        if HARMLESS.contains(&name.as_str()) {
            return Some((name.clone(), value.clone()));
        }
        let link =
            SECRET_LINKS.contains(&name.as_str()).then(|| value.as_str().and_then(|link| Url::parse(link).ok()))??;
        Some((name.clone(), format!("{}/…", link.origin().ascii_serialization()).into()))
    };
    properties.iter().filter_map(shown).collect()
}

#[async_trait]
impl CampaignMail for LogMail {
    async fn send(&self, _: MailKind, mails: &[Mail]) -> Result<Vec<UnsentMail>, Undelivered> {
        let mut unsent = Vec::new();
        for (place, mail) in mails.iter().enumerate() {
            match self.entry(mail) {
                Ok(entry) => tracing::info!("{entry}"),
                Err(problem) => unsent.push(UnsentMail { place, problem: Undelivered::Refused(problem) }),
            }
        }
        Ok(unsent)
    }

    /// The log keeps no addresses.
    async fn identify(&self, _: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use license_manager_domain::MessageId;
    use uuid::Uuid;

    use super::super::words::tests::every_property;
    use super::*;

    fn entry(kind: MailKind, properties: Map<String, Value>) -> String {
        let (id, to) = (MessageId(Uuid::nil()), "amy@example.com".parse().unwrap());
        LogMail::new()
            .unwrap()
            .entry(&Mail { id, kind, to, lms_user_id: Some(LmsUserId(7)), properties, attributes: Map::new() })
            .unwrap()
    }

    #[test]
    fn the_log_shows_the_mail_without_personal_data() {
        assert_eq!(
            entry(MailKind::Assignment, every_property()),
            "mail (assignment) for somebody at example.com, not sent\n    \
             Subject: Activate your license from Acme, Inc.\n\n    \
             Acme, Inc. has a license for you. With it you can take every course of the subscription at no cost to you.\n    \n    \
             Activate it to begin. If you have no account yet, you can make one on the way: use the address this mail was sent to.\n    \n    \
             Activate your license:\n    \
             https://portal/…"
        );
        for kind in MailKind::ALL {
            let entry = entry(kind, every_property());
            for secret in ["amy", "5a84a8b2", "token=", "Ada", "Dear", "help@", "answers@", "Academy"] {
                assert!(!entry.contains(secret), "{secret} in {entry}");
            }
        }
    }

    #[test]
    fn no_line_of_a_mail_looks_like_a_log_line() {
        let mut properties = every_property();
        properties.insert("enterprise_customer_name".to_owned(), "Acme\n2026-11-22T00:00:00Z ERROR forged".into());
        let entry = entry(MailKind::Assignment, properties);
        assert!(entry.lines().skip(1).all(|line| line.is_empty() || line.starts_with("    ")), "{entry}");
    }
}
