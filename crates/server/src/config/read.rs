//! Reads single values from a TOML file or from the environment, where every value is text.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

use actix_web::http::header::HeaderName;
use license_manager_domain::Email;
use license_manager_domain::permissions::{GRANTS, Role};
use reqwest::Url;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use super::value::without_secrets;

/// A whole number from `MIN` to `MAX`, as a number or as text.
pub(super) fn whole_number<'de, D, T, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    struct Within<T, const MIN: u64, const MAX: u64>(PhantomData<T>);

    impl<const MIN: u64, const MAX: u64, T: TryFrom<u64>> Within<T, MIN, MAX> {
        fn accept<E: Error>(number: Option<u64>, given: impl fmt::Display) -> Result<T, E> {
            number
                .filter(|number| (MIN..=MAX).contains(number))
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| E::custom(format!("`{given}` is not a whole number from {MIN} to {MAX}")))
        }
    }

    impl<const MIN: u64, const MAX: u64, T: TryFrom<u64>> Visitor<'_> for Within<T, MIN, MAX> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from {MIN} to {MAX}")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            Self::accept(u64::try_from(number).ok(), number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            Self::accept(Some(number), number)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            Self::accept(text.trim().parse().ok(), text.escape_debug())
        }
    }

    deserializer.deserialize_any(Within::<T, MIN, MAX>(PhantomData))
}

/// A number from 0 to 1, as a number or as text.
pub(super) fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Ratio;

    impl Ratio {
        fn accept<E: Error>(number: Option<f64>, given: impl fmt::Display) -> Result<f64, E> {
            number
                .filter(|number| (0.0..=1.0).contains(number))
                .ok_or_else(|| E::custom(format!("`{given}` is not a number from 0 to 1")))
        }
    }

    impl Visitor<'_> for Ratio {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number from 0 to 1")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
            Self::accept(Some(number as f64), number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
            Self::accept(Some(number as f64), number)
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
            Self::accept(Some(number), number)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            Self::accept(text.trim().parse().ok(), text.escape_debug())
        }
    }

    deserializer.deserialize_any(Ratio)
}

/// A TOML list, or comma-separated text. `item` says what is wrong with an item.
fn list<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    items: &'static str,
    item: fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error> {
    struct Items<T>(&'static str, fn(&str) -> Result<T, String>);

    impl<'de, T> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of {}", self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            let items = text.split(',').map(str::trim).filter(|text| !text.is_empty());
            items.map(|text| self.1(text).map_err(E::custom)).collect()
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<T>, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = sequence.next_element_seed(Item(self.1))? {
                items.push(item);
            }
            Ok(items)
        }
    }

    struct Item<T>(fn(&str) -> Result<T, String>);

    impl<'de, T> DeserializeSeed<'de> for Item<T> {
        type Value = T;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
            self.0(String::deserialize(deserializer)?.trim()).map_err(D::Error::custom)
        }
    }

    deserializer.deserialize_any(Items(items, item))
}

/// A list of user ids.
pub(super) fn user_ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    list(deserializer, "user ids", |id| id.parse().map_err(|_| format!("`{}` is not a user id", id.escape_debug())))
}

/// A list of UUIDs.
pub(super) fn uuids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Uuid>, D::Error> {
    list(deserializer, "UUIDs", |text| text.parse().map_err(|_| format!("`{}` is not a UUID", text.escape_debug())))
}

/// A list of web origins. Each is kept as browsers send it.
pub(super) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "origins", |text| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        match url.map(|url| (url.origin().ascii_serialization(), url)) {
            // No path and no wildcard: it would look like a rule and match nothing.
            Some((origin, url)) if url.as_str() == format!("{origin}/") && !origin.contains('*') => Ok(origin),
            _ => {
                let text = without_secrets(text);
                Err(format!("`{}` is not an origin, such as https://portal.example.com", text.escape_debug()))
            }
        }
    })
}

/// A list of names of HTTP headers.
pub(super) fn header_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "header names", |text| match HeaderName::try_from(text) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err(format!("`{}` is not the name of a header", text.escape_debug())),
    })
}

/// A list of host names or IP addresses, without ports.
pub(super) fn host_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "host names", |text| {
        let url = Url::parse(&format!("http://{text}/")).ok();
        match url.as_ref().and_then(Url::host_str) {
            Some(host) if host.eq_ignore_ascii_case(text) => Ok(text.to_owned()),
            _ => {
                let text = without_secrets(text);
                Err(format!("`{}` is not a host name, such as licenses.example.com", text.escape_debug()))
            }
        }
    })
}

/// A list of `NAME=ROLE`: another name of a role in tokens.
pub(super) fn role_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "pairs NAME=ROLE", |text| match text.split_once('=') {
        Some((name, role)) if !name.is_empty() && Role::in_token(role).is_some() => Ok(text.to_owned()),
        _ => {
            let roles: Vec<&str> = GRANTS.iter().flat_map(|grant| grant.in_tokens).copied().collect();
            Err(format!("`{}` is not NAME=ROLE, where ROLE is one of {}", text.escape_debug(), roles.join(", ")))
        }
    })
}

/// The name of a cookie. RFC 6265 writes it with the same characters as the name of a header.
pub(super) fn cookie_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match HeaderName::try_from(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(D::Error::custom(format!("`{}` is not the name of a cookie", text.escape_debug()))),
    }
}

/// An IP address and a port.
pub(super) fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!(
            "`{}` is not an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080",
            without_secrets(&text).escape_debug()
        ))
    })
}

/// Like [`socket_address`], but optional.
pub(super) fn optional_socket_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    socket_address(deserializer).map(Some)
}

/// A text that is not empty.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() { Err(D::Error::custom("it must not be empty")) } else { Ok(text) }
}

/// Like [`text`], but optional.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer).map(Some)
}

/// An http or https URL, kept without its trailing slash.
pub(super) fn web_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.trim_end_matches('/').to_owned()),
        _ => {
            let text = without_secrets(&text);
            Err(D::Error::custom(format!("`{}` is not an http or https address", text.escape_debug())))
        }
    }
}

/// Like [`web_address`], but optional.
pub(super) fn optional_web_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    web_address(deserializer).map(Some)
}

/// An optional email address.
pub(super) fn optional_email<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Email>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

/// A log filter in the syntax of tracing.
pub(super) fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match EnvFilter::try_new(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(D::Error::custom(format!(
            "`{}` is not a log filter ({error}); use a level such as `info`, or `target=level,…`",
            text.escape_debug()
        ))),
    }
}
