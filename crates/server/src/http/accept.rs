//! The header `Accept`.

use actix_web::HttpMessage;
use actix_web::http::header::{Accept, Header as _, Quality};

/// The highest quality with which `Accept` names one of these media types or ranges, letter by letter: `*/*` names `*/*` alone. Zero
/// where it names none, or cannot be read.
pub fn quality(request: &impl HttpMessage, named: &[&str]) -> Quality {
    let Ok(Accept(ranges)) = Accept::parse(request) else { return Quality::ZERO };
    let ranges = ranges.iter().filter(|range| named.contains(&range.item.essence_str()));
    ranges.map(|range| range.quality).max().unwrap_or(Quality::ZERO)
}
