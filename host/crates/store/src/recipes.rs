//! Recipes: what the tasks of a component are made with, in a form that people can read.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::checksum::RECIPES;
use super::sql::{Column, number};
use super::{Store, StoreError};
use plan::recipe::Recipe;
use types::digest::Digest;

/// Number of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecipeId(pub(super) i64);

number!(RecipeId);

impl RecipeId {
    /// Of a task that was never made by any.
    pub const NONE: RecipeId = RecipeId(0);
}

impl Store {
    /// Notes a recipe, and gives its number.
    pub async fn note_recipe(
        &self,
        digest: Digest,
        recipe: &Recipe,
    ) -> Result<RecipeId, StoreError> {
        let text = serde_json::json!(recipe).to_string();
        let result = self
            .inner
            .writer
            .exclusive(move |connection| {
                let values = [
                    ("id", "(SELECT coalesce(max(id), 0) + 1 FROM recipe)"),
                    ("digest", "?1"),
                    ("text", "?2"),
                ];
                // One that is there may be damaged, or have been lost; its number stays.
                let tail = format!(
                    "ON CONFLICT (digest) DO UPDATE SET {} WHERE recipe.text = '' OR NOT {}",
                    RECIPES.set(&[("text", "excluded.text")]),
                    RECIPES.sound()
                );
                connection.execute(
                    &RECIPES.insert("INSERT", &values, &tail),
                    params![Column(digest), text],
                )?;
                connection.query_row(
                    "SELECT id FROM recipe WHERE digest = ?1",
                    [Column(digest)],
                    |row| row.get(0),
                )
            })
            .await?;
        result
            .map(RecipeId)
            .map_err(|error: rusqlite::Error| self.inner.writer.error(&error))
    }

    /// A recipe by its number; `None` if it is not known any more.
    pub fn recipe(&self, id: RecipeId) -> Result<Option<Recipe>, StoreError> {
        let text: Option<String> = self.read(|reader| {
            reader
                .query_row(
                    &format!(
                        "SELECT text FROM recipe WHERE id = ?1 AND {}",
                        RECIPES.sound()
                    ),
                    [id.0],
                    |row| row.get(0),
                )
                .optional()
        })?;
        // What an older version wrote in another form explains nothing, and is no error.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

/// Mends recipes: of a damaged one the number stays, and with it all that is still certain.
pub(super) fn mend(connection: &Connection) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT id, CAST(digest AS BLOB) AS digest, CAST(text AS BLOB) AS text FROM recipe WHERE NOT {}",
        RECIPES.sound()
    );
    let damaged: Vec<(i64, Vec<u8>, Vec<u8>)> = connection
        .prepare(&sql)?
        .query_map([], |row| {
            Ok((row.get("id")?, row.get("digest")?, row.get("text")?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (id, digest, text) in damaged {
        let whole = serde_json::from_slice::<Recipe>(&text).ok();
        // Without its text a recipe explains nothing, until it is noted again.
        let (digest, text) =
            match whole.filter(|recipe| recipe.digest().as_bytes() != digest.as_slice()) {
                Some(recipe) => (
                    recipe.digest().as_bytes().to_vec(),
                    String::from_utf8_lossy(&text).into_owned(),
                ),
                None => (digest, String::new()),
            };
        let sql = format!(
            "UPDATE OR IGNORE recipe SET {} WHERE id = ?1",
            RECIPES.set(&[("digest", "?2"), ("text", "?3")])
        );
        connection.execute(&sql, params![id, digest, text])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_recipe_is_noted_once_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("state.db")).unwrap();
        let recipe: Recipe = serde_json::from_value(json!({
            "plugin": "text",
            "version": "0.1.0",
            "code": Digest::of(b"plugin"),
            "site": ["https://example.org", "Example", "en_US"],
            "output": "text/{id}.md",
            "options": {"max-words": 300},
            "prompts": {"write": Digest::of(b"Write.")},
            "parameters": {"model": "offline", "temperature": 0.6, "max_output_tokens": 100},
            "fields": ["density"],
            "category_fields": ["hazards"],
            "upstreams": ["frontmatter"],
        }))
        .unwrap();
        let id = store.note_recipe(recipe.digest(), &recipe).await.unwrap();
        let again = store.note_recipe(recipe.digest(), &recipe).await.unwrap();
        assert_eq!(id, again);
        assert_eq!(store.recipe(id).unwrap(), Some(recipe));
        assert_eq!(store.recipe(RecipeId::NONE).unwrap(), None);
    }
}
