//! How the types that the state is made of stand in its columns.

use plan::decision::{Author, OutcomeKind};
use plan::verdict::Giver;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use types::class::FailureClass;
use types::digest::Digest;

/// SQL of this moment, as it stands in columns.
pub(super) const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// A value of another crate's type, as it stands in a column. Read as an option it is absent where the column is null or
/// holds something that the type does not know; the reader says what holds then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column<T>(pub T);

/// A type of another crate that can be a column.
pub(super) trait Stored: Sized {
    fn read(value: ValueRef<'_>) -> Option<Self>;
    fn write(&self) -> ValueRef<'_>;
}

impl<T: Stored> FromSql for Column<Option<T>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Column(T::read(value)))
    }
}

impl<T: Stored> ToSql for Column<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0.write()))
    }
}

impl Stored for Digest {
    fn read(value: ValueRef<'_>) -> Option<Self> {
        value.as_blob().ok().and_then(Digest::from_slice)
    }

    fn write(&self) -> ValueRef<'_> {
        ValueRef::Blob(self.as_bytes())
    }
}

/// Types that stand in columns by their names.
macro_rules! by_name {
    ($($type:ty: $named:expr;)+) => { $(
        impl Stored for $type {
            fn read(value: ValueRef<'_>) -> Option<Self> {
                value.as_str().ok().and_then($named)
            }

            fn write(&self) -> ValueRef<'_> {
                ValueRef::Text(self.as_str().as_bytes())
            }
        }
    )+ };
}

by_name! {
    Author: Author::named;
    FailureClass: |name| name.parse().ok();
    OutcomeKind: OutcomeKind::named;
    Giver: Giver::named;
}

/// Lets a number of rows, `struct RunId(i64)`, stand in columns.
macro_rules! number {
    ($type:ident) => {
        impl rusqlite::types::FromSql for $type {
            fn column_result(
                value: rusqlite::types::ValueRef<'_>,
            ) -> rusqlite::types::FromSqlResult<Self> {
                value.as_i64().map($type)
            }
        }

        impl rusqlite::types::ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                rusqlite::types::ToSql::to_sql(&self.0)
            }
        }
    };
}

pub(super) use number;
