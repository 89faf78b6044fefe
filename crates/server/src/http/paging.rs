//! Pages of a list, as every list endpoint answers them.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use license_manager_domain::ports::LimitOffset;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::page::{InvalidPage, LinkBase, Page, PageRequest};
use crate::http::query::Query;

/// Which page of a list the caller asks for, and how the addresses of its pages look.
#[derive(Debug, Clone)]
pub struct Paging {
    request: PageRequest,
    links: LinkBase,
}

/// A page on the wire.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
pub struct PageBody<T> {
    count: i64,
    next: Option<String>,
    previous: Option<String>,
    results: Vec<T>,
}

/// A page that also tells how many pages there are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NumberedPage)]
pub struct NumberedPageBody<T> {
    #[serde(flatten)]
    page: PageBody<T>,
    num_pages: u64,
}

/// A page that also tells where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PositionedPage)]
pub struct PositionedPageBody<T> {
    #[serde(flatten)]
    page: NumberedPageBody<T>,
    current_page: u64,
    start: u64,
}

impl Paging {
    /// The paging of a request, with at most `max_size` items a page.
    pub fn new(request: &HttpRequest, query: &Query, max_size: u64) -> Self {
        Self { request: PageRequest::from_query(query, max_size), links: LinkBase::new(request, request.path()) }
    }

    /// The part of a list of `total` items that is asked for.
    ///
    /// # Errors
    /// 404 where the page does not exist.
    pub fn limit_offset(&self, total: i64) -> Result<LimitOffset, ApiError> {
        let page = self.page(total)?;
        Ok(LimitOffset { offset: page.offset().cast_signed(), limit: page.limit().cast_signed() })
    }

    /// The page on the wire.
    pub fn body<T>(&self, total: i64, results: Vec<T>) -> Result<PageBody<T>, ApiError> {
        let page = self.page(total)?;
        Ok(PageBody { count: total, next: page.next(&self.links), previous: page.previous(&self.links), results })
    }

    /// The page on the wire, with the number of pages.
    pub fn numbered_body<T>(&self, total: i64, results: Vec<T>) -> Result<NumberedPageBody<T>, ApiError> {
        Ok(NumberedPageBody { num_pages: self.page(total)?.num_pages, page: self.body(total, results)? })
    }

    /// The page on the wire, with where it stands.
    pub fn positioned_body<T>(&self, total: i64, results: Vec<T>) -> Result<PositionedPageBody<T>, ApiError> {
        let page = self.page(total)?;
        let body = self.numbered_body(total, results)?;
        Ok(PositionedPageBody { page: body, current_page: page.number, start: page.offset() })
    }

    fn page(&self, total: i64) -> Result<Page, ApiError> {
        let invalid = |error: InvalidPage| ApiError::detail(StatusCode::NOT_FOUND, error.to_string());
        self.request.resolve(u64::try_from(total).unwrap_or(0)).map_err(invalid)
    }
}

/// A UUID in the query; `None` where it is missing or empty.
///
/// # Errors
/// 400 where it is none.
pub fn query_uuid(query: &Query, name: &str) -> Result<Option<uuid::Uuid>, ApiError> {
    let text = query.get(name).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = uuid::Uuid::parse_str(text);
    parsed.map(Some).map_err(|_| ApiError::detail(StatusCode::BAD_REQUEST, format!("{name} is not a UUID.")))
}
