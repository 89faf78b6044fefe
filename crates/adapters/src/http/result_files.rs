//! Stores the results of bulk enrollments as objects in an S3-compatible bucket.
//!
//! Requests are presigned URLs (Signature Version 4). Every refusal counts as a wrong setting, which an operator can
//! correct, so the upload is retried.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use license_manager_domain::EnrollmentJobId;
use license_manager_domain::model::EnrollmentJob;
use license_manager_domain::ports::{Clock, ResultFiles, Undelivered};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use rusty_s3::{Bucket, BucketError, S3Action, UrlStyle};
use url::Url;
use uuid::Uuid;

use super::bucket_credentials::{BucketCredentials, CredentialSource};
use super::client::{Client, no_answer, read};
use super::service::Failure;
use super::traced::{self, Shown};

/// How long a download link is valid.
const READABLE: Duration = Duration::from_secs(60 * 60);

/// How long a presigned upload is valid.
pub(super) const WRITABLE: Duration = Duration::from_secs(5 * 60);

const CSV: &str = "text/csv; charset=utf-8";

/// How to reach the bucket.
#[derive(Clone)]
pub struct BucketOptions {
    /// The URL of the service, without the bucket.
    pub url: String,
    /// The bucket's name.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Where the credentials come from.
    pub credentials: CredentialSource,
    /// Whether the bucket's name is in the path of URLs instead of the host.
    pub path_style: bool,
}

/// Why the options are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketProblem {
    /// The URL is not that of an HTTP service.
    #[error("this is not the http or https address of a service")]
    Url,
    /// The bucket's name cannot be part of the host.
    #[error("a bucket of this name cannot be part of a host name")]
    Host,
}

/// A bucket. Its objects are named `bulk-enrollments/{job}.csv`, but for those that another service wrote.
pub struct S3ResultFiles {
    bucket: Bucket,
    credentials: BucketCredentials,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for S3ResultFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3ResultFiles").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// The name of the file with the results of a job.
pub fn results_file(job: EnrollmentJobId) -> String {
    format!("bulk-enrollments/{job}.csv")
}

/// The error code of an S3-compatible service, such as `<Code>NoSuchBucket</Code>`.
pub(super) fn code(answer: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(answer).ok()?;
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    (code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

impl S3ResultFiles {
    /// A client of the bucket. The client's timeout applies to the upload of a whole file.
    ///
    /// # Errors
    /// When the options are invalid.
    pub fn new(options: BucketOptions, client: Client, clock: Arc<dyn Clock>) -> Result<Self, BucketProblem> {
        let url = Url::parse(&options.url).map_err(|_| BucketProblem::Url)?;
        let style = if options.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = Bucket::new(url, style, options.bucket, options.region).map_err(|error| match error {
            BucketError::UnsupportedScheme | BucketError::MissingHost => BucketProblem::Url,
            BucketError::ParseError(_) => BucketProblem::Host,
        })?;
        let credentials = BucketCredentials::new(options.credentials, client.clone());
        Ok(Self { bucket, credentials, client, clock })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// A URL that allows to write an object for a while.
    pub(super) async fn put_url(&self, key: &str, content_type: &str, valid: Duration) -> Result<Url, String> {
        let credentials = self.credentials.current(self.clock.now()).await?;
        let mut action = self.bucket.put_object(Some(&credentials), key);
        action.headers_mut().insert(CONTENT_TYPE.as_str(), content_type);
        Ok(self.signed(&action, valid))
    }

    fn signed<'a>(&self, action: &impl S3Action<'a>, valid: Duration) -> Url {
        // Only years beyond 9999 are out of range.
        let now = Timestamp::from_second(self.clock.now().timestamp()).unwrap_or_default();
        action.sign_with_time(valid, &now)
    }

    /// Reads an object that is not there. Returns whether the answer shows that the credentials may read the bucket:
    /// services answer that access is denied where they may not list its objects, which writing does not need.
    ///
    /// # Errors
    /// What happened, as a text that follows "the bucket".
    pub async fn ask_for_nothing(&self) -> Result<bool, String> {
        let key = results_file(EnrollmentJobId(Uuid::nil()));
        let credentials = self.credentials.current(self.clock.now()).await?;
        let url = self.signed(&self.bucket.get_object(Some(&credentials), &key), WRITABLE);
        let request = self.client.request(Method::GET, url.as_str());
        let answer = traced::send("s3", Shown::Path, request).await.map_err(|error| no_answer(&error))?;
        let status = answer.status();
        let body = read(answer).await?;
        match (status, code(&body)) {
            (StatusCode::NOT_FOUND, None | Some("NoSuchKey")) => Ok(true),
            (StatusCode::FORBIDDEN, Some("AccessDenied")) => Ok(false),
            (status, _) if status.is_success() => Ok(true),
            (status, Some(code)) => Err(format!("answered {status} ({code})")),
            (status, None) => Err(format!("answered {status}")),
        }
    }

    async fn try_put(&self, job: EnrollmentJobId, csv: String) -> Result<(), Failure> {
        let key = results_file(job);
        let disposition = format!("attachment; filename=\"bulk-enrollment-{job}.csv\"");
        let credentials = self.credentials.current(self.clock.now()).await.map_err(Failure::unusable)?;
        let mut action = self.bucket.put_object(Some(&credentials), &key);
        action.headers_mut().insert(CONTENT_DISPOSITION.as_str(), disposition.as_str());
        action.headers_mut().insert(CONTENT_TYPE.as_str(), CSV);
        let request = self.client.request(Method::PUT, self.signed(&action, WRITABLE).as_str());
        let request = request.header(CONTENT_TYPE, CSV).header(CONTENT_DISPOSITION, disposition.as_str()).body(csv);
        let answer =
            traced::send("s3", Shown::Path, request).await.map_err(|error| Failure::unusable(no_answer(&error)))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let mut failure = Failure::status(&answer);
        let body = read(answer).await.unwrap_or_default();
        if let Some(code) = code(&body) {
            failure.problem = format!("{} ({code})", failure.problem);
        }
        Err(failure)
    }
}

#[async_trait]
impl ResultFiles for S3ResultFiles {
    async fn put(&self, job: EnrollmentJobId, csv: String) -> Result<(), Undelivered> {
        self.try_put(job, csv).await.map_err(|failure| match failure.undelivered(self.clock.now()) {
            Undelivered::Refused(problem) | Undelivered::Unavailable(problem) | Undelivered::Untried(problem) => {
                Undelivered::Unavailable(format!("the bucket {problem}"))
            }
            busy => busy,
        })
    }

    async fn address(&self, job: &EnrollmentJob) -> Option<String> {
        let key = job.file.clone().unwrap_or_else(|| results_file(job.id));
        match self.credentials.current(self.clock.now()).await {
            Ok(credentials) => Some(self.signed(&self.bucket.get_object(Some(&credentials), &key), READABLE).into()),
            Err(problem) => {
                tracing::warn!("cannot sign a link to a file: the bucket {problem}");
                None
            }
        }
    }
}
