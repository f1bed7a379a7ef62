//! What lanes have learned of how their models want to be asked.

use rusqlite::{OptionalExtension, params};

use super::checksum::LANES;
use super::sql::Column;
use super::{Store, StoreError};
use gateway::learned::Learned;
use types::digest::Digest;

impl Store {
    /// What a lane learned while it was configured like this (`options`); nothing if it was configured otherwise.
    pub fn lessons(&self, lane: &str, options: Digest) -> Result<Learned, StoreError> {
        let text: Option<String> = self.read(|reader| {
            reader
                .query_row(
                    &format!(
                        "SELECT learned FROM lane WHERE lane = ?1 AND manner = ?2 AND {}",
                        LANES.sound()
                    ),
                    params![lane, Column(options)],
                    |row| row.get(0),
                )
                .optional()
        })?;
        // What a later version wrote may not be understood; then it is learned again.
        Ok(text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    /// Keeps what a lane has learned.
    pub(super) async fn write_lessons(
        &self,
        lane: &str,
        options: Digest,
        learned: &Learned,
    ) -> Result<(), StoreError> {
        let lane = lane.to_owned();
        let text = serde_json::json!(learned).to_string();
        self.inner
            .writer
            .write_later(move |connection| {
                let values = [("lane", "?1"), ("manner", "?2"), ("learned", "?3")];
                connection.execute(
                    &LANES.insert("INSERT OR REPLACE", &values, ""),
                    params![lane, Column(options), text],
                )?;
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lessons_last_as_long_as_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let (options, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let learned = Learned {
            largest_cap: Some(4096),
            ..Learned::default()
        };
        {
            let store = Store::open(&path).unwrap();
            assert_eq!(store.lessons("p/m", options).unwrap(), Learned::default());
            store.write_lessons("p/m", options, &learned).await.unwrap();
        }
        let store = Store::open(&path).unwrap();
        assert_eq!(store.lessons("p/m", options).unwrap(), learned);
        assert_eq!(store.lessons("p/m", other).unwrap(), Learned::default());
        assert_eq!(store.lessons("p/n", options).unwrap(), Learned::default());
    }
}
