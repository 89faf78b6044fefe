//! The rules in the summary of an import or export: how many rows each applies to, and some of these rows.

use std::io::Write;

use license_manager_adapters::import::{Finding, RuleCount};
use serde_json::{Value, json};

use super::report::write_counts;

/// Rules, and some of the rows that they apply to.
pub(super) struct RuleSummary<'r> {
    /// The rules, each with its number of rows.
    pub rules: &'r [RuleCount],
    /// Some of the rows.
    pub examples: &'r [Finding],
}

impl RuleSummary<'_> {
    fn examples(&self, rule: &RuleCount) -> Vec<&str> {
        let of = |row: &&Finding| row.kind == rule.kind && row.rule == rule.rule;
        self.examples.iter().filter(of).map(|row| row.about.as_str()).collect()
    }

    /// Prints a kind of rules, if there are any: its tables, then its rules.
    pub(super) fn write_kind(&self, kind: &str, tables: &[(String, i64)], out: &mut impl Write) -> std::io::Result<()> {
        let rules: Vec<_> = self.rules.iter().filter(|rule| rule.kind == kind).collect();
        if !rules.is_empty() || !tables.is_empty() {
            writeln!(out, "{kind}")?;
        }
        write_counts(tables, out)?;
        for rule in rules {
            writeln!(out, "  {}: {}", rule.rule.replace('_', " "), rule.number)?;
            let examples = self.examples(rule);
            for row in &examples {
                writeln!(out, "    {row}")?;
            }
            if rule.number > examples.len() as i64 {
                writeln!(out, "    …")?;
            }
        }
        Ok(())
    }

    /// All rules, for programs.
    pub(super) fn json(&self) -> Vec<Value> {
        let of = |rule: &RuleCount| {
            json!({
                "rule": rule.rule,
                "kind": rule.kind,
                "rows": rule.number,
                "examples": self.examples(rule),
            })
        };
        self.rules.iter().map(of).collect()
    }
}
