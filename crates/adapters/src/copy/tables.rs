//! The tables and columns of both databases, and the order to fill them in.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryableByName;
use diesel::sql_types::{Bool, Text};

use super::error::CopyError;
use super::forms::{self, Form};

/// A column as declared in one schema.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct Declared {
    #[diesel(sql_type = Text)]
    pub table: String,
    #[diesel(sql_type = Text)]
    pub column: String,
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Whether it is part of the primary key.
    #[diesel(sql_type = Bool)]
    pub is_key: bool,
    /// Whether it is an identity column of Postgres.
    #[diesel(sql_type = Bool)]
    pub is_identity: bool,
    /// Whether it refers to rows of its own table, in Postgres.
    #[diesel(sql_type = Bool)]
    pub refers_to_own_table: bool,
}

/// A table that both databases have.
#[derive(Debug)]
pub(super) struct Table {
    pub name: String,
    pub columns: Vec<Column>,
}

/// A column that both databases have.
#[derive(Debug)]
pub(super) struct Column {
    pub name: String,
    pub form: &'static Form,
    pub is_key: bool,
    pub is_identity: bool,
    pub refers_to_own_table: bool,
}

/// A foreign key from one table to another.
#[derive(Debug, QueryableByName)]
pub(super) struct Reference {
    #[diesel(sql_type = Text)]
    pub from: String,
    #[diesel(sql_type = Text)]
    pub to: String,
}

/// A quoted identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables of both databases, sorted so that each comes after the tables it refers to.
///
/// # Errors
/// When a table or column exists on one side only, or cannot be converted.
pub(super) fn of_both(
    sqlite: Vec<Declared>,
    postgres: Vec<Declared>,
    references: &[Reference],
) -> Result<Vec<Table>, CopyError> {
    let (mut sqlite, postgres) = (by_table(sqlite), by_table(postgres));
    let mut tables = BTreeMap::new();
    for (name, columns) in postgres {
        let Some(others) = sqlite.remove(&name) else { return Err(alone(&name, "Postgres")) };
        tables.insert(name.clone(), Table { columns: matched(&name, others, columns)?, name });
    }
    if let Some(name) = sqlite.keys().next() {
        return Err(alone(name, "SQLite"));
    }
    in_order(tables, references)
}

fn alone(what: &str, side: &str) -> CopyError {
    CopyError::Unknown(format!("{what} is in {side} only"))
}

fn by_table(columns: Vec<Declared>) -> BTreeMap<String, Vec<Declared>> {
    let mut tables = BTreeMap::<String, Vec<Declared>>::new();
    for column in columns {
        tables.entry(column.table.clone()).or_default().push(column);
    }
    tables
}

/// Matches the columns of a table by name; their order may differ.
fn matched(table: &str, sqlite: Vec<Declared>, postgres: Vec<Declared>) -> Result<Vec<Column>, CopyError> {
    let mut sqlite: BTreeMap<String, String> = sqlite.into_iter().map(|column| (column.column, column.kind)).collect();
    let mut columns = Vec::new();
    for Declared { column: name, kind, is_key, is_identity, refers_to_own_table, .. } in postgres {
        let Some(other) = sqlite.remove(&name) else { return Err(alone(&format!("{table}.{name}"), "Postgres")) };
        let Some(form) = forms::between(&other, &kind) else {
            let problem =
                format!("no conversion is known from {other} in SQLite to {kind} in Postgres for {table}.{name}");
            return Err(CopyError::Unknown(problem));
        };
        columns.push(Column { name, form, is_key, is_identity, refers_to_own_table });
    }
    match sqlite.keys().next() {
        Some(name) => Err(alone(&format!("{table}.{name}"), "SQLite")),
        None => Ok(columns),
    }
}

/// Sorts tables so that each comes after the tables it refers to, then by name.
fn in_order(mut left: BTreeMap<String, Table>, references: &[Reference]) -> Result<Vec<Table>, CopyError> {
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let waiting: BTreeSet<&str> = references
            .iter()
            .filter(|reference| left.contains_key(&reference.from) && left.contains_key(&reference.to))
            .map(|reference| reference.from.as_str())
            .collect();
        let (later, next): (BTreeMap<_, _>, BTreeMap<_, _>) =
            left.into_iter().partition(|(name, _)| waiting.contains(name.as_str()));
        if next.is_empty() {
            let names: Vec<String> = later.into_keys().collect();
            return Err(CopyError::Unknown(format!("the tables {} refer to each other in a circle", names.join(", "))));
        }
        ordered.extend(next.into_values());
        left = later;
    }
    Ok(ordered)
}

