//! The rows that a query of a database gives, copied as JSON Lines. A line of the copy has the number of its row in the result.

mod database_url;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

pub use database_url::DatabaseUrl;

use std::fmt;

use self::database_url::Place;
use super::copies::Copies;
use super::input::Shared;
use super::{DatasetError, Format};

/// A query and its database.
pub(super) struct Query<'a> {
    url: &'a DatabaseUrl,
    sql: &'a str,
}

impl<'a> Query<'a> {
    pub fn new(url: &'a DatabaseUrl, sql: &'a str) -> Result<Self, DatasetError> {
        let query = Self { url, sql };
        if sql.trim().is_empty() {
            return Err(query.refused("the query in `sql` is empty", "write a SELECT"));
        }
        Ok(query)
    }

    /// Asks the database, unless it is known that it has not changed.
    pub fn open(&self, copies: &Copies) -> Result<(Shared, Format), DatasetError> {
        let shared = match &self.url.0 {
            Place::Sqlite(path) => sqlite::open(self, path, copies)?,
            #[cfg(feature = "postgres")]
            Place::Postgres { url, password } => {
                postgres::open(self, url, password.as_deref(), copies)?
            }
            #[cfg(not(feature = "postgres"))]
            Place::Postgres { .. } => {
                return Err(self.refused(
                    "is a database that this build does not read",
                    "use a released program",
                ));
            }
        };
        Ok((shared, Format::Query))
    }

    fn refused(&self, cause: impl Into<String>, remedy: &'static str) -> DatasetError {
        DatasetError::refused(self.url.to_string(), cause, remedy)
    }

    /// What is wrong with the query, as the database says it.
    fn failed(&self, cause: impl fmt::Display) -> DatasetError {
        self.refused(
            format!("the query failed: {cause}"),
            "correct `sql` in [dataset]",
        )
    }
}

/// The names of the tables of a database that is a file, as far as it can be read.
pub fn tables(url: &DatabaseUrl) -> Vec<String> {
    let tables = url.file().map(sqlite::tables);
    tables.and_then(Result::ok).unwrap_or_default()
}
