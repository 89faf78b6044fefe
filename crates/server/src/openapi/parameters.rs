//! Parameters that several endpoints share, as the document describes them.

use license_manager_domain::LicenseStatus;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::http::kinds::choices;

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// A number from 1, or `last`; a page that does not exist is 404.
    #[param(example = "1")]
    pub page: Option<String>,
    /// How many items a page has: 100 unless given, cut at the list's limit. A senseless one counts as absent.
    #[param(example = 100)]
    pub page_size: Option<u64>,
}

/// Of which customer.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CustomerQuery {
    /// Only what belongs to this customer.
    pub enterprise_customer_uuid: Option<Uuid>,
}

/// Which agreement.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AgreementQuery {
    /// Only this agreement.
    pub customer_agreement_uuid: Option<Uuid>,
}

/// Which plans.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CurrentQuery {
    /// `true` leaves the one current plan.
    pub current: Option<bool>,
}

/// Which licenses.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LicenseFilterQuery {
    /// States, separated by commas; unknown ones match nothing.
    #[param(example = "assigned,activated")]
    pub status: Option<String>,
    /// Words, each of which the email contains.
    pub search: Option<String>,
    /// `true` leaves assigned and activated ones.
    pub active_only: Option<bool>,
    /// `true` leaves out licenses whose holder was retired.
    pub ignore_null_emails: Option<bool>,
}

/// In which order licenses come.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LicenseOrderQuery {
    /// Of `user_email`, `status`, `activation_date` and `last_remind_date`, with `-` for descending, separated by commas.
    #[param(example = "-activation_date")]
    pub ordering: Option<String>,
}

/// The plans of agreements.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActivePlansQuery {
    /// `false` shows plans that are not active too.
    pub active_plans_only: Option<bool>,
}

/// The format of the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FormatQuery {
    /// There is only `json`.
    #[param(example = "json")]
    pub format: Option<String>,
}

choices!(
    /// The state of a license.
    LicenseState,
    "LicenseStatus",
    LicenseStatus
);
