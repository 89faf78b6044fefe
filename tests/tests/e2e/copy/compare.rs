//! Compares two databases: their servers' answers and their tables.

use std::collections::BTreeMap;

use license_manager_tests::{Customer, Database, PROVISIONING, Person, Server};

use super::scene::{Scene, staff};

/// The exact answers to all reads, by path, without the server's own URL.
pub fn answers(server: &Server, scene: &Scene) -> BTreeMap<String, String> {
    let Customer { enterprise, agreement, .. } = &scene.customer;
    let (plan, renewed, license, webhook) = (&scene.plan.uuid, &scene.renewed.uuid, &scene.license, &scene.webhook);
    let of_customer = format!("enterprise_customer_uuid={enterprise}");
    let admins = [
        format!("subscriptions/?{of_customer}"),
        format!("subscriptions/{plan}/"),
        format!("subscriptions/{renewed}/"),
        format!("subscriptions/{plan}/licenses/?page_size=100"),
        format!("subscriptions/{plan}/licenses/overview/"),
        format!("subscriptions/{plan}/licenses/csv/"),
        format!("subscriptions/{renewed}/licenses/?page_size=100"),
        format!("subscriptions/{plan}/utilization/?from=2026-01-01"),
        format!("subscriptions/{renewed}/utilization/?from=2026-01-01"),
        format!("subscriptions/{plan}/history/?page_size=100"),
        format!("customer-agreement/?{of_customer}"),
        format!("customer-agreement/{agreement}/"),
        format!("licenses/?subscription_plan={plan}&page_size=100"),
        format!("licenses/{license}/history/"),
    ];
    let staff_s = [
        format!("customer-agreement/{agreement}/history/"),
        format!("provisioning-admins/customer-agreement/?{of_customer}"),
        format!("provisioning-admins/customer-agreement/{agreement}/settings/"),
        format!("provisioning-admins/subscriptions/?{of_customer}"),
        format!("provisioning-admins/licenses/{license}/"),
        "provisioning-admins/products/".to_owned(),
        "provisioning-admins/products/6/history/".to_owned(),
        "provisioning-admins/plan-types/".to_owned(),
        "provisioning-admins/subscription-plan-renewals/".to_owned(),
        "provisioning-admins/subscription-plan-renewals/1/history/".to_owned(),
        "provisioning-admins/license-transfer-jobs/".to_owned(),
        "provisioning-admins/license-transfer-jobs/1/".to_owned(),
        "provisioning-admins/license-transfer-jobs/2/".to_owned(),
        "provisioning-admins/role-assignments/".to_owned(),
        "provisioning-admins/notifications/".to_owned(),
        "provisioning-admins/license-events/".to_owned(),
        "provisioning-admins/scheduled-operations/".to_owned(),
        "provisioning-admins/webhooks/".to_owned(),
        format!("provisioning-admins/webhooks/{webhook}/deliveries/?page_size=100"),
    ];
    assert!(PROVISIONING.ends_with("provisioning-admins"));
    let (admin, staff) = (scene.customer.admin(), staff().role("enterprise_provisioning_admin:*"));
    let asked = admins.iter().map(|path| (path, &admin)).chain(staff_s.iter().map(|path| (path, &staff)));
    asked.map(|(path, person)| (path.clone(), read(server, person, path))).collect()
}

fn read(server: &Server, person: &Person, path: &str) -> String {
    let client = reqwest::blocking::Client::new();
    let request =
        client.get(format!("{}/api/v1/{path}", server.base())).header("Authorization", person.authorization());
    let answer = request.send().unwrap_or_else(|error| panic!("{path}: {error}"));
    let (status, text) = (answer.status().as_u16(), answer.text().expect("a text"));
    assert_eq!(status, 200, "{path}: {text}");
    text.replace(&server.base(), "")
}

/// The tables of a SQLite database.
pub fn tables(sqlite: &Database) -> Vec<String> {
    sqlite.texts(
        "SELECT name AS text FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'
         AND name NOT GLOB '__diesel*' AND name <> 'license_address'
         AND name NOT IN (SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow')) ORDER BY name",
    )
}

/// Panics unless the table has the same rows in both databases. Values are compared in SQLite's form.
#[track_caller]
pub fn assert_same_rows(sqlite: &Database, postgres: &Database, table: &str) {
    let columns = postgres.texts(&format!(
        "SELECT column_name || ' ' || data_type AS text FROM information_schema.columns WHERE table_name = '{table}' ORDER BY 1"
    ));
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for column in &columns {
        let (name, kind) = column.split_once(' ').expect("a name and a type");
        let name = format!("\"{name}\"");
        from.push(if kind == "bytea" {
            format!("CASE WHEN {name} IS NOT NULL THEN hex({name}) END")
        } else {
            name.clone()
        });
        to.push(match kind {
            "boolean" => format!("{name}::integer"),
            "timestamp with time zone" => format!("(extract(epoch FROM {name}) * 1000000)::bigint"),
            "date" => format!("{name} - date '1970-01-01'"),
            "bytea" => format!("upper(encode({name}, 'hex'))"),
            "ARRAY" => format!("array_to_json({name})::text"),
            _ => name,
        });
    }
    let rows = |database: &Database, query: &str| {
        let rows = database.texts(query);
        let mut rows: Vec<serde_json::Value> =
            rows.iter().map(|row| serde_json::from_str(row).unwrap_or_else(|error| panic!("{error}: {row}"))).collect();
        rows.sort_by_key(ToString::to_string);
        rows
    };
    let from = rows(sqlite, &format!("SELECT json_array({}) AS text FROM {table}", from.join(", ")));
    let to = rows(postgres, &format!("SELECT json_build_array({})::text AS text FROM {table}", to.join(", ")));
    assert_eq!(from, to, "{table}: {columns:?}");
}
