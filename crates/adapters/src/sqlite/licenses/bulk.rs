//! Writes any number of licenses in two statements, one for the rows and one for their history.

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::{Error, License, LicenseId, PlanId};

use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::rows::licenses::{LicensesToDelete, SOURCE_TYPE};
use crate::schema::{LICENSE, LICENSE_SOURCE, license_source};
use crate::sql_types::{SqlTimestamp, SqlUuid};
use crate::sqlite::json::{Keys, json};
use crate::sqlite::unit::SqliteUnit;

pub(super) fn add_unassigned(
    unit: &mut SqliteUnit<'_>,
    plan: PlanId,
    ids: &[LicenseId],
    change: &Change,
) -> Result<(), Error> {
    unit.require_write()?;
    if ids.is_empty() {
        return Ok(());
    }
    let keys = json(ids)?;
    let statement = prepared_sql(
        "INSERT INTO license (uuid, subscription_plan_uuid, status, created, modified)
         SELECT value, ?1, 'unassigned', ?2, ?2 FROM json_each(?3)",
    )
    .bind::<SqlUuid, _>(plan.0)
    .bind::<SqlTimestamp, _>(change.at)
    .bind::<Text, _>(&keys);
    unit.write(|connection| statement.execute(connection))?;
    unit.record(&LICENSE, &keys, ChangeKind::Added, change)
}

pub(super) fn delete(unit: &mut SqliteUnit<'_>, target: &LicensesToDelete<'_>, change: &Change) -> Result<i64, Error> {
    let (target, which, status) = match target {
        LicensesToDelete::InState(plan, status) => {
            ("target.subscription_plan_uuid = ?1 AND target.status = ?2", plan.to_string(), *status)
        }
        LicensesToDelete::Named(ids, status) => {
            ("target.uuid IN (SELECT value FROM json_each(?1)) AND target.status = ?2", json(ids)?, *status)
        }
    };
    let statement = |sql: String| prepared_sql(sql).bind::<Text, _>(which.as_str()).bind::<Text, _>(status.as_str());
    let query = statement(format!(
        "SELECT json_group_array(pointing.uuid) AS keys
         FROM license AS target JOIN license AS pointing ON pointing.renewed_to_uuid = target.uuid
         WHERE {target}"
    ));
    let pointing: Keys = unit.write(|connection| query.get_result(connection))?;
    clear_links(unit, &pointing, change)?;
    // Deleting a license deletes its source.
    for (rows, key) in [("license_source", "license_uuid"), ("license", "uuid")] {
        let recorded = statement(format!(
            "INSERT INTO {rows}_history SELECT NULL, ?3, ?4, '-', ?5, {rows}.*
             FROM license AS target JOIN {rows} ON {rows}.{key} = target.uuid
             WHERE {target}"
        ))
        .bind::<SqlTimestamp, _>(change.at)
        .bind::<Nullable<Text>, _>(change.by.as_deref())
        .bind::<Nullable<Text>, _>(change.reason.as_deref());
        unit.write(|connection| recorded.execute(connection))?;
    }
    let deletion = statement(format!("DELETE FROM license AS target WHERE {target}"));
    unit.write(|connection| deletion.execute(connection)).map(|number| number as i64)
}

pub(super) fn unlink(unit: &mut SqliteUnit<'_>, copies: &[LicenseId], change: &Change) -> Result<i64, Error> {
    unit.require_write()?;
    if copies.is_empty() {
        return Ok(0);
    }
    let query = prepared_sql(
        "SELECT json_group_array(uuid) AS keys FROM license
         WHERE renewed_to_uuid IN (SELECT value FROM json_each(?1))",
    )
    .bind::<Text, _>(json(copies)?);
    let pointing: Keys = unit.write(|connection| query.get_result(connection))?;
    clear_links(unit, &pointing, change)
}

/// Removes the links of these licenses to their copies, and returns the number of the licenses.
fn clear_links(unit: &mut SqliteUnit<'_>, pointing: &Keys, change: &Change) -> Result<i64, Error> {
    let statement = prepared_sql(
        "UPDATE license SET renewed_to_uuid = NULL, modified = ?1
         WHERE uuid IN (SELECT value FROM json_each(?2))",
    )
    .bind::<SqlTimestamp, _>(change.at)
    .bind::<Text, _>(&pointing.keys);
    let number = unit.write(|connection| statement.execute(connection))?;
    unit.record(&LICENSE, &pointing.keys, ChangeKind::Changed, change)?;
    Ok(number as i64)
}

pub(super) fn add(unit: &mut SqliteUnit<'_>, licenses: &[License], change: &Change) -> Result<(), Error> {
    write(
        unit,
        "INSERT INTO license
             (uuid, subscription_plan_uuid, status, user_email, lms_user_id, activation_key, assigned_date, activation_date,
              last_remind_date, revoked_date, renewed_to_uuid, auto_applied, created, modified, renewed_from_uuid)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
                value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13,
                value ->> 14
         FROM jsonb_each(?1)",
        ChangeKind::Added,
        licenses,
        change,
    )
}

