//! Lists of records for staff.

use chrono::{DateTime, Utc};

use super::operations::Slice;
use super::queries::ListPage;
use crate::error::Error;
use crate::model::ids::{CustomerId, LicenseEventId, LicenseId, LmsUserId, NotificationId, PlanId};
use crate::model::staff_records::NotificationKind;

/// The most rows that are counted for a total.
pub const MOST_COUNTED: i64 = 10_000;

/// The number of latest versions of licenses among which the changes of a user are looked for.
pub const VERSIONS_LOOKED_AT: i64 = 100_000;

/// The number of latest license events among which those of a plan are looked for.
pub const EVENTS_LOOKED_AT: i64 = 20_000;

/// Which users to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilters {
    /// Whose user name or address begins with this, in any case.
    pub name: Option<String>,
    /// Superusers, or others.
    pub is_superuser: Option<bool>,
    /// Those whom their latest token called an administrator, or others.
    pub is_staff: Option<bool>,
    /// Those with a role in the database, or without.
    pub has_role: Option<bool>,
}

/// A user in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Their user name.
    pub username: String,
    /// The address of their latest token that had one.
    pub email: Option<String>,
    /// Whether their latest token called them an administrator.
    pub is_staff: bool,
    /// Whether they may do everything.
    pub is_superuser: bool,
    /// The number of their roles in the database.
    pub roles: i64,
    /// When they were first seen.
    pub created: DateTime<Utc>,
    /// When they were last seen with something new.
    pub modified: DateTime<Utc>,
}

/// What a user changed at one moment in rows of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// The table, such as `subscription_plan`.
    pub table: String,
    /// The id of one of the rows.
    pub key: String,
    /// The number of the rows.
    pub number: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// `+` for new rows, `~` for changed ones, `-` for deleted ones.
    pub kind: String,
    /// Why, if they said so.
    pub reason: Option<String>,
}

/// The Salesforce opportunity of a license in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// The license.
    pub license: LicenseId,
    /// Its holder's address.
    pub email: Option<String>,
    /// The opportunity.
    pub source: String,
    /// The license's plan.
    pub plan: PlanId,
    /// The plan's title.
    pub plan_title: String,
    /// When it was noted.
    pub created: DateTime<Utc>,
}

/// Which notifications to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentFilters {
    /// About this plan.
    pub plan: Option<PlanId>,
    /// About plans whose title contains this, in any case.
    pub title: Option<String>,
    /// Of this kind.
    pub kind: Option<NotificationKind>,
}

/// A sent notification in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRow {
    /// Its id.
    pub id: NotificationId,
    /// The customer.
    pub customer: CustomerId,
    /// The admin's customer user id in the LMS.
    pub customer_user: i64,
    /// The plan.
    pub plan: PlanId,
    /// Its title.
    pub plan_title: String,
    /// The name of its kind.
    pub kind: String,
    /// When it was last sent.
    pub last_sent: DateTime<Utc>,
}

/// Which license events to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkFilters {
    /// Of this license.
    pub license: Option<LicenseId>,
    /// Of this plan, among the latest [`EVENTS_LOOKED_AT`].
    pub plan: Option<PlanId>,
    /// With this name.
    pub event_name: Option<String>,
}

/// A license event in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRow {
    /// Its id.
    pub id: LicenseEventId,
    /// The license.
    pub license: LicenseId,
    /// Its holder's address.
    pub email: Option<String>,
    /// The license's plan.
    pub plan: PlanId,
    /// The plan's title.
    pub plan_title: String,
    /// What was done.
    pub event_name: String,
    /// When.
    pub created: DateTime<Utc>,
}

/// What else is stored about a person, besides their licenses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The messages about their licenses that wait or were given up.
    pub messages: i64,
    /// The bulk enrollments that they asked for.
    pub enrollments: i64,
    /// The versions of their licenses in the history.
    pub versions: i64,
}

/// Reads of records. The same holds as for [`super::ConsoleQueries`]. Totals are counted up to [`MOST_COUNTED`].
pub trait ConsoleRecords: Send + Sync {
    /// Users, sorted by name; of those whose name or address is looked for, only as many as are counted.
    fn user_rows(&self, filters: &UserFilters, slice: Slice) -> Result<ListPage<UserRow>, Error>;

    /// What a user changed, latest first, up to `limit` entries; of licenses only among the latest
    /// [`VERSIONS_LOOKED_AT`] versions.
    fn changes_of_user(&self, username: &str, limit: i64) -> Result<Vec<ChangeRow>, Error>;

    /// Salesforce opportunities of licenses, sorted by opportunity; only this one, or that of licenses of this holder.
    fn source_rows(
        &self,
        source: Option<&str>,
        email: Option<&str>,
        slice: Slice,
    ) -> Result<ListPage<SourceRow>, Error>;

    /// Sent notifications, latest first.
    fn sent_rows(&self, filters: &SentFilters, slice: Slice) -> Result<ListPage<SentRow>, Error>;

    /// License events, latest first.
    fn mark_rows(&self, filters: &MarkFilters, slice: Slice) -> Result<ListPage<MarkRow>, Error>;

    /// What is stored about a person with this LMS user id, if they have one, and these licenses.
    fn footprint(&self, lms_user_id: Option<LmsUserId>, licenses: &[LicenseId]) -> Result<Footprint, Error>;
}
