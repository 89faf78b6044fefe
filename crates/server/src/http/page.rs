//! Pages of long lists, by number.

use actix_web::HttpRequest;
use thiserror::Error;

use super::query::Query;

/// The default number of items of a page.
pub const DEFAULT_PAGE_SIZE: u64 = 100;

/// The page that a client asks for, before the number of pages is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    number: Number,
    size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Number {
    Exactly(u64),
    Last,
    Senseless,
}

/// The requested page does not exist: 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no such page; `page` is a number from 1 up to the last page's, or `last`")]
pub struct InvalidPage;

/// One page of a list whose length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 1.
    pub number: u64,
    /// How many items a full page has.
    pub size: u64,
    /// How many items all pages have.
    pub total: u64,
    /// How many pages there are: at least one, which is empty where there are no items.
    pub num_pages: u64,
}

impl PageRequest {
    /// Reads `page` (1 where it is missing or empty) and `page_size`: [`DEFAULT_PAGE_SIZE`] where it is missing or no
    /// positive number, and never more than `max_size`.
    pub fn from_query(query: &Query, max_size: u64) -> Self {
        let number = match query.get("page").map(str::trim) {
            None | Some("") => Number::Exactly(1),
            Some("last") => Number::Last,
            Some(number) => number.parse().map_or(Number::Senseless, Number::Exactly),
        };
        let size = query.get("page_size").and_then(positive).unwrap_or(DEFAULT_PAGE_SIZE).min(max_size);
        Self { number, size }
    }

    /// How many items a page has at most.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many pages a list of `total` items has: at least one.
    pub fn pages_of(&self, total: u64) -> u64 {
        total.div_ceil(self.size).max(1)
    }

    /// The page, now that the list is known to have `total` items.
    ///
    /// # Errors
    ///
    /// [`InvalidPage`] where there is none of that number.
    pub fn resolve(&self, total: u64) -> Result<Page, InvalidPage> {
        let num_pages = self.pages_of(total);
        let number = match self.number {
            Number::Exactly(number) if (1..=num_pages).contains(&number) => number,
            Number::Last => num_pages,
            _ => return Err(InvalidPage),
        };
        Ok(Page { number, size: self.size, total, num_pages })
    }
}

/// A positive number; one with too many digits is merely very large.
fn positive(text: &str) -> Option<u64> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX)).filter(|number| *number > 0)
}

impl Page {
    /// The number of items before this page.
    pub fn offset(&self) -> u64 {
        (self.number - 1) * self.size
    }

    /// The most items that are on this page.
    pub fn limit(&self) -> u64 {
        self.size
    }

    /// The absolute address of the next page, if there is one.
    pub fn next(&self, base: &LinkBase) -> Option<String> {
        (self.number < self.num_pages).then(|| base.link(self.number + 1))
    }

    /// The absolute address of the page before, if there is one.
    pub fn previous(&self, base: &LinkBase) -> Option<String> {
        (self.number > 1).then(|| base.link(self.number - 1))
    }
}

/// The common part of the addresses of a list's pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkBase {
    /// With scheme and host, up to the query.
    address: String,
    query: Query,
}

impl LinkBase {
    /// From the address that the client used: the header `Forwarded`, else `X-Forwarded-Proto` and `X-Forwarded-Host`, else `Host`.
    /// `path` has a trailing slash, which the client may have omitted.
    pub fn new(request: &HttpRequest, path: &str) -> Self {
        let connection = request.connection_info();
        let scheme = if connection.scheme().eq_ignore_ascii_case("https") { "https" } else { "http" };
        let address = format!("{scheme}://{}{path}", connection.host());
        Self { address, query: Query::of(request) }
    }

    /// The address with another query.
    pub fn with_query(&self, query: &str) -> String {
        format!("{}?{query}", self.address)
    }

    /// The address of the page after a cursor.
    pub fn after(&self, cursor: &str) -> String {
        self.with_query(&self.query.with("cursor", Some(cursor)))
    }

