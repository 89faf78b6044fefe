//! Queues: one set of statements for all tables whose rows are claimed. Only one unit of work writes at a time, so
//! nothing happens between its statements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use license_manager_domain::Error;
use license_manager_domain::model::JobKind;
use license_manager_domain::outbox::{ClaimedMessage, Topic, merged_plans};
use license_manager_domain::ports::{QueueRepository, Task, TaskClaim};
use license_manager_domain::queue::{Claim, ClaimedJob, Lease, Queue, QueueKind, Settlement};
use uuid::Uuid;

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::outbox::WordsOfMessages;
use crate::rows::queue::{self, ClaimedJobRow, Leased, LeasedRow, LeasedTable, MessageRow, ProgressRow, QueueRow};
use crate::rows::shared::IdRow;
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(QueryableByName)]
struct LeaseRow {
    #[diesel(sql_type = SqlUuid)]
    owner: Uuid,
    #[diesel(sql_type = SqlTimestamp)]
    until: DateTime<Utc>,
    #[diesel(embed)]
    progress: ProgressRow,
}

/// The conditions and columns that a table adds to the statements.
struct Rules {
    /// The queues in which something may be claimed at `?1`.
    open: String,
    /// The conditions on the queue `?2` itself.
    queue_condition: &'static str,
    /// The columns that a settlement sets in this table only.
    settled: &'static str,
}

fn rules(leased: &Leased) -> Rules {
    let values = |names: String| format!("SELECT column1 AS queue FROM (VALUES {names})");
    match leased.table {
        LeasedTable::WebhookDelivery => Rules {
            open: "SELECT uuid AS queue FROM webhook WHERE is_active AND (rest_until IS NULL OR rest_until <= ?1)"
                .to_owned(),
            queue_condition: "(SELECT is_active AND (rest_until IS NULL OR rest_until <= ?1) FROM webhook
                              WHERE uuid = ?2)",
            settled: ", last_status = input.value ->> 5, delivered_at = input.value ->> 6,
                      state = CASE WHEN input.value ->> 6 IS NOT NULL THEN 'delivered'
                                   WHEN input.value ->> 7 IS NOT NULL THEN 'parked' ELSE 'waiting' END",
        },
        LeasedTable::PlanJob => Rules {
            open: values(queue::names(JobKind::ALL.map(Queue::PlanJobs))),
            queue_condition: "true",
            settled: "",
        },
        // A task has no rules of its own.
        LeasedTable::Outbox | LeasedTable::OperationLease => Rules {
            open: values(queue::names(Queue::MESSAGES)),
            queue_condition: "true",
            settled: ", lane = substr(input.value ->> 4, 1, instr((input.value ->> 4) || ' ', ' ') - 1),
                      lanes = input.value ->> 4, parked_at = input.value ->> 7",
        },
    }
}

/// What events have in common that are sent in order: the license, or the email address or the LMS user id of the
/// learner. `$row` is the row. The indexes of the table have the same expressions.
const ALIKE: [&str; 3] = [
    "$row.license_uuid",
    "nullif($row.payload ->> '$.properties.assigned_email', '')",
    "nullif($row.payload ->> '$.properties.assigned_lms_user_id', '')",
];

/// Whether the row `waiting` waits, and no earlier row must be done first.
pub(super) fn claimable_sql(leased: &Leased) -> String {
    match leased.table {
        LeasedTable::Outbox => format!(
            "parked_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                             WHERE earlier.license_uuid = waiting.license_uuid AND earlier.position < waiting.position
                               AND earlier.parked_at IS NULL AND instr(earlier.lanes, waiting.lane) > 0)
             AND (waiting.topic <> '{merged}'
                  OR NOT EXISTS (SELECT 1 FROM outbox AS earlier
                                 WHERE earlier.subscription_plan_uuid = waiting.subscription_plan_uuid
                                   AND earlier.position < waiting.position AND earlier.topic = '{merged}'
                                   AND earlier.parked_at IS NULL))",
            merged = Topic::MERGED.as_str()
        ),
        LeasedTable::WebhookDelivery => {
            let in_turn = ALIKE.map(|alike| {
                let of = |row| alike.replace("$row", row);
                format!(
                    "NOT EXISTS (SELECT 1 FROM webhook_delivery AS earlier
                                 WHERE earlier.webhook_uuid = waiting.webhook_uuid AND {} = {}
                                   AND earlier.position < waiting.position AND earlier.state = 'waiting')",
                    of("earlier"),
                    of("waiting")
                )
            });
            format!("state = 'waiting' AND {}", in_turn.join(" AND "))
        }
        LeasedTable::PlanJob | LeasedTable::OperationLease => "true".to_owned(),
    }
}

