//! Adding missing licenses, freezing, and deleting revoked licenses: of one plan, of the selected plans or of all that
//! match, with a look at what will happen to each.

use actix_web::HttpResponse;
use license_manager_domain::console::{Part, PlanFilters, PlanOrder, PlanRow, Sorting};
use license_manager_domain::model::JobKind;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::use_cases::PlanUpkeep;
use license_manager_domain::{Actor, Error, LicenseManager, PlanId};
use maud::{Markup, html};
use uuid::Uuid;

use super::license_edit::{MAX_REASON, field, input, reason_errors};
use super::lists::{self, counted, customer_name, number};
use super::plans::{FILTERS, filters};
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The most plans of one action: so many its page can show.
const MOST: i64 = 200;

/// What is done to a plan's licenses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Provision,
    Freeze,
    DeleteRevoked,
}

impl Act {
    pub(super) const ALL: [Self; 3] = [Self::Provision, Self::Freeze, Self::DeleteRevoked];

    /// The act with this value in forms.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }

    /// Its value in forms.
    fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Freeze => "freeze",
            Self::DeleteRevoked => "delete-revoked",
        }
    }

    /// The job that does it to one of several plans.
    fn job(self) -> JobKind {
        match self {
            Self::Provision => JobKind::Provision,
            Self::Freeze => JobKind::Freeze,
            Self::DeleteRevoked => JobKind::DeleteRevoked,
        }
    }

    /// What its button says.
    pub(super) fn button(self) -> &'static str {
        match self {
            Self::Provision => "Add missing licenses",
            Self::Freeze => "Freeze",
            Self::DeleteRevoked => "Delete revoked",
        }
    }

    /// What the button says that does it to so many plans.
    fn confirmation(self, plans: i64) -> String {
        let plans = counted(plans, "plan", "plans");
        match self {
            Self::Provision => format!("Fill up {plans}"),
            Self::Freeze => format!("Freeze {plans}"),
            Self::DeleteRevoked => format!("Delete the revoked licenses of {plans}"),
        }
    }

    /// Whether what it deletes is gone.
    fn is_grave(self) -> bool {
        self != Self::Provision
    }

    /// How many licenses of the plan it concerns, or why it would not be done and what would change that.
    pub(super) fn outlook(self, plan: &PlanRow) -> Result<i64, String> {
        match self {
            Self::Provision if plan.is_frozen => {
                Err("It is frozen, and a frozen plan gets no new licenses.".to_owned())
            }
            Self::Provision => match plan.desired_num_licenses {
                None => Err("It has no desired number of licenses. Set one by editing the plan.".to_owned()),
                Some(desired) => match i64::from(desired) - plan.counts.total() {
                    missing @ 1.. => Ok(missing),
                    _ => Err(format!(
                        "It has all of its {}. Raise the number by editing the plan.",
                        counted(desired.into(), "license", "licenses")
                    )),
                },
            },
            Self::Freeze if !plan.can_freeze => {
                Err("Freezing is not permitted for it. A provisioner can permit it by editing the plan.".to_owned())
            }
            Self::Freeze if plan.is_frozen && plan.counts.unassigned == 0 => {
                Err("It is frozen already, and has no free license.".to_owned())
            }
            Self::Freeze => Ok(plan.counts.unassigned),
            Self::DeleteRevoked if plan.counts.revoked == 0 => Err("It has no revoked license.".to_owned()),
            Self::DeleteRevoked => Ok(plan.counts.revoked),
        }
    }

    /// What it does, in words.
    fn words(self, licenses: i64) -> String {
        match self {
            Self::Provision => format!("{} will be added.", counted(licenses, "license", "licenses")),
            Self::Freeze => {
                let free = counted(licenses, "license that nobody has", "licenses that nobody has");
                format!("{free} will be deleted, and no new ones added.")
            }
            Self::DeleteRevoked => {
                let revoked = counted(licenses, "license that was revoked", "licenses that were revoked");
                format!("{revoked} will be deleted, with their sources.")
            }
        }
    }

    fn work(self) -> fn(&LicenseManager, &Actor, PlanId) -> Result<PlanUpkeep, Error> {
        match self {
            Self::Provision => LicenseManager::provision_plan,
            Self::Freeze => LicenseManager::freeze,
            Self::DeleteRevoked => LicenseManager::delete_revoked,
        }
    }
}

/// The buttons of these acts.
pub(super) fn buttons(acts: &[Act]) -> Markup {
    html! { @for act in acts {
        button.grave[act.is_grave()] name="act" value=(act.name()) { (act.button()) }
    } }
}