    /// The address of a page: the query as it was, keys sorted and once each. The first page is the one without `page`.
    fn link(&self, number: u64) -> String {
        let number = (number > 1).then(|| number.to_string());
        let query = self.query.with("page", number.as_deref());
        if query.is_empty() { self.address.clone() } else { format!("{}?{query}", self.address) }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn page(query: &str, total: u64) -> Result<Page, InvalidPage> {
        PageRequest::from_query(&Query::parse(query), 500).resolve(total)
    }

    fn links(query: &str, total: u64) -> (Option<String>, Option<String>) {
        let request = TestRequest::with_uri(&format!("/licenses?{query}")).insert_header(("Host", "lm.test:80"));
        let base = LinkBase::new(&request.to_http_request(), "/licenses/");
        let page = page(query, total).unwrap();
        (page.next(&base), page.previous(&base))
    }

    #[test]
    fn a_page_is_a_range_of_the_list() {
        let second = page("page=2&page_size=3", 7).unwrap();
        assert_eq!((second.offset(), second.limit(), second.num_pages, second.total), (3, 3, 3, 7));
        assert_eq!(page("page=last&page_size=3", 7).unwrap().number, 3);
        assert_eq!(page("", 0).unwrap(), Page { number: 1, size: 100, total: 0, num_pages: 1 });
        assert_eq!(page("page=last", 0).unwrap().number, 1);
        assert_eq!(page("page=", 7).unwrap().number, 1);
        assert_eq!(page("page_size=7", 7).unwrap().num_pages, 1);
    }

    #[test]
    fn a_senseless_page_does_not_exist() {
        for query in ["page=99", "page=0", "page=-1", "page=abc", "page=1.5", "page=99999999999999999999", "page=LAST"]
        {
            assert_eq!(page(query, 7), Err(InvalidPage), "{query}");
        }
        assert_eq!(page("page=2", 0), Err(InvalidPage));
    }

    #[test]
    fn a_senseless_size_falls_back_and_a_large_one_is_cut() {
        for (query, size) in [
            ("", 100),
            ("page_size=0", 100),
            ("page_size=-5", 100),
            ("page_size=abc", 100),
            ("page_size=", 100),
            ("page_size=500", 500),
            ("page_size=501", 500),
            ("page_size=99999999999999999999", 500),
            ("page_size=3&page_size=4", 4),
        ] {
            assert_eq!(page(query, 7).unwrap().size, size, "{query}");
        }
        assert_eq!(PageRequest::from_query(&Query::default(), 10).resolve(7).unwrap().size, 10);
    }

    #[test]
    fn links_keep_the_query_sorted_and_without_repetition() {
        let link = |rest: &str| Some(format!("http://lm.test:80/licenses/{rest}"));
        assert_eq!(links("page_size=3", 7), (link("?page=2&page_size=3"), None));
        assert_eq!(links("page_size=3&page=2", 7), (link("?page=3&page_size=3"), link("?page_size=3")));
        assert_eq!(links("page=2&page_size=3&page=3&page_size=3", 7), (None, link("?page=2&page_size=3")));
        assert_eq!(links("search=a+b%26&page=2&empty=", 101), (None, link("?empty=&search=a+b%26")));
        assert_eq!(links("page=2", 101), (None, link("")));
        assert_eq!(links("", 7), (None, None));
    }

    #[test]
    fn links_lead_back_through_the_proxy() {
        let base = |headers: &[(&'static str, &'static str)]| {
            let mut request = TestRequest::with_uri("/licenses/").insert_header(("Host", "inner:8080"));
            for header in headers {
                request = request.insert_header(*header);
            }
            LinkBase::new(&request.to_http_request(), "/licenses/").address
        };
        assert_eq!(base(&[]), "http://inner:8080/licenses/");
        assert_eq!(base(&[("X-Forwarded-Proto", "https")]), "https://inner:8080/licenses/");
        assert_eq!(
            base(&[("X-Forwarded-Proto", "https, http"), ("X-Forwarded-Host", "lm.example.com, inner")]),
            "https://lm.example.com/licenses/"
        );
        assert_eq!(base(&[("X-Forwarded-Proto", "javascript")]), "http://inner:8080/licenses/");
    }
}
