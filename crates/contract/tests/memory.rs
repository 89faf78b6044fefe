//! Runs the storage contract on the in-memory store.

use std::collections::BTreeSet;
use std::sync::Arc;

use license_manager_contract::{Database, HistoryEntry, Told, Waiting, contract_suite};
use license_manager_domain::memory::MemoryStore;
use license_manager_domain::ports::{RoleAssignment, Store, StoreExt, User};
use license_manager_domain::{CustomerId, LicenseId};

contract_suite!(in_memory);

fn in_memory() -> InMemory {
    InMemory(Arc::default())
}

struct InMemory(Arc<MemoryStore>);

impl InMemory {
    fn change_user(&self, username: &str, change: impl Fn(&mut User)) {
        let mut user = self.0.read(|unit| unit.users().find(username)).unwrap().unwrap();
        change(&mut user);
        self.0.add_user(user);
    }
}

impl Database for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    fn history(&self, table: &str, id: &str) -> Vec<HistoryEntry> {
        let entries = self.0.history().into_iter().filter(|entry| entry.table == table && entry.id == id);
        entries
            .map(|entry| HistoryEntry {
                kind: entry.kind,
                user: entry.change.by,
                reason: entry.change.reason.as_deref().map(str::to_owned),
                at: entry.change.at,
            })
            .collect()
    }

    fn told_of(&self, license: LicenseId) -> Vec<Told> {
        let entries = self.0.history().into_iter().filter(|entry| entry.id == license.to_string());
        let told = entries.filter_map(|entry| entry.license);
        told.map(|columns| Told {
            status: columns.status,
            email: columns.user_email,
            lms_user_id: columns.lms_user_id,
            has_key: columns.activation_key.is_some(),
        })
        .collect()
    }

    fn outbox(&self) -> Vec<Waiting> {
        let messages = self.0.outbox().into_iter();
        messages
            .map(|message| Waiting {
                topic: message.payload.topic().as_str().to_owned(),
                license: message.license,
                payload: message.payload.to_text(),
            })
            .collect()
    }

    fn words(&self) -> i64 {
        let messages = self.0.outbox().into_iter();
        let ids: BTreeSet<_> = messages.filter_map(|message| Some(message.payload.words()?.id)).collect();
        ids.len() as i64
    }

    fn source(&self, license: LicenseId) -> Option<String> {
        self.0.sources().remove(&license)
    }

    fn add_role(&self, username: &str, role: &str, customer: Option<CustomerId>) {
        let assignment = RoleAssignment { role: role.to_owned(), customer };
        self.change_user(username, |user| user.roles.push(assignment.clone()));
    }
}
