//! A new transfer: first the customer, then the plans and the licenses.

use std::collections::HashSet;

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{
    AgreementFilters, AgreementOrder, AgreementRow, Part, PlanFilters, PlanOrder, PlanRow, Sorting,
};
use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::ports::{CustomerScope, StoreExt};
use license_manager_domain::{AgreementId, Email, Entity, Error, FieldErrors, LicenseId, LicenseStatus, PlanId};
use maud::{Markup, html};
use uuid::Uuid;

use super::{PATH, job, require};
use crate::dates::day;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::license_edit::{field, input};
use crate::pages::lists::{counted, customer_name, number, search_input};
use crate::pages::seats::{MAX_NAMED, selected_ids};
use crate::session::Visitor;

/// The most customers that are offered.
const CUSTOMERS: i64 = 20;

/// The most plans that are offered.
const PLANS: i64 = 500;

/// The longest notes, in characters.
pub(super) const MAX_NOTES: usize = 1_000;

/// `GET /console/transfers/new/`: with `agreement` or `from_plan`, the form; otherwise a search for the customer.
pub(crate) async fn new(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    if query.has("from_plan") {
        return selected(&visitor, &query).await;
    }
    match query.text("agreement").and_then(|text| Uuid::parse_str(&text).ok()) {
        Some(agreement) => page(&visitor, AgreementId(agreement), &query, &FieldErrors::default()).await,
        None => customer(&visitor, &query).await,
    }
}

