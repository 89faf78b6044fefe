//! The names of events.

/// What happened to a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventName {
    /// It was assigned to a learner.
    Assigned,
    /// The learner activated it.
    Activated,
    /// It was revoked.
    Revoked,
    /// A learner logged in and no license was left.
    NotAssigned,
    /// It continues a license of the previous plan.
    Renewed,
    /// Its plan has expired without a renewal.
    Expired,
    /// It was revoked, and is now deleted.
    Deleted,
    /// It was activated 180 days ago.
    Activated180DaysAgo,
}

names!(EventName {
    Assigned => "edx.server.license-manager.license-lifecycle.assigned",
    Activated => "edx.server.license-manager.license-lifecycle.activated",
    Revoked => "edx.server.license-manager.license-lifecycle.revoked",
    NotAssigned => "edx.server.license-manager.license-lifecycle.not-assigned",
    Renewed => "edx.server.license-manager.license-lifecycle.renewed",
    Expired => "edx.server.license-manager.license-lifecycle.expired",
    Deleted => "edx.server.license-manager.license-lifecycle.deleted",
    Activated180DaysAgo => "edx.server.license-manager.license.activated.180.days.ago",
});

impl EventName {
    /// The event with this full or short name.
    pub fn from_full_or_short_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name || event.short_name() == name)
    }

    /// A name for people who register webhooks: `assigned`, `not-assigned`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Activated180DaysAgo => "activated-180-days-ago",
            _ => self.as_str().rsplit('.').next().unwrap_or_default(),
        }
    }
}
