//! Writes the results of bulk enrollments to files.

use std::sync::PoisonError;

use chrono::{DateTime, Utc};

use super::context::DeliveryContext;
use super::deliveries::Deliveries;
use super::results::{Completion, FileWritten, RetiredMeanwhile, StepResult};
use super::work::FileWork;
use crate::model::enrollment::{EnrollmentJob, EnrollmentStage};
use crate::outbox::Message;

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
