//! Recipes: what the tasks of a component are made with, in a form that people can read.

use rusqlite::{OptionalExtension, params};

use super::sql::Column;
use super::{Store, StoreError};
use plan::recipe::Recipe;
use types::digest::Digest;

/// Number of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecipeId(pub(super) i64);

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
                connection.execute(
                    "INSERT INTO recipe (digest, text) VALUES (?1, ?2)
                     ON CONFLICT (digest) DO NOTHING",
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
                .query_row("SELECT text FROM recipe WHERE id = ?1", [id.0], |row| {
                    row.get(0)
                })
                .optional()
        })?;
        // What an older version wrote in another form explains nothing, and is no error.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
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