/// `POST /console/plans/act/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn act(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    if !visitor.rights.may(Action::Support) {
        return Err(PageError::Forbidden);
    }
    let Some(act) = fields.text("act").and_then(|name| Act::named(&name)) else {
        return Err(PageError::BadForm("Say what to do with the plans."));
    };
    let selection = match fields.has("all") {
        true => filters(CustomerScope::All, &fields, visitor.console.manager.now()),
        false => {
            let ids = fields.all("plan").filter_map(|id| Uuid::parse_str(id).ok()).map(PlanId).collect();
            PlanFilters { ids: Some(ids), ..PlanFilters::of(CustomerScope::All) }
        }
    };
    let sorting = Sorting::ascending(PlanOrder::Title);
    let plans = visitor.read(move |console| console.store.plan_rows(&selection, sorting, Part::first(MOST))).await?;
    let page = Page { visitor: &visitor, fields: &fields, act, plans: &plans.rows, total: plans.total };
    let errors = reason_errors(&fields);
    // Where nothing would happen to any of them, the page says why.
    let is_refused = plans.rows.iter().all(|plan| act.outlook(plan).is_err());
    if !fields.has("confirmed") || plans.total > MOST || is_refused {
        return Ok(page.preview(false));
    }
    if errors.iter().next().is_some() {
        return Ok(page.preview(true));
    }
    page.perform().await
}

/// Plans to act on.
struct Page<'a> {
    visitor: &'a Visitor,
    fields: &'a Fields,
    act: Act,
    plans: &'a [PlanRow],
    total: i64,
}

