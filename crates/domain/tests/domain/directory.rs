//! What the LMS says about a customer, for mails.

use std::sync::Arc;

use crate::support::upstreams::*;
use crate::support::*;
use async_trait::async_trait;
use chrono::Duration;
use license_manager_domain::ports::*;
use license_manager_domain::*;

/// A directory that answers once and is away from then on.
struct OnceDirectory(std::sync::atomic::AtomicUsize);

#[async_trait]
impl EnterpriseDirectory for OnceDirectory {
    async fn customer(&self, customer: CustomerId) -> Result<EnterpriseCustomer, Error> {
        match self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Ok(EnterpriseCustomer {
                contact_email: Some("help@acme.example.com".to_owned()),
                sender_alias: Some("Acme Learning".to_owned()),
                has_identity_provider: true,
                ..EnterpriseCustomer::new(customer, "acme-in-lms", "Acme in the LMS")
            }),
            _ => Err(Error::Upstream { upstream: Upstream::Lms, problem: "did not answer in time".to_owned() }),
        }
    }
}

#[test]
fn events_and_profiles_name_the_customer_as_the_agreement_and_mails_as_the_lms() {
    let town = Town::with(|manager| manager.with_directory(Arc::new(OnceDirectory(0.into()))));
    let plan = town.world.plan(1);
    town.world.assign(plan, &learners(["amy@example.com"])).unwrap();
    town.world.rewrite_agreement(|agreement| agreement.customer_name = Some("Renamed later".to_owned()));
    town.deliver();
    let mail = town.upstreams.told(|told| told.mails.remove(0));
    let event = town.upstreams.told(|told| told.events.remove(0));
    for (told, name, when) in
        [(&event.properties, "Acme", "when it happened"), (&mail.attributes, "Renamed later", "when it is delivered")]
    {
        let names = (&told["enterprise_customer_slug"], &told["enterprise_customer_name"]);
        assert_eq!(names, (&"acme".into(), &name.into()), "{when}");
    }
    let names = (&mail.properties["enterprise_customer_slug"], &mail.properties["enterprise_customer_name"]);
    assert_eq!(names, (&"acme-in-lms".into(), &"Acme in the LMS".into()));
}

#[test]
fn a_customer_is_asked_for_once_in_five_minutes_and_remembered_while_the_lms_is_away() {
    let directory = Arc::new(OnceDirectory(0.into()));
    let asked = || directory.0.load(std::sync::atomic::Ordering::Relaxed);
    let town = Town::with(|manager| manager.with_directory(directory.clone()));
    let plan = town.world.plan(4);
    for (address, minutes, times) in
        [("amy@example.com", 0, 1), ("bob@example.com", 4, 1), ("eve@example.com", 1, 2), ("joe@example.com", 0, 3)]
    {
        town.world.clock.advance(Duration::minutes(minutes));
        town.world.assign(plan, &learners([address])).unwrap();
        town.deliver();
        assert_eq!(asked(), times, "{address}");
    }
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    assert_eq!(mails.len(), 4);
    for mail in mails {
        assert_eq!(mail.properties["enterprise_sender_alias"], "Acme Learning");
        assert_eq!(mail.properties["enterprise_contact_email"], "help@acme.example.com");
        assert!(mail.properties["license_activation_link"].as_str().unwrap().contains("/acme-in-lms/licenses/"));
    }
}

#[test]
fn an_lms_that_never_answered_keeps_mails_waiting() {
    let town = Town::with(|manager| manager.with_directory(Arc::new(OnceDirectory(1.into()))));
    town.world.assign(town.world.plan(1), &crowd(1)).unwrap();
    town.deliver();
    assert_eq!(town.upstreams.calls(), ["link learner0", "track assigned"]);
    let waiting = town.waiting();
    assert_eq!(waiting[0].last_error.as_deref(), Some("The LMS did not answer in time."));
}

/// A directory that lets everybody wait for ten seconds, and then has nothing to say.
#[derive(Default)]
struct HangingDirectory {
    clock: std::sync::OnceLock<Arc<FixedClock>>,
    asked: std::sync::atomic::AtomicUsize,
}

#[async_trait]
impl EnterpriseDirectory for HangingDirectory {
    async fn customer(&self, _: CustomerId) -> Result<EnterpriseCustomer, Error> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.clock.get().unwrap().advance(Duration::seconds(10));
        Err(Error::Upstream { upstream: Upstream::Lms, problem: "did not answer in time".to_owned() })
    }
}

#[test]
fn an_lms_that_hangs_is_not_asked_again_for_half_a_minute() {
    let directory = Arc::new(HangingDirectory::default());
    let asked = || directory.asked.load(std::sync::atomic::Ordering::Relaxed);
    let town = Town::with(|manager| manager.with_directory(directory.clone()));
    let _ = directory.clock.set(town.world.clock.clone());
    town.world.assign(town.world.plan(30), &crowd(30)).unwrap();
    town.deliver();
    assert_eq!((asked(), town.waiting().len()), (1, 30), "one question for all of them");
    town.world.clock.advance(Duration::minutes(2));
    town.deliver();
    assert_eq!(asked(), 2);
}
