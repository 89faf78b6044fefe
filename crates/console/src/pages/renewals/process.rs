//! Processing renewals: one, the selected ones or all that match, with a look at what will happen to each.

use actix_web::HttpResponse;
use license_manager_domain::console::{Part, RenewalFilters, RenewalOrder, Sorting};
use license_manager_domain::model::RenewalDetails;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::use_cases::{RenewalOutlook, RenewedBy};
use license_manager_domain::{PlanId, RenewalId};
use maud::{Markup, html};

use super::list::{FILTERS, filters};
use crate::dates::day;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::lists::{self, counted, number};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The most renewals of one action; see [`perform`].
const MOST: i64 = 50;

/// Renewals with what processing would do.
type Outlooks = [(RenewalDetails, RenewalOutlook)];

/// `POST /console/renewals/act/`: shows what will happen, or processes once that was confirmed.
pub(crate) async fn act(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    if !visitor.rights.may(Action::Provision) {
        return Err(PageError::Forbidden);
    }
    let selection = match fields.has("all") {
        true => filters(CustomerScope::All, &fields, visitor.console.manager.now()),
        false => {
            let ids = fields.all("renewal").filter_map(|id| id.parse().ok()).map(RenewalId).collect();
            RenewalFilters { ids: Some(ids), ..RenewalFilters::of(CustomerScope::All) }
        }
    };
    let sorting = Sorting::ascending(RenewalOrder::Effective);
    let (total, outlooks) = visitor
        .read(move |console| {
            let found = console.store.renewal_rows(&selection, sorting, Part::first(MOST))?;
            let ids: Vec<RenewalId> = found.rows.iter().map(|renewal| renewal.id).collect();
            Ok((found.total, console.manager.renewal_outlooks(&ids)?))
        })
        .await?;
    if fields.has("confirmed") && total <= MOST && outlooks.iter().any(is_willing) {
        perform(&visitor, &fields, &outlooks).await
    } else {
        Ok(preview(&visitor, &fields, total, &outlooks))
    }
}

/// Where the form came from.
fn back(fields: &Fields) -> String {
    let mut ids = fields.all("renewal").filter_map(|id| id.parse::<i64>().ok());
    if let (Some(id), None, false) = (ids.next(), ids.next(), fields.has("all")) {
        return format!("/console/renewals/{id}/");
    }
    lists::with_filters("/console/renewals/", fields, &FILTERS, &[])
}

fn head(fields: &Fields, title: &str) -> Markup {
    html! {
        div {
            (crumbs(&[(lists::with_filters("/console/renewals/", fields, &FILTERS, &[]), "Renewals".to_owned())]))
            div.title { h1 { (title) } }
        }
    }
}

/// Whether processing would do something.
fn is_willing((details, outlook): &(RenewalDetails, RenewalOutlook)) -> bool {
    !details.renewal.processed && outlook.refusal.is_none()
}

fn preview(visitor: &Visitor, fields: &Fields, total: i64, outlooks: &Outlooks) -> HttpResponse {
    let title = "Process renewals: look before it happens";
    let willing = outlooks.iter().filter(|outlook| is_willing(outlook));
    let (willing, copied) = willing.fold((0, 0), |(count, sum), (_, outlook)| (count + 1, sum + outlook.copied));
    let too_many = total > MOST;
    let content = html! {
        (head(fields, title))
        @if total == 0 {
            p.note { "No renewal is selected. Go back, and select renewals or all that match the filter." }
        } @else if too_many {
            p.note.bad role="alert" {
                "These are " (number(total)) " renewals. One action is for at most " (number(MOST))
                ": go back, and narrow the filter."
            }
        } @else if willing == 0 {
            p.note { "No renewal can be processed." }
        } @else {
            p.note.good {
                b { (counted(willing, "renewal is", "renewals are")) " processed: " }
                (counted(copied, "license is", "licenses are")) " copied."
                " A processed renewal can no longer be edited."
            }
        }
        @if !outlooks.is_empty() && !too_many {
            div.card.wide { table {
                thead { tr { th { "Plan" } th { "Takes effect" } th { "What will happen" } } }
                tbody { @for outlook in outlooks { tr {
                    (name(&outlook.0))
                    td { (day(outlook.0.renewal.terms.effective_date)) }
                    td.long { (words(outlook)) }
                } } }
            } }
        }
        form method="post" action="/console/renewals/act/" {
            (token(visitor))
            input type="hidden" name="act" value="process";
            (lists::hidden(fields, &FILTERS)) (lists::hidden(fields, &["all"]))
            @for renewal in fields.all("renewal") { input type="hidden" name="renewal" value=(renewal); }
            div.title {
                @if willing > 0 && !too_many {
                    button.first name="confirmed" value="yes" {
                        "Process " (counted(willing, "renewal", "renewals"))
                    }
                }
                a.button href=(back(fields)) { "Back" }
                span.quiet { "Your name goes into the history." }
            }
        }
    };
    layout::page(visitor, Section::Renewals, title, &content)
}

