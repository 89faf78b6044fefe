//! `license-manager outbox`: lists, retries or drops waiting messages.

use std::io::Write;

use chrono::SecondsFormat;
use license_manager_domain::outbox::{OutboxSelection, WaitingMessage};
use license_manager_domain::ports::OutboxFilter;
use license_manager_domain::words::counted;
use license_manager_domain::{Actor, LicenseManager, MessageId};
use serde_json::json;

use crate::cli::{ListArguments, OutboxCommand, OutputFormat, SelectionArguments};
use crate::telemetry::work_traces;

/// Why a command failed.
type Failure = Box<dyn std::error::Error>;

/// Runs the command and prints its result.
///
/// # Errors
/// When storage fails, or when some of the given ids do not exist or are being delivered.
pub fn run(manager: &LicenseManager, command: OutboxCommand, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        OutboxCommand::List(arguments) => list(manager, &arguments, out),
        OutboxCommand::Retry(arguments) => {
            let selection = selection(arguments);
            let number = manager.retry_messages(&Actor::service(), &selection)?;
            tell(number, "to be tried again", &selection, out)
        }
        OutboxCommand::Drop(arguments) => {
            let selection = selection(arguments);
            let number = manager.discard_messages(&Actor::service(), &selection)?;
            tell(number, "dropped", &selection, out)
        }
    }
}

fn selection(arguments: SelectionArguments) -> OutboxSelection {
    match arguments.ids.is_empty() {
        true => OutboxSelection::DeadLettered(arguments.topic),
        false => OutboxSelection::Messages(arguments.ids.into_iter().map(MessageId).collect()),
    }
}

fn tell(number: usize, what: &str, selection: &OutboxSelection, out: &mut impl Write) -> Result<(), Failure> {
    work_traces::count([("messages", number as i64)]);
    writeln!(out, "{} {what}", counted(number, "message", "messages"))?;
    match selection {
        OutboxSelection::Messages(ids) if number < ids.len() => {
            let missing = ids.len() - number;
            let of_all = counted(ids.len(), "message", "messages");
            Err(format!("not in the outbox, or being delivered now: {missing} of {of_all}").into())
        }
        _ => Ok(()),
    }
}

fn list(manager: &LicenseManager, arguments: &ListArguments, out: &mut impl Write) -> Result<(), Failure> {
    let filter = OutboxFilter { dead_lettered_only: !arguments.all, topic: arguments.topic.clone() };
    let messages = manager.outbox(&filter, i64::from(arguments.limit))?;
    match arguments.output {
        OutputFormat::Json => {
            let messages: Vec<_> = messages.iter().map(as_json).collect();
            serde_json::to_writer_pretty(&mut *out, &messages)?;
            writeln!(out)?;
        }
        OutputFormat::Table => table(&messages, out)?,
    }
    Ok(())
}

fn as_json(message: &WaitingMessage) -> serde_json::Value {
    json!({
        "id": message.id,
        "topic": message.topic,
        "lane": message.queue,
        "license_uuid": message.license,
        "subscription_plan_uuid": message.plan,
        "enterprise_customer_uuid": message.customer,
        "created": message.created,
        "attempts": message.attempts,
        "not_before": message.not_before,
        "parked_at": message.dead_lettered_at,
        "last_error": message.last_error,
    })
}

fn table(messages: &[WaitingMessage], out: &mut impl Write) -> std::io::Result<()> {
    let header = ["ID", "TOPIC", "LANE", "CREATED", "TRIES", "STATE", "LAST ERROR"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(messages.iter().map(row)).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn row(message: &WaitingMessage) -> [String; 7] {
    let moment = |moment: &chrono::DateTime<chrono::Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
    let state = match &message.dead_lettered_at {
        Some(dead_lettered_at) => format!("parked {}", moment(dead_lettered_at)),
        None => format!("due {}", moment(&message.not_before)),
    };
    [
        message.id.to_string(),
        message.topic.clone(),
        message.queue.clone(),
        moment(&message.created),
        message.attempts.to_string(),
        state,
        message.last_error.clone().unwrap_or_default(),
    ]
}
