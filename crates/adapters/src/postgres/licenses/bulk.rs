//! Writes any number of licenses in one statement, with an array for each column.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use license_manager_domain::history::Change;
use license_manager_domain::{Error, License, LicenseColumns, LicenseId, PlanId};

use crate::one_of::one_of;
use crate::postgres::arrays::column;
use crate::postgres::recording::{Kind, with_history};
use crate::postgres::unit::PostgresUnit;
use crate::prepared::{PreparedSql, Values, prepared_sql};
use crate::rows::licenses::{LicensesToDelete, SOURCE_TYPE};
use crate::schema::{LICENSE, LICENSE_SOURCE, license_source};
use crate::sql_types::{SqlTimestamp, SqlUuid};

pub(super) fn add_unassigned(
    unit: &mut PostgresUnit<'_>,
    plan: PlanId,
    ids: &[LicenseId],
    change: &Change,
) -> Result<(), Error> {
    unit.require_write()?;
    if ids.is_empty() {
        return Ok(());
    }
    let statement = prepared_sql(
        "INSERT INTO license (uuid, subscription_plan_uuid, status, created, modified)
         SELECT uuid, $2, 'unassigned', $3, $3 FROM unnest($1) AS new (uuid)
         RETURNING license.*",
    )
    .bind::<Array<SqlUuid>, _>(column(ids, |id| id.0))
    .bind::<SqlUuid, _>(plan.0)
    .bind::<SqlTimestamp, _>(change.at);
    let statement = with_history(statement, &LICENSE, Kind::Added, change);
    unit.write_rows(ids.len(), "licenses", |connection| statement.execute(connection))
}

/// A statement with the condition of these licenses in place of `{target}`. `$1` is its parameter.
///
/// The status is a literal: without it, a plan that Postgres keeps could not use a partial index.
fn statement<'a>(sql: &str, target: &LicensesToDelete<'a>) -> PreparedSql<Values<'a, Pg>> {
    let (condition, status) = match target {
        LicensesToDelete::InState(_, status) => ("target.subscription_plan_uuid = $1", *status),
        LicensesToDelete::Named(_, status) => ("target.uuid = ANY ($1)", *status),
    };
    let condition = format!("{condition} AND target.status = '{}'", status.as_str());
    let statement = prepared_sql(sql.replace("{target}", &condition));
    match target {
        LicensesToDelete::InState(plan, _) => statement.bind::<SqlUuid, _>(plan.0).boxed(),
        LicensesToDelete::Named(ids, _) => statement.bind::<Array<SqlUuid>, _>(column(ids, |id| id.0)).boxed(),
    }
}

pub(super) fn delete(
    unit: &mut PostgresUnit<'_>,
    target: &LicensesToDelete<'_>,
    change: &Change,
) -> Result<i64, Error> {
    unit.require_write()?;
    if matches!(target, LicensesToDelete::Named([], _)) {
        return Ok(0);
    }
    // Waits for transactions that assign these licenses, and locks them in the usual order.
    let lock = statement(
        "SELECT count(*) FROM (SELECT uuid FROM license AS target WHERE {target} ORDER BY uuid FOR UPDATE) AS locked",
        target,
    );
    unit.write(|connection| lock.execute(connection))?;
    let pointers = statement(
        "UPDATE license SET renewed_to_uuid = NULL, modified = $2
         FROM license AS target
         WHERE license.renewed_to_uuid = target.uuid AND {target}
         RETURNING license.*",
        target,
    );
    let pointers = pointers.bind::<SqlTimestamp, _>(change.at);
    let pointers = with_history(pointers, &LICENSE, Kind::Changed, change);
    unit.write(|connection| pointers.execute(connection))?;
    let sources = statement(
        "DELETE FROM license_source USING license AS target
         WHERE license_source.license_uuid = target.uuid AND {target}
         RETURNING license_source.*",
        target,
    );
    let sources = with_history(sources, &LICENSE_SOURCE, Kind::Deleted, change);
    unit.write(|connection| sources.execute(connection))?;
    let licenses = statement("DELETE FROM license AS target WHERE {target} RETURNING target.*", target);
    let licenses = with_history(licenses, &LICENSE, Kind::Deleted, change);
    unit.write(|connection| licenses.execute(connection)).map(|number| number as i64)
}

