use chrono::{DateTime, Utc};

use super::{MemoryUnit, Tables, part};
use crate::error::Error;
use crate::model::staff_action::StaffAction;
use crate::ports::{LimitOffset, StaffActionFilter, StaffActionRepository};

fn matching(tables: &Tables, filter: &StaffActionFilter) -> Vec<StaffAction> {
    let matches = |action: &&StaffAction| {
        filter.by.as_ref().is_none_or(|by| Some(by) == action.by.as_ref())
            && filter.kind.is_none_or(|kind| kind == action.kind)
    };
    let mut found: Vec<StaffAction> = tables.staff_actions.iter().filter(matches).cloned().collect();
    found.sort_by_key(|action| std::cmp::Reverse((action.at, action.id)));
    found
}

impl StaffActionRepository for MemoryUnit<'_> {
    list_and_count!(StaffActionFilter => StaffAction, matching);

    fn add(&mut self, action: &StaffAction) -> Result<(), Error> {
        self.written()?.staff_actions.push(action.clone());
        Ok(())
    }

    fn remove_old(&mut self, until: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        let actions = &mut self.written()?.staff_actions;
        let mut old: Vec<_> = actions.iter().filter(|action| action.at <= until).map(|a| (a.at, a.id)).collect();
        old.sort_unstable();
        old.truncate(usize::try_from(limit).unwrap_or(0));
        actions.retain(|action| !old.contains(&(action.at, action.id)));
        Ok(old.len())
    }
}
