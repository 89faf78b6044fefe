//! The learners of customers and their enrollments, in the LMS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use license_manager_domain::ports::{
    Clock, CustomerAdmin, EnrollmentResults, LearnerRegistry, LicensedEnrollment, PendingLearner, Undelivered,
};
use license_manager_domain::{CustomerId, Email, LicenseId, LmsUserId};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::service::{Call, Failure};
use super::upstream::HttpUpstream;

/// The timeout for enrolling learners.
const ENROLLMENT_TIMEOUT: Duration = Duration::from_secs(180);
/// The timeout for unlinking learners.
const UNLINK_TIMEOUT: Duration = Duration::from_secs(120);
/// Far more pages of admins than any customer has. A longer list repeats itself.
const MOST_PAGES: usize = 1_000;

const ADMINS: &str = "/enterprise/api/v1/enterprise-learner/";
const LICENSED_ENROLLMENTS: &str = "/enterprise/api/v1/licensed-enterprise-course-enrollment";

/// The LMS's learners over HTTP.
#[derive(Clone)]
pub struct HttpLearners {
    lms: HttpUpstream,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for HttpLearners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HttpLearners").field(&self.lms).finish()
    }
}

impl HttpLearners {
    /// Uses this LMS. The clock turns `Retry-After` into a time.
    pub fn new(lms: HttpUpstream, clock: Arc<dyn Clock>) -> Self {
        Self { lms, clock }
    }

    async fn done(&self, call: Call<'_>) -> Result<(), Undelivered> {
        self.lms.service.done(call).await.map_err(|failure| self.undelivered(failure))
    }

    fn undelivered(&self, failure: Failure) -> Undelivered {
        failure.undelivered(self.clock.now())
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    next: Option<String>,
    results: Vec<CustomerUser>,
}

#[derive(Deserialize)]
struct CustomerUser {
    id: i64,
    /// Null when the account was deleted.
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    email: String,
}

impl CustomerUser {
    /// The admin; `None` without an account or a valid email address.
    fn admin(self) -> Option<CustomerAdmin> {
        let user = self.user?;
        let email = user.email.parse().ok()?;
        Some(CustomerAdmin { customer_user: self.id, lms_user_id: LmsUserId::known(user.id), email })
    }
}

#[derive(Deserialize)]
struct Results {
    successes: Vec<Enrolled>,
    pending: Vec<Enrolled>,
    failures: Vec<Enrolled>,
    #[serde(default)]
    invalid_email_addresses: Vec<String>,
}

#[derive(Deserialize)]
struct Enrolled {
    email: String,
    course_run_key: String,
}

impl From<Results> for EnrollmentResults {
    fn from(results: Results) -> Self {
        let mut invalid_addresses = results.invalid_email_addresses;
        let mut parsed = |enrolled: Vec<Enrolled>| {
            let mut people = Vec::with_capacity(enrolled.len());
            for Enrolled { email, course_run_key } in enrolled {
                match Email::to_look_up(&email) {
                    Ok(email) => people.push((email, course_run_key)),
                    Err(_) => invalid_addresses.push(email),
                }
            }
            people
        };
        let (successes, pending) = (parsed(results.successes), parsed(results.pending));
        let failures = parsed(results.failures);
        Self { successes, pending, failures, invalid_addresses }
    }
}

#[async_trait]
impl LearnerRegistry for HttpLearners {
    async fn link(&self, learners: &[PendingLearner]) -> Result<(), Undelivered> {
        let pending: Vec<_> = learners
            .iter()
            .map(|learner| json!({ "enterprise_customer": learner.customer, "user_email": learner.email }))
            .collect();
        self.done(Call::post("/enterprise/api/v1/pending-enterprise-learner/", &Value::Array(pending))).await
    }

    async fn end_enrollments(&self, customer: CustomerId, learner: LmsUserId) -> Result<(), Undelivered> {
        let path = format!("{LICENSED_ENROLLMENTS}/license_revoke/");
        self.done(Call::post(&path, &json!({ "user_id": learner, "enterprise_id": customer }))).await
    }

    async fn expire_enrollments(
        &self,
        licenses: &[LicenseId],
        unless_modified_after: Option<DateTime<Utc>>,
    ) -> Result<(), Undelivered> {
        let path = format!("{LICENSED_ENROLLMENTS}/bulk_licensed_enrollments_expiration/");
        let moment = unless_modified_after.map(|moment| moment.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        let body = json!({ "expired_license_uuids": licenses, "ignore_enrollments_modified_after": moment });
        self.done(Call::post(&path, &body)).await
    }

    async fn enroll(
        &self,
        customer: CustomerId,
        enrollments: &[LicensedEnrollment],
        notify: bool,
    ) -> Result<EnrollmentResults, Undelivered> {
        let path = format!("/enterprise/api/v1/enterprise-customer/{customer}/enroll_learners_in_courses/");
        let licenses: Vec<_> = enrollments.iter().map(enrollment).collect();
        let call = Call::post(&path, &json!({ "licenses_info": licenses, "notify": notify }))
            .within(ENROLLMENT_TIMEOUT)
            // The LMS answers 409, with the usual body, when only some enrollments succeeded.
            .or_status(StatusCode::CONFLICT);
        let results = self.lms.service.json::<Results>(call).await.map_err(|failure| self.undelivered(failure))?;
        Ok(results.into())
    }

    async fn unlink(&self, customer: CustomerId, learners: &[Email]) -> Result<(), Undelivered> {
        let path = format!("/enterprise/api/v1/enterprise-customer/{customer}/unlink_users/");
        let body = json!({ "user_emails": learners, "is_relinkable": true });
        self.done(Call::post(&path, &body).within(UNLINK_TIMEOUT)).await
    }

    async fn admins(&self, customer: CustomerId) -> Result<Vec<CustomerAdmin>, Undelivered> {
        let customer = customer.to_string();
        let mut query: Vec<(String, String)> =
            vec![("enterprise_customer_uuid".to_owned(), customer), ("role".to_owned(), "enterprise_admin".to_owned())];
        let mut admins = Vec::new();
        for _ in 0..MOST_PAGES {
            let borrowed: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let page: Page = self
                .lms
                .service
                .json(Call::get(ADMINS, &borrowed))
                .await
                .map_err(|failure| self.undelivered(failure))?;
            admins.extend(page.results.into_iter().filter_map(CustomerUser::admin));
            let Some(next) = page.next else { return Ok(admins) };
            // Only the query of `next` is used, so that the token is sent to no other host.
            match Url::parse(&next) {
                Ok(next) => query = next.query_pairs().into_owned().collect(),
                Err(_) => break,
            }
        }
        let failure = Failure::unusable("answered a list of admins without a usable next page");
        Err(self.undelivered(self.lms.service.logged(ADMINS, failure)))
    }
}

fn enrollment(enrollment: &LicensedEnrollment) -> Value {
    let mut fields = Map::new();
    fields.insert("email".to_owned(), json!(enrollment.email));
    fields.insert("course_run_key".to_owned(), json!(enrollment.course_run_key));
    fields.insert("license_uuid".to_owned(), json!(enrollment.license));
    if let Some(link) = &enrollment.activation_link {
        fields.insert("activation_link".to_owned(), json!(link));
    }
    Value::Object(fields)
}
