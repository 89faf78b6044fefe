//! Reads single values from a TOML file or from the environment, where every value is text.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

use license_manager_domain::Email;
use reqwest::Url;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

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

/// A list of user ids: a TOML list, or comma-separated text.
pub(super) fn comma_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    struct Ids;

    impl<'de> Visitor<'de> for Ids {
        type Value = Vec<i64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of user ids")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<i64>, E> {
            text.split(',')
                .map(str::trim)
                .filter(|id| !id.is_empty())
                .map(|id| id.parse().map_err(|_| E::custom(format!("`{}` is not a user id", id.escape_debug()))))
                .collect()
        }

        fn visit_i64<E: Error>(self, id: i64) -> Result<Vec<i64>, E> {
            Ok(vec![id])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<i64>, A::Error> {
            let mut ids = Vec::new();
            while let Some(id) = sequence.next_element()? {
                ids.push(id);
            }
            Ok(ids)
        }
    }

    deserializer.deserialize_any(Ids)
}

/// A list of UUIDs: a TOML list, or comma-separated text.
pub(super) fn uuids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Uuid>, D::Error> {
    struct Uuids;

    fn uuid<E: Error>(text: &str) -> Result<Uuid, E> {
        text.parse().map_err(|_| E::custom(format!("`{}` is not a UUID", text.escape_debug())))
    }

    impl<'de> Visitor<'de> for Uuids {
        type Value = Vec<Uuid>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of UUIDs")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<Uuid>, E> {
            text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(uuid).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<Uuid>, A::Error> {
            let mut uuids = Vec::new();
            while let Some(text) = sequence.next_element::<String>()? {
                uuids.push(uuid(text.trim())?);
            }
            Ok(uuids)
        }
    }

    deserializer.deserialize_any(Uuids)
}

/// A list of web origins: a TOML list, or comma-separated text. Each is kept as browsers send it.
pub(super) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Origins;

    fn origin<E: Error>(text: &str) -> Result<String, E> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let origin = url.map(|url| (url.origin().ascii_serialization(), url));
        match origin {
            // No path and no wildcard: it would look like a rule and match nothing.
            Some((origin, url)) if url.as_str() == format!("{origin}/") && !origin.contains('*') => Ok(origin),
            _ => {
                let text = text.escape_debug();
                Err(E::custom(format!("`{text}` is not an origin, such as https://portal.example.com")))
            }
        }
    }

    impl<'de> Visitor<'de> for Origins {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of origins")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
            text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(origin).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<String>, A::Error> {
            let mut origins = Vec::new();
            while let Some(text) = sequence.next_element::<String>()? {
                origins.push(origin(text.trim())?);
            }
            Ok(origins)
        }
    }

    deserializer.deserialize_any(Origins)
}

/// An IP address and a port.
pub(super) fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!(
            "`{}` is not an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080",
            text.escape_debug()
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
        _ => Err(D::Error::custom(format!("`{}` is not an http or https address", text.escape_debug()))),
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
