//! Deleting records that were selected, or all that match.

use actix_web::HttpResponse;
use license_manager_domain::{Actor, Error, FieldErrors, LicenseManager};
use maud::{Markup, html};

use super::{PATH, above};
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::Section;
use crate::pages::confirm::{Preview, Why, confirmed, preview};
use crate::pages::lists::{counted, number};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The bar below a list of records that can be deleted.
pub(super) fn bar(records: &str, can_choose_all: bool) -> Markup {
    html! {
        div.selected {
            b data-selected="" role="status" { "Select " (records) }
            @if can_choose_all { label { input type="checkbox" name="all" value="yes"; " all that match the filter" } }
            button.grave { "Delete" }
        }
    }
}

/// How many were deleted, in words for one and for many.
pub(super) fn done(query: &Fields, [one, many]: [&str; 2]) -> Markup {
    html! {
        @if let Some(count) = query.text("deleted").and_then(|text| text.parse().ok()) {
            p.note.good role="status" { (counted(count, &format!("{one} was"), &format!("{many} were"))) " deleted." }
        }
    }
}

/// Records that were selected, or all that match.
pub(super) struct RecordDeletion<'a> {
    /// The tab of its list, and its name.
    pub(super) tab: (&'a str, &'a str),
    /// What it is, in the plural.
    pub(super) records: &'a str,
    /// What the deletion causes.
    pub(super) causes: Markup,
}

impl RecordDeletion<'_> {
    /// Shows what will happen, or deletes them once that was confirmed. `delete` returns how many they are; it only
    /// counts them if its last argument says so.
    pub(super) async fn delete(
        self,
        visitor: &Visitor,
        fields: &Fields,
        delete: impl Fn(&LicenseManager, &Actor, bool) -> Result<usize, Error> + Send + 'static,
    ) -> Result<HttpResponse, PageError> {
        let actor = visitor.actor(fields.text("reason").as_deref());
        let Err(errors) = confirmed(fields, Why::Required) else {
            let deleted = visitor.write(move |console| delete(&console.manager, &actor, false)).await?;
            return Ok(redirect(&format!("{PATH}{}?deleted={deleted}", self.tab.0)));
        };
        let count = visitor.read(move |console| delete(&console.manager, &actor, true)).await? as i64;
        Ok(self.preview(visitor, fields, &errors, count))
    }

    fn preview(self, visitor: &Visitor, fields: &Fields, errors: &FieldErrors, count: i64) -> HttpResponse {
        let Self { tab: (tab, name), records, causes } = self;
        let told = html! {
            @if count == 0 { p.note { "None of the " (records) " is selected. Nothing happens." } }
            @else {
                p.note.bad {
                    b { (counted(count, "record is", "records are")) " deleted." } " " (causes)
                }
            }
        };
        let shown = Preview {
            section: Section::Records,
            above: &above(tab, name),
            title: &format!("Delete {records}: look before it happens"),
            told,
            action: &format!("{PATH}{tab}delete/"),
            back: &format!("{PATH}{tab}"),
            button: (count > 0).then(|| format!("Delete {}", number(count))),
            why: Why::Required,
            refused: None,
        };
        preview(visitor, fields, errors, &shown)
    }
}
