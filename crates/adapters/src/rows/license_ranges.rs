//! The index ranges that a list of licenses consists of.
//!
//! An index has the licenses of one state, and within them those with a value of a field, or those without one. A list
//! in any order is made of such ranges: each is read in its order, up to the end of the page, and they are merged.

use chrono::{DateTime, Utc};
use license_manager_domain::ports::{LicenseField, LicenseOrder, LicensePosition};
use license_manager_domain::{LicenseId, LicenseStatus};

/// A value to compare a field with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Moment(DateTime<Utc>),
}

/// What a field of a license must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Absent,
    Present,
    Equal(Value),
    Above(Value),
    Below(Value),
}

/// Licenses of some states that pass the tests, with ids after `after`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Range {
    pub statuses: Vec<LicenseStatus>,
    pub tests: Vec<(LicenseField, Test)>,
    pub after: Option<LicenseId>,
}

/// Licenses of one state, in the order of an index. Only licenses with the same values may stand in another order in the
/// index. A list reads them in one arm of a `UNION ALL`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arm {
    pub status: LicenseStatus,
    pub tests: Vec<(LicenseField, Test)>,
    pub after: Option<LicenseId>,
    pub order: Vec<LicenseOrder>,
}

/// A part of an arm, which is read up to the limit of the list.
///
/// Licenses that have the same value of a field are a *tie*. Some indexes have the licenses of a tie in the reverse order
/// of their ids. To read them in the right order as a whole, the database would sort every tie that it reads, however
/// large. So the arm is read in two parts: the last tie that the limit reaches, and what is before it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ArmPart {
    /// All of it.
    Whole,
    /// What is before the last tie in this field.
    BeforeLastTie(LicenseField),
    /// The last tie in this field: the licenses with the value that the last license up to the limit has.
    LastTie(LicenseField),
}

/// Licenses of one state that lack a field, and are sorted by the next one or lack that too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MissingValues {
    pub field: LicenseField,
    pub next: LicenseField,
}

impl MissingValues {
    /// Whether an index has just these licenses, in their order. Otherwise an index finds them, and they are sorted.
    pub fn is_indexed(self) -> bool {
        match self.field {
            LicenseField::LastRemindDate => true,
            LicenseField::ActivationDate => self.next == LicenseField::UserEmail,
            LicenseField::Status | LicenseField::UserEmail => false,
        }
    }

    /// The index that has these licenses together: within a plan, or across all plans.
    pub fn index(self, of_all: bool) -> &'static str {
        let (within, across) = match (self.field, self.next) {
            (LicenseField::LastRemindDate, LicenseField::ActivationDate) => {
                ("license_never_reminded_by_activation", "license_of_all_never_reminded_by_activation")
            }
            (LicenseField::LastRemindDate, _) => ("license_never_reminded", "license_of_all_never_reminded"),
            (LicenseField::ActivationDate, LicenseField::UserEmail) => {
                ("license_never_activated", "license_of_all_never_activated")
            }
            (LicenseField::ActivationDate, _) => ("license_by_activation", "license_of_all_by_activation"),
            (LicenseField::Status | LicenseField::UserEmail, _) => ("license_by_plan", "license_of_all_retired"),
        };
        if of_all { across } else { within }
    }
}

/// What is known of a field of an arm's licenses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// They all have the same value, or none.
    Equal,
    /// They all have a value.
    Present,
    Nothing,
}

/// Whether licenses of the state always (true) or never (false) have a value in the field. The table's condition
/// `license_state` says the same.
fn has(status: LicenseStatus, field: LicenseField) -> Option<bool> {
    match (field, status) {
        (LicenseField::Status, _) => Some(true),
        (_, LicenseStatus::Unassigned) => Some(false),
        (LicenseField::UserEmail, LicenseStatus::Assigned | LicenseStatus::Activated)
        | (LicenseField::ActivationDate, LicenseStatus::Activated) => Some(true),
        (LicenseField::ActivationDate, LicenseStatus::Assigned) => Some(false),
        (_, LicenseStatus::Revoked) | (LicenseField::LastRemindDate, _) => None,
    }
}

