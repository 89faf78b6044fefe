//! A new transfer: first the customer, then the plans and the licenses.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{
    AgreementFilters, AgreementOrder, AgreementRow, Part, PlanFilters, PlanOrder, PlanRow, Sorting,
};
use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::{AgreementId, Error, FieldErrors, LicenseId, PlanId};
use maud::{Markup, html};
use uuid::Uuid;

use super::{PATH, job, require};
use crate::dates::day;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::license_edit::{field, input};
use crate::pages::lists::{counted, customer_name, number};
use crate::session::Visitor;

/// The most customers that are offered.
const CUSTOMERS: i64 = 20;

/// The most plans that are offered.
const PLANS: i64 = 500;

/// The longest notes, in characters.
pub(super) const MAX_NOTES: usize = 1_000;

/// The most licenses that can be named.
const MAX_NAMED: usize = 10_000;

/// `GET /console/transfers/new/`: with `agreement`, the form; otherwise a search for the customer.
pub(crate) async fn new(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    match query.text("agreement").and_then(|text| Uuid::parse_str(&text).ok()) {
        Some(agreement) => page(&visitor, AgreementId(agreement), &query, &FieldErrors::default()).await,
        None => customer(&visitor, &query).await,
    }
}

/// The search for the customer.
async fn customer(visitor: &Visitor, query: &Fields) -> Result<HttpResponse, PageError> {
    let filters = AgreementFilters { name: query.text("name"), ..AgreementFilters::of(CustomerScope::All) };
    let found = visitor
        .read(move |console| {
            console.store.agreement_rows(&filters, Sorting::ascending(AgreementOrder::Name), Part::first(CUSTOMERS))
        })
        .await?;
    let content = html! {
        (head("New transfer: whose licenses?"))
        form.filters {
            input type="search" name="name" aria-label="Name or slug of the customer" placeholder="Name or slug of the customer"
                value=(query.text("name").unwrap_or_default());
            button { "Find" }
        }
        @if found.rows.is_empty() {
            p.note { "No customer matches. Try a part of the name." }
        } @else {
            (customers(&found.rows))
            @if found.total > CUSTOMERS { p.quiet { (counted(found.total, "customer matches", "customers match")) ". Only the first " (CUSTOMERS) " are shown." } }
        }
    };
    Ok(layout::page(visitor, Section::Transfers, "New transfer", &content))
}

fn customers(rows: &[AgreementRow]) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr { th { "Customer" } th { "Slug" } th.number { "Plans" } } }
            tbody { @for row in rows { tr {
                td.long { a href={ (PATH) "new/?agreement=" (row.id) } { (customer_name(row.name.as_deref().or(row.slug.as_deref()))) } }
                td { (row.slug.as_deref().unwrap_or("–")) }
                td.number { (number(row.plans)) }
            } } }
        } }
    }
}

fn head(title: &str) -> Markup {
    html! {
        div {
            (crumbs(&[(PATH.to_owned(), "Transfers".to_owned())]))
            div.title { h1 { (title) } }
        }
    }
}

/// `POST /console/transfers/new/`: makes the job, which moves nothing yet, and leads to its dry run.
pub(crate) async fn create(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let agreement = fields.text("agreement").and_then(|text| Uuid::parse_str(&text).ok()).map(AgreementId);
    let agreement = agreement.ok_or(PageError::NotFound)?;
    let order = match read(agreement, &fields) {
        Ok(order) => order,
        Err(errors) => return page(&visitor, agreement, &fields, &errors).await,
    };
    let actor = visitor.actor(None);
    match visitor.write(move |console| Ok(console.manager.create_transfer_job(&actor, &order)?.id)).await {
        Ok(id) => job::looked_at(&visitor, id, "?made=yes").await,
        Err(PageError::Domain(Error::Invalid(errors))) => page(&visitor, agreement, &fields, &errors).await,
        Err(PageError::Domain(Error::UnknownReference { field, entity })) => {
            let errors = FieldErrors::one(field, format!("There is no such {entity} any more."));
            page(&visitor, agreement, &fields, &errors).await
        }
        Err(error) => Err(error),
    }
}

/// The order that the form describes.
fn read(agreement: AgreementId, fields: &Fields) -> Result<TransferOrder, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut plan = |name: &str, what: &str| {
        let plan = fields.text(name).and_then(|text| Uuid::parse_str(&text).ok()).map(PlanId);
        if plan.is_none() {
            errors.add(name, format!("Choose the plan that licenses {what}."));
        }
        plan.unwrap_or(PlanId(Uuid::nil()))
    };
    let old_plan = plan("old_subscription_plan", "leave");
    let new_plan = plan("new_subscription_plan", "get to");
    let licenses = match fields.text("whom").as_deref() {
        Some("all") => TransferredLicenses::All,
        _ => TransferredLicenses::Named(named(fields, &mut errors)),
    };
    let notes = fields.text("notes");
    if notes.as_ref().is_some_and(|notes| notes.chars().count() > MAX_NOTES) {
        errors.add("notes", format!("This may have at most {MAX_NOTES} characters."));
    }
    if errors.iter().next().is_some() {
        return Err(errors);
    }
    Ok(TransferOrder { agreement, old_plan, new_plan, notes, is_dry_run: true, licenses })
}

