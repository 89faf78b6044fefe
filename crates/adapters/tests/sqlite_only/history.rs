//! Histories: copies of the rows of their tables.

use diesel::SqliteConnection;
use license_manager_contract::fixtures::*;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{ExpirationMessage, License};
use tempfile::TempDir;

use crate::{lines, migrated, stranger};

#[test]
fn a_history_has_the_columns_of_its_table_in_their_order() {
    let directory = TempDir::new().unwrap();
    let mut conn = stranger(&migrated(&directory));
    let columns = |conn: &mut SqliteConnection, table: &str| {
        lines(
            conn,
            &format!("SELECT name || ' ' || type || ' ' || \"notnull\" AS line FROM pragma_table_info('{table}')"),
        )
    };
    let histories = lines(&mut conn, "SELECT name AS line FROM sqlite_schema WHERE name GLOB '*_history'");
    assert_eq!(histories.len(), 10);
    for history in histories {
        let table = columns(&mut conn, history.trim_end_matches("_history"));
        let copied: Vec<String> = columns(&mut conn, &history).split_off(5);
        // An integer key counts as nullable, because SQLite then assigns the next number.
        let table: Vec<String> =
            table.into_iter().map(|column| column.replace("id INTEGER 0", "id INTEGER 1")).collect();
        let copied: Vec<String> =
            copied.into_iter().map(|column| column.replace("id INTEGER 0", "id INTEGER 1")).collect();
        assert_eq!(copied, table, "{history}");
    }
}

#[test]
fn a_history_row_is_a_copy_of_the_row() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    with_plans(&store);
    put(&store, &[License { auto_applied: Some(true), ..revoked(1, 1, "amy@example.com", 7) }]);
    store
        .write(|unit| unit.licenses().set_sources(&[(license_id(1), "006000000000000001".to_owned())], &change(5)))
        .unwrap();
    let mut conn = stranger(&store);
    for (table, key) in [
        ("license", "uuid"),
        ("license_source", "license_uuid"),
        ("subscription_plan", "uuid"),
        ("customer_agreement", "uuid"),
        ("product", "id"),
    ] {
        let columns =
            lines(&mut conn, &format!("SELECT group_concat(name) AS line FROM pragma_table_info('{table}')")).remove(0);
        let differing = lines(
            &mut conn,
            &format!(
                "SELECT {key} || '' AS line FROM (
                     SELECT {columns} FROM {table} EXCEPT
                     SELECT {columns} FROM {table}_history WHERE history_id IN
                         (SELECT max(history_id) FROM {table}_history GROUP BY {key}))"
            ),
        );
        assert_eq!(differing, [""; 0], "{table}");
    }
}

#[test]
fn an_expiration_message_has_a_history_of_its_own() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let mut agreement = agreement(1);
    let message = |label: &str| {
        Some(ExpirationMessage {
            modal_header_text: "Over".to_owned(),
            modal_messaging: "<p>Over.</p>".to_owned(),
            button_label: label.to_owned(),
            button_url: "https://example.com".to_owned(),
        })
    };
    agreement.expiration_message = message("Renew");
    store.write(|unit| unit.agreements().add(&agreement, &change(0))).unwrap();
    for (number, message) in [(1, message("Renew")), (2, message("Ask")), (3, None), (4, None), (5, message("Renew"))] {
        agreement.expiration_message = message;
        store.write(|unit| unit.agreements().save(&agreement, &change(number))).unwrap();
    }
    let told = "SELECT history_type || ' ' || button_label AS line FROM expiration_message_history ORDER BY history_id";
    assert_eq!(lines(&mut stranger(&store), told), ["+ Renew", "~ Ask", "- Ask", "+ Renew"], "what stays is not told");
}