impl Range {
    /// All licenses of the states.
    pub fn of(statuses: Vec<LicenseStatus>) -> Self {
        Self { statuses, ..Self::default() }
    }

    /// What follows a position: for each field, the licenses that equal it in the fields before and come after it in
    /// this one; and those that equal it in all fields, and have a later id.
    pub fn following(statuses: &[LicenseStatus], order: &[LicenseOrder], at: &LicensePosition) -> Vec<Self> {
        let mut equal = Self::of(statuses.to_vec());
        let mut ranges = Vec::new();
        for &key in order {
            if key.field == LicenseField::Status {
                let beyond = |status: &LicenseStatus| match key.descending {
                    true => *status < at.status,
                    false => *status > at.status,
                };
                let statuses = equal.statuses.iter().copied().filter(beyond).collect();
                ranges.push(Self { statuses, ..equal.clone() });
                equal.statuses.retain(|status| *status == at.status);
                continue;
            }
            // Missing values come first ascending, last descending.
            let value = value(key.field, at);
            let beyond = match (value.clone(), key.descending) {
                (Some(value), false) => vec![Test::Above(value)],
                (Some(value), true) => vec![Test::Below(value), Test::Absent],
                (None, false) => vec![Test::Present],
                (None, true) => Vec::new(),
            };
            ranges.extend(beyond.into_iter().map(|test| equal.with(key.field, test)));
            equal = equal.with(key.field, value.map_or(Test::Absent, Test::Equal));
        }
        ranges.push(Self { after: Some(at.id), ..equal });
        ranges
    }

    fn with(&self, field: LicenseField, test: Test) -> Self {
        let mut range = self.clone();
        range.tests.push((field, test));
        range
    }

    /// The range in arms. `hide_retired` leaves out revoked licenses without an address.
    pub fn arms(&self, order: &[LicenseOrder], hide_retired: bool) -> Vec<Arm> {
        let arm = |&status: &LicenseStatus| {
            let mut arm = Arm { status, tests: self.tests.clone(), after: self.after, order: Vec::new() };
            if hide_retired && arm.known(LicenseField::UserEmail) == Known::Nothing {
                arm.tests.push((LicenseField::UserEmail, Test::Present));
            }
            let possible = |(field, test): &(LicenseField, Test)| match test {
                Test::Absent => {
                    has(status, *field) != Some(true)
                        && !(hide_retired && *field == LicenseField::UserEmail && status == LicenseStatus::Revoked)
                }
                _ => has(status, *field) != Some(false),
            };
            arm.tests.iter().all(possible).then(|| arm.split(order))
        };
        self.statuses.iter().filter_map(arm).flatten().collect()
    }
}

/// The position's value of a field other than the status.
fn value(field: LicenseField, at: &LicensePosition) -> Option<Value> {
    match field {
        LicenseField::Status => None,
        LicenseField::UserEmail => at.user_email.as_ref().map(|email| Value::Text(email.as_str().to_owned())),
        LicenseField::ActivationDate => at.activation_date.map(Value::Moment),
        LicenseField::LastRemindDate => at.last_remind_date.map(Value::Moment),
    }
}

impl Arm {
    fn known(&self, field: LicenseField) -> Known {
        let tested = self.tests.iter().find(|(tested, _)| *tested == field);
        match (field, tested, has(self.status, field)) {
            (LicenseField::Status, ..) | (_, Some((_, Test::Absent | Test::Equal(_))), _) | (.., Some(false)) => {
                Known::Equal
            }
            (_, Some(_), _) | (.., Some(true)) => Known::Present,
            (_, None, None) => Known::Nothing,
        }
    }

    /// The arm in parts that an index has in the order: what may have a value or none is two parts.
    fn split(mut self, order: &[LicenseOrder]) -> Vec<Self> {
        let order: Vec<_> = order.iter().copied().filter(|key| self.known(key.field) != Known::Equal).collect();
        let Some(first) = order.first().copied() else { return vec![self] };
        let mut arms = Vec::new();
        if self.known(first.field) == Known::Nothing {
            let mut absent = self.clone();
            absent.tests.push((first.field, Test::Absent));
            arms = absent.split(&order[1..]);
        }
        if self.tests.iter().all(|(field, _)| *field != first.field) {
            self.tests.push((first.field, Test::Present));
        }
        self.order = order;
        arms.push(self);
        arms
    }

