//! Creates the demo customer and prints the commands of the walkthrough.

use std::fmt;

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::ports::{AgreementFilter, CustomerScope, LimitOffset, PlanFilter, RoleAssignment};
use license_manager_domain::{
    Actor, AgreementChanges, AgreementId, AssignmentMail, CatalogId, ChangeReason, CustomerId, Edit, Error,
    LicenseManager, NewAgreement, NewPlan, PlanChanges, PlanId, Settings, SubscriptionPlan,
};
use uuid::Uuid;

use crate::config::{Config, Secret};

/// The demo customer.
const CUSTOMER: Uuid = Uuid::from_u128(0xdec0_de00_0000_4000_8000_0000_0000_0001);
/// The demo customer's catalog.
const CATALOG: Uuid = Uuid::from_u128(0xdec0_de00_0000_4000_8000_0000_0000_0002);

/// Learners with a license from the start.
const LEARNERS: [&str; 3] = ["ada@example.com", "grace@example.com", "edsger@example.com"];

/// The plans: title, licenses, days since the start, days until the expiration.
const PLANS: [(&str, i32, i64, i64); 2] = [(WALKED_PLAN, 20, 30, 335), (RENEWED_PLAN, 5, 10, 90)];
/// The plan whose licenses the walkthrough assigns.
const WALKED_PLAN: &str = "Data Science";
/// The plan that the walkthrough renews and transfers a license to.
const RENEWED_PLAN: &str = "Languages";

/// The ids that the walkthrough uses.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    agreement: AgreementId,
    plan: PlanId,
    renewed_plan: PlanId,
    /// When the renewed plan expires.
    expiration_date: DateTime<Utc>,
}

/// One line that lists what exists.
impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agreement, plan, renewed_plan, .. } = self;
        write!(f, "the demo customer {CUSTOMER} is there: agreement {agreement}, ")?;
        write!(f, "plans {plan} ({WALKED_PLAN}) and {renewed_plan} ({RENEWED_PLAN})")
    }
}

/// Gives the demo its secret. Its tokens, printed for everybody at the screen, must open nothing else.
///
/// # Errors
/// The setting that makes this more than a demo.
pub fn prepare(config: &mut Config) -> Result<(), String> {
    let auth = &mut config.auth;
    if auth.hs256_secret.is_some() || auth.jwk_set.is_some() || !auth.issuers.is_empty() {
        return Err(
            "serve --demo creates its own secret: leave out auth.hs256_secret, auth.jwk_set and auth.issuers, \
                    or serve without --demo"
                .to_owned(),
        );
    }
    for (name, address) in [
        ("server.listen", Some(config.server.listen)),
        ("metrics.listen", config.metrics.listen),
        ("metrics.worker_listen", config.metrics.worker_listen),
    ] {
        if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
            return Err(format!("serve --demo listens on loopback addresses only, not on {name} = {address}"));
        }
    }
    auth.hs256_secret = Some(Secret::random());
    Ok(())
}

/// Creates the demo customer with two plans and a few learners, unless it exists.
pub fn seed(manager: &LicenseManager) -> Result<Demo, Error> {
    let customer = CustomerId(CUSTOMER);
    let filter = AgreementFilter { scope: CustomerScope::All, customer: Some(customer), agreement: None };
    let all = |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: 10 });
    if manager.agreements(&filter, all)?.total == 0 {
        make(manager, customer)?;
    }
    let filter = PlanFilter { customer: Some(customer), active_only: true, ..PlanFilter::new(CustomerScope::All) };
    let page = manager.plans(&filter, all)?;
    let plan = |title: &str| -> Result<&SubscriptionPlan, Error> {
        let plan = page.items.iter().map(|overview| &overview.details.plan).find(|plan| plan.title == title);
        plan.ok_or_else(|| Error::internal(format!("the demo customer has no active plan {title}")))
    };
    let (walked, renewed) = (plan(WALKED_PLAN)?, plan(RENEWED_PLAN)?);
    Ok(Demo {
        agreement: walked.agreement,
        plan: walked.id,
        renewed_plan: renewed.id,
        expiration_date: renewed.expiration_date,
    })
}

fn make(manager: &LicenseManager, customer: CustomerId) -> Result<(), Error> {
    let actor = Actor::service();
    // No catalog service knows the demo customer's catalog.
    let settings = Settings { validate_catalogs: false, ..manager.settings().clone() };
    let manager = manager.clone().with_settings(settings);
    let changes = AgreementChanges {
        customer_slug: Edit::Set("demo-university".to_owned()),
        customer_name: Edit::Set("Demo University".to_owned()),
        default_catalog: Edit::Set(CatalogId(CATALOG)),
        ..AgreementChanges::default()
    };
    let agreement = manager.create_agreement(&actor, NewAgreement { customer, changes })?.details.agreement.id;
    let today = manager.now();
    for (title, licenses, days_before, days_after) in PLANS {
        let new = NewPlan {
            agreement,
            title: title.to_owned(),
            start_date: today - Duration::days(days_before),
            expiration_date: today + Duration::days(days_after),
            changes: PlanChanges {
                is_active: Some(true),
                desired_num_licenses: Edit::Set(licenses),
                salesforce_opportunity_line_item: Edit::Set("00kDEMO00000000001".to_owned()),
                ..PlanChanges::default()
            },
        };
        let plan = manager.create_plan(&actor, ChangeReason::New, new)?.details.plan.id;
        let learners = LEARNERS.iter().filter_map(|email| Some((email.parse().ok()?, None))).collect();
        let mail = AssignmentMail { notify: false, ..AssignmentMail::default() };
        manager.assign(&actor, plan, &learners, &mail)?;
    }
    Ok(())
}

