//! What was answered about each person of a client.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::{Customer, Person};

/// More people than a client ever has.
const MOST_PEOPLE: usize = 1_000_000;

/// Which of a client's plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Shared,
    Old,
    New,
}

impl Slot {
    pub(super) const ALL: [Self; 3] = [Self::Shared, Self::Old, Self::New];
}

/// A person's license of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Assigned,
    Activated,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Activated => "activated",
        }
    }
}

/// What is known of a person.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) person: Person,
    pub(super) email: String,
    /// Their live licenses.
    pub(super) held: BTreeMap<Slot, Status>,
    /// The plans for whose license, as it is now, they were reminded.
    pub(super) reminded: Vec<Slot>,
    /// Whether a request about them was sent and has not been answered.
    pub(super) is_open: bool,
    /// Whether the service knows their user name.
    pub(super) has_called: bool,
    pub(super) is_retired: bool,
}

/// The people of a client. Only that client changes what is known of them.
pub(super) struct People<'a> {
    customer: &'a Customer,
    client: usize,
    known: Mutex<Vec<Known>>,
}

impl<'a> People<'a> {
    pub(super) fn new(customer: &'a Customer, client: usize, number: usize) -> Self {
        let people = Self { customer, client, known: Mutex::new(Vec::new()) };
        (0..number).for_each(|_| people.welcome());
        people
    }

    /// Adds a newcomer.
    pub(super) fn welcome(&self) {
        let mut known = self.known();
        let name = format!("learner-{}-{}", self.client, known.len());
        let user = i64::try_from((self.client + 1) * MOST_PEOPLE + known.len()).expect("a small number");
        known.push(Known {
            person: self.customer.learner(user, &name),
            email: self.customer.email(&name),
            held: BTreeMap::new(),
            reminded: Vec::new(),
            is_open: false,
            has_called: false,
            is_retired: false,
        });
    }

    pub(super) fn person(&self, number: usize) -> Person {
        self.known()[number].person.clone()
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().expect("nobody failed while they noted something")
    }

    /// The numbers of the people of whom this is true. Retired ones are left alone.
    pub(super) fn of_whom(&self, is_true: impl Fn(&Known) -> bool) -> Vec<usize> {
        let known = self.known();
        let all = known.iter().enumerate().filter(|(_, known)| !known.is_retired && is_true(known));
        all.map(|(number, _)| number).collect()
    }

    /// Notes that a request about these people is sent.
    pub(super) fn open(&self, numbers: &[usize]) {
        let mut known = self.known();
        numbers.iter().for_each(|&number| known[number].is_open = true);
    }

    /// Notes what the answer means for each of these people.
    pub(super) fn close(&self, numbers: &[usize], note: impl Fn(&mut Known)) {
        let mut known = self.known();
        for &number in numbers {
            note(&mut known[number]);
            known[number].is_open = false;
        }
    }
}
