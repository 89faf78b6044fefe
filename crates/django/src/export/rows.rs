//! Writing rows.

use std::collections::{BTreeMap, HashMap};

use license_manager_adapters::export::ExportedRow;
use license_manager_adapters::import::Finding;
use serde_json::Value;

use super::numbers::{PageNumbers, hyphenated, is_role_there, is_since};
use super::tables::{self, Column, Form, OF_HISTORY, Table};
use super::values::{Written, list, quoted, value};
use super::{DjangoExport, STATEMENT, changed, left, refused};
use crate::DjangoError;

/// A row that is there: the values that it keeps, as literals, by column.
type Kept = BTreeMap<String, String>;

impl DjangoExport {
    /// Writes a page of rows of ours, and returns what does not go over as it is.
    pub(super) fn write_rows(&mut self, name: &str, rows: &[ExportedRow]) -> Result<Vec<Finding>, DjangoError> {
        let Some((table, is_history)) = tables::of(name) else { return Ok(Vec::new()) };
        let there = if is_history { table.history.unwrap_or(table.there) } else { table.there };
        if self.columns.of(there).is_none() {
            return Ok(rows.iter().map(|row| left("no_table", about(table, is_history, row))).collect());
        }
        let mut findings = Vec::new();
        let mut rows: Vec<ExportedRow> = rows.to_vec();
        rows.retain(|row| notes(table, is_history, row, &mut findings));
        let numbers = self.page_numbers(table, is_history, &rows)?;
        if table.name == "role_assignment" && self.since.is_some() {
            self.drop_present_roles(&mut rows, &numbers)?;
        }
        let kept = match self.since {
            Some(since) => self.kept(table, is_history, &rows, since, &mut findings)?,
            None => HashMap::new(),
        };
        let names = self.names(table, is_history, there);
        let mut tuples = Vec::new();
        for row in &rows {
            let key = key_of(table, is_history, row);
            let literals = self.literals(table, is_history, there, row, &numbers, kept.get(&key), &mut findings);
            tuples.extend(literals.map(|literals| format!("({})", literals.join(", "))));
        }
        if self.is_writing {
            self.replace(there, table, is_history, &kept, &names, &tuples)?;
        }
        Ok(findings)
    }

    /// The columns that are written: those of ours that the layout has, and those that rows there keep.
    fn names(&self, table: &Table, is_history: bool, there: &str) -> Vec<String> {
        let gives_number = table.name != "role_assignment" || self.since.is_none();
        let ours = columns(table, is_history)
            .filter(|(name, ..)| gives_number || *name != "id")
            .filter(|(name, ..)| self.columns.column(there, name).is_some())
            .map(|(name, ..)| name.to_owned());
        ours.chain(self.others(table, is_history, there)).collect()
    }

    /// The columns that this program does not write, where rows are replaced.
    fn others(&self, table: &Table, is_history: bool, there: &str) -> Vec<String> {
        let is_ours = |name: &str| columns(table, is_history).any(|(column, ..)| column == name);
        let all = self.columns.of(there).into_iter().flat_map(BTreeMap::keys);
        all.filter(|name| self.since.is_some() && !is_ours(name)).cloned().collect()
    }

