//! The stylesheet and the script. Their addresses change with their contents, so browsers may keep them.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::LazyLock;

use crate::error::PageError;

struct Asset {
    path: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(extension: &str, content_type: &'static str, content: &'static str) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, content.as_bytes()));
        let version: String = hash.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        Self { path: format!("{version}.{extension}"), content_type, content }
    }
}

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    [
        Asset::new("css", "text/css; charset=utf-8", include_str!("../assets/console.css")),
        Asset::new("js", "text/javascript; charset=utf-8", include_str!("../assets/console.js")),
    ]
});

fn address(index: usize) -> String {
    format!("/console/assets/{}", ASSETS[index].path)
}

/// The address of the stylesheet.
pub(crate) fn stylesheet() -> String {
    address(0)
}

/// The address of the script.
pub(crate) fn script() -> String {
    address(1)
}

/// `GET /console/assets/{file}/`.
pub(crate) async fn file(name: web::Path<String>) -> Result<HttpResponse, PageError> {
    let asset = ASSETS.iter().find(|asset| asset.path == *name).ok_or(PageError::NotFound)?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, asset.content_type))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"));
    Ok(response.body(asset.content))
}
