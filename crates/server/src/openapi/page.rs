//! Swagger UI, with embedded files.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY};
use actix_web::{HttpResponse, web};
use license_manager_domain::Error;
use utoipa_swagger_ui::Config;

use crate::http::error::ApiError;

/// Nothing is loaded from another host. Swagger UI needs inline styles, and icons in `data:` addresses.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
                      base-uri 'self'; frame-ancestors 'none'";

/// `GET /api-docs/`: the page.
pub async fn index() -> Result<HttpResponse, ApiError> {
    serve("index.html")
}

/// `GET /api-docs/{file}`: one of the page's files.
pub async fn file(name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    serve(&name)
}

fn serve(name: &str) -> Result<HttpResponse, ApiError> {
    // The validator is another company's server.
    let config =
        Config::from("/api/schema/").validator_url("none").try_it_out_enabled(true).persist_authorization(true);
    let found = utoipa_swagger_ui::serve(name, Arc::new(config)).map_err(|error| Error::internal(error.to_string()))?;
    let file = found.ok_or_else(ApiError::no_such_page)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(file.content_type)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "max-age=3600"));
    if file.gzpipped {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(file.bytes.into_owned()))
}