    /// The values of a row, in the order of [`names`](Self::names); `None` if one has no place there.
    #[allow(clippy::too_many_arguments)] // it is one step of writing, cut out to be readable
    fn literals(
        &self,
        table: &Table,
        is_history: bool,
        there: &str,
        row: &ExportedRow,
        numbers: &PageNumbers,
        kept: Option<&Kept>,
        findings: &mut Vec<Finding>,
    ) -> Option<Vec<String>> {
        let mut is_whole = true;
        let mut literals = Vec::new();
        let note = |column: &str| format!("{}: {column}", about(table, is_history, row));
        for name in self.names(table, is_history, there) {
            let column = columns(table, is_history).find(|(column, ..)| *column == name);
            if let Some(own) =
                kept.and_then(|kept| kept.get(&name)).filter(|_| column.is_none_or(|(_, _, form)| form.is_kept()))
            {
                literals.push(own.clone());
                continue;
            }
            let (Some(column), Some(definition)) = (column, self.columns.column(there, &name)) else {
                literals.push("DEFAULT".to_owned());
                continue;
            };
            let value = match self.number(table, column, row, numbers) {
                Some(number) => number.map_or(Written::Null, Written::Number),
                None => match value(row, column) {
                    Ok(value) => value,
                    Err(problem) => {
                        findings.push(refused(problem, note(&name)));
                        is_whole = false;
                        continue;
                    }
                },
            };
            // Numbers of users, roles and types are known once these are written.
            let is_unknown_yet = !self.is_writing && matches!(column.2, Form::User | Form::Role | Form::SourceType);
            match value.fit(definition) {
                Ok((value, problem)) => {
                    findings.extend(problem.map(|problem| changed(problem, note(&name))));
                    literals.push(value.literal(definition));
                }
                Err("missing_value") if is_unknown_yet => {}
                Err(problem) => {
                    findings.push(refused(problem, note(&name)));
                    is_whole = false;
                }
            }
        }
        self.note_missing_columns(table, is_history, there, row, findings);
        is_whole.then_some(literals)
    }

    /// Values that the layout has no column for.
    fn note_missing_columns(
        &self,
        table: &Table,
        is_history: bool,
        there: &str,
        row: &ExportedRow,
        findings: &mut Vec<Finding>,
    ) {
        for (name, own, _) in columns(table, is_history) {
            let has_value = row.get(own).is_some_and(|value| !matches!(value, Value::Null) && *value != 0);
            if has_value && self.columns.column(there, name).is_none() {
                findings.push(left("no_column", format!("{}: {name}", about(table, is_history, row))));
            }
        }
    }

    /// The number that a column refers to; `None` if it is no such column.
    fn number(&self, table: &Table, column: Column, row: &ExportedRow, numbers: &PageNumbers) -> Option<Option<i64>> {
        let text = row.get(column.1).and_then(Value::as_str);
        match column.2 {
            Form::User => Some(text.and_then(|name| numbers.users.get(name)).copied()),
            Form::SourceType => Some(text.and_then(|slug| self.source_type(slug))),
            Form::Role => Some(text.and_then(|name| self.role(name))),
            Form::OwnNumber => Some(self.own_number(table, row, numbers)),
            _ => None,
        }
    }

    /// Replaces the rows that are there, and adds the others.
    fn replace(
        &mut self,
        there: &str,
        table: &Table,
        is_history: bool,
        kept: &HashMap<String, Kept>,
        names: &[String],
        tuples: &[String],
    ) -> Result<(), DjangoError> {
        if !kept.is_empty() {
            let key = key_column(table, is_history);
            let definition = self.columns.column(there, key);
            let keys = kept
                .keys()
                .map(|text| key_literal(text, definition.is_some_and(|column| column.is_uuid), table, is_history));
            let keys: Vec<String> = keys.collect();
            let removed =
                self.change(there, &format!("DELETE FROM `{there}` WHERE `{key}` IN ({})", keys.join(", ")))?;
            expect(there, removed, kept.len())?;
        }
        let start = format!(
            "INSERT INTO `{there}` ({}) VALUES ",
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        );
        let (mut statement, mut rows) = (start.clone(), 0);
        for tuple in tuples {
            if start.len() + tuple.len() > self.largest {
                let problem = format!(
                    "a row of {there} has {} bytes, more than max_allowed_packet of the server: raise it",
                    tuple.len()
                );
                return Err(DjangoError::Layout(problem));
            }
            if rows > 0 && statement.len() + tuple.len() > self.largest.min(STATEMENT) {
                let written = self.change(there, &statement)?;
                expect(there, written, rows)?;
                (statement, rows) = (start.clone(), 0);
            }
            if rows > 0 {
                statement.push_str(", ");
            }
            statement.push_str(tuple);
            rows += 1;
        }
        if rows > 0 {
            let written = self.change(there, &statement)?;
            expect(there, written, rows)?;
        }
        Ok(())
    }

