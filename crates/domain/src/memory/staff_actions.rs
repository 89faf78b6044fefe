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
}