impl Table {
    /// The statement that inserts the rows of a JSON array. References to rows of the same table stay NULL.
    pub(super) fn insert(&self) -> String {
        let columns = || self.columns.iter().filter(|column| !column.refers_to_own_table);
        let list = |text: fn(&Column) -> String| columns().map(text).collect::<Vec<_>>().join(", ");
        format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM json_to_recordset($1::json) AS source ({})",
            quoted(&self.name),
            list(|column| quoted(&column.name)),
            list(Column::written),
            list(Column::carried),
        )
    }

    /// The statement that fills in a reference to rows of the same table, for the rows of a JSON array.
    ///
    /// # Errors
    /// When the table has no primary key.
    pub(super) fn refer(&self, column: &Column) -> Result<String, CopyError> {
        let key: Vec<&Column> = self.key().collect();
        if key.is_empty() {
            let problem = format!("{}.{} refers to its own table, which has no primary key", self.name, column.name);
            return Err(CopyError::Unknown(problem));
        }
        let carried: Vec<String> = key.iter().copied().chain([column]).map(Column::carried).collect();
        let same = |key: &&Column| format!("{}.{} = {}", quoted(&self.name), quoted(&key.name), key.written());
        let same: Vec<String> = key.iter().map(same).collect();
        Ok(format!(
            "UPDATE {} SET {} = {} FROM json_to_recordset($1::json) AS source ({}) WHERE {}",
            quoted(&self.name),
            quoted(&column.name),
            column.written(),
            carried.join(", "),
            same.join(" AND "),
        ))
    }

    /// The primary key.
    pub(super) fn key(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.is_key)
    }
}

impl Column {
    /// The name and value for SQLite's `json_object`.
    pub(super) fn read(&self) -> String {
        let value = self.form.read.replace("{}", &quoted(&self.name));
        format!("'{}', {value}", self.name.replace('\'', "''"))
    }

    fn carried(&self) -> String {
        format!("{} {}", quoted(&self.name), self.form.carried)
    }

    fn written(&self) -> String {
        self.form.written.replace("{}", &format!("source.{}", quoted(&self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(table: &str, column: &str, kind: &str) -> Declared {
        Declared {
            table: table.to_owned(),
            column: column.to_owned(),
            kind: kind.to_owned(),
            is_key: false,
            is_identity: false,
            refers_to_own_table: false,
        }
    }

    fn reference(from: &str, to: &str) -> Reference {
        Reference { from: from.to_owned(), to: to.to_owned() }
    }

    fn order(names: &[&str], references: &[Reference]) -> Result<Vec<String>, String> {
        let of = |kind: &str| names.iter().map(|name| declared(name, "id", kind)).collect();
        let tables = of_both(of("INTEGER"), of("bigint"), references).map_err(|error| error.to_string())?;
        Ok(tables.into_iter().map(|table| table.name).collect())
    }

    #[test]
    fn a_table_comes_after_those_it_refers_to() {
        let references = [reference("a", "b"), reference("b", "d"), reference("c", "d")];
        assert_eq!(order(&["a", "b", "c", "d"], &references).unwrap(), ["d", "b", "c", "a"]);
        assert!(order(&["a", "b"], &[reference("a", "b"), reference("b", "a")]).unwrap_err().contains("a, b"));
    }

    #[test]
    fn what_only_one_side_has_is_named_in_the_error() {
        let refusal = |sqlite: Vec<Declared>, postgres: Vec<Declared>| {
            of_both(sqlite, postgres, &[]).expect_err("it is refused").to_string()
        };
        let id = |kind: &str| declared("seat", "id", kind);
        let cases = [
            (vec![id("INTEGER"), declared("row", "id", "INTEGER")], vec![id("bigint")], "row is in SQLite only"),
            (vec![id("INTEGER")], vec![id("bigint"), declared("row", "id", "bigint")], "row is in Postgres only"),
            (vec![id("INTEGER"), declared("seat", "row", "TEXT")], vec![id("bigint")], "seat.row is in SQLite only"),
            (vec![id("INTEGER")], vec![id("bigint"), declared("seat", "row", "text")], "seat.row is in Postgres only"),
            (vec![id("REAL")], vec![id("bigint")], "from REAL in SQLite to bigint in Postgres for seat.id"),
        ];
        for (sqlite, postgres, told) in cases {
            let refused = refusal(sqlite, postgres);
            assert!(refused.contains(told), "{refused}");
        }
    }
}
