//! The statements for Postgres.

use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel::{PgConnection, QueryResult, RunQueryDsl, sql_query};

use super::{BATCH, Column, TextRow, Texts};

impl Texts for PgConnection {
    fn read(&mut self, column: &Column, after: Option<&str>) -> QueryResult<Vec<TextRow>> {
        let Column { table, name, key: (key, kind), .. } = column;
        let condition = column.condition();
        sql_query(format!(
            "SELECT {key}::text AS key, {name} AS text FROM {table}
             WHERE ($1 IS NULL OR {key} > $1::{kind}) AND {condition} ORDER BY {key} LIMIT $2"
        ))
        .bind::<Nullable<Text>, _>(after)
        .bind::<BigInt, _>(BATCH)
        .load(self)
    }

    fn write(&mut self, column: &Column, texts: &[TextRow]) -> QueryResult<usize> {
        let (keys, texts): (Vec<&str>, Vec<&str>) =
            texts.iter().map(|row| (row.key.as_str(), row.text.as_str())).unzip();
        sql_query(format!(
            "WITH input (key, text) AS (SELECT key::{}, text FROM unnest($1, $2) AS sent (key, text)) {}",
            column.key.1,
            column.update()
        ))
        .bind::<Array<Text>, _>(keys)
        .bind::<Array<Text>, _>(texts)
        .execute(self)
    }
}