pub(super) fn unlink(unit: &mut PostgresUnit<'_>, copies: &[LicenseId], change: &Change) -> Result<i64, Error> {
    unit.require_write()?;
    if copies.is_empty() {
        return Ok(0);
    }
    let statement = prepared_sql(
        "UPDATE license SET renewed_to_uuid = NULL, modified = $2
         FROM (SELECT uuid FROM license WHERE renewed_to_uuid = ANY ($1) AND renewed_to_uuid IS NOT NULL
               ORDER BY uuid FOR NO KEY UPDATE) AS locked
         WHERE license.uuid = locked.uuid
         RETURNING license.*",
    )
    .bind::<Array<SqlUuid>, _>(column(copies, |copy| copy.0))
    .bind::<SqlTimestamp, _>(change.at);
    let statement = with_history(statement, &LICENSE, Kind::Changed, change);
    unit.write(|connection| statement.execute(connection)).map(|number| number as i64)
}

pub(super) fn add(unit: &mut PostgresUnit<'_>, licenses: &[License], change: &Change) -> Result<(), Error> {
    write(
        unit,
        "INSERT INTO license
             (uuid, subscription_plan_uuid, status, user_email, lms_user_id, activation_key, assigned_date,
              activation_date, last_remind_date, revoked_date, renewed_to_uuid, auto_applied, created, modified,
              renewed_from_uuid)
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         RETURNING license.*",
        Kind::Added,
        licenses,
        change,
    )
}

pub(super) fn save(unit: &mut PostgresUnit<'_>, licenses: &[License], change: &Change) -> Result<(), Error> {
    if let [license] = licenses {
        return save_one(unit, license, change);
    }
    write(
        unit,
        "UPDATE license SET
             subscription_plan_uuid = input.subscription_plan_uuid,
             status = input.status,
             user_email = input.user_email,
             lms_user_id = input.lms_user_id,
             activation_key = input.activation_key,
             assigned_date = input.assigned_date,
             activation_date = input.activation_date,
             last_remind_date = input.last_remind_date,
             revoked_date = input.revoked_date,
             renewed_to_uuid = input.renewed_to_uuid,
             auto_applied = input.auto_applied,
             created = input.created,
             modified = input.modified,
             renewed_from_uuid = input.renewed_from_uuid
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) AS input
             (uuid, subscription_plan_uuid, status, user_email, lms_user_id, activation_key, assigned_date,
              activation_date, last_remind_date, revoked_date, renewed_to_uuid, auto_applied, created, modified,
              renewed_from_uuid)
         WHERE license.uuid = input.uuid
         RETURNING license.*",
        Kind::Changed,
        licenses,
        change,
    )
}

/// As [`save`] for one license, with a parameter for each column. For an array, Postgres expects ten rows. One row seems
/// much cheaper to it, so it would plan the statement with arrays anew for each single license.
fn save_one(unit: &mut PostgresUnit<'_>, license: &License, change: &Change) -> Result<(), Error> {
    let columns = license.columns();
    let statement = prepared_sql(
        "UPDATE license SET
             subscription_plan_uuid = $2,
             status = $3,
             user_email = $4,
             lms_user_id = $5,
             activation_key = $6,
             assigned_date = $7,
             activation_date = $8,
             last_remind_date = $9,
             revoked_date = $10,
             renewed_to_uuid = $11,
             auto_applied = $12,
             created = $13,
             modified = $14,
             renewed_from_uuid = $15
         WHERE uuid = $1
         RETURNING license.*",
    )
    .bind::<SqlUuid, _>(license.id.0)
    .bind::<SqlUuid, _>(license.plan.0)
    .bind::<Text, _>(columns.status.as_str())
    .bind::<Nullable<Text>, _>(columns.user_email.map(String::from))
    .bind::<Nullable<BigInt>, _>(columns.lms_user_id.map(|id| id.0))
    .bind::<Nullable<SqlUuid>, _>(columns.activation_key.map(|key| key.0))
    .bind::<Nullable<SqlTimestamp>, _>(columns.assigned_date)
    .bind::<Nullable<SqlTimestamp>, _>(columns.activation_date)
    .bind::<Nullable<SqlTimestamp>, _>(columns.last_remind_date)
    .bind::<Nullable<SqlTimestamp>, _>(columns.revoked_date)
    .bind::<Nullable<SqlUuid>, _>(license.renewed_to.map(|id| id.0))
    .bind::<Nullable<Bool>, _>(license.auto_applied)
    .bind::<SqlTimestamp, _>(license.created)
    .bind::<SqlTimestamp, _>(license.modified)
    .bind::<Nullable<SqlUuid>, _>(license.renewed_from.map(|id| id.0));
    let statement = with_history(statement, &LICENSE, Kind::Changed, change);
    unit.write_rows(1, "licenses", |connection| statement.execute(connection))
}

