//! The columns of a license, for storage, history and the wire.

use chrono::{DateTime, Utc};

use super::license::{FormerSeat, License, LicenseState, LicenseStatus, Seat};
use crate::history::rows::Row;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LmsUserId};

impl License {
    /// Its data as one row, for storage and the wire.
    pub fn columns(&self) -> LicenseColumns {
        let (former, revoked_date) = match self.state.clone() {
            LicenseState::Unassigned => (FormerSeat::default(), None),
            LicenseState::Assigned(seat) => (seat.into(), None),
            LicenseState::Activated { seat, activation_date } => {
                (FormerSeat { activation_date: Some(activation_date), ..seat.into() }, None)
            }
            LicenseState::Revoked { former, revoked_date } => (former, Some(revoked_date)),
        };
        LicenseColumns {
            status: self.status(),
            user_email: former.email,
            lms_user_id: former.lms_user_id,
            activation_key: former.activation_key,
            assigned_date: former.assigned_date,
            last_remind_date: former.last_remind_date,
            activation_date: former.activation_date,
            revoked_date,
        }
    }
}

/// A license's state in columns. Columns that the status does not use are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in LicenseState
pub struct LicenseColumns {
    pub status: LicenseStatus,
    pub user_email: Option<Email>,
    pub lms_user_id: Option<LmsUserId>,
    pub activation_key: Option<ActivationKey>,
    pub assigned_date: Option<DateTime<Utc>>,
    pub last_remind_date: Option<DateTime<Utc>>,
    pub activation_date: Option<DateTime<Utc>>,
    pub revoked_date: Option<DateTime<Utc>>,
}

impl LicenseColumns {
    /// The state in these columns; `None` if the status lacks required data. Check constraints prevent such rows.
    pub fn into_state(self) -> Option<LicenseState> {
        let seat = || {
            Some(Seat {
                email: self.user_email.clone()?,
                lms_user_id: self.lms_user_id,
                activation_key: self.activation_key?,
                assigned_date: self.assigned_date?,
                last_remind_date: self.last_remind_date,
            })
        };
        match self.status {
            LicenseStatus::Unassigned => Some(LicenseState::Unassigned),
            LicenseStatus::Assigned => Some(LicenseState::Assigned(seat()?)),
            LicenseStatus::Activated => {
                Some(LicenseState::Activated { seat: seat()?, activation_date: self.activation_date? })
            }
            LicenseStatus::Revoked => Some(LicenseState::Revoked {
                former: FormerSeat {
                    email: self.user_email,
                    lms_user_id: self.lms_user_id,
                    activation_key: self.activation_key,
                    assigned_date: self.assigned_date,
                    last_remind_date: self.last_remind_date,
                    activation_date: self.activation_date,
                },
                revoked_date: self.revoked_date?,
            }),
        }
    }
}

/// A license as history records it.
impl From<&License> for Row {
    fn from(license: &License) -> Self {
        let columns = license.columns();
        Self::from([
            ("uuid", license.id.0.into()),
            ("subscription_plan_uuid", license.plan.0.into()),
            ("status", columns.status.as_str().into()),
            ("user_email", columns.user_email.as_ref().map(|email| email.as_str()).into()),
            ("lms_user_id", columns.lms_user_id.map(|id| id.0).into()),
            ("activation_key", columns.activation_key.map(|key| key.0).into()),
            ("assigned_date", columns.assigned_date.into()),
            ("activation_date", columns.activation_date.into()),
            ("last_remind_date", columns.last_remind_date.into()),
            ("revoked_date", columns.revoked_date.into()),
            ("renewed_to_uuid", license.renewed_to.map(|id| id.0).into()),
            ("auto_applied", license.auto_applied.into()),
            ("created", license.created.into()),
            ("modified", license.modified.into()),
            ("renewed_from_uuid", license.renewed_from.map(|id| id.0).into()),
        ])
    }
}
