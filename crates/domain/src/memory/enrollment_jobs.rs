use super::MemoryUnit;
use crate::enrollment::EnrollmentJob;
use crate::error::Error;
use crate::ids::EnrollmentJobId;
use crate::ports::EnrollmentJobRepository;

impl EnrollmentJobRepository for MemoryUnit<'_> {
    fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
        self.written()?.enrollment_jobs.insert(job.id, job.clone());
        Ok(())
    }

    fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        Ok(self.tables.enrollment_jobs.get(&id).cloned())
    }

    fn save(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
        let row = self.written()?.enrollment_jobs.get_mut(&job.id);
        *row.ok_or_else(|| Error::storage("no bulk enrollment to write"))? = job.clone();
        Ok(())
    }
}