impl Page<'_> {
    /// Where the form came from.
    fn back(&self) -> String {
        match self.plans {
            [plan] if self.fields.has("from_plan") => format!("/console/plans/{}/", plan.id),
            _ => lists::with_filters("/console/plans/", self.fields, &FILTERS, &[]),
        }
    }

    /// The way to the page.
    fn above(&self) -> Vec<(String, String)> {
        match self.plans {
            [plan] if self.fields.has("from_plan") => {
                vec![("/console/plans/".to_owned(), "Plans".to_owned()), (self.back(), plan.title.clone())]
            }
            _ => vec![(self.back(), "Plans".to_owned())],
        }
    }

    fn title(&self) -> String {
        format!("{}: look before it happens", self.act.button())
    }

    fn head(&self, title: &str) -> Markup {
        html! {
            div {
                (crumbs(&self.above()))
                div.title { h1 { (title) } }
            }
        }
    }

    /// What will happen, with the reason's errors once a reason was asked for.
    fn preview(&self, was_confirmed: bool) -> HttpResponse {
        let outlooks: Vec<Result<i64, String>> = self.plans.iter().map(|plan| self.act.outlook(plan)).collect();
        let willing = outlooks.iter().filter(|outlook| outlook.is_ok()).count() as i64;
        let licenses: i64 = outlooks.iter().flatten().sum();
        let errors = if was_confirmed { reason_errors(self.fields) } else { Default::default() };
        let too_many = self.total > MOST;
        let content = html! {
            (self.head(&self.title()))
            @if self.total == 0 {
                p.note { "No plan is selected. Go back, and select plans or all that match the filter." }
            } @else if too_many {
                p.note.bad role="alert" {
                    "These are " (number(self.total)) " plans. One action is for at most " (number(MOST))
                    ": go back, and narrow the filter."
                }
            } @else if willing == 0 {
                p.note { "Nothing would happen to " @if self.total == 1 { "this plan." } @else { "these plans." } }
            } @else {
                p.note.bad[self.act.is_grave()].good[!self.act.is_grave()] {
                    b { (counted(willing, "plan", "plans")) ": " (self.act.words(licenses)) }
                    @if self.act == Act::DeleteRevoked { " A learner who lost a license cannot get it back by reverting." }
                    @if self.act == Act::Freeze { " Licenses that learners have stay as they are." }
                    @if !self.is_single() { " A job does it to one plan after another; you see how far it is, and can leave." }
                }
            }
            @if !too_many && self.total > 0 { (self.rows(&outlooks)) }
            form.card method="post" action="/console/plans/act/" {
                (token(self.visitor))
                input type="hidden" name="act" value=(self.act.name());
                (lists::hidden(self.fields, &FILTERS)) (lists::hidden(self.fields, &["all", "from_plan"]))
                @for plan in self.fields.all("plan") { input type="hidden" name="plan" value=(plan); }
                @if willing > 0 && !too_many {
                    (field("reason", "Reason, for the history", &errors, &input(self.fields, "reason", MAX_REASON)))
                }
                div.title {
                    @if willing > 0 && !too_many {
                        button.first name="confirmed" value="yes" {
                            (self.act.confirmation(willing))
                        }
                    }
                    a.button href=(self.back()) { "Back" }
                }
            }
        };
        layout::page(self.visitor, Section::Plans, &self.title(), &content)
    }

    fn rows(&self, outlooks: &[Result<i64, String>]) -> Markup {
        html! {
            div.card.wide { table {
                thead { tr { th { "Plan" } th { "Customer" } th { "What will happen" } } }
                tbody { @for (plan, outlook) in self.plans.iter().zip(outlooks) { tr {
                    (self.name(plan))
                    td.long {
                        @match outlook {
                            Ok(licenses) => { (self.act.words(*licenses)) }
                            Err(why) => { span.wrong { "Nothing. " } (why) }
                        }
                    }
                } } }
            } }
        }
    }

    /// The cells that name a plan.
    fn name(&self, plan: &PlanRow) -> Markup {
        html! {
            td.long { a href={ "/console/plans/" (plan.id) "/" } { (plan.title) } }
            td.long { (customer_name(plan.customer_name.as_deref())) }
        }
    }

    /// Whether this is the action of a plan's own page, which is done at once.
    fn is_single(&self) -> bool {
        self.plans.len() == 1 && self.fields.has("from_plan")
    }

    /// Acts on the plan at once, or asks for jobs on the plans that permit it: so the number of statements does not
    /// depend on the number of plans.
    async fn perform(&self) -> Result<HttpResponse, PageError> {
        let actor = self.visitor.actor(self.fields.text("reason").as_deref());
        let ids: Vec<PlanId> =
            self.plans.iter().filter(|plan| self.act.outlook(plan).is_ok()).map(|plan| plan.id).collect();
        if let (&[plan], true) = (ids.as_slice(), self.is_single()) {
            return self.perform_at_once(actor, plan).await;
        }
        let (kind, number) = (self.act.job(), ids.len());
        let asked = self.visitor.write(move |console| console.manager.request_jobs(&actor, kind, &ids)).await?.len();
        self.visitor.console.host.wake_jobs();
        let (act, left) = (self.act.name(), number - asked);
        Ok(redirect(&format!("/console/plans/?job=yes&act={act}&asked={asked}&left={left}")))
    }

    async fn perform_at_once(&self, actor: Actor, plan: PlanId) -> Result<HttpResponse, PageError> {
        let work = self.act.work();
        let done = self.visitor.write(move |console| work(&console.manager, &actor, plan)).await?;
        self.visitor.console.host.wake_jobs();
        let told = match self.act {
            Act::Provision if done.pending > 0 => "growing",
            Act::Provision => "added",
            Act::Freeze if done.pending > 0 => "freezing",
            Act::Freeze => "frozen",
            Act::DeleteRevoked if done.pending > 0 => "deleting",
            Act::DeleteRevoked => "deleted",
        };
        let number = done.added + done.pending + done.deleted;
        Ok(redirect(&format!("/console/plans/{plan}/?done={told}&number={number}")))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use license_manager_domain::{AgreementId, CustomerId, LicenseCounts};

    use super::*;

    fn plan() -> PlanRow {
        let now = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        PlanRow {
            id: PlanId(Uuid::nil()),
            title: "Languages".to_owned(),
            start_date: now,
            expiration_date: now,
            is_active: true,
            for_internal_use_only: false,
            is_frozen: false,
            can_freeze: true,
            desired_num_licenses: Some(10),
            is_growing: false,
            has_job: false,
            job_problem: None,
            product: "B2B Paid".to_owned(),
            agreement: AgreementId(Uuid::nil()),
            customer: CustomerId(Uuid::nil()),
            customer_name: None,
            is_renewed: false,
            counts: LicenseCounts { unassigned: 3, assigned: 2, activated: 1, revoked: 4 },
        }
    }

    #[test]
    fn what_would_happen_is_what_the_use_case_does() {
        assert_eq!(Act::Provision.outlook(&plan()), Ok(4), "revoked licenses do not count");
        assert_eq!(Act::Freeze.outlook(&plan()), Ok(3));
        assert_eq!(Act::DeleteRevoked.outlook(&plan()), Ok(4));
        let frozen = PlanRow { is_frozen: true, ..plan() };
        assert!(Act::Provision.outlook(&frozen).is_err());
        assert_eq!(Act::Freeze.outlook(&frozen), Ok(3), "licenses that became free since");
        let refused = [
            Act::Provision.outlook(&PlanRow { desired_num_licenses: None, ..plan() }),
            Act::Provision.outlook(&PlanRow { desired_num_licenses: Some(6), ..plan() }),
            Act::Freeze.outlook(&PlanRow { can_freeze: false, ..plan() }),
            Act::DeleteRevoked.outlook(&PlanRow { counts: LicenseCounts::default(), ..plan() }),
        ];
        assert!(refused.iter().all(Result::is_err), "{refused:?}");
    }
}
