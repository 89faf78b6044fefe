//! Fills the real tables, and counts what happened on each day.

use chrono::{DateTime, Utc};
use license_manager_domain::model::seeded_products;
use license_manager_domain::operations::Supervisor;

use super::database::Database;
use super::{ImportError, go_on, staging};

/// Tables that the migrations fill. Their rows are replaced.
const SEEDED: [&str; 3] = ["product_history", "product", "plan_type"];

/// Fails if the database holds anything beyond the initial rows.
pub(super) fn refuse_unless_empty<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    let mut filled = Vec::new();
    for table in connection.tables()? {
        let is_checked = table != "__diesel_schema_migrations" && !SEEDED.contains(&table.as_str());
        let look = format!("SELECT count(*) AS number FROM (SELECT 1 FROM {table} LIMIT 1) AS first");
        if is_checked && connection.number(&look)? > 0 {
            filled.push(table);
        }
    }
    let products = connection.number("SELECT count(*) AS number FROM product_history")?;
    if products > seeded_products().len() as i64 {
        filled.push("products of its own".to_owned());
    }
    if filled.is_empty() { Ok(()) } else { Err(ImportError::NotEmpty(filled.join(", "))) }
}

/// Moves all rows from the temporary tables.
pub(super) fn fill<C: Database>(
    connection: &mut C,
    now: DateTime<Utc>,
    supervisor: &dyn Supervisor,
) -> Result<(), ImportError> {
    for table in SEEDED {
        connection.run(&format!("DELETE FROM {table}"))?;
    }
    connection.without_triggers(|connection| {
        for table in staging::TABLES {
            let names: Vec<String> = connection.columns(table)?.into_iter().map(|column| column.name).collect();
            let (names, order) = (names.join(", "), &names[0]);
            let insert = format!(
                "INSERT INTO {table} ({names}) $OVERRIDING SELECT {names} FROM staged_{table} ORDER BY {order}"
            );
            connection.run(&insert).map_err(|error| ImportError::about(table, error))?;
            go_on(supervisor)?;
        }
        Ok(())
    })?;
    number_on(connection)?;
    connection.run(&format!(
        "INSERT INTO imported_versions (id, imported_at, last_license_history_id)
         SELECT 1, {}, coalesce(max(history_id), 0) FROM license_history",
        C::moment(now)
    ))?;
    connection.run(COUNTS).map_err(|error| ImportError::about("counts by day", error))
}

/// Updates the planner's statistics.
pub(super) fn analyze<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    if C::NEEDS_STATISTICS { Ok(connection.run("ANALYZE")?) } else { Ok(()) }
}

/// Lets numbers go on after all that were ever given, also to what the histories alone remember.
fn number_on<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    for table in staging::TABLES {
        let columns = connection.columns(table)?;
        let has = |name: &str| columns.iter().any(|column| column.name == name);
        if has("history_id") {
            let last = connection.number(&format!("SELECT coalesce(max(history_id), 0) AS number FROM {table}"))?;
            connection.go_on_after(table, "history_id", last)?;
        } else if has("id") && !SEEDED.contains(&table) {
            let history = format!("{table}_history");
            let ever = match staging::TABLES.contains(&history.as_str()) {
                true => format!("(SELECT max(id) FROM {history})"),
                false => "CAST(0 AS bigint)".to_owned(),
            };
            let query = format!("SELECT coalesce(max(id), 0) AS number FROM {table}");
            let ever = format!("SELECT coalesce({ever}, 0) AS number");
            let last = connection.number(&query)?.max(connection.number(&ever)?);
            connection.go_on_after(table, "id", last)?;
        }
    }
    Ok(())
}

/// What the triggers on `license_history` would have counted, but that an activation counts on the day of its
/// activation date. See `docs/adr/0011-utilization-report.md`.
const COUNTS: &str = "
    CREATE TEMPORARY TABLE staged_step AS
    SELECT history_date, history_type, subscription_plan_uuid, status, assigned_date, activation_date,
           CASE WHEN is_next THEN former_plan END AS former_plan,
           CASE WHEN is_next THEN former_status END AS former_status
    FROM (SELECT *, lag(subscription_plan_uuid) OVER versions AS former_plan,
                 lag(status) OVER versions AS former_status,
                 history_type <> '+' AND lag(history_type) OVER versions <> '-' AS is_next
          FROM license_history
          WINDOW versions AS (PARTITION BY uuid ORDER BY history_id)) AS version;

    INSERT INTO seat_activation (subscription_plan_uuid, day, days_assigned, number)
    SELECT subscription_plan_uuid, day, CASE WHEN days < 0 THEN 0 ELSE days END, count(*)
    FROM (SELECT subscription_plan_uuid, $DAY[coalesce(activation_date, history_date)]DAY AS day,
                 $DAYS[coalesce(activation_date, history_date)
                        - coalesce(assigned_date, activation_date, history_date)]DAYS AS days
          FROM staged_step
          WHERE status = 'activated' AND former_status IN ('unassigned', 'assigned')) AS activation
    GROUP BY 1, 2, 3;

    INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
    SELECT plan, $DAY[history_date]DAY AS on_day,
           coalesce(sum(seats) FILTER (WHERE status = 'unassigned'), 0),
           coalesce(sum(seats) FILTER (WHERE status = 'assigned'), 0),
           coalesce(sum(seats) FILTER (WHERE status = 'activated'), 0),
           coalesce(sum(seats) FILTER (WHERE status = 'revoked'), 0)
    FROM (SELECT subscription_plan_uuid AS plan, history_date, status, 1 AS seats FROM staged_step
          WHERE history_type <> '-'
          UNION ALL
          SELECT former_plan, history_date, former_status, -1 FROM staged_step WHERE former_plan IS NOT NULL) AS seat
    GROUP BY plan, on_day;

    DROP TABLE staged_step;";
