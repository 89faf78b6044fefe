use super::due_work::DueWorkRepository;
use super::enrollment_jobs::EnrollmentJobRepository;
use super::history::HistoryRepository;
use super::idempotency::IdempotencyRepository;
use super::licenses::LicenseRepository;
use super::lookups::LookupRepository;
use super::operations::OperationRepository;
use super::outbox::OutboxRepository;
use super::purge::PurgeRepository;
use super::queue::QueueRepository;
use super::renewals::RenewalRepository;
use super::repositories::{AgreementRepository, JobRepository, PlanRepository, ProductRepository, UserRepository};
use super::retirement::RetirementRepository;
use super::role_assignments::RoleAssignmentRepository;
use super::schedule::ScheduleRepository;
use super::staff_actions::StaffActionRepository;
use super::staff_records::{LicenseEventRepository, NotificationRepository};
use super::transfers::TransferRepository;
use super::utilization::UtilizationRepository;
use super::webhooks::{WebhookDeliveryRepository, WebhookRepository};
use crate::error::Error;

/// The work of one transaction.
pub type Work<'a> = dyn FnMut(&mut dyn UnitOfWork) -> Result<(), Error> + 'a;

/// The database.
///
/// Use cases call [`StoreExt::write`] and [`StoreExt::read`], which return the work's result.
pub trait Store: Send + Sync {
    /// Runs the work in a transaction.
    ///
    /// MUST commit if the work returns `Ok`, and roll back if it returns an error or panics. MAY run the work again
    /// after a conflict with another transaction (a deadlock, or a unique constraint that the work had checked), so the
    /// work must have no effect outside of its unit of work. MUST return [`Error::Unavailable`] if the database cannot
    /// be reached.
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error>;

    /// Runs work that only reads. Each statement sees what was committed when it started.
    ///
    /// MAY run the work again, for example on another server, so the work must have no effect outside of its unit of
    /// work. A store MAY be made for lists that may be some seconds old, and run work that fails again where
    /// nothing is missing; use cases that decide something are not run on it.
    ///
    /// MUST refuse writes, and MUST refuse the methods that lock rows: a use case that locks means to write. Methods that
    /// lock only in a writing unit of work, as their docs say, read without locks.
    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error>;

    /// Checks that the database answers.
    fn ping(&self) -> Result<(), Error>;
}

/// Runs work that returns a value.
pub trait StoreExt {
    /// Runs the work in a transaction and returns its result. See [`Store::run_write`].
    fn write<T>(&self, work: impl FnMut(&mut dyn UnitOfWork) -> Result<T, Error>) -> Result<T, Error>;

    /// Runs work that only reads and returns its result. See [`Store::run_read`].
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

/// Stands in for the repositories that a store does not have. Every method fails with [`Error::NotProvided`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NotProvided;

impl NotProvided {
    fn repository() -> &'static mut Self {
        // A value without size takes no memory, so nothing is leaked.
        Box::leak(Box::new(Self))
    }
}

/// Defines [`UnitOfWork`] by its accessors, each with the repository that it hands out.
macro_rules! unit_of_work {
    ($($accessor:ident: $repository:ident,)+) => {
        /// A transaction, which provides the repositories.
        ///
        /// Repositories store what they are given and check only uniqueness. The use cases of [`crate::LicenseManager`]
        /// check the rules before they write.
        ///
        /// A type that implements all repositories is a unit of work. Another type implements the accessors of those
        /// that it has; the others return [`NotProvided`], whose methods fail with [`Error::NotProvided`].
        /// [`crate::own_store`] says which use case needs which repositories.
        #[allow(missing_docs)] // each is the repository of that name
        pub trait UnitOfWork {
            $(fn $accessor(&mut self) -> &mut dyn $repository {
                NotProvided::repository()
            })+
        }

        impl<U: $($repository +)+> UnitOfWork for U {
            $(fn $accessor(&mut self) -> &mut dyn $repository {
                self
            })+
        }

        $(impl $repository for NotProvided {})+
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
    queue: QueueRepository,
    jobs: JobRepository,
    enrollment_jobs: EnrollmentJobRepository,
    lookups: LookupRepository,
    retirement: RetirementRepository,
    history: HistoryRepository,
    role_assignments: RoleAssignmentRepository,
    notifications: NotificationRepository,
    license_events: LicenseEventRepository,
    staff_actions: StaffActionRepository,
    idempotency: IdempotencyRepository,
    operations: OperationRepository,
    due_work: DueWorkRepository,
    purge: PurgeRepository,
    schedule: ScheduleRepository,
    webhooks: WebhookRepository,
    webhook_deliveries: WebhookDeliveryRepository,
    utilization: UtilizationRepository,
}
