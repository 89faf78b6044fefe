//! Queues: one set of statements for all tables whose rows are claimed.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, SmallInt, Text};
use license_manager_domain::Error;
use license_manager_domain::model::JobKind;
use license_manager_domain::outbox::{ClaimedMessage, Topic, merged_plans};
use license_manager_domain::ports::{QueueRepository, Task, TaskClaim};
use license_manager_domain::queue::{Claim, ClaimedJob, Lease, Queue, QueueKind, Settlement};
use uuid::Uuid;

use super::arrays::column;
use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::outbox::WordsOfMessages;
use crate::rows::queue::{self, ClaimedJobRow, Leased, LeasedTable, MessageRow, ProgressRow, QueueRow};
use crate::rows::shared::{IdRow, sorted_uuids};
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(QueryableByName)]
struct UntilRow {
    #[diesel(sql_type = SqlTimestamp)]
    until: DateTime<Utc>,
}

/// The conditions and columns that a table adds to the statements.
struct Rules {
    /// The queues in which something may be claimed at `$1`.
    open: String,
    /// The conditions on the queue `$2` itself. A job is skipped while its plan is locked.
    queue_condition: &'static str,
    /// The columns that a settlement sets in this table only.
    settled: &'static str,
    /// The type of the queue's column.
    queue_type: &'static str,
}

fn rules(leased: &Leased) -> Rules {
    let values = |names: String| format!("(VALUES {names}) AS open (queue)");
    match leased.table {
        LeasedTable::WebhookDelivery => Rules {
            open: "(SELECT uuid::text AS queue FROM webhook
                    WHERE is_active AND (rest_until IS NULL OR rest_until <= $1)) AS open"
                .to_owned(),
            queue_condition: "EXISTS (SELECT FROM webhook
                              WHERE uuid = $2::uuid AND is_active AND (rest_until IS NULL OR rest_until <= $1))",
            settled: ", last_status = input.status, delivered_at = input.completed,
                      state = CASE WHEN input.completed IS NOT NULL THEN 'delivered'
                                   WHEN input.dead IS NOT NULL THEN 'parked' ELSE 'waiting' END",
            queue_type: "uuid",
        },
        LeasedTable::PlanJob => Rules {
            open: values(queue::names(JobKind::ALL.map(Queue::PlanJobs))),
            queue_condition: "EXISTS (SELECT FROM subscription_plan WHERE uuid = waiting.subscription_plan_uuid
                              FOR NO KEY UPDATE SKIP LOCKED)",
            settled: "",
            queue_type: "text",
        },
        // Tasks use only the type of the queue.
        LeasedTable::Outbox | LeasedTable::OperationLease => Rules {
            open: values(queue::names(Queue::MESSAGES)),
            queue_condition: "true",
            settled: ", lane = split_part(input.lanes, ' ', 1), lanes = input.lanes, parked_at = input.dead",
            queue_type: "text",
        },
    }
}

/// What events have in common that are sent in order: the license, or the email address or the LMS user id of the
/// learner. `$row` is the row. With it, the condition of an earlier row that waits. The indexes of the table have the same
/// expressions and conditions.
const ALIKE: [(&str, &str); 3] = [
    ("$row.license_uuid", "earlier.state = 'waiting'"),
    ("nullif($row.payload::jsonb #>> '{properties,assigned_email}', '')", NOT_DONE),
    ("nullif($row.payload::jsonb #>> '{properties,assigned_lms_user_id}', '')", NOT_DONE),
];
const NOT_DONE: &str = "earlier.state NOT IN ('delivered', 'parked')";

/// Whether the row `waiting` waits, and no earlier row must be done first. OFFSET 0 keeps the planner from turning the
/// subqueries into joins over the whole table. So each subquery uses an index, for the few rows that are read.
pub(super) fn claimable_sql(leased: &Leased) -> String {
    match leased.table {
        LeasedTable::Outbox => format!(
            "parked_at IS NULL
             AND NOT EXISTS (SELECT FROM outbox AS earlier
                             WHERE earlier.license_uuid = waiting.license_uuid AND earlier.position < waiting.position
                               AND earlier.parked_at IS NULL AND strpos(earlier.lanes, waiting.lane) > 0
                             OFFSET 0)
             AND (waiting.topic <> '{merged}'
                  OR NOT EXISTS (SELECT FROM outbox AS earlier
                                 WHERE earlier.subscription_plan_uuid = waiting.subscription_plan_uuid
                                   AND earlier.position < waiting.position AND earlier.topic = '{merged}'
                                   AND earlier.parked_at IS NULL
                                 OFFSET 0))",
            merged = Topic::MERGED.as_str()
        ),
        LeasedTable::WebhookDelivery => {
            let in_turn = ALIKE.map(|(alike, waits)| {
                let of = |row| alike.replace("$row", row);
                format!(
                    "NOT EXISTS (SELECT FROM webhook_delivery AS earlier
                                 WHERE earlier.webhook_uuid = waiting.webhook_uuid AND {} = {}
                                   AND earlier.position < waiting.position AND {waits}
                                 OFFSET 0)",
                    of("earlier"),
                    of("waiting")
                )
            });
            format!("state = 'waiting' AND {}", in_turn.join(" AND "))
        }
        LeasedTable::PlanJob | LeasedTable::OperationLease => "true".to_owned(),
    }
}

