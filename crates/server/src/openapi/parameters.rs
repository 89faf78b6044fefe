//! Parameters that several endpoints share, as the document describes them.

use chrono::{DateTime, Utc};
use license_manager_domain::LicenseStatus;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::http::kinds::choices;

/// The page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// A number from 1, or `last`. 404 if the page does not exist.
    #[param(example = "1")]
    pub page: Option<String>,
    /// The number of items of a page: 100 by default, and at most the list's limit. A value that is not a positive number is ignored.
    #[param(example = 100)]
    pub page_size: Option<u64>,
}

/// The page after a license.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CursorQuery {
    /// Instead of `page`: empty for the first page, then `next_cursor` of the page before, with the same `ordering`. Unlike a page's number
    /// it does not move when licenses are added or removed before it.
    pub cursor: Option<String>,
}

/// How a CSV file begins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BomQuery {
    /// `true` for a CSV file that begins with a byte order mark, which Excel needs to read accents.
    pub bom: Option<bool>,
}

/// A filter by customer.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CustomerQuery {
    /// Only this customer.
    pub enterprise_customer_uuid: Option<Uuid>,
}

/// A filter by agreement.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AgreementQuery {
    /// Only this agreement.
    pub customer_agreement_uuid: Option<Uuid>,
}

/// A filter of plans.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CurrentQuery {
    /// `true` for the current plan only; needs `enterprise_customer_uuid`.
    pub current: Option<bool>,
}

/// The filters of licenses.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LicenseFilterQuery {
    /// States, separated by commas; unknown ones match nothing.
    #[param(example = "assigned,activated")]
    pub status: Option<String>,
    /// Words that the email contains, separated by white space or commas. A word that begins with a quote runs to the same quote.
    pub search: Option<String>,
    /// Licenses that changed at this moment or later. Deleted licenses are not listed.
    pub modified_since: Option<DateTime<Utc>>,
    /// `true` for assigned and activated licenses only.
    pub active_only: Option<bool>,
    /// `true` excludes licenses whose holder was retired.
    pub ignore_null_emails: Option<bool>,
}

/// The order of licenses.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LicenseOrderQuery {
    /// Fields separated by commas: `user_email`, `status`, `activation_date`, `last_remind_date`. `-` before a field sorts descending.
    #[param(example = "-activation_date")]
    pub ordering: Option<String>,
}

/// A filter of the plans of agreements.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActivePlansQuery {
    /// `false` includes plans that are not active.
    pub active_plans_only: Option<bool>,
}

/// The format of the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FormatQuery {
    /// Only `json` is supported.
    #[param(example = "json")]
    pub format: Option<String>,
}

choices!(
    /// The state of a license.
    LicenseState,
    "LicenseStatus",
    LicenseStatus
);