pub(super) fn save(unit: &mut SqliteUnit<'_>, licenses: &[License], change: &Change) -> Result<(), Error> {
    write(
        unit,
        "UPDATE license SET
             subscription_plan_uuid = input.value ->> 1,
             status = input.value ->> 2,
             user_email = input.value ->> 3,
             lms_user_id = input.value ->> 4,
             activation_key = input.value ->> 5,
             assigned_date = input.value ->> 6,
             activation_date = input.value ->> 7,
             last_remind_date = input.value ->> 8,
             revoked_date = input.value ->> 9,
             renewed_to_uuid = input.value ->> 10,
             auto_applied = input.value ->> 11,
             modified = input.value ->> 13,
             renewed_from_uuid = input.value ->> 14
         FROM jsonb_each(?1) AS input
         WHERE license.uuid = input.value ->> 0",
        ChangeKind::Changed,
        licenses,
        change,
    )
}

/// Runs a statement with the licenses as a JSON array. Each is an array of its columns, in the order of the table.
fn write(
    unit: &mut SqliteUnit<'_>,
    statement: &str,
    kind: ChangeKind,
    licenses: &[License],
    change: &Change,
) -> Result<(), Error> {
    unit.require_write()?;
    if licenses.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = licenses
        .iter()
        .map(|license| {
            let columns = license.columns();
            (
                license.id,
                license.plan,
                columns.status.as_str(),
                columns.user_email,
                columns.lms_user_id,
                columns.activation_key,
                columns.assigned_date.map(|moment| moment.timestamp_micros()),
                columns.activation_date.map(|moment| moment.timestamp_micros()),
                columns.last_remind_date.map(|moment| moment.timestamp_micros()),
                columns.revoked_date.map(|moment| moment.timestamp_micros()),
                license.renewed_to,
                license.auto_applied,
                license.created.timestamp_micros(),
                license.modified.timestamp_micros(),
                license.renewed_from,
            )
        })
        .collect();
    let statement = prepared_sql(statement).bind::<Text, _>(json(&rows)?);
    unit.write_rows(licenses.len(), "licenses", |connection| statement.execute(connection))?;
    let keys: Vec<LicenseId> = licenses.iter().map(|license| license.id).collect();
    let keys = json(keys)?;
    unit.record(&LICENSE, &keys, kind, change)
}

pub(super) fn set_sources(
    unit: &mut SqliteUnit<'_>,
    sources: &[(LicenseId, String)],
    change: &Change,
) -> Result<(), Error> {
    unit.require_write()?;
    if sources.is_empty() {
        return Ok(());
    }
    let rows = json(sources)?;
    // The history comes first, while the old rows still show which sources are new.
    let statement = prepared_sql(
        "INSERT INTO license_source_history
         SELECT NULL, ?1, ?2, iif(before.license_uuid IS NULL, '+', '~'), ?3,
                input.value ->> 0, input.value ->> 1, ?4, coalesce(before.created, ?1), ?1
         FROM jsonb_each(?5) AS input
         LEFT JOIN license_source AS before ON before.license_uuid = input.value ->> 0",
    )
    .bind::<SqlTimestamp, _>(change.at)
    .bind::<Nullable<Text>, _>(change.by.as_deref())
    .bind::<Nullable<Text>, _>(change.reason.as_deref())
    .bind::<Text, _>(SOURCE_TYPE)
    .bind::<Text, _>(&rows);
    unit.write(|connection| statement.execute(connection))?;
    let statement = prepared_sql(
        "INSERT INTO license_source (license_uuid, source_id, source_type, created, modified)
         SELECT value ->> 0, value ->> 1, ?1, ?2, ?2 FROM jsonb_each(?3) WHERE true
         ON CONFLICT (license_uuid) DO UPDATE
         SET source_id = excluded.source_id, source_type = excluded.source_type, modified = excluded.modified",
    )
    .bind::<Text, _>(SOURCE_TYPE)
    .bind::<SqlTimestamp, _>(change.at)
    .bind::<Text, _>(&rows);
    unit.write(|connection| statement.execute(connection))?;
    Ok(())
}

pub(super) fn remove_sources(unit: &mut SqliteUnit<'_>, licenses: &[LicenseId], change: &Change) -> Result<(), Error> {
    unit.record(&LICENSE_SOURCE, &json(licenses)?, ChangeKind::Deleted, change)?;
    let target = one_of(license_source::license_uuid, licenses.iter().map(|license| license.0));
    unit.write(|connection| diesel::delete(license_source::table.filter(target)).execute(connection)).map(drop)
}