/// Whether a row is in the queue `$1`, held by the lease `$2`, and one of `$3`.
fn held_sql(leased: &Leased) -> String {
    let Leased { queue, id, holder, .. } = leased;
    format!("{queue} = $1::{} AND {holder} = $2 AND {id} = ANY ($3)", rules(leased).queue_type)
}

impl PostgresUnit<'_> {
    fn claim_rows<R: QueryableByName<Pg> + 'static>(&mut self, claim: &Claim) -> Result<Vec<R>, Error> {
        let (leased, name) = queue::leased(claim.lease.queue);
        let Leased { table, queue, id, holder, due, order, columns, .. } = leased;
        let (claimable, Rules { queue_condition, queue_type, .. }) = (claimable_sql(leased), rules(leased));
        // The chosen rows are updated by an array of their ids. The planner of a prepared statement does not know the
        // limit, so a join would read the whole table.
        let statement = prepared_sql(format!(
            "WITH chosen AS MATERIALIZED (
                 SELECT id, was_due, row_number() OVER (ORDER BY was_due, place) AS place
                 FROM (SELECT {id} AS id, {due} AS was_due, {order} AS place FROM {table} AS waiting
                       WHERE {queue} = $2::{queue_type} AND {due} <= $1 AND {claimable}
                         AND {queue_condition}
                       ORDER BY {due}, {order}
                       LIMIT $3
                       FOR UPDATE OF waiting SKIP LOCKED) AS due),
             claimed AS (
                 UPDATE {table} SET {holder} = $4, {due} = $5
                 WHERE {queue} = $2::{queue_type} AND {id} = ANY (ARRAY(SELECT id FROM chosen))
                 RETURNING {table}.*)
             SELECT {columns}, was_due FROM claimed JOIN chosen ON chosen.id = claimed.{id} ORDER BY place"
        ))
        .bind::<SqlTimestamp, _>(claim.now)
        .bind::<Text, _>(name)
        .bind::<BigInt, _>(claim.limit as i64)
        .bind::<SqlUuid, _>(claim.lease.id)
        .bind::<SqlTimestamp, _>(claim.until);
        self.write(|connection| statement.load(connection))
    }
}

