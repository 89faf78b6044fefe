use super::{MemoryUnit, replace};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::enrollment::{Enrollees, EnrollmentJob};
use crate::model::ids::EnrollmentJobId;
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

    fn results(&mut self, id: EnrollmentJobId) -> Result<Option<String>, Error> {
        Ok(self.tables.enrollment_results.get(&id).cloned())
    }

    fn advance(&mut self, job: &EnrollmentJob, lines: &str) -> Result<(), Error> {
        let tables = self.written()?;
        replace(&mut tables.enrollment_jobs, &job.id, job, "bulk enrollment")?;
        if !lines.is_empty() {
            tables.enrollment_results.entry(job.id).or_default().push_str(lines);
        }
        Ok(())
    }

    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<(EnrollmentJob, Option<String>)>, Error> {
        let tables = self.written()?;
        let results = |job: &EnrollmentJob| tables.enrollment_results.get(&job.id);
        let names_one = |job: &&EnrollmentJob| {
            emails.iter().any(|email| {
                let asked_for =
                    matches!(&job.enrollment.learners, Enrollees::Emails(learners) if learners.contains(email));
                asked_for || results(job).is_some_and(|results| results.contains(&email.as_csv()))
            })
        };
        let jobs = tables.enrollment_jobs.values().filter(|job| job.is_enrolling_holders() || names_one(job));
        Ok(jobs.map(|job| (job.clone(), results(job).cloned())).collect())
    }

    fn save(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error> {
        let tables = self.written()?;
        for (job, results) in jobs {
            let row = tables.enrollment_jobs.get_mut(&job.id);
            let row = row.ok_or_else(|| Error::internal("no bulk enrollment to write"))?;
            let (stage, numbers) = (row.stage, row.numbers);
            *row = EnrollmentJob { stage, numbers, ..job.clone() };
            match results {
                Some(results) => tables.enrollment_results.insert(job.id, results.clone()),
                None => tables.enrollment_results.remove(&job.id),
            };
        }
        Ok(())
    }
}
