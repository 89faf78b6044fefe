//! The results of a bulk enrollment are put into their file, where files are kept.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::context::DeliveryContext;
use super::deliveries::{Completion, Deliveries, StepResult};
use crate::error::Error;
use crate::model::enrollment::{EnrollmentJob, EnrollmentStage};
use crate::model::ids::EnrollmentJobId;
use crate::outbox::{EnrollmentReference, Message, Payload};
use crate::ports::UnitOfWork;

/// A file that is to be written.
pub(super) struct FileWork {
    job: EnrollmentJob,
    /// Taken by the one that puts them, because they may be large.
    results: Mutex<Option<String>>,
}

/// That the results of a bulk enrollment are where they belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filed {
    pub(super) job: EnrollmentJobId,
    /// When the job was written last before its results were read.
    read: DateTime<Utc>,
    /// Whether that is a file.
    in_a_file: bool,
}

impl FileWork {
    /// Reads what goes into the file; `None` where there is no such job any more, or no results to be put anywhere.
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
    /// Puts results into their file. Where no files are kept any more, storage alone keeps those of a job that is not done yet.
    pub(super) async fn put_file(&self, context: &DeliveryContext, message: &Message) -> StepResult {
        let Some(FileWork { job, results }) = context.files.get(&message.id) else {
            tracing::warn!(message = %message.id, "there are no results to be put into a file");
            return StepResult::Done(Completion::Nothing);
        };
        let filed =
            |in_a_file| StepResult::Done(Completion::Filed(Filed { job: job.id, read: job.modified, in_a_file }));
        let files = &self.manager.result_files;
        match files.is_configured() {
            true => {
                let results = results.lock().unwrap_or_else(PoisonError::into_inner).take();
                match files.put(job.id, results.unwrap_or_default()).await {
                    Ok(()) => filed(true),
                    Err(undelivered) => {
                        tracing::warn!(job = %job.id, problem = %undelivered, "the results of a bulk enrollment have no file");
                        undelivered.into()
                    }
                }
            }
            false if job.stage == EnrollmentStage::Filing => filed(false),
            // The old file names somebody who is to be forgotten; that must not go unnoticed.
            false => StepResult::Failed("the results are in a bucket, and no bucket is configured any more".into()),
        }
    }

    /// What becomes of the job, and the mail that is promised to whoever asked for it, where anything does.
    ///
    /// # Errors
    /// What the file is to hold has changed since: somebody was forgotten in the meantime, and it has to be written again.
    pub(super) fn finish_file(
        &self,
        job: &EnrollmentJob,
        filed: &Filed,
        now: DateTime<Utc>,
    ) -> Result<Option<(EnrollmentJob, Option<Message>)>, ForgottenMeanwhile> {
        if job.modified != filed.read {
            return Err(ForgottenMeanwhile);
        }
        if job.stage != EnrollmentStage::Filing {
            return Ok(None);
        }
        let stage = if filed.in_a_file { EnrollmentStage::Filed } else { EnrollmentStage::Done };
        let job = EnrollmentJob { stage, ..job.clone() }.written(now);
        let mail = self.results_mail(&job, now);
        Ok(Some((job, mail)))
    }
}

/// A job was written while somebody worked on it.
pub(super) struct ForgottenMeanwhile;
