//! Copies of the database in a bucket.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};

use super::client::{no_answer, read};
use super::result_files::{S3ResultFiles, WRITABLE, code};
use super::traced::{self, Shown};

/// How long an upload may take.
const UPLOAD: Duration = Duration::from_secs(60 * 60);

const SQLITE: &str = "application/vnd.sqlite3";

impl S3ResultFiles {
    /// Uploads a file as `backups/{name}`, without holding it in memory. Services accept up to 5 GiB in one call.
    ///
    /// # Errors
    /// What happened, as a text that follows "the bucket".
    pub async fn put_backup(&self, name: &str, path: &Path) -> Result<(), String> {
        let unreadable = |error: std::io::Error| format!("was not called: the copy cannot be read: {error}");
        let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let length = file.metadata().await.map_err(unreadable)?.len();
        let url = self.put_url(&format!("backups/{name}"), SQLITE, WRITABLE).await?;
        let request = self.client().request(Method::PUT, url.as_str());
        let request = request.header(CONTENT_TYPE, SQLITE).header(CONTENT_LENGTH, length);
        let request = request.timeout(UPLOAD).body(Body::from(file));
        let answer = traced::send("s3", Shown::Path, request).await.map_err(|error| no_answer(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = read(answer).await.unwrap_or_default();
        Err(match code(&body) {
            Some(code) => format!("answered {status} ({code})"),
            None => format!("answered {status}"),
        })
    }
}
