//! Mails and events without a configured service go to the log, without personal data.

use std::io::Write;
use std::sync::{Arc, Mutex};

use license_manager_adapters::http::Tracking;
use license_manager_adapters::mail::LogMail;
use license_manager_domain::ports::{CampaignMail, EventTracking, Mail, MailKind, TrackedEvent};
use license_manager_domain::{LmsUserId, MessageId};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::braze::{braze, braze_with};
use crate::{email, now, patient};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Captures this thread's log until the guard is dropped.
fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn mail(kind: MailKind) -> Mail {
    let key = "5a84a8b2-b7b3-47ee-90b6-95ccd769f728";
    let properties = json!({
        "enterprise_customer_name": "Acme",
        "greeting": "Dear Amy",
        "license_activation_key": key,
        "license_activation_link": format!("https://portal/acme/licenses/{key}/activate"),
    });
    Mail {
        id: MessageId(Uuid::from_u128(1)),
        kind,
        to: email("amy@example.org"),
        lms_user_id: None,
        properties: serde_json::from_value(properties).unwrap(),
        attributes: Map::new(),
    }
}

#[tokio::test]
async fn a_mail_is_logged_without_its_recipient() {
    let (log, _guard) = listen();
    let mailer = LogMail::new().unwrap();
    mailer.send(MailKind::Assignment, &[mail(MailKind::Assignment)]).await.unwrap();
    mailer.identify(&[(email("amy@example.org"), LmsUserId(7))]).await.unwrap();
    let text = log.text();
    assert!(text.contains(" INFO ") && text.contains("mail (assignment) for somebody at example.org"), "{text}");
    assert!(text.contains("\n    Subject: Activate your license from Acme\n"), "{text}");
    assert!(text.contains("\n    https://portal/…"), "{text}");
    assert!(!text.to_lowercase().contains("amy") && !text.contains("5a84a8b2"), "{text}");
}

#[tokio::test]
async fn an_event_is_logged_without_its_person() {
    let (log, _guard) = listen();
    let properties = json!({
        "license_uuid": "some-license",
        "license_activation_key": "5a84a8b2",
        "assigned_email": "amy@example.org",
    });
    let event = TrackedEvent {
        id: MessageId(Uuid::from_u128(1)),
        name: "assigned".to_owned(),
        lms_user_id: Some(LmsUserId(7777)),
        email: Some(email("amy@example.org")),
        properties: serde_json::from_value(properties).unwrap(),
        at: now(),
    };
    Tracking::default().track(&[event]).await.unwrap();
    let text = log.text();
    assert!(text.contains("assigned") && text.contains("some-license"), "{text}");
    assert!(!text.contains("amy") && !text.contains("5a84a8b2") && !text.contains("7777"), "{text}");
}

#[tokio::test]
async fn a_missing_campaign_is_logged_once() {
    let server = braze_with(&[]).await;
    let braze = braze(server.uri(), patient());
    let (log, _guard) = listen();
    for kind in [MailKind::Reminder, MailKind::Reminder, MailKind::NoAllocations] {
        braze.send(kind, &[mail(kind)]).await.unwrap();
    }
    let text = log.text();
    assert_eq!(text.matches("braze.campaigns.reminder").count(), 1, "{text}");
    assert_eq!(text.matches("braze.campaigns.no_allocations").count(), 1, "{text}");
    assert!(text.contains(" WARN ") && !text.contains("amy"), "{text}");
}
