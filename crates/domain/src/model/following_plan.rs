//! The plan that follows another, and which licenses it takes.

use chrono::{DateTime, Utc};

use crate::model::ids::PlanId;
use crate::model::license::LicenseStatus;

/// Which licenses a renewal copies to the renewed plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum LicenseTypesToCopy {
    /// Live ones.
    #[default]
    AssignedAndActivated,
    /// Activated ones.
    Activated,
    /// None.
    Nothing,
}

names!(LicenseTypesToCopy {
    AssignedAndActivated => "assigned_and_activated",
    Activated => "activated",
    Nothing => "nothing",
});

impl LicenseTypesToCopy {
    /// The statuses of licenses that are copied.
    pub fn statuses(self) -> &'static [LicenseStatus] {
        match self {
            Self::AssignedAndActivated => &LicenseStatus::LIVE,
            Self::Activated => &[LicenseStatus::Activated],
            Self::Nothing => &[],
        }
    }
}

/// The renewed plan of a processed renewal. Until it starts, it follows the prior plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FollowingPlan {
    /// Its id.
    pub id: PlanId,
    /// When it starts.
    pub start_date: DateTime<Utc>,
    /// Which licenses are carried over.
    pub license_types_to_copy: LicenseTypesToCopy,
}

/// The prior plan of a processed renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PriorPlan {
    /// Its id.
    pub id: PlanId,
    /// Which of its licenses are carried over.
    pub license_types_to_copy: LicenseTypesToCopy,
}

impl FollowingPlan {
    /// Whether a license with this status is carried over.
    pub fn takes(&self, status: LicenseStatus) -> bool {
        self.license_types_to_copy.statuses().contains(&status)
    }
}