    /// The fields that the arm's licenses lack, though others in their state have them; first the one that is lacked least
    /// often.
    fn missing_fields(&self) -> impl Iterator<Item = LicenseField> {
        [LicenseField::UserEmail, LicenseField::ActivationDate, LicenseField::LastRemindDate]
            .into_iter()
            .filter(move |field| self.tests.contains(&(*field, Test::Absent)) && !self.never_has(*field))
    }

    /// The missing field that the index with this order begins with. All its licenses are equal in it, but Postgres
    /// takes the index only if the field is among those to sort by. The index of a state that never has the field does
    /// not begin with it.
    pub fn leading(&self) -> Option<LicenseField> {
        self.missing_fields().next().filter(|_| self.order.is_empty())
    }

    /// How the arm is read if its licenses lack a field and are sorted by another one, or lack two. Licenses with a given
    /// value in some field are found by that.
    pub fn missing_values(&self) -> Option<MissingValues> {
        if self.has_a_given_value() {
            return None;
        }
        let mut missing = self.missing_fields();
        let first = missing.next()?;
        match self.order.first() {
            Some(key) => Some(MissingValues { field: first, next: key.field }),
            // The index on the second field begins with the first one.
            None => missing.next().map(|field| MissingValues { field, next: first }),
        }
    }

    /// All licenses of the arm's state that lack the field, in no order.
    pub fn all_without(&self, field: LicenseField) -> Self {
        Self { status: self.status, tests: vec![(field, Test::Absent)], after: None, order: Vec::new() }
    }

    /// The only field that the arm's licenses are sorted by, if an index on it has those that tie in it in the reverse
    /// order of their ids. It is a moment: many licenses may have the same one, and few have the same address.
    pub fn field_with_reversed_ties(&self) -> Option<LicenseField> {
        let [LicenseOrder { field, descending: true }] = self.order[..] else { return None };
        let is_moment = matches!(field, LicenseField::ActivationDate | LicenseField::LastRemindDate);
        let is_indexed = !self.has_a_given_value() && self.missing_values().is_none_or(MissingValues::is_indexed);
        (is_moment && is_indexed).then_some(field)
    }

    /// Whether all the arm's licenses have a given value in some field.
    fn has_a_given_value(&self) -> bool {
        self.tests.iter().any(|(_, test)| matches!(test, Test::Equal(_)))
    }

    /// Whether the arm's licenses have no value in the field.
    pub fn lacks(&self, field: LicenseField) -> bool {
        self.never_has(field) || self.tests.contains(&(field, Test::Absent))
    }

    /// Whether licenses in the arm's state have no value in the field.
    pub fn never_has(&self, field: LicenseField) -> bool {
        has(self.status, field) == Some(false)
    }

    /// Whether an index on addresses has the order, and no other one has the conditions.
    pub fn follows_addresses(&self) -> bool {
        let is_address = |field: LicenseField| field == LicenseField::UserEmail;
        let compares = |test: &Test| matches!(test, Test::Equal(_) | Test::Above(_) | Test::Below(_));
        let compared = |of_address: bool| {
            self.tests.iter().any(|(field, test)| is_address(*field) == of_address && compares(test))
        };
        (compared(true) || self.order.first().is_some_and(|key| is_address(key.field))) && !compared(false)
    }
}

#[cfg(test)]
mod tests {
    use LicenseField::{ActivationDate, LastRemindDate, Status, UserEmail};
    use LicenseStatus::{Activated, Assigned, Revoked, Unassigned};

    use super::*;

    fn by(field: LicenseField) -> LicenseOrder {
        LicenseOrder { field, descending: false }
    }

    #[test]
    fn what_a_state_never_has_is_not_sorted_by() {
        let arms = Range::of(vec![Unassigned, Assigned]).arms(&[by(ActivationDate), by(UserEmail)], false);
        let orders: Vec<_> = arms.into_iter().map(|arm| (arm.status, arm.order)).collect();
        assert_eq!(orders, [(Unassigned, vec![]), (Assigned, vec![by(UserEmail)])]);
    }