/// The cell that names a renewal.
fn name(details: &RenewalDetails) -> Markup {
    html! { td.long { a href={ "/console/renewals/" (details.renewal.id) "/" } { (details.prior_plan_title) } } }
}

fn words((details, outlook): &(RenewalDetails, RenewalOutlook)) -> Markup {
    html! {
        @if details.renewal.processed {
            span.wrong { "Nothing. " } "It was processed already."
        } @else if let Some(refusal) = &outlook.refusal {
            span.wrong { "Nothing. " } (refusal)
        } @else {
            (number(outlook.copied)) " of " (counted(details.renewal.terms.number_of_licenses.into(), "license is", "licenses are")) " copied to "
            @if outlook.creates_plan { "the new plan " } @else { "the plan " } b { (outlook.title) } "."
        }
    }
}

/// Processes each renewal in a transaction of its own, and shows what came of it.
///
/// The number of statements grows with the number of renewals, up to [`MOST`]. A renewal makes a plan, copies licenses
/// of holders whom it has locked, and sends what it owes: all of that or nothing (docs/adr/0006). Several at once would
/// hold the locks of all their plans until the last one is done, and one that is refused would undo the others. Of one
/// renewal, the number does not depend on its licenses.
async fn perform(visitor: &Visitor, fields: &Fields, outlooks: &Outlooks) -> Result<HttpResponse, PageError> {
    let mut results: Vec<(&RenewalDetails, Result<Option<PlanId>, String>)> = Vec::new();
    for (details, _) in outlooks.iter().filter(|outlook| is_willing(outlook)) {
        let (actor, id) = (visitor.actor(None), details.renewal.id);
        let done = visitor
            .write(move |console| {
                let processed = console.manager.process_renewal(&actor, id, RenewedBy::Manual)?;
                Ok(processed.details.renewal.terms.renewed_plan)
            })
            .await;
        results.push((details, done.map_err(|error| error.told())));
    }
    visitor.console.host.wake_jobs();
    if let ([(details, Ok(_))], false) = (results.as_slice(), fields.has("all")) {
        return Ok(redirect(&format!("/console/renewals/{}/?done=processed", details.renewal.id)));
    }
    let good = results.iter().filter(|(_, done)| done.is_ok()).count();
    let title = "Process renewals: done";
    let content = html! {
        (head(fields, title))
        p.note.good[good > 0].bad[good == 0] role="status" { (counted(good as i64, "renewal was", "renewals were")) " processed." }
        div.card.wide { table {
            thead { tr { th { "Plan" } th { "What happened" } } }
            tbody { @for (details, done) in &results { tr {
                (name(details))
                td.long { @match done {
                    Ok(Some(plan)) => { "Processed: " a.in-text href={ "/console/plans/" (plan) "/" } { "open the renewed plan" } }
                    Ok(None) => { "Processed." }
                    Err(why) => { span.wrong { "Refused. " } (why) }
                } }
            } } }
        } }
    };
    Ok(layout::page(visitor, Section::Renewals, title, &content))
}
