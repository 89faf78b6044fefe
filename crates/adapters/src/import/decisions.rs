//! What an import takes over of what differs.
//!
//! A row that was changed in the source alone is taken over, and one that was changed here alone stays. What was changed
//! on both sides is a conflict. So is a row whose number or address was given to another row here, and one that rows of
//! the other side refer to.

use super::ImportError;
use super::database::Database;
use super::staging::Shape;

/// What becomes of conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflicts {
    /// Nothing is imported.
    #[default]
    Refuse,
    /// What is here stays.
    Keep,
    /// The source's rows replace what is here, also where it has no agreements or no licenses any more.
    Force,
}

/// How often decisions may cause others.
const ROUNDS: usize = 50;

/// Columns that no two rows of a table have alike, and for which rows that holds.
struct Unique {
    table: &'static str,
    columns: &'static [&'static str],
    rows: &'static str,
}

const UNIQUE: [Unique; 11] = [
    Unique { table: "product", columns: &["netsuite_id"], rows: "true" },
    Unique { table: "customer_agreement", columns: &["enterprise_customer_uuid"], rows: "true" },
    Unique { table: "customer_agreement", columns: &["enterprise_customer_slug"], rows: "true" },
    Unique { table: "subscription_plan", columns: &["customer_agreement_uuid", "title"], rows: "true" },
    Unique {
        table: "license",
        columns: &["subscription_plan_uuid", "user_email"],
        rows: "theirs.status IN ('assigned', 'activated') AND ours.status IN ('assigned', 'activated')",
    },
    Unique { table: "license", columns: &["renewed_to_uuid"], rows: "true" },
    Unique { table: "subscription_plan_renewal", columns: &["prior_subscription_plan_uuid"], rows: "true" },
    Unique { table: "subscription_plan_renewal", columns: &["renewed_subscription_plan_uuid"], rows: "true" },
    Unique {
        table: "notification",
        columns: &["subscription_plan_uuid", "enterprise_customer_user_id", "notification_type"],
        rows: "true",
    },
    Unique { table: "license_event", columns: &["license_uuid", "event_name"], rows: "true" },
    Unique {
        table: "role_assignment",
        columns: &["username", "role"],
        rows: "ours.enterprise_customer_uuid IS NOT DISTINCT FROM theirs.enterprise_customer_uuid",
    },
];

/// A column that refers to rows of a table.
struct Reference {
    table: &'static str,
    column: &'static str,
    to: &'static str,
}

const fn reference(table: &'static str, column: &'static str, to: &'static str) -> Reference {
    Reference { table, column, to }
}

const REFERENCES: [Reference; 15] = [
    reference("product", "plan_type_id", "plan_type"),
    reference("expiration_message", "customer_agreement_uuid", "customer_agreement"),
    reference("subscription_plan", "customer_agreement_uuid", "customer_agreement"),
    reference("subscription_plan", "product_id", "product"),
    reference("license", "subscription_plan_uuid", "subscription_plan"),
    reference("license", "renewed_to_uuid", "license"),
    reference("license_source", "license_uuid", "license"),
    reference("license_event", "license_uuid", "license"),
    reference("subscription_plan_renewal", "prior_subscription_plan_uuid", "subscription_plan"),
    reference("subscription_plan_renewal", "renewed_subscription_plan_uuid", "subscription_plan"),
    reference("license_transfer_job", "customer_agreement_uuid", "customer_agreement"),
    reference("license_transfer_job", "old_subscription_plan_uuid", "subscription_plan"),
    reference("license_transfer_job", "new_subscription_plan_uuid", "subscription_plan"),
    reference("notification", "subscription_plan_uuid", "subscription_plan"),
    reference("role_assignment", "username", "users"),
];

