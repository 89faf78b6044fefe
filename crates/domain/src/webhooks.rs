//! Webhooks: endpoints that events of licenses are told to, as [Standard Webhooks](https://www.standardwebhooks.com) has it.
//!
//! An event is promised to the endpoints that want it in the transaction that causes it, apart from the outbox: each endpoint has
//! its own deliveries, so that one that is slow or away holds up no other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Duration, Utc};
use url::{Host, Url};

use crate::model::ids::{CustomerId, MessageId, WebhookId};
use crate::outbox::{EventName, Message, Payload};

/// How long deliveries that were made are kept, to be looked at and replayed.
pub const DELIVERED_KEPT: Duration = Duration::days(7);

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where events are posted to; see [`check_url`].
    pub url: String,
    /// What requests are signed with.
    pub secret: WebhookSecret,
    /// The events it is told of, each once and in the order of [`EventName::ALL`]; all where there is none.
    pub event_types: Vec<EventName>,
    /// Only events of this customer.
    pub customer: Option<CustomerId>,
    /// Whether it is told anything.
    pub is_active: bool,
    /// The user name of whoever registered it.
    pub created_by: Option<String>,
    /// When it was registered.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub modified: DateTime<Utc>,
}

impl Webhook {
    /// Whether it is to be told of a message: of an event of its customer, or of any where it has none, and of one of its event
    /// types, or of any where it has none.
    pub fn wants(&self, message: &Message) -> bool {
        let Payload::LicenseEvent(event) = &message.payload else { return false };
        self.is_active
            && self.customer.is_none_or(|own| own == message.customer)
            && (self.event_types.is_empty() || self.event_types.iter().any(|own| own.as_str() == event.event))
    }
}

/// The secret that both sides know: `whsec_` and base64 of 24 to 64 bytes. Its debug form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(String);

/// The text is not a webhook's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A secret is whsec_ followed by base64 of 24 to 64 random bytes. Leave it out to have one made.")]
pub struct InvalidSecret;

impl WebhookSecret {
    const PREFIX: &str = "whsec_";

    /// The secret made of these random bytes, 24 to 64 of them.
    pub fn of_key(key: &[u8]) -> Self {
        Self(format!("{}{}", Self::PREFIX, BASE64_STANDARD.encode(key)))
    }

    /// A secret read back from storage, where only parsed ones are written.
    pub fn from_storage(secret: String) -> Self {
        Self(secret)
    }

    /// The secret, for whoever registers the endpoint, and for storage.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes that sign.
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

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    /// It is due, now or later.
    Waiting,
    /// The endpoint took it.
    Delivered,
    /// Nobody tries any more.
    DeadLettered,
}

impl WebhookState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::DeadLettered];

    /// Its name in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::DeadLettered => "parked",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// One event for one endpoint, as an operator sees it: nothing here names a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// The id of the event, the same for every endpoint and every try: what `webhook-id` tells.
    pub id: MessageId,
    /// The full name of the event.
    pub event_type: String,
    /// How far it is.
    pub state: WebhookState,
    /// How often it was tried in vain since it was promised or replayed.
    pub attempts: i16,
    /// When it is due, or until when somebody has claimed it.
    pub not_before: DateTime<Utc>,
    /// The status the endpoint answered last.
    pub last_status: Option<i16>,
    /// What was wrong the last time.
    pub last_error: Option<String>,
    /// When the event happened.
    pub created: DateTime<Utc>,
    /// When the endpoint took it.
    pub delivered_at: Option<DateTime<Utc>>,
}

/// Why an address is no place for a webhook, for whoever registers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is no address.
    #[error("This must be a URL such as https://hooks.example.com/licenses.")]
    Malformed,
    /// It is not encrypted, or no web address.
    #[error("This must be an https URL.")]
    Scheme,
    /// It has a user name or a password in it, which would be shown to whoever reads it.
    #[error("This may have neither user name nor password in it.")]
    Credentials,
    /// It leads into this machine or its networks.
    #[error("This leads to a private address. Name an address that is reachable from the internet.")]
    Private,
}

/// Checks the address of an endpoint: https, without credentials, and not a private address by itself; where its name leads is
/// checked at every delivery. Where private addresses are allowed, so is http.
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

/// Whether an address is one on the internet: not of this machine, a private network, a link, a group, or reserved. An IPv6
/// address that stands for an IPv4 address counts as that.
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
        // Shared by a carrier's customers.
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
        // IPv4-mapped and IPv4-compatible, which the unspecified and the loopback address look like too.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => embedded(high, low),
        // NAT64, to anywhere and to a network's own choice.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => false,
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Discarded; Teredo and other protocol assignments; documentation.
        [0x100, 0, 0, 0, ..] | [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only 2000::/3 is handed out: not unique local, link-local, site-local, multicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::outbox::Topic;

    #[test]
    fn only_addresses_on_the_internet_are_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
            "3fff::1",
            "4000::1",
        ] {
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
            event_types: vec![],
            customer: None,
            is_active: true,
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
        assert!(!Webhook { is_active: false, ..webhook.clone() }.wants(&assigned));
        assert!(!webhook.wants(&message(Topic::Assignment, EventName::Assigned, 1)), "a mail is no event");
        let of_one = Webhook { customer: Some(customer(1)), event_types: vec![EventName::Revoked], ..webhook };
        assert!(of_one.wants(&event(EventName::Revoked, 1)));
        assert!(!of_one.wants(&event(EventName::Revoked, 2)));
        assert!(!of_one.wants(&assigned));
    }
}
