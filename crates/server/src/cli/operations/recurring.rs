//! The operations that the schedule runs.

use chrono::{DateTime, TimeDelta, Utc};
use license_manager_domain::operations::Expiration;
use license_manager_domain::ports::{AgreementFilter, CustomerScope, LimitOffset};
use license_manager_domain::{CustomerId, Error, LicenseManager, PlanId};
use uuid::Uuid;

use super::arguments::{ExpireSubscriptions, OperationCommand, ShowOptions};
use super::error::CommandError;
use super::report::Report;
use super::supervisor::CommandSupervisor;
use crate::config::Config;
use crate::http::time;

pub(super) async fn run(
    config: &Config,
    manager: &LicenseManager,
    command: OperationCommand,
) -> Result<(ShowOptions, Report), CommandError> {
    use OperationCommand as Command;

    if !command.is_dry_run() && manager.is_importing()? {
        return Err(CommandError::Failed(
            "nothing was done: this database is still imported again from the Django service, which runs the operations. \
             `license-manager import --finish` ends that"
                .to_owned(),
        ));
    }
    let (run, summary) = match command {
        Command::ProcessRenewals(arguments) => {
            let hours = arguments.processing_window_length_hours.unwrap_or(config.operations.renewal_lock_hours);
            let (run, window) = (arguments.run, TimeDelta::hours(i64::from(hours)));
            let supervisor = CommandSupervisor::start("process-renewals")?;
            (run, manager.process_renewals(window, run.dry_run, &supervisor).await)
        }
        Command::ExpireSubscriptions(arguments) => {
            let request = expiration(manager, &arguments)?;
            let supervisor = CommandSupervisor::start("expire-subscriptions")?;
            (arguments.run, manager.expire_subscriptions(&request, &supervisor).await)
        }
        Command::UnlinkExpiredLicenses(arguments) => {
            let (run, customers) = (arguments.run, known(manager, arguments.enterprise_customer_uuids)?);
            let supervisor = CommandSupervisor::start("unlink-expired-licenses")?;
            (run, manager.unlink_expired_licenses(customers.as_deref(), run.dry_run, &supervisor).await)
        }
        Command::RetireOldLicenses(run) => {
            (run, manager.retire_old_licenses(run.dry_run, &CommandSupervisor::start("retire-old-licenses")?))
        }
        Command::ProcessAutoScalablePlans(run) => {
            let supervisor = CommandSupervisor::start("process-auto-scalable-plans")?;
            (run, manager.process_auto_scalable_plans(run.dry_run, &supervisor))
        }
        Command::SendLicenseUtilizationEmails(run) => {
            let supervisor = CommandSupervisor::start("send-license-utilization-emails")?;
            (run, manager.send_license_utilization_emails(run.dry_run, &supervisor))
        }
        Command::TriggerEventForLicenses(arguments) => {
            let (run, customers) = (arguments.run, known(manager, arguments.enterprise_customer_uuids)?);
            let supervisor = CommandSupervisor::start("trigger-event-for-licenses")?;
            (run, manager.trigger_event_for_licenses(customers.as_deref(), run.dry_run, &supervisor))
        }
        Command::ValidateNumCatalogQueries(run) => {
            let supervisor = CommandSupervisor::start("validate-num-catalog-queries")?;
            (run, manager.validate_num_catalog_queries(run.dry_run, &supervisor).await)
        }
        other => return Err(CommandError::Failed(format!("{other:?} is not a recurring operation"))),
    };
    Ok((run.show, summary.into()))
}

fn expiration(manager: &LicenseManager, arguments: &ExpireSubscriptions) -> Result<Expiration, CommandError> {
    let expired_before: DateTime<Utc> = arguments.expired_before.unwrap_or_else(|| manager.now());
    let expired_after = arguments.expired_after.unwrap_or(expired_before - Expiration::SPAN);
    if expired_before < expired_after {
        let [before, after] = [expired_before, expired_after].map(|moment| time::format(&moment));
        return Err(CommandError::Arguments(format!(
            "--expired-before ({before}) lies before --expired-after ({after}): no plan can have ended in between"
        )));
    }
    let plans = match &arguments.subscription_uuids {
        None => None,
        Some(uuids) => {
            let plans: Vec<PlanId> = uuids.iter().copied().map(PlanId).collect();
            if let Some(unknown) = plans.iter().find(|&&plan| manager.plan_ends(&[plan]).is_err_and(is_not_found)) {
                return Err(CommandError::Arguments(format!("--subscription-uuids: there is no plan {unknown}")));
            }
            Some(plans)
        }
    };
    let (force, dry_run) = (arguments.force, arguments.run.dry_run);
    Ok(Expiration { expired_after, expired_before, plans, force, dry_run })
}

fn is_not_found(error: Error) -> bool {
    matches!(error, Error::NotFound(_))
}

/// Checks that each customer has an agreement.
fn known(manager: &LicenseManager, uuids: Option<Vec<Uuid>>) -> Result<Option<Vec<CustomerId>>, CommandError> {
    let Some(uuids) = uuids else { return Ok(None) };
    let customers: Vec<CustomerId> = uuids.into_iter().map(CustomerId).collect();
    for &customer in &customers {
        let filter = AgreementFilter { scope: CustomerScope::All, customer: Some(customer), agreement: None };
        let none = |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: 0 });
        if manager.agreements(&filter, none)?.total == 0 {
            let problem = format!("--enterprise-customer-uuids: the customer {customer} has no agreement");
            return Err(CommandError::Arguments(problem));
        }
    }
    Ok(Some(customers))
}
