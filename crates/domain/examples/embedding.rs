//! A year of one customer, with the license manager as a part of another program: `cargo run --example embedding`.
//!
//! The store keeps everything in memory, the clock is moved by hand, and ids count up, so that the story is the same
//! every time. A service brings a store of its own or of `license-manager-adapters`, and takes the system's clock and
//! random ids: `SystemClock` and `RandomIds`.

use std::sync::Arc;

use chrono::{DateTime, Duration};
use license_manager_domain::history::EntityRef;
use license_manager_domain::memory::MemoryStore;
use license_manager_domain::model::{RenewalTerms, TransferOrder, TransferredLicenses};
use license_manager_domain::operations::Unsupervised;
use license_manager_domain::ports::{FixedClock, LicenseFilter, LimitOffset, OutboxFilter, Person, SequentialIds};
use license_manager_domain::use_cases::{RenewalOutcome, RenewedBy};
use license_manager_domain::*;

/// Plays the story.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let beginning = DateTime::UNIX_EPOCH + Duration::days(20_000);
    let clock = Arc::new(FixedClock::new(beginning));
    let store = Arc::new(MemoryStore::with_seeded_products());
    let manager = LicenseManager::new(store, clock.clone(), Arc::new(SequentialIds::default()), Settings::default());
    let admin = Actor::user("admin");

    // A customer agrees, and buys three seats for a year.
    let customer = CustomerId(uuid::Uuid::from_u128(1));
    let catalog = CatalogId(uuid::Uuid::from_u128(2));
    let changes = AgreementChanges { default_catalog: Edit::Set(catalog), ..AgreementChanges::default() };
    let agreement = manager.create_agreement(&admin, NewAgreement { customer, changes })?.details.agreement.id;
    let year = Duration::days(365);
    let seats = |title: &str, seats| NewPlan {
        agreement,
        title: title.to_owned(),
        start_date: beginning,
        expiration_date: beginning + year,
        changes: PlanChanges {
            is_active: Some(true),
            desired_num_licenses: Edit::Set(seats),
            salesforce_opportunity_line_item: Edit::Set("00k000000000000001".to_owned()),
            ..PlanChanges::default()
        },
    };
    let plan = manager.create_plan(&admin, ChangeReason::New, seats("Engineering", 3))?.details.plan.id;

    // Every seat goes to somebody. A fourth learner gets none, and the error says why.
    let (amy, bob, cat): (Email, Email, Email) =
        ("amy@example.com".parse()?, "bob@example.com".parse()?, "cat@example.com".parse()?);
    let learners: Assignees = [&amy, &bob, &cat].map(|email| (email.clone(), None)).into_iter().collect();
    let assigned = manager.assign(&admin, plan, &learners, &AssignmentMail::default())?.assigned;
    let fourth: Assignees = [("dan@example.com".parse()?, None)].into_iter().collect();
    let refused = manager.assign(&admin, plan, &fourth, &AssignmentMail::default());
    assert_eq!(refused, Err(Refusal::NotEnoughLicenses { requested: 1, available: 0 }.into()));

    // Amy activates hers with the key from her mail. Who has not is reminded; Cat's license is taken back, and
    // replaced.
    clock.advance(Duration::days(1));
    let person = Person { email: Some(amy), lms_user_id: Some(LmsUserId(7)) };
    let license = manager.own_licenses_of_plan(plan, &person)?.remove(0);
    let key = license.activation_key().ok_or("a license in somebody's hands has a key")?;
    manager.activate(&Actor::user("amy"), key, &person)?;
    let everybody = LicenseSelection::Matching(LicenseFilter::default());
    assert_eq!(manager.remind(&admin, plan, &everybody, &ReminderMail::default())?, 2);
    let revocations = manager.revoke(&admin, plan, &LicenseSelection::Emails(vec![cat]))?;
    assert_eq!(revocations.revoked[0].original_status, LicenseStatus::Assigned);
    let counts = manager.plan(plan)?.counts;
    assert_eq!(counts, LicenseCounts { activated: 1, assigned: 1, unassigned: 1, revoked: 1 });

    // The year ends. The plan is renewed, and who has a seat keeps it.
    let second_year = beginning + year..beginning + year * 2;
    let terms = RenewalTerms {
        renewed_plan_title: Some("Engineering, second year".to_owned()),
        ..RenewalTerms::new(plan, 3, second_year)
    };
    let renewal = match manager.create_renewal(&admin, &terms)? {
        RenewalOutcome::Written(details) | RenewalOutcome::Existing(details) => details.renewal.id,
        RenewalOutcome::InTheWay(_) => return Err("the plan has a renewal already".into()),
    };
    clock.advance(year - Duration::days(1));
    let processed = manager.process_renewal(&admin, renewal, RenewedBy::Manual)?;
    let renewed = processed.details.renewal.terms.renewed_plan.ok_or("a processed renewal has a plan")?;
    let counts = manager.plan(renewed)?.counts;
    assert_eq!(counts, LicenseCounts { activated: 1, assigned: 1, unassigned: 1, revoked: 0 });

    // Everything moves to another plan of the agreement; a dry run tells first what would.
    let research = manager.create_plan(&admin, ChangeReason::New, seats("Research", 0))?.details.plan.id;
    let order = TransferOrder {
        is_dry_run: true,
        ..TransferOrder::new(agreement, renewed, research, TransferredLicenses::All)
    };
    let job = manager.create_transfer_job(&admin, &order)?.id;
    let preview = manager.process_transfer_job(&admin, job, None)?;
    let done = manager.process_transfer_job(&admin, job, Some(false))?;
    assert_eq!(preview.runs[0].modified_licenses, done.runs[1].modified_licenses);
    assert_eq!(manager.plan(research)?.counts, counts);

    // Nobody has delivered anything yet: `LicenseManager::deliveries` does, to the upstreams that it is given.
    let waiting = manager.outbox(&OutboxFilter::default(), 100)?;
    assert_eq!(waiting.iter().filter(|message| message.topic == "reminder").count(), 2);
    println!("What the outside is owed:");
    for message in waiting {
        println!("  {} {} (queue {})", message.created, message.topic, message.queue);
    }

    // Long afterwards, licenses forget whose they were: what a schedule does, here by hand and with nobody watching.
    clock.advance(year);
    let retired = manager.retire_old_licenses(false, &Unsupervised);
    assert!(retired.is_complete(), "{:?}", retired.errors);

    println!("What became of Amy's license, the newest first:");
    let recent = |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: 10 });
    for change in manager.history(EntityRef::License(assigned[0].1), recent)?.items {
        let fields: Vec<_> = change.changes.iter().map(|change| change.field).collect();
        println!(
            "  {} by {}: {}",
            change.version.at,
            change.version.by.as_deref().unwrap_or("the service"),
            fields.join(", ")
        );
    }
    Ok(())
}
