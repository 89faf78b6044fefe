//! Upstreams that note what they are told, and answer as a story wants.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use license_manager_domain::delivery::{Deliveries, DeliverySettings};
use license_manager_domain::outbox::WaitingMessage;
use license_manager_domain::ports::*;
use license_manager_domain::queue::{Queue, QueueKind};
use license_manager_domain::*;

use super::*;

/// What the upstreams were told, in their order, and what they answer.
#[derive(Default)]
pub struct Told {
    /// Every call as text: the kind, and whom or what it was about.
    pub calls: Vec<String>,
    /// Every mail that was taken.
    pub mails: Vec<Mail>,
    /// Every event that was taken.
    pub events: Vec<TrackedEvent>,
    /// Every enrollment that was taken.
    pub enrollments: Vec<LicensedEnrollment>,
    /// What comes next goes wrong so, call by call.
    pub failures: VecDeque<Undelivered>,
    /// Calls about one of these addresses are refused.
    pub refused: Vec<String>,
    /// Mails to these addresses are not taken, while the others of the call are.
    pub bouncing: Vec<(String, Undelivered)>,
    pub admins: Vec<CustomerAdmin>,
    /// What is in the catalogs; everything where nothing is named.
    pub courses: Option<Vec<String>>,
    pub accounts: BTreeMap<Email, LmsUserId>,
}

#[derive(Clone, Default)]
pub struct Upstreams(pub Arc<Mutex<Told>>);

impl Upstreams {
    pub fn told<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// The calls since the last time they were asked for.
    pub fn calls(&self) -> Vec<String> {
        self.told(|told| std::mem::take(&mut told.calls))
    }

    pub fn fail(&self, failures: impl IntoIterator<Item = Undelivered>) {
        self.told(|told| told.failures.extend(failures));
    }

    fn call(&self, kind: &str, about: &[&str]) -> Result<(), Undelivered> {
        self.told(|told| {
            let names: Vec<&str> = about.iter().map(|about| about.split('@').next().unwrap_or(about)).collect();
            told.calls.push(format!("{kind} {}", names.join(" ")).trim_end().to_owned());
            if let Some(failure) = told.failures.pop_front() {
                return Err(failure);
            }
            match about.iter().any(|about| told.refused.iter().any(|refused| refused == about)) {
                true => Err(Undelivered::Refused("answered 400 Bad Request".to_owned())),
                false => Ok(()),
            }
        })
    }
}

fn texts<T>(all: &[T], text: impl Fn(&T) -> &str) -> Vec<&str> {
    all.iter().map(text).collect()
}

#[async_trait]
impl LearnerRegistry for Upstreams {
    async fn link(&self, learners: &[PendingLearner]) -> Result<(), Undelivered> {
        assert!(learners.len() <= PENDING_LEARNERS_PER_CALL);
        assert!(learners.iter().all(|learner| learner.customer == learners[0].customer), "all of one customer");
        self.call("link", &texts(learners, |learner| learner.email.as_str()))
    }

    async fn end_enrollments(&self, _: CustomerId, learner: LmsUserId) -> Result<(), Undelivered> {
        self.call("end", &[&learner.to_string()])
    }

    async fn expire_enrollments(&self, _: &[LicenseId], _: Option<DateTime<Utc>>) -> Result<(), Undelivered> {
        self.call("expire", &[])
    }

    async fn enroll(
        &self,
        _: CustomerId,
        enrollments: &[LicensedEnrollment],
        _: bool,
    ) -> Result<EnrollmentResults, Undelivered> {
        self.call("enroll", &[&enrollments.len().to_string()])?;
        let refused = self.told(|told| told.refused.clone());
        if enrollments.iter().any(|enrollment| refused.iter().any(|refused| refused == enrollment.email.as_str())) {
            return Err(Undelivered::Refused("answered 400 Bad Request".to_owned()));
        }
        self.told(|told| told.enrollments.extend_from_slice(enrollments));
        let successes = enrollments.iter().map(|one| (one.email.clone(), one.course_run_key.clone())).collect();
        Ok(EnrollmentResults { successes, ..EnrollmentResults::default() })
    }

    async fn unlink(&self, _: CustomerId, _: &[Email]) -> Result<(), Undelivered> {
        self.call("unlink", &[])
    }

    async fn admins(&self, _: CustomerId) -> Result<Vec<CustomerAdmin>, Undelivered> {
        self.call("admins", &[])?;
        Ok(self.told(|told| told.admins.clone()))
    }
}

#[async_trait]
impl CampaignMail for Upstreams {
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<Vec<UnsentMail>, Undelivered> {
        assert!(mails.len() <= MAILS_PER_CALL);
        assert!(mails.iter().all(|mail| mail.kind == kind));
        self.call(kind.as_str(), &texts(mails, |mail| mail.to.as_str()))?;
        let bouncing = self.told(|told| told.bouncing.clone());
        let bounces = |mail: &Mail| bouncing.iter().find(|(address, _)| address == mail.to.as_str());
        let sent = mails.iter().filter(|mail| bounces(mail).is_none()).cloned();
        self.told(|told| told.mails.extend(sent));
        let unsent = |(place, mail): (usize, &Mail)| Some(UnsentMail { place, problem: bounces(mail)?.1.clone() });
        Ok(mails.iter().enumerate().filter_map(unsent).collect())
    }

