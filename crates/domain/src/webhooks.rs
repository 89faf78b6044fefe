//! Webhooks: endpoints that receive events of licenses, as [Standard Webhooks](https://www.standardwebhooks.com)
//! specifies.
//!
//! The transaction that causes an event adds a delivery for each endpoint that wants it. Each endpoint has its own
//! queue, so a slow endpoint delays no other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Duration, Utc};
#[cfg(feature = "url")]
use url::{Host, Url};

use crate::model::ids::{CustomerId, MessageId, WebhookId};
use crate::outbox::{EventName, Message, Payload};
use crate::queue::Backlog;

/// How long completed deliveries are kept, for inspection and replay.
pub const DELIVERED_KEPT: Duration = Duration::days(7);

/// How long requests are signed with the previous secret too.
pub const SECRETS_OVERLAP: Duration = Duration::days(1);

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The address that events are posted to, checked by `check_url`.
    pub url: String,
    /// The key of the signatures.
    pub secret: WebhookSecret,
    /// The key before, and until when requests are signed with it too.
    pub previous_secret: Option<(WebhookSecret, DateTime<Utc>)>,
    /// The events it receives, without duplicates and in the order of [`EventName::ALL`]. Empty for all events.
    pub event_types: Vec<EventName>,
    /// It receives events of this customer only. `None` for all customers.
    pub customer: Option<CustomerId>,
    /// Whether it receives events. Otherwise they wait.
    pub is_active: bool,
    /// When it was last switched on or off; `None` if it never was.
    pub switched_at: Option<DateTime<Utc>>,
    /// Why it is off; `None` if it is active, or if nobody knows.
    pub off_reason: Option<OffReason>,
    /// The number of events that waited for too long and were dropped.
    pub dropped: i64,
    /// The user who registered it.
    pub created_by: Option<String>,
    /// When it was registered.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub modified: DateTime<Utc>,
}

/// Why a webhook is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffReason {
    /// Somebody switched it off.
    Requested,
    /// It answered 410 Gone.
    Gone,
}

names!(OffReason {
    Requested => "requested",
    Gone => "answered_410",
});

impl Webhook {
    /// Whether it is to be told a message, now or when it is switched on: an event that matches its customer and its
    /// event types.
    pub fn wants(&self, message: &Message) -> bool {
        let Payload::LicenseEvent(event) = &message.payload else { return false };
        self.customer.is_none_or(|own| own == message.customer)
            && (self.event_types.is_empty() || self.event_types.iter().any(|own| own.as_str() == event.event))
    }

    /// The secrets that sign a request, the current one first.
    pub fn secrets(&self, now: DateTime<Utc>) -> Vec<&WebhookSecret> {
        let previous = self.previous_secret.as_ref().filter(|(_, until)| *until > now);
        std::iter::once(&self.secret).chain(previous.map(|(secret, _)| secret)).collect()
    }

    /// With another secret. The one before stays valid for [`SECRETS_OVERLAP`].
    pub(crate) fn with_secret(self, secret: WebhookSecret, now: DateTime<Utc>) -> Self {
        if self.secret == secret {
            return self;
        }
        Self { previous_secret: Some((self.secret, now + SECRETS_OVERLAP)), secret, ..self }
    }

    /// Switched on, or off for a reason.
    pub(crate) fn switched(self, off_reason: Option<OffReason>, now: DateTime<Utc>) -> Self {
        let is_active = off_reason.is_none();
        if self.is_active == is_active {
            return self;
        }
        Self { is_active, switched_at: Some(now), off_reason, ..self }
    }
}

/// A webhook with the number of its waiting deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOverview {
    /// The webhook.
    pub webhook: Webhook,
    /// The number of waiting deliveries, up to [`WAITING_COUNTED`].
    pub waiting: i64,
}

/// The most waiting deliveries of a webhook that are counted.
pub const WAITING_COUNTED: i64 = 10_000;

/// The deliveries to all webhooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookBacklog {
    /// The deliveries; those that wait are to active webhooks.
    pub deliveries: Backlog,
    /// The deliveries that wait for webhooks that are off, up to a limit.
    pub kept: i64,
    /// The number of webhooks that are off.
    pub off: i64,
    /// The number of dropped deliveries of all webhooks.
    pub dropped: i64,
}

/// The secret that both sides share: `whsec_` and base64 of 24 to 64 bytes. Its debug output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(String);

