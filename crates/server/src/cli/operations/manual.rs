//! Manual operations: shown first, done with `--really`.

use std::io::Write;

use chrono::TimeDelta;
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::use_cases::{HistoricChange, PlanUpkeep};
use license_manager_domain::words::counted;
use license_manager_domain::{
    Actor, AgreementId, Error, LicenseEventId, LicenseId, LicenseManager, NotificationId, PlanId, ProductId, RenewalId,
    TransferJobId,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::arguments::{CleanOldHistory, EntityKind, History, OnPlan, SummaryFormat, Transfer};
use super::error::CommandError;
use super::report::Report;
use super::supervisor::CommandSupervisor;
use crate::api::history::changes as history_changes;
use crate::http::time;

fn upkeep_report(command: &'static str, dry_run: bool, upkeep: &PlanUpkeep) -> Report {
    let PlanUpkeep { plan, added, pending, deleted, counts, .. } = upkeep;
    let counts = vec![
        ("added", *added),
        ("pending", *pending),
        ("deleted", *deleted),
        ("unassigned", counts.unassigned),
        ("total", counts.total()),
    ];
    Report::done(command, dry_run, counts, vec![plan.id.0])
}

pub(super) fn provision(manager: &LicenseManager, arguments: &OnPlan) -> Result<Report, CommandError> {
    let (plan, really) = (PlanId(arguments.plan), arguments.manual.really);
    let upkeep = match really {
        true => manager.provision_plan(&Actor::service(), plan),
        false => manager.preview_provision(plan),
    };
    Ok(upkeep_report("provision", !really, &upkeep.map_err(|error| about_plan(plan, error))?))
}

pub(super) fn freeze(manager: &LicenseManager, arguments: &OnPlan) -> Result<Report, CommandError> {
    let (plan, really) = (PlanId(arguments.plan), arguments.manual.really);
    let upkeep = match really {
        true => manager.freeze(&Actor::service(), plan),
        false => manager.preview_freeze(plan),
    };
    Ok(upkeep_report("freeze", !really, &upkeep.map_err(|error| about_plan(plan, error))?))
}

fn about_plan(plan: PlanId, error: Error) -> CommandError {
    match error {
        Error::NotFound(_) => CommandError::Arguments(format!("there is no plan {plan}")),
        error => error.into(),
    }
}

pub(super) fn transfer(manager: &LicenseManager, arguments: Transfer) -> Result<Report, CommandError> {
    let (from, really) = (PlanId(arguments.from), arguments.manual.really);
    let agreement = manager.plan(from).map_err(|error| about_plan(from, error))?.details.plan.agreement;
    let licenses = match arguments.license_uuids {
        Some(uuids) => TransferredLicenses::Named(uuids.into_iter().map(LicenseId).collect()),
        None => TransferredLicenses::All,
    };
    let order = TransferOrder {
        agreement,
        old_plan: from,
        new_plan: PlanId(arguments.to),
        notes: arguments.notes,
        is_dry_run: !really,
        licenses,
    };
    // Previewed first, so that a refused transfer leaves no job behind.
    let preview = manager.preview_transfer(&order)?;
    let moved: Vec<Uuid> = if really {
        let job = manager.create_transfer_job(&Actor::service(), &order)?;
        let job = manager.process_transfer_job(&Actor::service(), job.id, Some(false))?;
        let moved = job.runs.into_iter().next_back().map(|run| run.modified_licenses).unwrap_or_default();
        moved.into_iter().map(|license| license.0).collect()
    } else {
        preview.licenses.into_iter().map(|license| license.0).collect()
    };
    Ok(Report::done("transfer", !really, vec![("licenses", moved.len() as i64)], moved))
}

pub(super) fn clean_history(manager: &LicenseManager, arguments: &CleanOldHistory) -> Result<Report, CommandError> {
    let (retention, dry_run) = (TimeDelta::days(arguments.days.into()), arguments.run.dry_run);
    let supervisor = CommandSupervisor::start("clean-old-history")?;
    Ok(manager.clean_old_history(retention, dry_run, &supervisor).into())
}

pub(super) fn history(manager: &LicenseManager, arguments: &History, out: &mut impl Write) -> Result<(), CommandError> {
    let of = recorded(arguments)?;
    let limit_offset = LimitOffset { offset: 0, limit: i64::from(arguments.limit) };
    let page = manager.history(of, |_| Ok::<_, Error>(limit_offset)).map_err(|error| match error {
        Error::NotFound(entity) => {
            CommandError::Arguments(format!("there is no {entity} {}, and no history of one", arguments.id))
        }
        error => error.into(),
    })?;
    match arguments.show.output {
        SummaryFormat::Json => {
            let changes: Vec<Value> = page.items.iter().map(as_json).collect();
            serde_json::to_writer(&mut *out, &json!({ "total": page.total, "changes": changes }))
                .map_err(|error| CommandError::Failed(error.to_string()))?;
            writeln!(out)?;
        }
        SummaryFormat::Text => {
            for change in &page.items {
                let version = &change.version;
                let by = version.by.as_deref().unwrap_or("license-manager");
                let reason = version.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                writeln!(out, "{} {} {by}{reason}", time::format(&version.at), version.kind.as_str())?;
                if let Value::Object(fields) = history_changes(&change.changes) {
                    for (field, values) in fields {
                        writeln!(out, "    {field}: {} -> {}", values["from"], values["to"])?;
                    }
                }
            }
            if page.total > page.items.len() as i64 {
                let all = counted(page.total, "change", "changes");
                writeln!(out, "{} of {all}; --limit shows more", page.items.len())?;
            }
        }
    }
    Ok(())
}

fn as_json(change: &HistoricChange) -> Value {
    let version = &change.version;
    json!({
        "at": time::format(&version.at),
        "by": version.by,
        "kind": version.kind.as_str(),
        "reason": version.reason,
        "changes": history_changes(&change.changes),
    })
}

fn recorded(arguments: &History) -> Result<EntityRef, CommandError> {
    let wrong = |what: &str| CommandError::Arguments(format!("`{}` is not {what}", arguments.id.escape_debug()));
    let uuid = || arguments.id.parse::<Uuid>().map_err(|_| wrong("a UUID"));
    let number = |what| arguments.id.parse::<i64>().map_err(|_| wrong(what));
    Ok(match arguments.kind {
        EntityKind::Agreement => EntityRef::Agreement(AgreementId(uuid()?)),
        EntityKind::Plan => EntityRef::Plan(PlanId(uuid()?)),
        EntityKind::License => EntityRef::License(LicenseId(uuid()?)),
        EntityKind::Product => {
            EntityRef::Product(ProductId(arguments.id.parse().map_err(|_| wrong("the number of a product"))?))
        }
        EntityKind::Renewal => EntityRef::Renewal(RenewalId(number("the number of a renewal")?)),
        EntityKind::TransferJob => EntityRef::TransferJob(TransferJobId(number("the number of a transfer job")?)),
        EntityKind::Notification => EntityRef::Notification(NotificationId(number("the number of a notification")?)),
        EntityKind::LicenseEvent => EntityRef::LicenseEvent(LicenseEventId(number("the number of a license event")?)),
    })
}
