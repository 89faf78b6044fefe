//! What goes or changes hands before rows are written.

use std::collections::BTreeSet;

use license_manager_adapters::export::ExportedRow;
use serde_json::{Value, json};

use super::DjangoExport;
use super::numbers::hyphenated;
use super::rows::{key_literal, texts};
use super::tables::{self, Release, Table};
use crate::DjangoError;

/// The most rows that are looked at at once.
const PAGE: usize = 1_000;

/// What refers to licenses there, and goes with them.
const OF_LICENSES: [(&str, &str); 2] =
    [("subscriptions_licenseevent", "license_id"), ("subscriptions_subscriptionlicensesource", "license_id")];

/// Tables of Django that refer to users.
const OF_USERS: [&str; 4] = [
    "subscriptions_subscriptionsroleassignment",
    "social_auth_usersocialauth",
    "core_user_groups",
    "core_user_user_permissions",
];

impl DjangoExport {
    /// Removes rows by their keys.
    pub(super) fn remove_rows(&mut self, name: &str, keys: &[String]) -> Result<(), DjangoError> {
        if keys.is_empty() {
            return Ok(());
        }
        if let Some((table, true)) = tables::of(name) {
            self.expect_without(table, keys)?;
        }
        if !self.is_writing {
            return Ok(());
        }
        if name == "users" {
            return self.erase_users(keys);
        }
        let Some((table, is_history)) = tables::of(name) else { return Ok(()) };
        let there = if is_history { table.history.unwrap_or(table.there) } else { table.there };
        if name == "license" {
            for (child, column) in OF_LICENSES {
                self.delete(table, child, column, keys)?;
            }
            if let Some(list) = self.list(table, table.there, "renewed_to_id", keys) {
                let unlink =
                    format!("UPDATE `{0}` SET renewed_to_id = NULL WHERE renewed_to_id IN ({list})", table.there);
                self.change(table.there, &unlink)?;
            }
        }
        self.delete(table, there, table.key, keys)
    }

    /// Versions that go because they were erased here do not tell that somebody wrote there.
    fn expect_without(&mut self, table: &Table, keys: &[String]) -> Result<(), DjangoError> {
        let Some(there) = table.history.filter(|_| self.since.is_some()) else { return Ok(()) };
        let Some(list) = self.list(table, there, table.key, keys) else { return Ok(()) };
        let known = format!(
            "DELETE gone FROM exported_unknown AS gone JOIN `{there}` AS own ON own.history_id = gone.history_id
             WHERE gone.table_there = '{there}' AND own.`{}` IN ({list})",
            table.key
        );
        self.change("exported_unknown", &known).map(drop)
    }

    fn delete(&mut self, table: &Table, there: &str, column: &str, keys: &[String]) -> Result<(), DjangoError> {
        if let Some(list) = self.list(table, there, column, keys) {
            self.change(there, &format!("DELETE FROM `{there}` WHERE `{column}` IN ({list})"))?;
        }
        Ok(())
    }

    /// Keys as literals for a column; `None` if the layout has no such column.
    fn list(&self, table: &Table, there: &str, column: &str, keys: &[String]) -> Option<String> {
        let is_uuid = self.columns.column(there, column)?.is_uuid;
        Some(keys.iter().map(|key| key_literal(key, is_uuid, table, false)).collect::<Vec<_>>().join(", "))
    }

    /// Prepares rows that are written again: names that must differ may change hands.
    pub(super) fn release_rows(&mut self, name: &str, keys: &[String]) -> Result<(), DjangoError> {
        let Some((table, false)) = tables::of(name) else { return Ok(()) };
        if keys.is_empty() || !self.is_writing {
            return Ok(());
        }
        let Some(list) = self.list(table, table.there, table.key, keys) else { return Ok(()) };
        let (there, key) = (table.there, table.key);
        let statement = match table.release {
            Release::Nothing => return Ok(()),
            Release::Set(values) => format!("UPDATE `{there}` SET {values} WHERE `{key}` IN ({list})"),
            Release::Remove => format!("DELETE FROM `{there}` WHERE `{key}` IN ({list})"),
        };
        self.change(there, &statement).map(drop)
    }