/// The text is not a valid secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A secret is whsec_ followed by base64 of 24 to 64 random bytes. Leave it out, and the service makes one.")]
pub struct InvalidSecret;

impl WebhookSecret {
    const PREFIX: &str = "whsec_";

    /// A secret of 24 to 64 random bytes.
    pub fn of_key(key: &[u8]) -> Self {
        Self(format!("{}{}", Self::PREFIX, BASE64_STANDARD.encode(key)))
    }

    /// A secret from storage, which holds valid secrets only.
    pub fn from_storage(secret: String) -> Self {
        Self(secret)
    }

    /// The secret as text, for its owner and for storage.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes of the key.
    pub fn key(&self) -> Vec<u8> {
        let text = self.0.strip_prefix(Self::PREFIX).unwrap_or_default();
        BASE64_STANDARD.decode(text).unwrap_or_default()
    }
}

impl std::str::FromStr for WebhookSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let secret = Self(text.to_owned());
        if (24..=64).contains(&secret.key().len()) { Ok(secret) } else { Err(InvalidSecret) }
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    /// It is due now or later.
    Waiting,
    /// The endpoint accepted it.
    Delivered,
    /// It is not retried any more.
    DeadLettered,
}

names!(WebhookState {
    Waiting => "waiting",
    Delivered => "delivered",
    DeadLettered => "parked",
});

/// A delivery of one event to one endpoint, for operators. It names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// The id of the event, sent as `webhook-id`: the same for every endpoint and every attempt.
    pub id: MessageId,
    /// The full name of the event.
    pub event_type: String,
    /// Its state.
    pub state: WebhookState,
    /// The failed attempts since it was added or replayed.
    pub attempts: i16,
    /// When it is due, or when its lease ends.
    pub not_before: DateTime<Utc>,
    /// The status of the last answer.
    pub last_status: Option<i16>,
    /// The last problem.
    pub last_error: Option<String>,
    /// When the event happened.
    pub created: DateTime<Utc>,
    /// When the endpoint accepted it.
    pub delivered_at: Option<DateTime<Utc>>,
}

/// Why an address cannot be used for a webhook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// It is not a URL.
    #[error("This must be a URL such as https://hooks.example.com/licenses.")]
    Malformed,
    /// Its scheme is not https.
    #[error("This must be an https URL.")]
    Scheme,
    /// It contains a user name or a password, which everybody who reads it would see.
    #[error("This may have neither user name nor password in it.")]
    Credentials,
    /// It leads to this machine or a private network.
    #[error("This leads to a private address. Name an address that is reachable from the internet.")]
    Private,
}

/// Checks the address of an endpoint: https, without credentials, and not a private address. Each delivery checks the
/// addresses that its host name resolves to. `allow_private` allows private addresses and http.
#[cfg(feature = "url")]
pub fn check_url(url: &str, allow_private: bool) -> Result<Url, InvalidUrl> {
    let url = Url::parse(url).map_err(|_| InvalidUrl::Malformed)?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err(InvalidUrl::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidUrl::Credentials);
    }
    let private = match url.host() {
        None => return Err(InvalidUrl::Malformed),
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    };
    if private && !allow_private { Err(InvalidUrl::Private) } else { Ok(url) }
}

