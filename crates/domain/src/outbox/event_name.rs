//! The names of events.

/// What happened to a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventName {
    /// It was handed to a learner.
    Assigned,
    /// The learner activated it.
    Activated,
    /// It was taken back.
    Revoked,
    /// A learner came for one and none was left.
    NotAssigned,
    /// It carries on a license of the plan before.
    Renewed,
    /// Its plan has ended, and no other carries it on.
    Expired,
    /// It was revoked, and is no more.
    Deleted,
    /// It was activated 180 days ago.
    Activated180DaysAgo,
}

impl EventName {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::Assigned,
        Self::Activated,
        Self::Revoked,
        Self::NotAssigned,
        Self::Renewed,
        Self::Expired,
        Self::Deleted,
        Self::Activated180DaysAgo,
    ];

    /// The event of that full or short name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name || event.short_name() == name)
    }

    /// A name for people who register webhooks: `assigned`, `not-assigned`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Activated180DaysAgo => "activated-180-days-ago",
            _ => self.as_str().rsplit('.').next().unwrap_or_default(),
        }
    }

    /// Its full name in event tracking.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "edx.server.license-manager.license-lifecycle.assigned",
            Self::Activated => "edx.server.license-manager.license-lifecycle.activated",
            Self::Revoked => "edx.server.license-manager.license-lifecycle.revoked",
            Self::NotAssigned => "edx.server.license-manager.license-lifecycle.not-assigned",
            Self::Renewed => "edx.server.license-manager.license-lifecycle.renewed",
            Self::Expired => "edx.server.license-manager.license-lifecycle.expired",
            Self::Deleted => "edx.server.license-manager.license-lifecycle.deleted",
            Self::Activated180DaysAgo => "edx.server.license-manager.license.activated.180.days.ago",
        }
    }
}