/// Runs a statement with the columns of the licenses as parameters, in the order of the table.
fn write(
    unit: &mut PostgresUnit<'_>,
    statement: &str,
    kind: Kind,
    licenses: &[License],
    change: &Change,
) -> Result<(), Error> {
    unit.require_write()?;
    if licenses.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<(&License, LicenseColumns)> =
        licenses.iter().map(|license| (license, license.columns())).collect();
    rows.sort_unstable_by_key(|(license, _)| license.id);
    let statement = prepared_sql(statement)
        .bind::<Array<SqlUuid>, _>(column(&rows, |(license, _)| license.id.0))
        .bind::<Array<SqlUuid>, _>(column(&rows, |(license, _)| license.plan.0))
        .bind::<Array<Text>, _>(column(&rows, |(_, columns)| columns.status.as_str()))
        .bind::<Array<Nullable<Text>>, _>(column(&rows, |(_, columns)| columns.user_email.clone().map(String::from)))
        .bind::<Array<Nullable<BigInt>>, _>(column(&rows, |(_, columns)| columns.lms_user_id.map(|id| id.0)))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(&rows, |(_, columns)| columns.activation_key.map(|key| key.0)))
        .bind::<Array<Nullable<SqlTimestamp>>, _>(column(&rows, |(_, columns)| columns.assigned_date))
        .bind::<Array<Nullable<SqlTimestamp>>, _>(column(&rows, |(_, columns)| columns.activation_date))
        .bind::<Array<Nullable<SqlTimestamp>>, _>(column(&rows, |(_, columns)| columns.last_remind_date))
        .bind::<Array<Nullable<SqlTimestamp>>, _>(column(&rows, |(_, columns)| columns.revoked_date))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(&rows, |(license, _)| license.renewed_to.map(|id| id.0)))
        .bind::<Array<Nullable<Bool>>, _>(column(&rows, |(license, _)| license.auto_applied))
        .bind::<Array<SqlTimestamp>, _>(column(&rows, |(license, _)| license.created))
        .bind::<Array<SqlTimestamp>, _>(column(&rows, |(license, _)| license.modified))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(&rows, |(license, _)| license.renewed_from.map(|id| id.0)));
    let statement = with_history(statement, &LICENSE, kind, change);
    unit.write_rows(rows.len(), "licenses", |connection| statement.execute(connection))
}

pub(super) fn set_sources(
    unit: &mut PostgresUnit<'_>,
    sources: &[(LicenseId, String)],
    change: &Change,
) -> Result<(), Error> {
    unit.require_write()?;
    if sources.is_empty() {
        return Ok(());
    }
    let mut sources: Vec<&(LicenseId, String)> = sources.iter().collect();
    sources.sort_unstable_by_key(|(license, _)| *license);
    let statement = prepared_sql(
        "INSERT INTO license_source (license_uuid, source_id, source_type, created, modified)
         SELECT license_uuid, source_id, $3, $4, $4 FROM unnest($1, $2) AS input (license_uuid, source_id)
         ON CONFLICT (license_uuid) DO UPDATE SET
             source_id = excluded.source_id,
             source_type = excluded.source_type,
             modified = excluded.modified
         RETURNING license_source.*",
    )
    .bind::<Array<SqlUuid>, _>(column(&sources, |(license, _)| license.0))
    .bind::<Array<Text>, _>(column(&sources, |(_, source)| source.as_str()))
    .bind::<Text, _>(SOURCE_TYPE)
    .bind::<SqlTimestamp, _>(change.at);
    let statement = with_history(statement, &LICENSE_SOURCE, Kind::AddedOrChanged, change);
    unit.write_rows(sources.len(), "license sources", |connection| statement.execute(connection))
}

pub(super) fn remove_sources(
    unit: &mut PostgresUnit<'_>,
    licenses: &[LicenseId],
    change: &Change,
) -> Result<(), Error> {
    let target = one_of(license_source::license_uuid, licenses.iter().map(|license| license.0));
    let statement = diesel::delete(license_source::table.filter(target)).returning(license_source::all_columns);
    let statement = with_history(statement, &LICENSE_SOURCE, Kind::Deleted, change);
    unit.write(|connection| statement.execute(connection)).map(drop)
}
