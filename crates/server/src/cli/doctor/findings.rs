//! What a check found, and how it is printed.

use std::io::Write;

use license_manager_domain::words::counted;
use serde_json::{Value, json};

use crate::cli::operations::SummaryFormat;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Not used.
    Off,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Off => "off",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    state: State,
    message: String,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Ok, message: message.into() }
    }

    pub(super) fn off(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Off, message: message.into() }
    }

    pub(super) fn warning(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Warning, message: message.into() }
    }

    pub(super) fn failed(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Failed, message: message.into() }
    }

    pub(super) fn is_failure(&self) -> bool {
        self.state == State::Failed
    }
}

/// Prints what was found.
pub(super) fn write_findings(findings: &[Finding], format: SummaryFormat, out: &mut impl Write) -> std::io::Result<()> {
    let number = |state: State| findings.iter().filter(|finding| finding.state == state).count();
    let (failed, warnings) = (number(State::Failed), number(State::Warning));
    match format {
        SummaryFormat::Text => {
            writeln!(out, "doctor")?;
            for Finding { check, state, message } in findings {
                writeln!(out, "  {:<8} {check}: {message}", state.name())?;
            }
            writeln!(out, "  {failed} failed, {}", counted(warnings, "warning", "warnings"))
        }
        SummaryFormat::Json => {
            let as_json = |finding: &Finding| -> Value {
                json!({ "check": finding.check, "state": finding.state.name(), "message": finding.message })
            };
            let checks: Vec<Value> = findings.iter().map(as_json).collect();
            writeln!(
                out,
                "{}",
                json!({ "operation": "doctor", "checks": checks, "failed": failed, "warnings": warnings })
            )
        }
    }
}