/// The commands of the walkthrough: list the plan, assign, activate, revoke, renew, transfer. `admin` and `learner` are
/// access tokens.
pub fn walk(address: &str, demo: &Demo, admin: &str, learner: &str) -> String {
    let base = format!("{address}/api/v1");
    let Demo { agreement, plan, renewed_plan, expiration_date } = demo;
    let effective = expiration_date.date_naive();
    let expiration = (*expiration_date + Duration::days(365)).date_naive();
    format!(
        r#"
The console is at {address}/console/

The demo customer is ready. Paste these into a shell with curl:

  ADMIN='Authorization: JWT {admin}'
  LEARNER='Authorization: JWT {learner}'

1. Read the plan and the number of its licenses:
  curl -s -H "$ADMIN" {base}/subscriptions/{plan}/

2. Assign a license to a learner:
  curl -s -H "$ADMIN" -H 'Content-Type: application/json' -d '{{"user_emails": ["{DEMO_LEARNER}"]}}' \
    {base}/subscriptions/{plan}/licenses/assign/

3. Activate it as that learner, with the activation key from the admin's list:
  KEY=$(curl -s -H "$ADMIN" '{base}/subscriptions/{plan}/licenses/?search={DEMO_LEARNER}&status=assigned' \
    | sed -E 's/.*"activation_key":"([^"]*)".*/\1/')
  curl -s -X POST -H "$LEARNER" "{base}/license-activation/?activation_key=$KEY"

4. Revoke it:
  curl -s -H "$ADMIN" -H 'Content-Type: application/json' -d '{{"user_emails": ["{DEMO_LEARNER}"]}}' \
    {base}/subscriptions/{plan}/licenses/bulk-revoke/

5. Renew the other plan into the next year. Its learners get their licenses in the new plan:
  RENEWAL=$(curl -s -H "$ADMIN" -H 'Content-Type: application/json' \
    -d '{{"prior_subscription_plan": "{renewed_plan}", "number_of_licenses": 8, "salesforce_opportunity_id": null,
         "effective_date": "{effective}", "renewed_expiration_date": "{expiration}"}}' \
    {base}/provisioning-admins/subscription-plan-renewals/ | sed -E 's/^\{{"id":([0-9]+).*/\1/')
  curl -s -X POST -H "$ADMIN" {base}/provisioning-admins/subscription-plan-renewals/$RENEWAL/process/

6. Move a license to the other plan, after a dry run:
  LICENSE=$(curl -s -H "$ADMIN" -H 'Content-Type: application/json' -d '{{"user_emails": ["{MOVED_LEARNER}"]}}' \
    {base}/subscriptions/{plan}/licenses/assign/ | sed -E 's/.*"license":"([^"]*)".*/\1/')
  JOB=$(curl -s -H "$ADMIN" -H 'Content-Type: application/json' \
    -d "{{\"customer_agreement\": \"{agreement}\", \"license_uuids\": [\"$LICENSE\"],
         \"old_subscription_plan\": \"{plan}\", \"new_subscription_plan\": \"{renewed_plan}\"}}" \
    {base}/provisioning-admins/license-transfer-jobs/ | sed -E 's/^\{{"id":([0-9]+).*/\1/')
  curl -s -H "$ADMIN" -H 'Content-Type: application/json' -d '{{"is_dry_run": true}}' \
    {base}/provisioning-admins/license-transfer-jobs/$JOB/process/
  curl -s -H "$ADMIN" -H 'Content-Type: application/json' -d '{{"is_dry_run": false}}' \
    {base}/provisioning-admins/license-transfer-jobs/$JOB/process/

The tokens are valid for a day. Ctrl-C stops the server.
"#
    )
}

/// The learner of the walkthrough.
pub const DEMO_LEARNER: &str = "linus@example.com";

/// The learner whose license is transferred.
const MOVED_LEARNER: &str = "katherine@example.com";

/// The roles of the walkthrough's admin.
pub fn admin_roles() -> Vec<String> {
    vec![format!("enterprise_admin:{CUSTOMER}"), "enterprise_provisioning_admin:*".to_owned()]
}

/// The user name of the demo's viewer.
pub const VIEWER: &str = "demo-viewer";

/// The user name of the demo's operator.
pub const OPERATOR: &str = "demo-operator";

/// The user name of the demo's superuser.
pub const SUPERUSER: &str = "demo-superuser";

/// Gives the demo's people the roles that only the database gives.
pub fn give_roles(manager: &LicenseManager) -> Result<(), Error> {
    for (username, role) in [(VIEWER, "license_manager_viewer"), (OPERATOR, "license_manager_operator")] {
        let role = RoleAssignment { role: role.to_owned(), customer: None };
        manager.give_role(&Actor::service(), username, &role)?;
    }
    manager.make_superuser(SUPERUSER)
}

/// The roles of the demo's customer admin.
pub fn customer_admin_roles() -> Vec<String> {
    vec![format!("enterprise_admin:{CUSTOMER}")]
}

/// The roles of the demo's provisioner.
pub fn provisioner_roles() -> Vec<String> {
    vec!["enterprise_provisioning_admin:*".to_owned()]
}

/// The roles of the walkthrough's learner.
pub fn learner_roles() -> Vec<String> {
    vec![format!("enterprise_learner:{CUSTOMER}")]
}