    /// Removes values from versions in the history of licenses.
    pub(super) fn erase_versions(&mut self, column: &str, versions: &[String]) -> Result<(), DjangoError> {
        let there = "subscriptions_historicallicense";
        if versions.is_empty() || !self.is_writing || self.columns.column(there, column).is_none() {
            return Ok(());
        }
        let erase = format!(
            "UPDATE `{there}` SET `{column}` = NULL WHERE history_id IN ({}) AND `{column}` IS NOT NULL",
            versions.join(", ")
        );
        self.change(there, &erase).map(drop)
    }

    /// Removes people, with all that refers to them; what only names them, as versions do, names nobody then.
    fn erase_users(&mut self, names: &[String]) -> Result<(), DjangoError> {
        let named = format!("SELECT id FROM core_user WHERE username IN ({})", texts(names));
        let ids: Vec<String> =
            self.client.query(&named)?.iter().filter_map(|row| row.cells()[0].map(str::to_owned)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let ids = ids.join(", ");
        for (table, column) in self.references_to_users()? {
            let is_nullable = self.columns.column(&table, &column).is_some_and(|column| column.is_nullable);
            let statement = match is_nullable {
                true => format!("UPDATE `{table}` SET `{column}` = NULL WHERE `{column}` IN ({ids})"),
                false => format!("DELETE FROM `{table}` WHERE `{column}` IN ({ids})"),
            };
            self.change(&table, &statement)?;
        }
        self.change("core_user", &format!("DELETE FROM core_user WHERE id IN ({ids})")).map(drop)
    }

    /// The columns that refer to users: those that the database knows, and those of the service.
    fn references_to_users(&mut self) -> Result<BTreeSet<(String, String)>, DjangoError> {
        let known = self.client.query(
            "SELECT table_name, column_name FROM information_schema.key_column_usage
             WHERE table_schema = database() AND referenced_table_name = 'core_user'",
        )?;
        let mut references: BTreeSet<(String, String)> =
            known.iter().filter_map(|row| Some((row.cells()[0]?.to_owned(), row.cells()[1]?.to_owned()))).collect();
        let histories = self.written().into_iter().filter(|(_, _, is_history)| *is_history);
        references.extend(histories.map(|(_, there, _)| (there.to_owned(), "history_user_id".to_owned())));
        references.extend(OF_USERS.map(|table| (table.to_owned(), "user_id".to_owned())));
        references.retain(|(table, column)| self.columns.column(table, column).is_some());
        Ok(references)
    }

    /// A page of users, or of the roles that mean something here.
    pub(super) fn present_rows(&mut self, table: &str, after: Option<&str>) -> Result<Vec<ExportedRow>, DjangoError> {
        let after = after.and_then(|after| after.parse::<i64>().ok()).unwrap_or_default();
        let statement = match table {
            "users" => format!(
                "SELECT id, username, '', NULL FROM core_user
                 WHERE id > {after} ORDER BY id LIMIT {PAGE}"
            ),
            _ => format!(
                "SELECT own.id, person.username, role.name, own.enterprise_customer_uuid
                 FROM subscriptions_subscriptionsroleassignment AS own
                 JOIN core_user AS person ON person.id = own.user_id AND person.is_active
                 JOIN subscriptions_subscriptionsfeaturerole AS role ON role.id = own.role_id
                 WHERE own.id > {after}
                     AND role.name IN ('enterprise_subscriptions_admin', 'enterprise_subscriptions_learner')
                 ORDER BY own.id LIMIT {PAGE}"
            ),
        };
        let rows = self.client.query(&statement)?;
        let row = |row: &crate::client::Row| {
            let cells = row.cells();
            let object = json!({
                "position": cells[0], "id": cells[0], "username": cells[1], "role": cells[2],
                "enterprise_customer_uuid": cells[3].map(hyphenated),
            });
            match object {
                Value::Object(object) => object,
                _ => ExportedRow::new(),
            }
        };
        Ok(rows.iter().map(row).collect())
    }
}
