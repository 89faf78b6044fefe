//! The counts by day of licenses, which triggers keep otherwise.

use super::ImportError;
use super::database::Database;
use super::state::{self, State};

/// Whether versions are counted, or taken out of the counts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Add,
    Remove,
}

/// Counts the versions of `history`, a table or a query in parentheses, which has all versions of each of its licenses.
pub(super) fn count<C: Database>(connection: &mut C, history: &str, count: Count) -> Result<(), ImportError> {
    let sign = match count {
        Count::Add => "1",
        Count::Remove => "-1",
    };
    let statements = COUNTS.replace(":HISTORY", history).replace(":SIGN", sign);
    connection.run(&statements).map_err(|error| ImportError::about("counts by day", error))
}

/// Counts all versions by the rule of today, where they were not counted yet, or by an earlier rule. All counts follow
/// from the history, also where a total was wrong: a row that is deleted leaves its total, and the rest of it goes too.
pub(super) fn count_anew<C: Database>(connection: &mut C, state: &State) -> Result<(), ImportError> {
    if !state.counts_anew {
        return Ok(());
    }
    connection.run("DELETE FROM seat_change; DELETE FROM seat_total; DELETE FROM seat_activation;")?;
    count(connection, "license_history", Count::Add)?;
    state::completed(connection)
}

/// What the triggers on `license_history` would have counted, but that an activation of the imported history counts on
/// the day of its activation date, also where the history begins after it. See `docs/adr/0011-utilization-report.md`.
const COUNTS: &str = "
    CREATE TEMPORARY TABLE staged_step AS
    SELECT history_date, history_type, subscription_plan_uuid, status, assigned_date, activation_date,
           CASE WHEN is_first THEN is_imported AND renewed_from_uuid IS NULL
                                   AND (status = 'activated' OR activation_date IS NOT NULL)
                ELSE is_next AND status = 'activated' AND former_status IN ('unassigned', 'assigned')
                     AND (is_imported OR activation_date = history_date) END AS is_activation,
           CASE WHEN is_next THEN former_plan END AS former_plan,
           CASE WHEN is_next THEN former_status END AS former_status
    FROM (SELECT history_date, history_type, subscription_plan_uuid, status, assigned_date, activation_date,
                 renewed_from_uuid, lag(subscription_plan_uuid) OVER versions AS former_plan,
                 lag(status) OVER versions AS former_status,
                 lag(history_type) OVER versions IS NULL AS is_first,
                 history_type <> '+' AND lag(history_type) OVER versions <> '-' AS is_next,
                 history_id <= (SELECT last_license_history_id FROM imported_versions)
                     OR history_change_reason = 'import' AND history_user IS NULL AS is_imported
          FROM :HISTORY AS told
          WINDOW versions AS (PARTITION BY uuid ORDER BY history_id)) AS version;

    INSERT INTO seat_activation (subscription_plan_uuid, day, days_assigned, number)
    SELECT subscription_plan_uuid, day, CASE WHEN days < 0 THEN 0 ELSE days END, :SIGN * count(*)
    FROM (SELECT subscription_plan_uuid, $DAY[coalesce(activation_date, history_date)]DAY AS day,
                 $DAYS[coalesce(activation_date, history_date)
                        - coalesce(assigned_date, activation_date, history_date)]DAYS AS days
          FROM staged_step WHERE is_activation) AS activation
    GROUP BY 1, 2, 3 $ADD_ACTIVATIONS;

    INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
    SELECT plan, $DAY[history_date]DAY AS on_day,
           coalesce(sum(seats) FILTER (WHERE status = 'unassigned'), 0),
           coalesce(sum(seats) FILTER (WHERE status = 'assigned'), 0),
           coalesce(sum(seats) FILTER (WHERE status = 'activated'), 0),
           coalesce(sum(seats) FILTER (WHERE status = 'revoked'), 0)
    FROM (SELECT subscription_plan_uuid AS plan, history_date, status, :SIGN AS seats FROM staged_step
          WHERE history_type <> '-'
          UNION ALL
          SELECT former_plan, history_date, former_status, -(:SIGN) FROM staged_step WHERE former_plan IS NOT NULL) AS seat
    GROUP BY plan, on_day $ADD_SEATS;

    DROP TABLE staged_step;";