/// Whether a row is in the queue `?1`, held by the lease `?2`, and one of `?3`.
fn held_sql(leased: &Leased) -> String {
    let Leased { queue, id, holder, .. } = leased;
    format!("{queue} = ?1 AND {holder} = ?2 AND {id} IN (SELECT value FROM json_each(?3))")
}

impl SqliteUnit<'_> {
    fn claim_rows<R: LeasedRow + QueryableByName<Sqlite> + 'static>(&mut self, claim: &Claim) -> Result<Vec<R>, Error> {
        let (leased, name) = queue::leased(claim.lease.queue);
        let Leased { table, queue, id, holder, due, order, columns, .. } = leased;
        let (claimable, Rules { queue_condition, .. }) = (claimable_sql(leased), rules(leased));
        let query = prepared_sql(format!(
            "SELECT {columns}, {due} AS was_due FROM {table} AS waiting
             WHERE {queue} = ?2 AND {due} <= ?1 AND {claimable} AND {queue_condition}
             ORDER BY {due}, {order}
             LIMIT ?3"
        ))
        .bind::<SqlTimestamp, _>(claim.now)
        .bind::<Text, _>(&name)
        .bind::<BigInt, _>(claim.limit as i64);
        let rows: Vec<R> = self.write(|connection| query.load(connection))?;
        if rows.is_empty() {
            return Ok(rows);
        }
        let ids: Vec<Uuid> = rows.iter().map(R::id).collect();
        let statement = prepared_sql(format!(
            "UPDATE {table} SET {holder} = ?3, {due} = ?4
             WHERE {queue} = ?1 AND {id} IN (SELECT value FROM json_each(?2))"
        ))
        .bind::<Text, _>(&name)
        .bind::<Text, _>(json(ids)?)
        .bind::<SqlUuid, _>(claim.lease.id)
        .bind::<SqlTimestamp, _>(claim.until);
        self.write(|connection| statement.execute(connection))?;
        Ok(rows)
    }
}

