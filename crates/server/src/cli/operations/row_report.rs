//! The rows that rules apply to: some of them for the summary, all of them in a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use license_manager_adapters::import::Finding;

use super::error::CommandError;

/// How many rows of a rule the summary names.
const EXAMPLES: usize = 5;

/// Keeps some rows that rules apply to, and writes all of them into a file.
pub(super) struct RowReport {
    file: Option<csv::Writer<BufWriter<File>>>,
    /// Some of the rows.
    pub examples: Vec<Finding>,
    /// The number of rows of each rule so far, by kind and rule.
    of_rules: BTreeMap<(String, String), usize>,
}

impl RowReport {
    pub(super) fn create(path: Option<&Path>) -> Result<Self, CommandError> {
        let file = path.map(|path| {
            let problem = |error: &dyn std::fmt::Display| {
                CommandError::Arguments(format!("--report {}: {error}", path.display()))
            };
            let file = File::create(path).map_err(|error| problem(&error))?;
            let mut writer = csv::Writer::from_writer(BufWriter::new(file));
            writer.write_record(["rule", "kind", "row"]).map_err(|error| problem(&error))?;
            Ok::<_, CommandError>(writer)
        });
        Ok(Self { file: file.transpose()?, examples: Vec::new(), of_rules: BTreeMap::new() })
    }

    /// Takes a row.
    pub(super) fn take(&mut self, finding: &Finding) -> std::io::Result<()> {
        let number = self.of_rules.entry((finding.kind.clone(), finding.rule.clone())).or_default();
        *number += 1;
        if *number <= EXAMPLES {
            self.examples.push(finding.clone());
        }
        match &mut self.file {
            Some(file) => {
                file.write_record([&finding.rule, &finding.kind, &finding.about]).map_err(std::io::Error::other)
            }
            None => Ok(()),
        }
    }

    pub(super) fn finish(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), csv::Writer::flush)
    }
}