    /// The rows of a page that are there, with the values that they keep, by key.
    fn kept(
        &mut self,
        table: &Table,
        is_history: bool,
        rows: &[ExportedRow],
        since: i64,
        findings: &mut Vec<Finding>,
    ) -> Result<HashMap<String, Kept>, DjangoError> {
        let there = if is_history { table.history.unwrap_or(table.there) } else { table.there };
        let key = key_column(table, is_history);
        let definition = self.columns.column(there, key).is_some_and(|column| column.is_uuid);
        let keys: Vec<String> = rows
            .iter()
            .map(|row| key_literal(&key_of(table, is_history, row), definition, table, is_history))
            .collect();
        if keys.is_empty() || (table.name == "role_assignment") {
            return Ok(HashMap::new());
        }
        let own: Vec<String> = columns(table, is_history)
            .filter(|(name, _, form)| form.is_kept() && self.columns.column(there, name).is_some())
            .map(|(name, ..)| name.to_owned())
            .chain(self.others(table, is_history, there))
            .collect();
        // A version is told by its row and its date too: another one may have its number.
        let told = if is_history { [table.key, "history_date"] } else { [key, key] };
        let list: Vec<String> = [key]
            .into_iter()
            .chain(told)
            .chain(own.iter().map(String::as_str))
            .map(|name| format!("`{name}`"))
            .collect();
        let found = self.client.query(&format!(
            "SELECT {} FROM `{there}` WHERE `{key}` IN ({})",
            list.join(", "),
            keys.join(", ")
        ))?;
        let ours: HashMap<String, &ExportedRow> =
            rows.iter().map(|row| (key_of(table, is_history, row), row)).collect();
        let (mut kept, mut known) = (HashMap::new(), Vec::new());
        for row in &found {
            let cells = row.cells();
            let found_key = match is_of_uuid(table, is_history) {
                true => hyphenated(cells[0].unwrap_or_default()),
                false => cells[0].unwrap_or_default().to_owned(),
            };
            if is_history {
                if !is_same_row(table, ours.get(&found_key).copied(), cells[1]) {
                    findings.push(refused("written_there", format!("{there} {found_key}")));
                    continue;
                }
                let is_counted = ours.get(&found_key).is_some_and(|row| table.counts(row));
                if is_counted && cells[2].is_some_and(|moment| is_since(moment, since)) {
                    known.push(found_key.clone());
                }
            }
            let values = own.iter().zip(cells.iter().skip(3));
            let values = values.map(|(name, cell)| (name.clone(), cell.map_or("NULL".to_owned(), quoted)));
            kept.insert(found_key, values.collect());
        }
        if !known.is_empty() {
            let numbers = known.join(", ");
            let forget =
                format!("DELETE FROM exported_unknown WHERE table_there = '{there}' AND history_id IN ({numbers})");
            self.change("exported_unknown", &forget)?;
        }
        Ok(kept)
    }

    /// Roles have no history, and their numbers mean nothing: only those that are missing are added.
    fn drop_present_roles(&mut self, rows: &mut Vec<ExportedRow>, numbers: &PageNumbers) -> Result<(), DjangoError> {
        let users: Vec<String> = numbers.users.values().map(ToString::to_string).collect();
        if users.is_empty() {
            return Ok(());
        }
        let present = self.client.query(&format!(
            "SELECT user_id, role_id, enterprise_customer_uuid FROM subscriptions_subscriptionsroleassignment
             WHERE user_id IN ({})",
            users.join(", ")
        ))?;
        let present: Vec<(String, String, Option<String>)> = present
            .iter()
            .filter_map(|row| {
                let cells = row.cells();
                Some((cells[0]?.to_owned(), cells[1]?.to_owned(), cells[2].map(hyphenated)))
            })
            .collect();
        rows.retain(|row| {
            let user = numbers.users.get(&own_text(row, "username")).map(ToString::to_string);
            let role = self.role(&own_text(row, "role")).map(|id| id.to_string());
            let customer = row.get("enterprise_customer_uuid").and_then(Value::as_str).map(str::to_owned);
            !present.iter().any(|(a, b, c)| Some(a) == user.as_ref() && Some(b) == role.as_ref() && *c == customer)
        });
        Ok(())
    }