impl QueueRepository for SqliteUnit<'_> {
    fn due(&mut self, kind: QueueKind, now: DateTime<Utc>) -> Result<Vec<Queue>, Error> {
        let leased = queue::of_kind(kind);
        let Leased { table, queue, due, order, .. } = leased;
        let (claimable, Rules { open, .. }) = (claimable_sql(leased), rules(leased));
        let query = prepared_sql(format!(
            "SELECT queue FROM (
                 SELECT open.queue,
                        (SELECT {due} FROM {table} AS waiting
                         WHERE waiting.{queue} = open.queue AND {due} <= ?1 AND {claimable}
                         ORDER BY {due}, {order} LIMIT 1) AS first
                 FROM ({open}) AS open)
             WHERE first IS NOT NULL
             ORDER BY first, queue"
        ))
        .bind::<SqlTimestamp, _>(now);
        let rows: Vec<QueueRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.iter().filter_map(|row| queue::named(kind, &row.queue)).collect())
    }

    fn claim(&mut self, claim: &Claim) -> Result<Vec<ClaimedMessage>, Error> {
        let rows: Vec<MessageRow> = self.claim_rows(claim)?;
        let words = self.words(MessageRow::words(&rows))?;
        let claimed: Vec<ClaimedMessage> = rows.into_iter().map(|row| row.claimed(&words)).collect();
        let plans = merged_plans(&claimed);
        if !plans.is_empty() {
            let statement = prepared_sql(format!(
                "DELETE FROM outbox
                 WHERE topic = '{}' AND parked_at IS NULL AND claimed_by IS NOT ?1
                   AND subscription_plan_uuid IN (SELECT value FROM json_each(?2))",
                Topic::MERGED.as_str()
            ))
            .bind::<SqlUuid, _>(claim.lease.id)
            .bind::<Text, _>(json(plans)?);
            self.write(|connection| statement.execute(connection))?;
        }
        Ok(claimed)
    }

    fn claim_job(&mut self, claim: &Claim) -> Result<Option<ClaimedJob>, Error> {
        let rows: Vec<ClaimedJobRow> = self.claim_rows(&Claim { limit: 1, ..*claim })?;
        Ok(rows.into_iter().next().map(|row| row.claimed(claim.lease)))
    }

    fn claim_task(&mut self, task: Task, claim: &Claim) -> Result<TaskClaim, Error> {
        let query =
            prepared_sql("SELECT owner, until, position FROM operation_lease WHERE operation = ?1 AND key = ?2")
                .bind::<Text, _>(task.operation)
                .bind::<SqlUuid, _>(task.key);
        let held = self.write(|connection| query.get_result::<LeaseRow>(connection).optional())?;
        if let Some(held) = &held
            && held.owner != claim.lease.id
            && held.until > claim.now
        {
            return Ok(TaskClaim::HeldUntil(held.until));
        }
        let statement = prepared_sql(
            "INSERT INTO operation_lease (operation, key, owner, until) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (operation, key) DO UPDATE SET owner = excluded.owner, until = excluded.until",
        )
        .bind::<Text, _>(task.operation)
        .bind::<SqlUuid, _>(task.key)
        .bind::<SqlUuid, _>(claim.lease.id)
        .bind::<SqlTimestamp, _>(claim.until);
        self.write(|connection| statement.execute(connection))?;
        Ok(TaskClaim::Taken(held.and_then(|held| held.progress.progress())))
    }

    fn prolong(&mut self, lease: Lease, work: &[Uuid], until: DateTime<Utc>) -> Result<usize, Error> {
        let (leased, name) = queue::leased(lease.queue);
        let (Leased { table, due, .. }, held) = (leased, held_sql(leased));
        let statement = prepared_sql(format!("UPDATE {table} SET {due} = ?4 WHERE {held}"))
            .bind::<Text, _>(name)
            .bind::<SqlUuid, _>(lease.id)
            .bind::<Text, _>(json(work)?)
            .bind::<SqlTimestamp, _>(until);
        self.write(|connection| statement.execute(connection))
    }

    fn held(&mut self, lease: Lease, work: &[Uuid]) -> Result<Vec<Uuid>, Error> {
        let (leased, name) = queue::leased(lease.queue);
        let (Leased { table, id, .. }, held) = (leased, held_sql(leased));
        let query = prepared_sql(format!("SELECT {id} AS uuid FROM {table} WHERE {held}"))
            .bind::<Text, _>(name)
            .bind::<SqlUuid, _>(lease.id)
            .bind::<Text, _>(json(work)?);
        let rows: Vec<IdRow> = self.write(|connection| query.load(connection))?;
        Ok(rows.into_iter().map(|row| row.uuid).collect())
    }

    fn settle(&mut self, lease: Lease, settlements: &[Settlement]) -> Result<(), Error> {
        self.require_write()?;
        let (leased, name) = queue::leased(lease.queue);
        let Leased { table, queue, id, holder, due, .. } = leased;
        let is_gone = |settled: &&Settlement| settled.completed_at.is_some() && !leased.keeps_completed;
        let (gone, kept): (Vec<&Settlement>, Vec<&Settlement>) = settlements.iter().partition(is_gone);
        if !gone.is_empty() {
            let gone: Vec<Uuid> = gone.iter().map(|settled| settled.id).collect();
            let statement = prepared_sql(format!("DELETE FROM {table} WHERE {}", held_sql(leased)))
                .bind::<Text, _>(&name)
                .bind::<SqlUuid, _>(lease.id)
                .bind::<Text, _>(json(gone)?);
            self.write(|connection| statement.execute(connection))?;
        }
        if !kept.is_empty() {
            let number = |moment: DateTime<Utc>| moment.timestamp_micros();
            let row = |settled: &Settlement| {
                let Settlement { id, attempts, due, error, steps, status, completed_at, dead_lettered_at } =
                    settled.clone();
                let lanes = queue::lanes(steps);
                let (completed, dead) = (completed_at.map(number), dead_lettered_at.map(number));
                (id, attempts, number(due), error, lanes, status, completed, dead)
            };
            let kept: Vec<_> = kept.into_iter().map(row).collect();
            let settled = rules(leased).settled;
            // With the ids a second time, as a list, SQLite looks the rows up by id. With the join alone it reads the
            // whole queue.
            let statement = prepared_sql(format!(
                "UPDATE {table}
                 SET attempts = input.value ->> 1, {due} = input.value ->> 2, last_error = input.value ->> 3,
                     {holder} = NULL{settled}
                 FROM jsonb_each(?3) AS input
                 WHERE {table}.{queue} = ?1 AND {table}.{id} = input.value ->> 0 AND {table}.{holder} = ?2
                   AND {table}.{id} IN (SELECT value ->> 0 FROM jsonb_each(?3))"
            ))
            .bind::<Text, _>(&name)
            .bind::<SqlUuid, _>(lease.id)
            .bind::<Text, _>(json(kept)?);
            self.write(|connection| statement.execute(connection))?;
        }
        Ok(())
    }
}
