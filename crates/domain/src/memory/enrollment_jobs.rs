use super::MemoryUnit;
use crate::email::Email;
use crate::enrollment::{Enrollees, EnrollmentJob};
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

    fn lock(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        self.written()?;
        EnrollmentJobRepository::find(self, id)
    }

    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<EnrollmentJob>, Error> {
        let names_one = |job: &&EnrollmentJob| {
            emails.iter().any(|email| {
                let asked_for =
                    matches!(&job.enrollment.learners, Enrollees::Emails(learners) if learners.contains(email));
                asked_for || job.results.as_ref().is_some_and(|results| results.to_lowercase().contains(email.as_str()))
            })
        };
        Ok(self.written()?.enrollment_jobs.values().filter(names_one).cloned().collect())
    }

    fn save(&mut self, jobs: &[EnrollmentJob]) -> Result<(), Error> {
        for job in jobs {
            let row = self.written()?.enrollment_jobs.get_mut(&job.id);
            *row.ok_or_else(|| Error::storage("no bulk enrollment to write"))? = job.clone();
        }
        Ok(())
    }
}
