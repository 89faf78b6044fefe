//! Moments in responses.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use utoipa::openapi::{KnownFormat, SchemaFormat};

use super::kinds::{describe, text};
use super::time;

/// A moment in a response, as [`time::format`] writes it.
#[derive(Debug, Clone, Copy)]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time::format(&self.0))
    }
}

describe!([] Timestamp as "inline::timestamp", {
    text(0, usize::MAX).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_so_in_json_and_null_where_there_is_none() {
        let json = |text: Option<&str>| {
            let moment = text.map(|text| Timestamp(text.parse().unwrap()));
            serde_json::to_string(&moment).unwrap()
        };
        assert_eq!(json(None), "null");
        assert_eq!(json(Some("2026-01-01T00:00:00Z")), r#""2026-01-01T00:00:00Z""#);
        assert_eq!(json(Some("2026-01-01T00:00:00.1Z")), r#""2026-01-01T00:00:00.100000Z""#);
    }
}
