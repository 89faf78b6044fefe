//! The store passes the obligations that assigning, activating and revoking rely on.

use std::sync::Arc;

use embedding::store::MapStore;
use license_manager_contract::{Database, HistoryEntry, Waiting, contract_suite};
use license_manager_domain::ports::Store;

struct Maps(Arc<MapStore>);

fn empty() -> Maps {
    Maps(Arc::default())
}

impl Database for Maps {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    fn history(&self, table: &str, id: &str) -> Vec<HistoryEntry> {
        let tables = self.0.tables();
        let of_row = tables.history.iter().filter(|(of, row, ..)| *of == table && row == id);
        of_row
            .map(|(_, _, kind, change)| HistoryEntry {
                kind: *kind,
                user: change.by.clone(),
                reason: change.reason.as_deref().map(str::to_owned),
                at: change.at,
            })
            .collect()
    }

    fn outbox(&self) -> Vec<Waiting> {
        let tables = self.0.tables();
        let waiting = tables.outbox.iter().map(|message| Waiting {
            topic: message.payload.topic().as_str().to_owned(),
            license: message.license,
            payload: message.payload.to_text(),
        });
        waiting.collect()
    }
}

contract_suite!(empty; seats);
