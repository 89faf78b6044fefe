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
        outcome.ok_or_else(|| Error::storage("a unit of work was committed without having run"))
    }

    fn read<T>(&self, mut work: impl FnMut(&mut dyn UnitOfWork) -> Result<T, Error>) -> Result<T, Error> {
        let mut outcome = None;
        self.run_read(&mut |unit| {
            outcome = Some(work(unit)?);
            Ok(())
        })?;
        outcome.ok_or_else(|| Error::storage("a unit of work ended without having run"))
    }
}

/// One transaction, which hands out the repositories that work in it.
///
/// Repositories keep what they are given and hold uniqueness; no other rule is checked here. The use cases of
/// [`crate::LicenseManager`] check before they write.
///
/// Whatever implements every repository is one.
#[allow(missing_docs)] // each is the repository of that name
pub trait UnitOfWork {
    fn agreements(&mut self) -> &mut dyn AgreementRepository;
    fn plans(&mut self) -> &mut dyn PlanRepository;
    fn licenses(&mut self) -> &mut dyn LicenseRepository;
    fn products(&mut self) -> &mut dyn ProductRepository;
    fn renewals(&mut self) -> &mut dyn RenewalRepository;
    fn transfers(&mut self) -> &mut dyn TransferRepository;
    fn users(&mut self) -> &mut dyn UserRepository;
    fn outbox(&mut self) -> &mut dyn OutboxRepository;
    fn jobs(&mut self) -> &mut dyn JobRepository;
    fn enrollment_jobs(&mut self) -> &mut dyn EnrollmentJobRepository;
    fn lookups(&mut self) -> &mut dyn LookupRepository;
    fn retirement(&mut self) -> &mut dyn RetirementRepository;
    fn history(&mut self) -> &mut dyn HistoryRepository;
    fn role_assignments(&mut self) -> &mut dyn RoleAssignmentRepository;
    fn notifications(&mut self) -> &mut dyn NotificationRepository;
    fn license_events(&mut self) -> &mut dyn LicenseEventRepository;
    fn idempotency(&mut self) -> &mut dyn IdempotencyRepository;
    fn operations(&mut self) -> &mut dyn OperationRepository;
    fn due_work(&mut self) -> &mut dyn DueWorkRepository;
    fn purge(&mut self) -> &mut dyn PurgeRepository;
    fn schedule(&mut self) -> &mut dyn ScheduleRepository;
    fn webhooks(&mut self) -> &mut dyn WebhookRepository;
    fn webhook_deliveries(&mut self) -> &mut dyn WebhookDeliveryRepository;
    fn utilization(&mut self) -> &mut dyn UtilizationRepository;
}

impl<U> UnitOfWork for U
where
    U: AgreementRepository
        + PlanRepository
        + LicenseRepository
        + ProductRepository
        + RenewalRepository
        + TransferRepository
        + UserRepository
        + OutboxRepository
        + JobRepository
        + EnrollmentJobRepository
        + LookupRepository
        + RetirementRepository
        + HistoryRepository
        + RoleAssignmentRepository
        + NotificationRepository
        + LicenseEventRepository
        + IdempotencyRepository
        + OperationRepository
        + DueWorkRepository
        + PurgeRepository
        + ScheduleRepository
        + WebhookRepository
        + WebhookDeliveryRepository
        + UtilizationRepository,
{
    fn agreements(&mut self) -> &mut dyn AgreementRepository {
        self
    }

    fn plans(&mut self) -> &mut dyn PlanRepository {
        self
    }

    fn licenses(&mut self) -> &mut dyn LicenseRepository {
        self
    }

    fn products(&mut self) -> &mut dyn ProductRepository {
        self
    }

    fn renewals(&mut self) -> &mut dyn RenewalRepository {
        self
    }

    fn transfers(&mut self) -> &mut dyn TransferRepository {
        self
    }

    fn users(&mut self) -> &mut dyn UserRepository {
        self
    }

    fn outbox(&mut self) -> &mut dyn OutboxRepository {
        self
    }

    fn jobs(&mut self) -> &mut dyn JobRepository {
        self
    }

    fn enrollment_jobs(&mut self) -> &mut dyn EnrollmentJobRepository {
        self
    }

    fn lookups(&mut self) -> &mut dyn LookupRepository {
        self
    }

    fn retirement(&mut self) -> &mut dyn RetirementRepository {
        self
    }

    fn history(&mut self) -> &mut dyn HistoryRepository {
        self
    }

    fn role_assignments(&mut self) -> &mut dyn RoleAssignmentRepository {
        self
    }

    fn notifications(&mut self) -> &mut dyn NotificationRepository {
        self
    }

    fn license_events(&mut self) -> &mut dyn LicenseEventRepository {
        self
    }

    fn idempotency(&mut self) -> &mut dyn IdempotencyRepository {
        self
    }

    fn operations(&mut self) -> &mut dyn OperationRepository {
        self
    }

    fn due_work(&mut self) -> &mut dyn DueWorkRepository {
        self
    }

    fn purge(&mut self) -> &mut dyn PurgeRepository {
        self
    }

    fn schedule(&mut self) -> &mut dyn ScheduleRepository {
        self
    }

    fn webhooks(&mut self) -> &mut dyn WebhookRepository {
        self
    }

    fn webhook_deliveries(&mut self) -> &mut dyn WebhookDeliveryRepository {
        self
    }

    fn utilization(&mut self) -> &mut dyn UtilizationRepository {
        self
    }
}