/// Decides about each row that differs. Makes `taken_<table>`, the rows of the source that are taken over, and
/// `gone_<table>`, the keys of those that are removed. Conflicts are left only if they are refused.
pub(super) fn decide<C: Database>(
    connection: &mut C,
    shapes: &[Shape],
    conflicts: Conflicts,
) -> Result<(), ImportError> {
    let of_conflict = match conflicts {
        Conflicts::Refuse => "conflict",
        Conflicts::Keep => "stay",
        Conflicts::Force => "take",
    };
    connection.run(&format!(
        "UPDATE staged_difference SET
             decision = CASE WHEN changed_there = 0 AND changed_here = 1 THEN 'stay'
                             WHEN changed_here = 0 THEN 'take'
                             ELSE '{of_conflict}' END,
             why = CASE WHEN changed_there = 0 OR changed_here = 0 THEN NULL
                        WHEN theirs = 0 THEN 'deleted_there'
                        WHEN ours = 0 THEN 'deleted_here'
                        WHEN is_known = 0 THEN 'given_twice'
                        ELSE 'changed_twice' END;
         CREATE TEMPORARY TABLE staged_problem (
             table_name TEXT, key TEXT, why TEXT, other_table TEXT, other TEXT, named TEXT);
         CREATE INDEX staged_problem_by_key ON staged_problem (table_name, key);"
    ))?;
    for _ in 0..ROUNDS {
        select_rows(connection, shapes)?;
        if !find_problems(connection, shapes)? {
            return Ok(());
        }
        match conflicts {
            Conflicts::Refuse => {
                connection.run(&resolved("conflict"))?;
                return select_rows(connection, shapes);
            }
            Conflicts::Keep => connection.run(&resolved("stay"))?,
            Conflicts::Force => take_others(connection, shapes)?,
        }
    }
    Err(ImportError::Failed("conflicts depend on each other; import into a new database".to_owned()))
}

/// Makes the tables of what is taken over, and of what is removed.
fn select_rows<C: Database>(connection: &mut C, shapes: &[Shape]) -> Result<(), ImportError> {
    for shape in shapes {
        let (table, key) = (shape.name, shape.key());
        let decided = |theirs: u8| {
            format!(
                "SELECT key FROM staged_difference
                 WHERE table_name = '{table}' AND decision = 'take' AND theirs = {theirs}"
            )
        };
        connection.run(&format!(
            "DROP TABLE IF EXISTS taken_{table};
             CREATE TEMPORARY TABLE taken_{table} AS
             SELECT own.* FROM staged_{table} AS own
             WHERE own.{key} IN (SELECT {key} FROM differing_{table}) AND {} IN ({});
             CREATE INDEX taken_{table}_by_key ON taken_{table} ({key});
             DROP TABLE IF EXISTS gone_{table};
             CREATE TEMPORARY TABLE gone_{table} AS
             SELECT own.{key} FROM {table} AS own
             WHERE own.{key} IN (SELECT {key} FROM differing_{table}) AND {} IN ({});
             CREATE INDEX gone_{table}_by_key ON gone_{table} ({key});",
            shape.row_key("own"),
            decided(1),
            shape.row_key("own"),
            decided(0),
        ))?;
    }
    if C::NEEDS_STATISTICS {
        let names: Vec<String> = shapes.iter().map(|Shape { name, .. }| format!("taken_{name}, gone_{name}")).collect();
        connection.run(&format!("ANALYZE {}", names.join(", ")))?;
    }
    Ok(())
}

/// Finds rows that cannot be taken over or removed beside what stays here. Returns whether there are any.
fn find_problems<C: Database>(connection: &mut C, shapes: &[Shape]) -> Result<bool, ImportError> {
    connection.run("DELETE FROM staged_problem;")?;
    let of = |name: &str| shapes.iter().find(|shape| shape.name == name);
    for Unique { table, columns, rows } in UNIQUE {
        let Some(shape) = of(table) else { continue };
        let key = shape.key();
        let same: Vec<String> = columns.iter().map(|column| format!("ours.{column} = theirs.{column}")).collect();
        connection.run(&format!(
            "INSERT INTO staged_problem
             SELECT '{table}', {}, 'held_here', '{table}', {our_key},
                    ', held by {table} ' || CAST(ours.{key} AS text)
             FROM taken_{table} AS theirs JOIN {table} AS ours ON {} AND ours.{key} <> theirs.{key}
             WHERE ({rows}) AND NOT EXISTS (
                 SELECT 1 FROM staged_difference AS other
                 WHERE other.table_name = '{table}' AND other.key = {our_key} AND other.decision = 'take');",
            shape.row_key("theirs"),
            same.join(" AND "),
            our_key = shape.row_key("ours"),
        ))?;
    }
    for Reference { table, column, to } in REFERENCES {
        let (Some(shape), Some(target)) = (of(table), of(to)) else { continue };
        let (key, own_key, target_key) = (target.key(), shape.row_key("own"), target.row_key("gone"));
        let key_there = shape.key();
        let referred = target.remembered(&format!("theirs.{column}"));
        connection.run(&format!(
            "INSERT INTO staged_problem
             SELECT '{to}', {target_key}, 'needed_here', '{table}', {own_key},
                    ', needed by {table} ' || CAST(own.{key_there} AS text)
             FROM gone_{to} AS gone JOIN {table} AS own ON own.{column} = gone.{key}
             WHERE NOT EXISTS (
                 SELECT 1 FROM staged_difference AS other
                 WHERE other.table_name = '{table}' AND other.key = {own_key} AND other.decision = 'take');
             INSERT INTO staged_problem
             SELECT '{table}', {}, 'missing_here', '{to}', {referred},
                    ', refers to {to} ' || CAST(theirs.{column} AS text)
             FROM taken_{table} AS theirs
             WHERE theirs.{column} IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM {to} AS ours WHERE ours.{key} = theirs.{column})
                 AND NOT EXISTS (
                     SELECT 1 FROM staged_difference AS other
                     WHERE other.table_name = '{to}' AND other.key = {referred} AND other.decision = 'take'
                         AND other.theirs = 1);",
            shape.row_key("theirs"),
        ))?;
    }
    Ok(connection.number("SELECT count(*) AS number FROM staged_problem")? > 0)
}