/// The form for licenses that were selected on a page of their plan.
async fn selected(visitor: &Visitor, fields: &Fields) -> Result<HttpResponse, PageError> {
    let plan = fields.text("from_plan").and_then(|text| Uuid::parse_str(&text).ok()).map(PlanId);
    let plan = plan.ok_or(PageError::NotFound)?;
    let found = visitor.read(move |console| console.manager.store().read(|unit| unit.plans().find(plan))).await?;
    let agreement = found.ok_or(Error::NotFound(Entity::Plan))?.plan.agreement;
    let ids = selected_ids(visitor, plan, fields, &LicenseStatus::LIVE).await?;
    let ids: Vec<String> = ids.iter().map(LicenseId::to_string).collect();
    let fields = Fields::of([("old_subscription_plan", plan.to_string()), ("license_uuids", ids.join("\n"))]);
    page(visitor, agreement, &fields, &FieldErrors::default()).await
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
            (search_input(query, "name", "Name or slug of the customer"))
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

/// `POST /console/transfers/new/`: makes the job, which moves nothing yet, and leads to its dry run. Licenses that were
/// selected on a page of their plan lead to the form.
pub(crate) async fn create(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    if fields.has("from_plan") {
        return selected(&visitor, &fields).await;
    }
    let agreement = fields.text("agreement").and_then(|text| Uuid::parse_str(&text).ok()).map(AgreementId);
    let agreement = agreement.ok_or(PageError::NotFound)?;
    let read = match read(agreement, &fields) {
        Ok((order, people)) => with_licenses_of(&visitor, order, people).await?,
        Err(errors) => Err(errors),
    };
    let order = match read {
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

/// The order with the licenses of these people too.
async fn with_licenses_of(
    visitor: &Visitor,
    mut order: TransferOrder,
    people: Vec<Email>,
) -> Result<Result<TransferOrder, FieldErrors>, PageError> {
    let TransferredLicenses::Named(ids) = &mut order.licenses else { return Ok(Ok(order)) };
    if people.is_empty() {
        return Ok(Ok(order));
    }
    let (plan, forms) = (order.old_plan, Email::all_stored_forms(&people));
    let found = visitor
        .read(move |console| console.manager.store().read(|unit| unit.lookups().find_live_by_emails(&[plan], &forms)))
        .await?;
    let holders: HashSet<Email> = found.iter().filter_map(|license| license.holder_email().cloned()).collect();
    let strangers: Vec<&str> =
        people.iter().filter(|email| !email.is_among(&holders)).map(|email| email.as_str()).collect();
    if !strangers.is_empty() {
        let problem = format!("No live license of the plan is of {}.", some_of(&strangers));
        return Ok(Err(FieldErrors::one("license_uuids", problem)));
    }
    ids.extend(found.iter().map(|license| license.id));
    ids.sort_unstable();
    ids.dedup();
    Ok(Ok(order))
}

/// The order that the form describes, and the people whose licenses it is about besides those that it names.
fn read(agreement: AgreementId, fields: &Fields) -> Result<(TransferOrder, Vec<Email>), FieldErrors> {
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
    let (licenses, people) = match fields.text("whom").as_deref() {
        Some("all") => (TransferredLicenses::All, Vec::new()),
        _ => {
            let (ids, people) = named(fields, &mut errors);
            (TransferredLicenses::Named(ids), people)
        }
    };
    let notes = fields.text("notes");
    if notes.as_ref().is_some_and(|notes| notes.chars().count() > MAX_NOTES) {
        errors.add("notes", format!("This may have at most {MAX_NOTES} characters."));
    }
    if errors.iter().next().is_some() {
        return Err(errors);
    }
    Ok((TransferOrder { agreement, old_plan, new_plan, notes, is_dry_run: true, licenses }, people))
}

/// The ids and addresses that were pasted: separated by lines, commas, semicolons, tabs or spaces. Each counts once.
fn named(fields: &Fields, errors: &mut FieldErrors) -> (Vec<LicenseId>, Vec<Email>) {
    let text = fields.text("license_uuids").unwrap_or_default();
    let (mut ids, mut people, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    let separates = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"');
    for word in text.split(separates).map(|word| word.trim_matches('\'')).filter(|word| !word.is_empty()) {
        match (Uuid::parse_str(word), Email::to_look_up(word)) {
            (Ok(id), _) => ids.push(LicenseId(id)),
            (_, Ok(email)) => people.push(email),
            _ => wrong.push(word),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    people.sort_unstable();
    people.dedup();
    let count = ids.len() + people.len();
    if !wrong.is_empty() {
        errors.add("license_uuids", format!("These are no addresses or ids of licenses: {}.", some_of(&wrong)));
    } else if count == 0 {
        errors.add("license_uuids", "Paste addresses or ids of licenses, or choose all of the plan.");
    } else if count > MAX_NAMED {
        let (most, count) = (number(MAX_NAMED as i64), number(count as i64));
        errors.add("license_uuids", format!("One transfer takes at most {most} of them; these are {count}."));
    }
    (ids, people)
}

/// The first of these words, and how many more there are.
fn some_of(words: &[&str]) -> String {
    let shown: Vec<String> = words.iter().take(5).map(|word| word.chars().take(254).collect()).collect();
    let more = words.len() - shown.len();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
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
                    label { input type="radio" name="whom" value="named" checked[whom != "all"]; " these people or licenses" }
                    label { input type="radio" name="whom" value="all" checked[whom == "all"]; " all licenses of the plan, whatever their state" }
                }
                (field("license_uuids", "Addresses of people or ids of licenses, one on each line or separated by commas", errors, &html! {
                    textarea #license_uuids name="license_uuids" rows="6" spellcheck="false" { (fields.text("license_uuids").unwrap_or_default()) }
                }))
                (field("notes", "Notes: why, and who asked for it", errors, &input(fields, "notes", MAX_NOTES)))
                div.title { button.first { "Look at what would move" } a.button href=(PATH) { "Back" } }
                p.quiet { "Nothing moves yet. Of those that are named, only live licenses of the plan move. Each keeps its holder and state, and leaves the one plan with one license less." }
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

    fn order(form: &str) -> Result<(TransferOrder, Vec<Email>), FieldErrors> {
        read(AgreementId(Uuid::from_u128(1)), &Fields::parse(form.as_bytes()))
    }

    #[test]
    fn ids_are_pasted_in_any_form_and_wrong_ones_are_named() {
        let (a, b, plans) = (
            Uuid::from_u128(10),
            Uuid::from_u128(11),
            "old_subscription_plan=00000000-0000-0000-0000-000000000002&new_subscription_plan=00000000-0000-0000-0000-000000000003",
        );
        let (made, people) =
            order(&format!("{plans}&license_uuids={b}%0A{a},%22{b}%22;Amy@example.com%20'{a}'")).unwrap();
        assert_eq!(made.licenses, TransferredLicenses::Named(vec![LicenseId(a), LicenseId(b)]));
        assert_eq!(people, ["amy@example.com".parse().unwrap()]);
        assert!(made.is_dry_run, "nothing moves before it was looked at");
        let wrong = order(&format!("{plans}&license_uuids=amy,{a}")).unwrap_err().to_string();
        assert!(wrong.contains("amy"), "{wrong}");
        assert!(order(plans).unwrap_err().to_string().contains("Paste addresses"));
        assert_eq!(order(&format!("{plans}&whom=all")).unwrap().0.licenses, TransferredLicenses::All);
        assert!(order("whom=all").unwrap_err().to_string().contains("old_subscription_plan"));
    }
}
