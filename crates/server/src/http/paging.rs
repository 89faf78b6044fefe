//! Pages of lists in requests and responses.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::use_cases;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::page::{InvalidPage, LinkBase, Page, PageRequest};
use crate::http::query::Query;
use crate::http::response::{ApiResult, Response, blocking};

/// The most items of a page, unless a list permits more.
const MAX_SIZE: u64 = 100;

/// Finds the part of a list to read, given the length of the list.
pub type Part<'a> = &'a dyn Fn(i64) -> ApiResult<LimitOffset>;

/// The page of a list that the caller asks for.
#[derive(Debug, Clone)]
pub struct Paging {
    request: PageRequest,
    links: LinkBase,
}

/// A page as the API returns it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
pub struct PageBody<T> {
    count: i64,
    next: Option<String>,
    previous: Option<String>,
    results: Vec<T>,
}

/// A page of a list, with the number of pages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NumberedPage)]
pub struct NumberedPageBody<T> {
    #[serde(flatten)]
    page: PageBody<T>,
    num_pages: u64,
}

/// A page of a list, with its position.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PositionedPage)]
pub struct PositionedPageBody<T> {
    #[serde(flatten)]
    page: NumberedPageBody<T>,
    current_page: u64,
    start: u64,
}

impl Paging {
    /// The page that a request asks for, of at most 100 items.
    pub fn new(request: &HttpRequest) -> Self {
        Self::up_to(MAX_SIZE, request)
    }

    /// The page that a request asks for, of at most `max_size` items.
    pub fn up_to(max_size: u64, request: &HttpRequest) -> Self {
        let links = LinkBase::new(request, request.path());
        Self { request: PageRequest::from_query(&Query::of(request), max_size), links }
    }

    /// Reads the page on a thread for blocking work, and answers it.
    ///
    /// # Errors
    /// 404 if the page does not exist, and the errors of `read`.
    pub async fn answer<T, B: Serialize>(
        self,
        read: impl FnOnce(Part<'_>) -> ApiResult<use_cases::Page<T>> + Send + 'static,
        view: impl Fn(T) -> B + Send + 'static,
    ) -> ApiResult {
        blocking(move || self.response(read, view)).await
    }

    /// As [`Self::answer`], on this thread.
    ///
    /// # Errors
    /// Likewise.
    pub fn response<T, B: Serialize>(
        &self,
        read: impl FnOnce(Part<'_>) -> ApiResult<use_cases::Page<T>>,
        view: impl Fn(T) -> B,
    ) -> ApiResult {
        Response::ok(&self.body(self.read(read)?, view)?)
    }

    /// As [`Self::response`], with the number of pages.
    ///
    /// # Errors
    /// Likewise.
    pub fn numbered_response<T, B: Serialize>(
        &self,
        read: impl FnOnce(Part<'_>) -> ApiResult<use_cases::Page<T>>,
        view: impl Fn(T) -> B,
    ) -> ApiResult {
        Response::ok(&self.numbered_body(self.read(read)?, view)?)
    }

    /// How many items a page has at most.
    pub fn size(&self) -> i64 {
        self.request.size().cast_signed()
    }

    /// A page that was read after a cursor, with the cursor of the next page.
    pub fn cursor_body<T, B>(
        &self,
        found: use_cases::Page<T>,
        next: Option<&str>,
        view: impl Fn(T) -> B,
    ) -> NumberedPageBody<B> {
        let num_pages = self.request.pages_of(found.total.unsigned_abs());
        let next = next.map(|cursor| self.links.after(cursor));
        let results = found.items.into_iter().map(view).collect();
        NumberedPageBody { page: PageBody { count: found.total, next, previous: None, results }, num_pages }
    }

    /// The asked part of a list that was read whole, as a page with its position.
    ///
    /// # Errors
    /// 404 if the page does not exist.
    pub fn positioned_body<T, B>(&self, all: Vec<T>, view: impl Fn(T) -> B) -> ApiResult<PositionedPageBody<B>> {
        let found = self.read(|part| part_of(all, part))?;
        let page = self.page(found.total)?;
        let (current_page, start) = (page.number, page.offset());
        Ok(PositionedPageBody { page: self.numbered_body(found, view)?, current_page, start })
    }

    fn numbered_body<T, B>(&self, found: use_cases::Page<T>, view: impl Fn(T) -> B) -> ApiResult<NumberedPageBody<B>> {
        Ok(NumberedPageBody { num_pages: self.page(found.total)?.num_pages, page: self.body(found, view)? })
    }

    fn body<T, B>(&self, found: use_cases::Page<T>, view: impl Fn(T) -> B) -> ApiResult<PageBody<B>> {
        let page = self.page(found.total)?;
        let (next, previous) = (page.next(&self.links), page.previous(&self.links));
        Ok(PageBody { count: found.total, next, previous, results: found.items.into_iter().map(view).collect() })
    }

    fn read<T>(&self, read: impl FnOnce(Part<'_>) -> ApiResult<T>) -> ApiResult<T> {
        read(&|total| {
            let page = self.page(total)?;
            Ok(LimitOffset { offset: page.offset().cast_signed(), limit: page.limit().cast_signed() })
        })
    }

    fn page(&self, total: i64) -> ApiResult<Page> {
        let invalid = |error: InvalidPage| ApiError::detail(StatusCode::NOT_FOUND, error.to_string());
        self.request.resolve(u64::try_from(total).unwrap_or(0)).map_err(invalid)
    }
}

/// The asked part of a list that is short enough to be read whole.
///
/// # Errors
/// Those of `part`.
pub fn part_of<T>(all: Vec<T>, part: Part<'_>) -> ApiResult<use_cases::Page<T>> {
    let total = all.len() as i64;
    Ok(use_cases::Page { total, items: part(total)?.of(all) })
}