impl QueueRepository for PostgresUnit<'_> {
    fn due(&mut self, kind: QueueKind, now: DateTime<Utc>) -> Result<Vec<Queue>, Error> {
        let leased = queue::of_kind(kind);
        let Leased { table, queue, due, order, .. } = leased;
        let (claimable, Rules { open, queue_type, .. }) = (claimable_sql(leased), rules(leased));
        let query = prepared_sql(format!(
            "SELECT open.queue
             FROM {open} CROSS JOIN LATERAL (
                 SELECT {due} FROM {table} AS waiting
                 WHERE waiting.{queue} = open.queue::{queue_type} AND {due} <= $1 AND {claimable}
                 ORDER BY {due}, {order} LIMIT 1) AS first
             ORDER BY first.{due}, open.queue"
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
                 WHERE topic = '{}' AND parked_at IS NULL AND subscription_plan_uuid = ANY ($1)
                   AND claimed_by IS DISTINCT FROM $2",
                Topic::MERGED.as_str()
            ))
            .bind::<Array<SqlUuid>, _>(sorted_uuids(plans.iter().map(|plan| plan.0)))
            .bind::<SqlUuid, _>(claim.lease.id);
            self.write(|connection| statement.execute(connection))?;
        }
        Ok(claimed)
    }

    fn claim_job(&mut self, claim: &Claim) -> Result<Option<ClaimedJob>, Error> {
        let rows: Vec<ClaimedJobRow> = self.claim_rows(&Claim { limit: 1, ..*claim })?;
        Ok(rows.into_iter().next().map(|row| row.claimed(claim.lease)))
    }

    fn claim_task(&mut self, task: Task, claim: &Claim) -> Result<TaskClaim, Error> {
        // A concurrent claim waits here, then sees the new owner.
        let statement = prepared_sql(
            "INSERT INTO operation_lease AS lease (operation, key, owner, until) VALUES ($1, $2, $3, $4)
             ON CONFLICT (operation, key) DO UPDATE SET owner = excluded.owner, until = excluded.until
                 WHERE lease.until <= $5 OR lease.owner = excluded.owner
             RETURNING position",
        )
        .bind::<Text, _>(task.operation)
        .bind::<SqlUuid, _>(task.key)
        .bind::<SqlUuid, _>(claim.lease.id)
        .bind::<SqlTimestamp, _>(claim.until)
        .bind::<SqlTimestamp, _>(claim.now);
        let taken = self.write(|connection| statement.get_result::<ProgressRow>(connection).optional())?;
        if let Some(row) = taken {
            return Ok(TaskClaim::Taken(row.progress()));
        }
        let query = prepared_sql("SELECT until FROM operation_lease WHERE operation = $1 AND key = $2")
            .bind::<Text, _>(task.operation)
            .bind::<SqlUuid, _>(task.key);
        let held = self.read(|connection| query.get_result::<UntilRow>(connection).optional())?;
        // The task finished between the two statements; retry at once.
        Ok(TaskClaim::HeldUntil(held.map_or(claim.now, |row| row.until)))
    }

    fn prolong(&mut self, lease: Lease, work: &[Uuid], until: DateTime<Utc>) -> Result<usize, Error> {
        let (leased, name) = queue::leased(lease.queue);
        let (Leased { table, due, .. }, held) = (leased, held_sql(leased));
        let statement = prepared_sql(format!("UPDATE {table} SET {due} = $4 WHERE {held}"))
            .bind::<Text, _>(name)
            .bind::<SqlUuid, _>(lease.id)
            .bind::<Array<SqlUuid>, _>(sorted_uuids(work.iter().copied()))
            .bind::<SqlTimestamp, _>(until);
        self.write(|connection| statement.execute(connection))
    }

    fn held(&mut self, lease: Lease, work: &[Uuid]) -> Result<Vec<Uuid>, Error> {
        let (leased, name) = queue::leased(lease.queue);
        let (Leased { table, id, .. }, held) = (leased, held_sql(leased));
        let query = prepared_sql(format!("SELECT {id} AS uuid FROM {table} WHERE {held} ORDER BY {id} FOR UPDATE"))
            .bind::<Text, _>(name)
            .bind::<SqlUuid, _>(lease.id)
            .bind::<Array<SqlUuid>, _>(sorted_uuids(work.iter().copied()));
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
            let statement = prepared_sql(format!("DELETE FROM {table} WHERE {}", held_sql(leased)))
                .bind::<Text, _>(&name)
                .bind::<SqlUuid, _>(lease.id)
                .bind::<Array<SqlUuid>, _>(sorted_uuids(gone.iter().map(|settled| settled.id)));
            self.write(|connection| statement.execute(connection))?;
        }
        if !kept.is_empty() {
            let Rules { settled, queue_type, .. } = rules(leased);
            // With the ids a second time, as a list, the rows are looked up by id. With the join alone, and without
            // statistics, Postgres reads the whole queue.
            let statement = prepared_sql(format!(
                "UPDATE {table}
                 SET attempts = input.attempts, {due} = input.due, last_error = input.error, {holder} = NULL{settled}
                 FROM unnest($3, $4, $5, $6, $7, $8, $9, $10)
                     AS input (id, attempts, due, error, lanes, status, completed, dead)
                 WHERE {table}.{queue} = $1::{queue_type} AND {table}.{id} = input.id AND {holder} = $2
                   AND {table}.{id} = ANY ($3)"
            ))
            .bind::<Text, _>(&name)
            .bind::<SqlUuid, _>(lease.id)
            .bind::<Array<SqlUuid>, _>(column(&kept, |settled| settled.id))
            .bind::<Array<SmallInt>, _>(column(&kept, |settled| settled.attempts))
            .bind::<Array<SqlTimestamp>, _>(column(&kept, |settled| settled.due))
            .bind::<Array<Nullable<Text>>, _>(column(&kept, |settled| settled.error.as_deref()))
            .bind::<Array<Text>, _>(column(&kept, |settled| queue::lanes(settled.steps)))
            .bind::<Array<Nullable<SmallInt>>, _>(column(&kept, |settled| settled.status))
            .bind::<Array<Nullable<SqlTimestamp>>, _>(column(&kept, |settled| settled.completed_at))
            .bind::<Array<Nullable<SqlTimestamp>>, _>(column(&kept, |settled| settled.dead_lettered_at));
            self.write(|connection| statement.execute(connection))?;
        }
        Ok(())
    }
}
