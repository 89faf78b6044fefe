//! The schedule of recurring operations.

use license_manager_domain::operations::{RecurringOperation, Timetable};
use serde::{Deserialize, Serialize};

use super::value::Timing;

/// `[schedule]`: when `serve` and `license-manager worker` run recurring operations. Each key is a cron expression of
/// five fields, in UTC unless a time zone's name follows, or `off`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Whether this process runs the schedule; `false` if cron runs the commands.
    pub enabled: bool,
    /// `process-renewals`. It must run more often than `operations.renewal_lock_hours`, or renewals are missed.
    pub process_renewals: Timing,
    /// `expire-subscriptions`, which also unlinks.
    pub expire_subscriptions: Timing,
    /// `unlink-expired-licenses`.
    pub unlink_expired_licenses: Timing,
    /// `retire-old-licenses`.
    pub retire_old_licenses: Timing,
    /// `process-auto-scalable-plans`.
    pub process_auto_scalable_plans: Timing,
    /// `trigger-event-for-licenses`.
    pub trigger_event_for_licenses: Timing,
    /// `validate-num-catalog-queries`. It fails without a catalog service.
    pub validate_num_catalog_queries: Timing,
    /// `send-license-utilization-emails`.
    pub send_license_utilization_emails: Timing,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        // A test checks that none of these is off.
        let at = |expression: &str| expression.parse().map_or(Timing::Off, Timing::At);
        Self {
            enabled: false,
            process_renewals: at("0 */6 * * *"),
            // Plans mostly end at midnight. The next operations follow one after another.
            expire_subscriptions: at("15 0 * * *"),
            unlink_expired_licenses: at("15 1 * * *"),
            retire_old_licenses: at("15 2 * * *"),
            process_auto_scalable_plans: at("15 3 * * *"),
            trigger_event_for_licenses: at("45 3 * * *"),
            validate_num_catalog_queries: at("15 4 * * *"),
            // In the daytime on both sides of the Atlantic, because people get these mails.
            send_license_utilization_emails: at("15 14 * * *"),
        }
    }
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
