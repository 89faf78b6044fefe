//! Pages of lists whose rows have numbers: of records and of work that waits.

use license_manager_domain::console::{MOST_COUNTED, Slice};
use maud::{Markup, html};
use uuid::Uuid;

use super::lists::{ROWS, Sorted, TOLD, number};
use crate::form::Fields;

/// The last page of a list, whose rows are not counted further. Earlier rows are read to get to a page.
const LAST: i64 = MOST_COUNTED / ROWS;

/// The page of a list that was asked for, from 1.
pub(crate) fn page_number(fields: &Fields) -> i64 {
    fields.text("page").and_then(|text| text.parse().ok()).filter(|page| (1..=LAST).contains(page)).unwrap_or(1)
}

/// The rows of a page, of a list that can be reversed.
pub(crate) fn slice(page: i64, sorted: Sorted<'_>) -> Slice {
    Slice { offset: (page - 1) * ROWS, limit: ROWS, is_reversed: sorted.is_reversed() }
}

/// The id in a filter. One that cannot be read matches nothing.
pub(crate) fn id(fields: &Fields, name: &str) -> Option<Uuid> {
    fields.text(name).map(|text| Uuid::parse_str(&text).unwrap_or_default())
}

/// The links to the pages before and after.
pub(crate) fn pages(path: &str, fields: &Fields, page: i64, total: i64) -> Markup {
    let last = ((total - 1).max(0) / ROWS + 1).min(LAST);
    let address = |page: i64| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let kept = |(name, value): &(&str, &str)| *name != "page" && !TOLD.contains(name) && !value.is_empty();
        query.extend_pairs(fields.iter().filter(kept));
        query.append_pair("page", &page.to_string());
        format!("{path}?{}", query.finish())
    };
    html! {
        @if last > 1 {
            nav.filters aria-label="Pages" {
                @if page > 1 { a.button rel="prev" href=(address(page - 1)) { "Previous" } }
                span.quiet { "Page " (number(page)) " of " (number(last)) }
                @if page < last { a.button rel="next" href=(address(page + 1)) { "Next" } }
                @else if total >= MOST_COUNTED { span.quiet { "There is more: narrow the filter to see it." } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_keep_the_filters() {
        let fields = Fields::parse(b"topic=a+reminder&page=2&queue=");
        let links = pages("/console/operations/", &fields, 2, ROWS * 3).into_string();
        assert!(links.contains("?topic=a+reminder&amp;page=1\"") && links.contains("page=3\""), "{links}");
        assert_eq!(pages("/x/", &fields, 1, ROWS).into_string(), "");
    }

    #[test]
    fn pages_end_where_rows_are_not_counted_any_more() {
        let page = |text: &str| page_number(&Fields::parse(format!("page={text}").as_bytes()));
        assert_eq!(["1", "200", "201", "0", "-1", "next"].map(page), [1, 200, 1, 1, 1, 1]);
        let links = pages("/x/", &Fields::default(), LAST, MOST_COUNTED * 3).into_string();
        assert!(links.contains("Page 200 of 200") && links.contains("narrow the filter"), "{links}");
        assert!(!links.contains("Next"), "{links}");
    }

    #[test]
    fn an_id_that_cannot_be_read_matches_nothing() {
        let fields = Fields::parse(b"plan=nonsense");
        assert_eq!((id(&fields, "plan"), id(&fields, "license")), (Some(Uuid::nil()), None));
    }
}
