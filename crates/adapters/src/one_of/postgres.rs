//! The condition in Postgres.

use diesel::expression::Expression;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{Array, HasSqlType, SqlType};

use super::{OneOf, Values};

impl<V, T> ToSql<Array<T>, Pg> for Values<V>
where
    V: std::fmt::Debug,
    Vec<V>: ToSql<Array<T>, Pg>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<C, V, T> QueryFragment<Pg> for OneOf<C, V>
where
    C: Expression<SqlType = T> + QueryFragment<Pg>,
    T: SqlType,
    Pg: HasSqlType<Array<T>>,
    Values<V>: ToSql<Array<T>, Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" = ANY(");
        out.push_bind_param::<Array<T>, _>(&self.values)?;
        out.push_sql(")");
        Ok(())
    }
}
