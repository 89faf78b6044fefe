use super::due_work::DueWorkRepository;
use super::enrollment_jobs::EnrollmentJobRepository;
use super::history::HistoryRepository;
use super::idempotency::IdempotencyRepository;
use super::licenses::LicenseRepository;
use super::lookups::LookupRepository;
use super::operations::OperationRepository;
use super::outbox::OutboxRepository;
use super::purge::PurgeRepository;
use super::renewals::RenewalRepository;
use super::repositories::{AgreementRepository, JobRepository, PlanRepository, ProductRepository, UserRepository};
use super::retirement::RetirementRepository;
use super::role_assignments::RoleAssignmentRepository;
use super::schedule::ScheduleRepository;
use super::staff_records::{LicenseEventRepository, NotificationRepository};
use super::transfers::TransferRepository;
use super::utilization::UtilizationRepository;
use super::webhooks::{WebhookDeliveryRepository, WebhookRepository};
use crate::error::Error;

/// The work of one transaction.
pub type Work<'a> = dyn FnMut(&mut dyn UnitOfWork) -> Result<(), Error> + 'a;

/// The database.
///
/// Use cases call [`StoreExt::write`] and [`StoreExt::read`], which return what the work returns.
pub trait Store: Send + Sync {
    /// Runs the work in one transaction.
    ///
    /// MUST commit when the work returns `Ok`, and leave nothing behind when it returns an error or panics.
    /// MAY run the work again from the start where another transaction came between (a deadlock, or a uniqueness rule hit by
    /// work that had looked before it wrote); so the work must do nothing but use its unit of work.
    /// MUST return [`Error::Unavailable`] where the database cannot be reached.
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error>;

    /// Runs work that only reads. MUST refuse writes. Statements see what was committed when each began.
    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error>;

    /// Returns `Ok` where the database answers.
    fn ping(&self) -> Result<(), Error>;
}

/// Work that returns a value.
pub trait StoreExt {
    /// Runs the work in one transaction and returns what it returns. See [`Store::run_write`].
    fn write<T>(&self, work: impl FnMut(&mut dyn UnitOfWork) -> Result<T, Error>) -> Result<T, Error>;

    /// Runs work that only reads and returns what it returns. See [`Store::run_read`].
    fn read<T>(&self, work: impl FnMut(&mut dyn UnitOfWork) -> Result<T, Error>) -> Result<T, Error>;
}

impl<S: Store + ?Sized> StoreExt for S {
    fn write<T>(&self, mut work: impl FnMut(&mut dyn UnitOfWork) -> Result<T, Error>) -> Result<T, Error> {
        let mut outcome = None;
        self.run_write(&mut |unit| {
            outcome = Some(work(unit)?);
            Ok(())
        })?;
        outcome.ok_or_else(|| Error::internal("a unit of work was committed without having run"))
    }

    fn read<T>(&self, mut work: impl FnMut(&mut dyn UnitOfWork) -> Result<T, Error>) -> Result<T, Error> {
        let mut outcome = None;
        self.run_read(&mut |unit| {
            outcome = Some(work(unit)?);
            Ok(())
        })?;
        outcome.ok_or_else(|| Error::internal("a unit of work ended without having run"))
    }
}

/// Defines [`UnitOfWork`] by its accessors, each with the repository that it hands out.
macro_rules! unit_of_work {
    ($($accessor:ident: $repository:ident,)+) => {
        /// One transaction, which hands out the repositories that work in it.
        ///
        /// Repositories keep what they are given and hold uniqueness; no other rule is checked here. The use cases of
        /// [`crate::LicenseManager`] check before they write.
        ///
        /// Whatever implements every repository is one.
        #[allow(missing_docs)] // each is the repository of that name
        pub trait UnitOfWork {
            $(fn $accessor(&mut self) -> &mut dyn $repository;)+
        }

        impl<U: $($repository +)+> UnitOfWork for U {
            $(fn $accessor(&mut self) -> &mut dyn $repository {
                self
            })+
        }
    };
}

unit_of_work! {
    agreements: AgreementRepository,
    plans: PlanRepository,
    licenses: LicenseRepository,
    products: ProductRepository,
    renewals: RenewalRepository,
    transfers: TransferRepository,
    users: UserRepository,
    outbox: OutboxRepository,
    jobs: JobRepository,
    enrollment_jobs: EnrollmentJobRepository,
    lookups: LookupRepository,
    retirement: RetirementRepository,
    history: HistoryRepository,
    role_assignments: RoleAssignmentRepository,
    notifications: NotificationRepository,
    license_events: LicenseEventRepository,
    idempotency: IdempotencyRepository,
    operations: OperationRepository,
    due_work: DueWorkRepository,
    purge: PurgeRepository,
    schedule: ScheduleRepository,
    webhooks: WebhookRepository,
    webhook_deliveries: WebhookDeliveryRepository,
    utilization: UtilizationRepository,
}
