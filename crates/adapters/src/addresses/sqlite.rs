//! The statements for SQLite.

use diesel::result::Error::SerializationError;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, SqliteConnection, sql_query};

use super::{BATCH, Column, TextRow, Texts};

impl Texts for SqliteConnection {
    fn read(&mut self, column: &Column, after: Option<&str>) -> QueryResult<Vec<TextRow>> {
        let Column { table, name, key: (key, _), .. } = column;
        let condition = column.condition();
        sql_query(format!(
            "SELECT CAST({key} AS TEXT) AS key, {name} AS text FROM {table}
             WHERE (?1 IS NULL OR {key} > ?1) AND {condition} ORDER BY {table}.{key} LIMIT ?2"
        ))
        .bind::<Nullable<Text>, _>(after)
        .bind::<BigInt, _>(BATCH)
        .load(self)
    }

    fn write(&mut self, column: &Column, texts: &[TextRow]) -> QueryResult<usize> {
        let input = serde_json::to_string(texts).map_err(|error| SerializationError(error.into()))?;
        sql_query(format!(
            "WITH input (key, text) AS (SELECT value ->> 'key', value ->> 'text' FROM jsonb_each(?1)) {}",
            column.update()
        ))
        .bind::<Text, _>(input)
        .execute(self)
    }
}
