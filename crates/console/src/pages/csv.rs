//! The licenses of a plan that its list shows, as a CSV file.

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::stream;
use license_manager_domain::Error;
use license_manager_domain::model::{License, text_cell};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{CustomerScope, LicensePosition, LicenseSearch, StoreExt};

use super::plan::{filter, find};
use crate::error::PageError;
use crate::form::Fields;
use crate::session::Visitor;

/// How many licenses are read at a time.
const BATCH: i64 = 5_000;

/// Where the file is.
enum Step {
    Head,
    After(Option<LicensePosition>),
    Done,
}

/// `GET /console/plans/{plan}/csv/`, with the filters of the plan's list.
pub(crate) async fn csv(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::Browse).await?;
    let (plan, filter) = (shown.plan.id, filter(&Fields::of_query(&request)));
    let search = LicenseSearch { scope: CustomerScope::All, customer: None, plan: Some(plan), filter };
    let lines = stream::unfold((Step::Head, visitor, search), move |(step, visitor, search)| async move {
        let after = match step {
            Step::Head => {
                let head = "state,email,lms_user_id,assigned,activated,last_reminded,license\r\n";
                return Some((Ok(Bytes::from(head)), (Step::After(None), visitor, search)));
            }
            Step::After(after) => after,
            Step::Done => return None,
        };
        let asked = search.clone();
        let read = visitor
            .read(move |console| {
                // By id: a license that changes meanwhile keeps its place.
                let licenses = console
                    .manager
                    .store()
                    .read(|unit| unit.lookups().list_after(&asked, &[], after.as_ref(), BATCH))?;
                let last = licenses.last().filter(|_| licenses.len() as i64 == BATCH).map(LicensePosition::from);
                Ok((last, text(&licenses)?))
            })
            .await;
        match read {
            Ok((last, text)) => {
                let next = last.map_or(Step::Done, |last| Step::After(Some(last)));
                Some((Ok(Bytes::from(text)), (next, visitor, search)))
            }
            // The file breaks off, so that nobody takes it for complete.
            Err(error) => Some((Err(std::io::Error::other(error.to_string())), (Step::Done, visitor, search))),
        }
    });
    let name = format!("attachment; filename=\"licenses-{plan}.csv\"");
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, name))
        .streaming(Box::pin(lines)))
}

fn text(licenses: &[License]) -> Result<Vec<u8>, Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for license in licenses {
        let email = license.holder_email().map_or("", |email| email.as_str());
        let record = [
            license.status().as_str().to_owned(),
            text_cell(email).into_owned(),
            license.lms_user_id().map_or(String::new(), |id| id.to_string()),
            date(license.assigned_date()),
            date(license.activation_date()),
            date(license.last_remind_date()),
            license.id.to_string(),
        ];
        writer.write_record(record).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

fn date(date: Option<DateTime<Utc>>) -> String {
    date.map_or(String::new(), |date| date.to_rfc3339_opts(SecondsFormat::Secs, true))
}
