use chrono::{DateTime, Utc};

use super::{MemoryUnit, Tables, part};
use crate::error::Error;
use crate::history::Change;
use crate::model::ids::{LicenseEventId, LicenseId, NotificationId, PlanId, RoleAssignmentId};
use crate::model::staff_records::{LicenseMark, Notification};
use crate::ports::{
    AssignedRole, LicenseEventFilter, LicenseEventRepository, LimitOffset, NotificationFilter, NotificationRepository,
    RoleAssignment, RoleAssignmentFilter, RoleAssignmentRepository,
};

impl Tables {
    /// Gives a user a role unless they have it.
    pub(super) fn give(
        &mut self,
        username: &str,
        role: &RoleAssignment,
        created: DateTime<Utc>,
    ) -> (AssignedRole, bool) {
        let same = |assigned: &&AssignedRole| assigned.username == username && assigned.role == *role;
        if let Some(assigned) = self.roles.iter().find(same) {
            return (assigned.clone(), false);
        }
        let id = RoleAssignmentId(self.roles.iter().map(|assigned| assigned.id.0).max().unwrap_or(0) + 1);
        let assigned = AssignedRole { id, username: username.to_owned(), role: role.clone(), created };
        self.roles.push(assigned.clone());
        (assigned, true)
    }
}

fn matching_roles(tables: &Tables, filter: &RoleAssignmentFilter) -> Vec<AssignedRole> {
    let matches = |assigned: &&AssignedRole| {
        filter.username.as_ref().is_none_or(|username| *username == assigned.username)
            && filter.role.as_ref().is_none_or(|role| *role == assigned.role.role)
            && filter.customer.is_none_or(|customer| Some(customer) == assigned.role.customer)
    };
    tables.roles.iter().filter(matches).cloned().collect()
}

impl RoleAssignmentRepository for MemoryUnit<'_> {
    list_and_count!(RoleAssignmentFilter => AssignedRole, matching_roles);

    fn find(&mut self, id: RoleAssignmentId) -> Result<Option<AssignedRole>, Error> {
        Ok(self.tables.roles.iter().find(|assigned| assigned.id == id).cloned())
    }

    fn add(
        &mut self,
        username: &str,
        role: &RoleAssignment,
        now: DateTime<Utc>,
    ) -> Result<(AssignedRole, bool), Error> {
        let tables = self.written()?;
        if !tables.users.contains_key(username) {
            return Err(Error::internal("no user to give a role"));
        }
        Ok(tables.give(username, role, now))
    }

    fn remove(&mut self, id: RoleAssignmentId) -> Result<bool, Error> {
        let roles = &mut self.written()?.roles;
        let before = roles.len();
        roles.retain(|assigned| assigned.id != id);
        Ok(roles.len() < before)
    }
}

fn matching_notifications(tables: &Tables, filter: &NotificationFilter) -> Vec<(NotificationId, Notification)> {
    let matches = |(id, notification): &(&NotificationId, &Notification)| {
        filter.ids.as_ref().is_none_or(|ids| ids.contains(id))
            && filter.customer.is_none_or(|customer| customer == notification.customer)
            && filter.plan.is_none_or(|plan| plan == notification.plan)
            && filter.kind.is_none_or(|kind| kind == notification.kind)
    };
    let found = tables.notifications.iter().rev().filter(matches);
    let mut found: Vec<_> = found.map(|(id, notification)| (*id, notification.clone())).collect();
    found.sort_by_key(|(_, notification)| std::cmp::Reverse(notification.last_sent));
    found
}

impl NotificationRepository for MemoryUnit<'_> {
    list_and_count!(NotificationFilter => (NotificationId, Notification), matching_notifications);

    fn find_by_plans(&mut self, plans: &[PlanId]) -> Result<Vec<Notification>, Error> {
        let about = |notification: &&Notification| plans.contains(&notification.plan);
        Ok(self.tables.notifications.values().filter(about).cloned().collect())
    }

    fn save(&mut self, notifications: &[Notification], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for notification in notifications {
            let key = |other: &Notification| (other.plan, other.customer_user, other.kind);
            let known = tables.notifications.iter().find(|(_, other)| key(other) == key(notification));
            let known = known.map(|(id, _)| *id);
            let id = known.unwrap_or_else(|| {
                tables.last_notification += 1;
                NotificationId(tables.last_notification)
            });
            tables.notifications.insert(id, notification.clone());
            tables.record("notification", id, if known.is_some() { '~' } else { '+' }, change);
        }
        Ok(())
    }

    fn delete(&mut self, filter: &NotificationFilter, change: &Change) -> Result<usize, Error> {
        let tables = self.written()?;
        let matching = matching_notifications(tables, filter);
        for (id, _) in &matching {
            tables.notifications.remove(id);
            tables.record("notification", id, '-', change);
        }
        Ok(matching.len())
    }
}

fn matching_events(tables: &Tables, filter: &LicenseEventFilter) -> Vec<LicenseMark> {
    let matches = |mark: &&LicenseMark| {
        filter.ids.as_ref().is_none_or(|ids| ids.contains(&mark.id))
            && filter.license.is_none_or(|license| license == mark.license)
            && filter.event_name.as_ref().is_none_or(|name| *name == mark.event_name)
    };
    tables.license_events.values().rev().filter(matches).cloned().collect()
}

impl LicenseEventRepository for MemoryUnit<'_> {
    list_and_count!(LicenseEventFilter => LicenseMark, matching_events);

    fn add(&mut self, licenses: &[LicenseId], event_name: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let tables = self.written()?;
        for &license in licenses {
            let same = |mark: &LicenseMark| mark.license == license && mark.event_name == event_name;
            if !tables.license_events.values().any(same) {
                tables.last_license_event += 1;
                let id = LicenseEventId(tables.last_license_event);
                let mark = LicenseMark { id, license, event_name: event_name.to_owned(), created: now };
                tables.license_events.insert(id, mark);
            }
        }
        Ok(())
    }

    fn delete(&mut self, filter: &LicenseEventFilter, change: &Change) -> Result<usize, Error> {
        let tables = self.written()?;
        let matching = matching_events(tables, filter);
        for mark in &matching {
            tables.record("license_event", mark.id, '-', change);
            tables.license_events.remove(&mark.id);
        }
        Ok(matching.len())
    }
}
