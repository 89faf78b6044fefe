//! Which of a plan's licenses a request means: `{"user_emails": […]}` or `{"filters": […]}`.

use license_manager_domain::ports::LicenseFilter;
use license_manager_domain::{LicenseSelection, LicenseStatus};
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::body::optional_emails;
use crate::http::fields::{Field, Fields, NON_FIELD_ERRORS};
use crate::openapi::parameters::LicenseState;

/// Whose licenses are meant: those of the emails, or those that the filters match. One of the two, and not both.
#[derive(ToSchema)]
pub struct SelectionRequest {
    /// The learners' addresses.
    #[schema(min_items = 1)]
    pub user_emails: Option<Vec<String>>,
    /// What the licenses have in common.
    #[schema(min_items = 1)]
    pub filters: Option<Vec<SelectionFilter>>,
}

/// One filter.
#[derive(ToSchema)]
#[serde(tag = "name", content = "filter_value", rename_all = "snake_case")]
pub enum SelectionFilter {
    /// A part of the email.
    UserEmail(String),
    /// The states.
    StatusIn(Vec<LicenseState>),
}

/// The licenses of `user_emails` or of `filters`; one of the two must be there. Where neither can be used, the errors are
/// noted and what is returned means nothing.
pub fn selection(fields: &mut Fields) -> LicenseSelection {
    let emails = optional_emails(fields);
    let filters = fields.raw("filters");
    match (emails, filters) {
        (Some(emails), Field::Absent | Field::Null) => return LicenseSelection::Emails(emails),
        (None, Field::Value(filters)) => match license_filter(&filters) {
            Ok(filter) => return LicenseSelection::Matching(filter),
            Err(message) => fields.error(NON_FIELD_ERRORS, message),
        },
        (None, _) if !fields.is_valid() => {}
        _ => fields.error(NON_FIELD_ERRORS, "Name either user_emails or filters, and not both."),
    }
    LicenseSelection::Emails(Vec::new())
}

/// The licenses that a list of `{"name": …, "filter_value": …}` matches: `user_email` those whose email contains the text,
/// `status_in` those in one of the states.
fn license_filter(filters: &Value) -> Result<LicenseFilter, &'static str> {
    let filters = filters.as_array().filter(|filters| !filters.is_empty());
    let filters = filters.ok_or("filters must be a list with at least one filter.")?;
    let mut wanted = LicenseFilter::default();
    for filter in filters {
        let value = &filter["filter_value"];
        match filter["name"].as_str() {
            Some("user_email") => {
                let text = value.as_str().filter(|text| !text.trim().is_empty() && !text.contains('\0'));
                wanted
                    .email_words
                    .push(text.ok_or("The filter user_email takes a part of an email address.")?.to_owned());
            }
            Some("status_in") => {
                let names = value.as_array().ok_or("The filter status_in takes a list of statuses.")?;
                let statuses: Option<Vec<_>> =
                    names.iter().map(|name| LicenseStatus::from_name(name.as_str()?)).collect();
                let mut statuses = statuses.ok_or("The filter status_in names a status that does not exist.")?;
                statuses.sort_unstable();
                statuses.dedup();
                wanted.statuses = Some(statuses);
            }
            _ => return Err("A filter's name is user_email or status_in."),
        }
    }
    Ok(wanted)
}
