//! The schedule of recurring operations.

use license_manager_domain::operations::{RecurringOperation, Timetable};

use super::section::section;
use super::value::Timing;

/// A default. A test checks that none is off.
fn at(expression: &str) -> Timing {
    expression.parse().map_or(Timing::Off, Timing::At)
}

section! {
    /// `[schedule]`: when `serve` and `license-manager worker` run recurring operations. Each key is a cron expression
    /// of five fields, in UTC unless a time zone's name follows, or `off`.
    struct ScheduleConfig;

    /// Whether this process runs the schedule; `false` if cron runs the commands.
    enabled: bool;
    /// `process-renewals`. It must run more often than `operations.renewal_lock_hours`, or renewals are missed.
    process_renewals: Timing = at("0 */6 * * *");
    /// `expire-subscriptions`, which also unlinks.
    // Plans mostly end at midnight. The next operations follow one after another.
    expire_subscriptions: Timing = at("15 0 * * *");
    /// `unlink-expired-licenses`.
    unlink_expired_licenses: Timing = at("15 1 * * *");
    /// `retire-old-licenses`.
    retire_old_licenses: Timing = at("15 2 * * *");
    /// `process-auto-scalable-plans`.
    process_auto_scalable_plans: Timing = at("15 3 * * *");
    /// `trigger-event-for-licenses`.
    trigger_event_for_licenses: Timing = at("45 3 * * *");
    /// `validate-num-catalog-queries`. It fails without a catalog service.
    validate_num_catalog_queries: Timing = at("15 4 * * *");
    /// `send-license-utilization-emails`.
    // In the daytime on both sides of the Atlantic, because people get these mails.
    send_license_utilization_emails: Timing = at("15 14 * * *");
    /// `backup`. It never runs without a place for copies (`[backup]`).
    backup: Timing = at("30 1 * * *");
}

impl ScheduleConfig {
    /// When the operation runs.
    pub fn timing(&self, operation: RecurringOperation) -> &Timing {
        use RecurringOperation as Operation;
        match operation {
            Operation::ProcessRenewals => &self.process_renewals,
            Operation::ExpireSubscriptions => &self.expire_subscriptions,
            Operation::UnlinkExpiredLicenses => &self.unlink_expired_licenses,
            Operation::RetireOldLicenses => &self.retire_old_licenses,
            Operation::ProcessAutoScalablePlans => &self.process_auto_scalable_plans,
            Operation::SendLicenseUtilizationEmails => &self.send_license_utilization_emails,
            Operation::TriggerEventForLicenses => &self.trigger_event_for_licenses,
            Operation::ValidateNumCatalogQueries => &self.validate_num_catalog_queries,
            Operation::Backup => &self.backup,
        }
    }

    /// When the operations run, provided that the schedule is enabled.
    pub fn timetable(&self) -> Timetable {
        let on = RecurringOperation::ALL.into_iter().filter_map(|operation| match self.timing(operation) {
            Timing::Off => None,
            Timing::At(expression) => Some((operation, expression.clone())),
        });
        on.collect()
    }
}
