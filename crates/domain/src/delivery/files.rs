//! Writes the results of bulk enrollments to files.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::context::DeliveryContext;
use super::deliveries::{Completion, Deliveries, StepResult};
use crate::error::Error;
use crate::model::enrollment::{EnrollmentJob, EnrollmentStage};
use crate::model::ids::EnrollmentJobId;
use crate::outbox::{EnrollmentReference, Message, Payload};
use crate::ports::UnitOfWork;

/// A file to write.
pub(super) struct FileWork {
    job: EnrollmentJob,
    /// Moved out when they are written, because they can be large.
    results: Mutex<Option<String>>,
}

/// The result of writing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileWritten {
    pub(super) job: EnrollmentJobId,
    /// When the job was last modified before its results were read.
    read: DateTime<Utc>,
    /// Whether the results are in a bucket.
    to_bucket: bool,
}

impl FileWork {
    /// Reads the content of the file; `None` if the job is gone or has no results to write.
    pub(super) fn read(unit: &mut dyn UnitOfWork, message: &Message) -> Result<Option<Self>, Error> {
        let Payload::EnrollmentResultsFile(EnrollmentReference { job_uuid }) = message.payload else { return Ok(None) };
        let job = unit.enrollment_jobs().find(job_uuid)?;
        match job.filter(|job| matches!(job.stage, EnrollmentStage::Filing | EnrollmentStage::Filed)) {
            Some(job) => Ok(Some(Self { results: Mutex::new(unit.enrollment_jobs().results(job.id)?), job })),
            None => Ok(None),
        }
    }
}

impl Deliveries {
    /// Writes results to their file. If files are not configured any more, only storage keeps the results of an
    /// unfinished job.
    pub(super) async fn put_file(&self, context: &DeliveryContext, message: &Message) -> StepResult {
        let Some(FileWork { job, results }) = context.files.get(&message.id) else {
            tracing::warn!(message = %message.id, "there are no results to write to a file");
            return StepResult::Done(Completion::Nothing);
        };
        let filed = |to_bucket| {
            StepResult::Done(Completion::FileWritten(FileWritten { job: job.id, read: job.modified, to_bucket }))
        };
        let files = &self.manager.result_files;
        match files.is_configured() {
            true => {
                let results = results.lock().unwrap_or_else(PoisonError::into_inner).take();
                match files.put(job.id, results.unwrap_or_default()).await {
                    Ok(()) => filed(true),
                    Err(undelivered) => {
                        tracing::warn!(job = %job.id, problem = %undelivered, "the results of a bulk enrollment were not written to a file");
                        undelivered.into()
                    }
                }
            }
            false if job.stage == EnrollmentStage::Filing => filed(false),
            // The old file still names a retired person, so this must not go unnoticed.
            false => StepResult::Failed("the results are in a bucket, and no bucket is configured any more".into()),
        }
    }

    /// The finished job and the mail to its requester, if the job was waiting for its file.
    ///
    /// # Errors
    /// A person was retired meanwhile, so the file must be written again.
    pub(super) fn finish_file(
        &self,
        job: &EnrollmentJob,
        filed: &FileWritten,
        now: DateTime<Utc>,
    ) -> Result<Option<(EnrollmentJob, Option<Message>)>, RetiredMeanwhile> {
        if job.modified != filed.read {
            return Err(RetiredMeanwhile);
        }
        if job.stage != EnrollmentStage::Filing {
            return Ok(None);
        }
        let stage = if filed.to_bucket { EnrollmentStage::Filed } else { EnrollmentStage::Done };
        let job = EnrollmentJob { stage, ..job.clone() }.written(now);
        let mail = self.results_mail(&job, now);
        Ok(Some((job, mail)))
    }
}

/// A person was retired while the job was running.
pub(super) struct RetiredMeanwhile;