/// The ids that were pasted: separated by lines, commas, semicolons, tabs or spaces. Each counts once.
fn named(fields: &Fields, errors: &mut FieldErrors) -> Vec<LicenseId> {
    let text = fields.text("license_uuids").unwrap_or_default();
    let (mut ids, mut wrong) = (Vec::new(), Vec::new());
    for word in
        text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'')).filter(|word| !word.is_empty())
    {
        match Uuid::parse_str(word) {
            Ok(id) => ids.push(LicenseId(id)),
            Err(_) => wrong.push(word),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    if !wrong.is_empty() {
        let shown: Vec<String> = wrong.iter().take(5).map(|word| word.chars().take(40).collect()).collect();
        let more =
            if wrong.len() > shown.len() { format!(" and {} more", wrong.len() - shown.len()) } else { String::new() };
        errors.add("license_uuids", format!("These are no ids of licenses: {}{more}.", shown.join(", ")));
    } else if ids.is_empty() {
        errors.add("license_uuids", "Paste the ids of licenses, or choose all of the plan.");
    } else if ids.len() > MAX_NAMED {
        errors.add(
            "license_uuids",
            format!(
                "One transfer takes at most {} ids; these are {}.",
                number(MAX_NAMED as i64),
                number(ids.len() as i64)
            ),
        );
    }
    ids
}

async fn page(
    visitor: &Visitor,
    agreement: AgreementId,
    fields: &Fields,
    errors: &FieldErrors,
) -> Result<HttpResponse, PageError> {
    let filters = PlanFilters { agreement: Some(agreement), ..PlanFilters::of(CustomerScope::All) };
    let plans = visitor
        .read(move |console| {
            console.store.plan_rows(&filters, Sorting::descending(PlanOrder::Start), Part::first(PLANS))
        })
        .await?
        .rows;
    let name = customer_name(plans.first().and_then(|plan| plan.customer_name.as_deref())).to_owned();
    let whom = fields.text("whom").unwrap_or_else(|| "named".to_owned());
    let content = html! {
        (head("New transfer"))
        @if plans.len() < 2 {
            p.note { "The customer has " (counted(plans.len() as i64, "plan", "plans")) ". Licenses move between two plans of one customer: add a plan first." }
            a.button href={ (PATH) "new/" } { "Choose another customer" }
        } @else {
            form.card method="post" action={ (PATH) "new/" } {
                (token(visitor))
                input type="hidden" name="agreement" value=(agreement);
                p { "Customer: " b { (name) } " · " a href={ (PATH) "new/" } { "another one" } }
                (field("old_subscription_plan", "From the plan", errors, &plan_choice(fields, "old_subscription_plan", &plans)))
                (field("new_subscription_plan", "To the plan", errors, &plan_choice(fields, "new_subscription_plan", &plans)))
                fieldset.field {
                    legend { "Whom" }
                    label { input type="radio" name="whom" value="named" checked[whom != "all"]; " the licenses with these ids" }
                    label { input type="radio" name="whom" value="all" checked[whom == "all"]; " all licenses of the plan, whatever their state" }
                }
                (field("license_uuids", "Ids of licenses, one on each line or separated by commas", errors, &html! {
                    textarea #license_uuids name="license_uuids" rows="6" spellcheck="false" { (fields.text("license_uuids").unwrap_or_default()) }
                }))
                (field("notes", "Notes: why, and who asked for it", errors, &input(fields, "notes", MAX_NOTES)))
                div.title { button.first { "Look at what would move" } a.button href=(PATH) { "Back" } }
                p.quiet { "Nothing moves yet. Of the ids, only live licenses of the plan move. Each keeps its holder and state, and leaves the one plan with one license less." }
            }
        }
    };
    Ok(layout::page(visitor, Section::Transfers, "New transfer", &content))
}

fn plan_choice(fields: &Fields, name: &str, plans: &[PlanRow]) -> Markup {
    let chosen = fields.text(name).unwrap_or_default();
    html! {
        select id=(name) name=(name) {
            option value="" { "Choose a plan" }
            @for plan in plans {
                option value=(plan.id) selected[plan.id.to_string() == chosen] {
                    (plan.title) ", " (plan.start_date.format("%Y-%m-%d")) " to " (plan.expiration_date.format("%Y-%m-%d")) ", "
                    (counted(plan.counts.total(), "license", "licenses"))
                }
            }
        }
    }
}

/// The days of a plan, for lists.
pub(super) fn days(plan: &license_manager_domain::SubscriptionPlan) -> Markup {
    html! { (day(plan.start_date)) " – " (day(plan.expiration_date)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(form: &str) -> Result<TransferOrder, FieldErrors> {
        read(AgreementId(Uuid::from_u128(1)), &Fields::parse(form.as_bytes()))
    }

    #[test]
    fn ids_are_pasted_in_any_form_and_wrong_ones_are_named() {
        let (a, b, plans) = (
            Uuid::from_u128(10),
            Uuid::from_u128(11),
            "old_subscription_plan=00000000-0000-0000-0000-000000000002&new_subscription_plan=00000000-0000-0000-0000-000000000003",
        );
        let made = order(&format!("{plans}&license_uuids={b}%0A{a},%22{b}%22")).unwrap();
        assert_eq!(made.licenses, TransferredLicenses::Named(vec![LicenseId(a), LicenseId(b)]));
        assert!(made.is_dry_run, "nothing moves before it was looked at");
        let wrong = order(&format!("{plans}&license_uuids=amy,{a}")).unwrap_err().to_string();
        assert!(wrong.contains("amy"), "{wrong}");
        assert!(order(plans).unwrap_err().to_string().contains("Paste the ids"));
        assert_eq!(order(&format!("{plans}&whom=all")).unwrap().licenses, TransferredLicenses::All);
        assert!(order("whom=all").unwrap_err().to_string().contains("old_subscription_plan"));
    }
}