    #[test]
    fn what_may_be_missing_is_two_arms() {
        let arms = Range::of(vec![Activated]).arms(&[by(Status), by(LastRemindDate)], false);
        let tests: Vec<_> = arms.iter().map(|arm| (arm.tests.clone(), arm.order.clone())).collect();
        let expected = [
            (vec![(LastRemindDate, Test::Absent)], vec![]),
            (vec![(LastRemindDate, Test::Present)], vec![by(LastRemindDate)]),
        ];
        assert_eq!(tests, expected);
        assert_eq!(arms[0].leading(), Some(LastRemindDate));
        assert_eq!(arms[1].leading(), None);
    }

    #[test]
    fn what_lacks_a_field_is_sorted_by_the_next_one() {
        let missing = |range: Range, order: &[LicenseOrder]| {
            let arms = range.arms(order, false);
            arms.iter().filter_map(Arm::missing_values).map(|missing| (missing.field, missing.next)).collect::<Vec<_>>()
        };
        let all = || Range::of(LicenseStatus::ALL.to_vec());
        // The first of revoked licenses are those that lack both fields.
        assert_eq!(missing(all(), &[by(ActivationDate), by(UserEmail)]), [(ActivationDate, UserEmail); 2]);
        let without_address = [(ActivationDate, UserEmail), (UserEmail, ActivationDate)];
        assert_eq!(missing(all(), &[by(UserEmail), by(ActivationDate)]), without_address);
        assert_eq!(missing(all(), &[by(LastRemindDate), by(UserEmail)]), [(LastRemindDate, UserEmail); 4]);
        assert!(missing(all(), &[by(LastRemindDate), by(Status)]).is_empty());
        let revoked = Range::of(vec![Revoked]);
        let order = [by(LastRemindDate), by(ActivationDate), by(UserEmail)];
        let of_revoked = [(ActivationDate, UserEmail), (ActivationDate, UserEmail), (LastRemindDate, ActivationDate)];
        assert_eq!(missing(revoked.clone(), &order), of_revoked);
        let of_one = revoked.with(UserEmail, Test::Equal(Value::Text("amy@example.com".to_owned())));
        assert!(missing(of_one, &order).is_empty());
    }

    #[test]
    fn only_ties_in_a_moment_that_falls_are_reversed() {
        let down = |field: LicenseField| LicenseOrder { field, descending: true };
        let reversed = |order: &[LicenseOrder]| {
            let arms = Range::of(vec![Assigned, Activated]).arms(order, false);
            arms.iter().map(Arm::field_with_reversed_ties).collect::<Vec<_>>()
        };
        assert_eq!(reversed(&[by(ActivationDate)]), [None, None]);
        assert_eq!(reversed(&[down(ActivationDate)]), [None, Some(ActivationDate)]);
        assert_eq!(reversed(&[by(Status), down(ActivationDate)]), [None, Some(ActivationDate)]);
        assert_eq!(reversed(&[down(UserEmail)]), [None, None]);
        // Each state has licenses without a reminder, and then those with one.
        let reminded = Some(LastRemindDate);
        assert_eq!(reversed(&[down(LastRemindDate)]), [None, reminded, None, reminded]);
        let never_reminded = Some(ActivationDate);
        let by_both = reversed(&[down(LastRemindDate), down(ActivationDate)]);
        assert_eq!(by_both, [None, reminded, never_reminded, None], "an assigned license has no activation");
        let of_one = Range::of(vec![Activated]).with(UserEmail, Test::Equal(Value::Text("amy@example.com".to_owned())));
        assert_eq!(of_one.arms(&[down(ActivationDate)], false)[0].field_with_reversed_ties(), None);
    }

    #[test]
    fn hidden_licenses_have_no_arm() {
        let revoked = Range::of(vec![Revoked]);
        assert_eq!(revoked.arms(&[by(UserEmail)], false).len(), 2);
        assert_eq!(revoked.arms(&[by(UserEmail)], true).len(), 1);
        let without_address = revoked.with(UserEmail, Test::Absent);
        assert_eq!(without_address.arms(&[], true), []);
        assert_eq!(without_address.arms(&[], false).len(), 1);
    }
}