    /// The keys of a page's rows as the list of an `IN`; `None` if there are none, or no such table.
    pub(super) fn keys_of(&self, table: &Table, there: &str, rows: &[ExportedRow]) -> Option<String> {
        let definition = self.columns.column(there, table.key)?;
        let keys = rows.iter().map(|row| own_text(row, table.own_key().1)).filter(|key| !key.is_empty());
        let keys: Vec<String> = keys.map(|key| key_literal(&key, definition.is_uuid, table, false)).collect();
        (!keys.is_empty()).then(|| keys.join(", "))
    }
}

fn columns(table: &Table, is_history: bool) -> impl Iterator<Item = Column> + use<> {
    let of_history: &[Column] = if is_history { &OF_HISTORY } else { &[] };
    of_history.iter().chain(table.columns).copied().collect::<Vec<_>>().into_iter()
}

/// Takes notes of what has no place there, and returns whether the row is written.
fn notes(table: &Table, is_history: bool, row: &ExportedRow, findings: &mut Vec<Finding>) -> bool {
    if is_history && row.get("unknown_user").and_then(Value::as_i64) == Some(1) {
        findings.push(left("unknown_user", about(table, true, row)));
    }
    match table.name {
        "role_assignment" if !is_role_there(&own_text(row, "role")) => {
            findings.push(left("role_of_the_console", about(table, false, row)));
            false
        }
        "bulk_enrollment_job" => {
            let stage = own_text(row, "stage");
            let has_results = row.get("results").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
            if stage != "filed" && stage != "done" {
                findings.push(left("enrollment_under_way", about(table, false, row)));
            } else if stage == "done" && has_results {
                findings.push(left("enrollment_results", about(table, false, row)));
            }
            true
        }
        _ => true,
    }
}

/// The column by which rows are found.
fn key_column(table: &Table, is_history: bool) -> &'static str {
    if is_history { "history_id" } else { table.key }
}

/// The key of a row of ours, as text.
fn key_of(table: &Table, is_history: bool, row: &ExportedRow) -> String {
    own_text(row, if is_history { "history_id" } else { table.own_key().1 })
}

/// A text or number of a row, as text.
fn own_text(row: &ExportedRow, column: &str) -> String {
    match row.get(column) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A key as a literal.
pub(super) fn key_literal(key: &str, is_uuid: bool, table: &Table, is_history: bool) -> String {
    match uuid::Uuid::try_parse(key) {
        Ok(uuid) if is_of_uuid(table, is_history) && !is_uuid => quoted(&uuid.simple().to_string()),
        _ => quoted(key),
    }
}

/// Whether rows are found by a UUID.
fn is_of_uuid(table: &Table, is_history: bool) -> bool {
    !is_history && matches!(table.own_key().2, Form::Uuid | Form::UuidOrNone)
}

/// Whether a version there is of the same row as ours, by the keys of the rows.
fn is_same_row(table: &Table, ours: Option<&ExportedRow>, there: Option<&str>) -> bool {
    let own_key = ours.map(|row| own_text(row, table.own_key().1)).filter(|key| !is_of_none(key));
    own_key.as_deref() == there.map(hyphenated).as_deref()
}

/// Whether a key stands for a row that a version does not name.
fn is_of_none(key: &str) -> bool {
    uuid::Uuid::try_parse(key).is_ok_and(|uuid| uuid.is_nil())
}

/// A row as findings name it.
fn about(table: &Table, is_history: bool, row: &ExportedRow) -> String {
    let name = if is_history { format!("{}_history", table.name) } else { table.name.to_owned() };
    format!("{name} {}", key_of(table, is_history, row))
}

fn expect(there: &str, written: u64, rows: usize) -> Result<(), DjangoError> {
    match written == rows as u64 {
        true => Ok(()),
        false => Err(DjangoError::Layout(format!("{there}: {written} of {rows} rows were written"))),
    }
}

/// Texts as the list of an `IN`.
pub(super) fn texts(keys: &[String]) -> String {
    list(keys.iter().map(String::as_str))
}
