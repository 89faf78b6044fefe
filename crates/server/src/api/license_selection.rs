//! The selection of licenses in a request: `{"user_emails": […]}` or `{"filters": […]}`.

use deserr::{Deserr, ValuePointerRef};
use license_manager_domain::ports::LicenseFilter;
use license_manager_domain::{LicenseSelection, LicenseStatus};
use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, Ref};
use utoipa::{PartialSchema, ToSchema};

use crate::http::body::EmailsToLookUp;
use crate::http::fields::{Choice, FieldErrors, Kind, List, Nullable, Problem, Required, Text};
use crate::http::kinds::describe;
use crate::openapi::parameters::LicenseState;

/// A selection of licenses: those of the emails, or those that the filters match. A request has one of the two.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, validate = Self::one_of_both -> FieldErrors)]
pub struct SelectionRequest {
    /// The learners' addresses.
    #[deserr(default)]
    pub user_emails: Nullable<EmailsToLookUp>,
    /// The filters.
    #[deserr(default)]
    pub filters: Nullable<Filters>,
}

impl SelectionRequest {
    fn one_of_both(self, _: ValuePointerRef<'_>) -> Result<Self, FieldErrors> {
        match (&self.user_emails.0, &self.filters.0) {
            (Some(Some(_)), None | Some(None)) | (None | Some(None), Some(Some(Ok(_)))) => Ok(self),
            (None | Some(None), Some(Some(Err(problem)))) => Err(FieldErrors::whole(*problem)),
            _ => Err(FieldErrors::whole("Name either user_emails or filters, and not both.")),
        }
    }

    /// The filters of licenses.
    pub fn selection(self) -> LicenseSelection {
        match (self.user_emails.0.flatten(), self.filters.0.flatten()) {
            (None, Some(Ok(filter))) => LicenseSelection::Matching(filter),
            (emails, _) => LicenseSelection::Emails(emails.unwrap_or_default()),
        }
    }
}

/// The most filters of a request, and the most states of a filter.
const MAX_FILTERS: usize = 100;

/// One to [`MAX_FILTERS`] filters. An error in a filter is reported for the request as a whole.
pub struct Filters;

impl Kind for Filters {
    type Value = Result<LicenseFilter, &'static str>;

    fn read(value: Value) -> Result<Self::Value, Problem> {
        Ok(license_filter(&value))
    }
}

describe!(
    [] Filters,
    ArrayBuilder::new()
        .items(Ref::from_schema_name(SelectionFilter::name()))
        .min_items(Some(1))
        .max_items(Some(MAX_FILTERS)),
    |schemas: &mut Vec<_>| {
        schemas.push((SelectionFilter::name().into_owned(), SelectionFilter::schema()));
        SelectionFilter::schemas(schemas);
    }
);

/// One filter, in either form.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(missing_docs)] // each is the form of that name
pub enum SelectionFilter {
    Short(ShortFilter),
    Named(NamedFilter),
}

/// Defines a form of filters.
macro_rules! filter_form {
    ($(#[$attribute:meta])* $name:ident) => {
        #[derive(ToSchema)]
        $(#[$attribute])*
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            /// A part of the email.
            UserEmail(Required<Text<1>>),
            /// The states.
            StatusIn(Required<List<Choice<LicenseState>, 0, { MAX_FILTERS }>>),
        }
    };
}

filter_form!(
    /// `{"user_email": …}` or `{"status_in": […]}`.
    ShortFilter
);
filter_form!(
    /// `{"name": …, "filter_value": …}`.
    #[serde(tag = "name", content = "filter_value")]
    NamedFilter
);

/// The names and values of a filter in either form.
fn terms(filter: &Value) -> Vec<(Option<&str>, &Value)> {
    match filter.as_object() {
        Some(fields) if fields.keys().all(|name| name == "name" || name == "filter_value") => {
            vec![(filter["name"].as_str(), &filter["filter_value"])]
        }
        Some(fields) => fields.iter().map(|(name, value)| (Some(name.as_str()), value)).collect(),
        None => vec![(None, filter)],
    }
}

/// The licenses that all filters match: `user_email` those whose email contains the text, `status_in` those in one of the states.
fn license_filter(filters: &Value) -> Result<LicenseFilter, &'static str> {
    let filters = filters.as_array().filter(|filters| !filters.is_empty());
    let filters = filters.ok_or("filters must be a list with at least one filter.")?;
    if filters.len() > MAX_FILTERS {
        return Err("filters may have at most 100 filters.");
    }
    let mut wanted = LicenseFilter::default();
    for (name, value) in filters.iter().flat_map(terms) {
        match name {
            Some("user_email") => {
                let text = value.as_str().filter(|text| !text.trim().is_empty() && !text.contains('\0'));
                wanted
                    .email_words
                    .push(text.ok_or("The filter user_email takes a part of an email address.")?.to_owned());
            }
            Some("status_in") => {
                let names = value.as_array().filter(|names| names.len() <= MAX_FILTERS);
                let names = names.ok_or("The filter status_in takes a list of at most 100 statuses.")?;
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