    async fn identify(&self, people: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        self.call("identify", &texts(people, |(email, _)| email.as_str()))
    }
}

#[async_trait]
impl EventTracking for Upstreams {
    async fn track(&self, events: &[TrackedEvent]) -> Result<(), Undelivered> {
        assert!(events.len() <= EVENTS_PER_CALL);
        self.call("track", &texts(events, |event| event.name.rsplit('.').next().unwrap_or_default()))?;
        self.told(|told| told.events.extend_from_slice(events));
        Ok(())
    }
}

#[async_trait]
impl ContentCatalog for Upstreams {
    async fn contains(&self, _: CatalogId, keys: &[String]) -> Result<bool, Error> {
        let courses = self.told(|told| told.courses.clone());
        Ok(courses.is_none_or(|courses| keys.iter().any(|key| courses.contains(key))))
    }

    async fn owner(&self, _: CatalogId) -> Result<Option<CustomerId>, Error> {
        Ok(None)
    }

    async fn distinct_queries(&self, _: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error> {
        Ok(BTreeMap::new())
    }
}

#[async_trait]
impl AccountLookup for Upstreams {
    async fn account(&self, email: &Email) -> Result<Option<LmsUserId>, Error> {
        self.call("account", &[email.as_str()])
            .map_err(|problem| Error::Upstream { upstream: Upstream::Lms, problem: problem.to_string() })?;
        Ok(self.told(|told| told.accounts.get(email).copied()))
    }
}

/// Runs what waits for nobody: these upstreams answer at once.
pub fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("an upstream of a story waits"),
    }
}

/// A world with upstreams, and deliveries to them.
pub struct Town {
    pub world: World,
    pub upstreams: Upstreams,
    pub deliveries: Deliveries,
}

impl Town {
    pub fn new() -> Self {
        Self::with(|manager| manager)
    }

    /// A town whose license manager was changed before anybody used it.
    pub fn with(change: impl FnOnce(LicenseManager) -> LicenseManager) -> Self {
        let mut world = World::new();
        world.rewrite_agreement(|agreement| {
            agreement.customer_slug = Some("acme".to_owned());
            agreement.customer_name = Some("Acme".to_owned());
        });
        let upstreams = Upstreams::default();
        let shared = Arc::new(upstreams.clone());
        let manager = world.manager.clone().with_learner_registry(shared.clone()).with_mail(shared.clone());
        let manager = manager.with_event_tracking(shared.clone()).with_catalog(shared.clone());
        world.manager = change(manager.with_account_lookup(shared));
        let deliveries = Self::deliveries_of(&world.manager);
        Self { world, upstreams, deliveries }
    }

    /// The deliveries of a license manager, with settings for stories.
    pub fn deliveries_of(manager: &LicenseManager) -> Deliveries {
        manager.deliveries(DeliverySettings {
            lease: Duration::seconds(120),
            retry_base: Duration::seconds(60),
            learner_portal: "https://learn.example.com".to_owned(),
            admin_portal: "https://admin.example.com".to_owned(),
            customer_success: Some(email("success@example.com")),
        })
    }

    /// The queues of messages in which something is due.
    pub fn due(&self) -> Result<Vec<Queue>, Error> {
        self.deliveries.due(QueueKind::Messages)
    }

    /// Delivers one batch of a queue; `false` where there is none.
    pub fn deliver_one(&self, queue: Queue) -> bool {
        let batch = self.deliveries.claim(queue).unwrap();
        let outcome = at_once(self.deliveries.deliver(&batch));
        self.deliveries.settle(&batch, &outcome).unwrap();
        !batch.is_empty()
    }

    /// Delivers whatever is due now, queue by queue.
    pub fn deliver(&self) {
        loop {
            let due = self.due().unwrap();
            if due.is_empty() {
                return;
            }
            due.into_iter().for_each(|queue| assert!(self.deliver_one(queue), "what is due can be claimed"));
        }
    }

    /// Delivers a queue alone.
    pub fn deliver_queue(&self, queue: Queue) {
        while self.deliver_one(queue) {}
    }

    /// Everything that waits.
    pub fn waiting(&self) -> Vec<WaitingMessage> {
        self.world.manager.outbox(&OutboxFilter::default(), 100_000).unwrap()
    }

    /// Everything that nobody tries to deliver any more.
    pub fn dead_lettered(&self) -> Vec<WaitingMessage> {
        self.world.manager.outbox(&OutboxFilter { dead_lettered_only: true, topic: None }, 100_000).unwrap()
    }
}

pub fn away() -> Undelivered {
    Undelivered::Unavailable("answered 502 Bad Gateway".to_owned())
}

pub fn admin_account(customer_user: i64, lms_user_id: i64, address: &str) -> CustomerAdmin {
    CustomerAdmin { customer_user, lms_user_id: LmsUserId::known(lms_user_id), email: email(address) }
}
