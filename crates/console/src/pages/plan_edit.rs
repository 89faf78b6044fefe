//! Editing a plan, with a reason.

use actix_web::{HttpResponse, web};
use license_manager_domain::model::Product;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{FieldErrors, SubscriptionPlan};
use maud::html;

use super::assign::head;
use super::plan::{Shown, find};
use super::plan_form::{Purpose, fields_of, markup, read, taken_title};
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::session::Visitor;

/// The plan in the path and all products, for who may edit plans.
async fn permitted(visitor: &Visitor, path: &str) -> Result<(Shown, Vec<Product>), PageError> {
    let shown = find(visitor, path, Action::Browse).await?;
    visitor.require(Action::Provision, shown.agreement.customer)?;
    let products = visitor.read(|console| console.manager.store().read(|unit| unit.products().list())).await?;
    Ok((shown, products))
}

/// `GET /console/plans/{plan}/edit/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let (shown, products) = permitted(&visitor, &path).await?;
    let fields = fields_of(&shown.plan);
    Ok(page(&visitor, &shown, &products, &fields, &FieldErrors::default(), None))
}

/// `POST /console/plans/{plan}/edit/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (shown, products) = permitted(&visitor, &path).await?;
    let again =
        |errors: &FieldErrors, refused: Option<&str>| Ok(page(&visitor, &shown, &products, &fields, errors, refused));
    if fields.text("version").as_deref() != Some(&version(&shown.plan)) {
        let meanwhile = "Somebody else has changed the plan meanwhile. Nothing was saved: go back and edit it again.";
        return again(&FieldErrors::default(), Some(meanwhile));
    }
    let (reason, changes) = match read(Purpose::Edit, &shown.plan, &products, &fields) {
        Ok(read) => read,
        Err(errors) => return again(&errors, taken_title(&visitor, &shown.plan, &fields).await?.as_deref()),
    };
    let (actor, id) = (visitor.actor(None), shown.plan.id);
    let saved = visitor.provision(move |manager| manager.update_plan(&actor, reason, id, changes.clone()).map(drop));
    match saved.await {
        Ok(()) => Ok(redirect(&shown.address("history/?done=saved"))),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            let refused = if refused.is_some() { refused } else { taken_title(&visitor, &shown.plan, &fields).await? };
            again(&errors, refused.as_deref())
        }
    }
}

/// What tells one version of a plan from another.
pub(super) fn version(plan: &SubscriptionPlan) -> String {
    plan.modified.timestamp_micros().to_string()
}

fn page(
    visitor: &Visitor,
    shown: &Shown,
    products: &[Product],
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let content = html! {
        (head(shown, "Edit the plan"))
        (layout::refusal(refused))
        form.card method="post" {
            (token(visitor))
            input type="hidden" name="version" value=(fields.text("version").unwrap_or_else(|| version(&shown.plan)));
            (markup(fields, errors, products))
            div.title { button.first { "Save" } a.button href=(shown.address("")) { "Back" } }
        }
    };
    layout::page(visitor, Section::Plans, "Edit the plan", &content)
}