/// The statement that decides about the rows that have problems. The first problem of a row is the one that is told,
/// with the other row.
fn resolved(decision: &str) -> String {
    let first = |column: &str| {
        format!(
            "(SELECT problem.{column} FROM staged_problem AS problem
              WHERE problem.table_name = staged_difference.table_name AND problem.key = staged_difference.key
              ORDER BY problem.why, problem.named LIMIT 1)"
        )
    };
    let (why, named) = (first("why"), first("named"));
    format!(
        "UPDATE staged_difference SET decision = '{decision}', why = coalesce(why, {why}),
             named = CASE WHEN why IS NULL THEN named || {named} ELSE named END
         WHERE EXISTS (SELECT 1 FROM staged_problem AS problem
                       WHERE problem.table_name = staged_difference.table_name
                           AND problem.key = staged_difference.key);"
    )
}

/// Takes over the other rows of the problems too, so that the source's state replaces ours.
fn take_others<C: Database>(connection: &mut C, shapes: &[Shape]) -> Result<(), ImportError> {
    connection.run(&resolved("take"))?;
    for shape in shapes {
        let (table, key) = (shape.name, shape.key());
        let others = format!("SELECT other FROM staged_problem WHERE other_table = '{table}'");
        if connection.number(&format!("SELECT count(*) AS number FROM ({others}) AS other"))? == 0 {
            continue;
        }
        connection.run(&format!(
            "UPDATE staged_difference SET decision = 'take', why = coalesce(why, 'in_the_way')
             WHERE table_name = '{table}' AND key IN ({others});
             INSERT INTO staged_difference
                 (table_name, key, label, named, theirs, ours, their_checksum, is_known, changed_there, changed_here,
                  decision, why)
             SELECT '{table}', row_key, label, '', theirs, 1, CAST(NULL AS bigint), 1, 1, 1, 'take', 'in_the_way'
             FROM (SELECT {their_key} AS row_key, CAST(theirs.{key} AS text) AS label, 1 AS theirs
                   FROM staged_{table} AS theirs WHERE {their_key} IN ({others})
                   UNION ALL
                   SELECT {our_key}, CAST(ours.{key} AS text), 0 FROM {table} AS ours
                   WHERE {our_key} IN ({others})
                       AND NOT EXISTS (SELECT 1 FROM staged_{table} AS theirs WHERE theirs.{key} = ours.{key})) AS other
             WHERE NOT EXISTS (SELECT 1 FROM staged_difference AS known
                               WHERE known.table_name = '{table}' AND known.key = other.row_key);
             INSERT INTO differing_{table}
             SELECT theirs.{key} FROM staged_{table} AS theirs WHERE {their_key} IN ({others})
             UNION ALL
             SELECT ours.{key} FROM {table} AS ours WHERE {our_key} IN ({others});",
            their_key = shape.row_key("theirs"),
            our_key = shape.row_key("ours"),
        ))?;
    }
    Ok(())
}