/// Whether an address is on the internet: not loopback, private, link-local, multicast or reserved. An IPv6 address
/// that embeds an IPv4 address counts as that address.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let reserved = match (first, second) {
        (0 | 10 | 127 | 224.., _) | (169, 254) | (172, 16..=31) | (192, 168) | (198, 18 | 19) => true,
        // Carrier-grade NAT.
        (100, 64..=127) => true,
        (192, 0) => third == 0 || third == 2,
        (192, 88) => third == 99,
        (198, 51) => third == 100,
        (203, 0) => third == 113,
        _ => false,
    };
    !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match segments {
        // IPv4-mapped and IPv4-compatible; the unspecified and the loopback address have this form too.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => embedded(high, low),
        // NAT64, with the well-known and the local prefix.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => false,
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Discard-only; Teredo and other protocol assignments; documentation.
        [0x100, 0, 0, 0, ..] | [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only 2000::/3 is global unicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(all(test, feature = "url"))]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::outbox::Topic;

    #[test]
    fn only_addresses_on_the_internet_are_public() {
        let public = "1.1.1.1 8.8.8.8 93.184.216.34 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.167.0.1 \
             223.255.255.255 2606:4700:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1";
        for public in public.split_whitespace() {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        let private = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8 169.254.0.1 \
             169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 \
             198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 \
             ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b:1::1 \
             2002:7f00:1::1 2002:a9fe:a9fe::1 2001::1 2001:db8::1 100::1 fc00::1 fd12:3456::1 fe80::1 febf::1 \
             fec0::1 ff02::1 ff0e::1 3fff::1 4000::1";
        for private in private.split_whitespace() {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn an_endpoint_is_an_encrypted_address_on_the_internet() {
        for fine in ["https://hooks.example.com/a?b=c", "https://1.1.1.1:8443/", "https://[2606:4700::1]/"] {
            assert!(check_url(fine, false).is_ok(), "{fine}");
        }
        for private in [
            "https://127.0.0.1/",
            "https://localhost/",
            "https://LOCALHOST.:8443/",
            "https://a.localhost/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/",
        ] {
            assert_eq!(check_url(private, false), Err(InvalidUrl::Private), "{private}");
            assert!(check_url(private, true).is_ok(), "{private}");
        }
        assert_eq!(check_url("http://hooks.example.com/", false), Err(InvalidUrl::Scheme));
        assert!(check_url("http://127.0.0.1:8080/", true).is_ok());
        for scheme in ["ftp://example.com/", "file:///etc/passwd", "data:,x"] {
            assert_eq!(check_url(scheme, true), Err(InvalidUrl::Scheme), "{scheme}");
        }
        assert_eq!(check_url("https://amy:secret@example.com/", false), Err(InvalidUrl::Credentials));
        for malformed in ["", "example.com", "https://", "/path"] {
            assert_eq!(check_url(malformed, true), Err(InvalidUrl::Malformed), "{malformed}");
        }
    }

    #[test]
    fn a_secret_is_long_enough_and_hides() {
        let secret = WebhookSecret::of_key(&[7; 32]);
        assert_eq!(secret.expose().parse(), Ok(secret.clone()));
        assert_eq!(secret.key(), [7; 32]);
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
        let short = WebhookSecret::of_key(&[7; 23]);
        for wrong in ["", "whsec_", "hunter2", "whsec_not base64", short.expose(), &secret.expose()["whsec_".len()..]] {
            assert_eq!(wrong.parse::<WebhookSecret>(), Err(InvalidSecret), "{wrong}");
        }
    }

    #[test]
    fn a_webhook_wants_what_it_asked_for() {
        let customer = |number| CustomerId(Uuid::from_u128(number));
        let webhook = Webhook {
            id: WebhookId(Uuid::from_u128(1)),
            url: "https://hooks.example.com/".to_owned(),
            secret: WebhookSecret::of_key(&[7; 32]),
            previous_secret: None,
            event_types: vec![],
            customer: None,
            is_active: true,
            switched_at: None,
            off_reason: None,
            dropped: 0,
            created_by: None,
            created: DateTime::UNIX_EPOCH,
            modified: DateTime::UNIX_EPOCH,
        };
        let message = |topic: Topic, event: EventName, number| {
            let id = Uuid::from_u128(9);
            let payload = format!(
                r#"{{"event":"{}","properties":{{"license_uuid":"","license_activation_key":"","previous_license_uuid":"",
                     "assigned_date":"","activation_date":"","assigned_lms_user_id":"","assigned_email":"",
                     "expiration_processed":false,"auto_applied":"","enterprise_customer_uuid":"{id}",
                     "customer_agreement_uuid":"{id}","enterprise_customer_slug":"","enterprise_customer_name":""}}}}"#,
                event.as_str()
            );
            Message {
                id: MessageId(id),
                license: None,
                plan: None,
                customer: customer(number),
                payload: Payload::read(topic, payload),
                created: DateTime::UNIX_EPOCH,
            }
        };
        let event = |event, number| message(Topic::LicenseEvent, event, number);
        let assigned = event(EventName::Assigned, 1);
        assert!(webhook.wants(&assigned));
        assert!(Webhook { is_active: false, ..webhook.clone() }.wants(&assigned), "it gets the event later");
        assert!(!webhook.wants(&message(Topic::Assignment, EventName::Assigned, 1)), "a mail is no event");
        let of_one = Webhook { customer: Some(customer(1)), event_types: vec![EventName::Revoked], ..webhook };
        assert!(of_one.wants(&event(EventName::Revoked, 1)));
        assert!(!of_one.wants(&event(EventName::Revoked, 2)));
        assert!(!of_one.wants(&assigned));
    }
}
