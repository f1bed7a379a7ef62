//! The addresses of a review. Who decides shows the key of this start, in a header that no other site's page can send.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Decision, Edit, Noted, ReviewError, Serving, WantedFiles};

/// Names the key.
const KEY: &str = "x-batchgen-key";

/// All of them.
pub(in super::super) fn routes(serving: Arc<Serving>) -> Router {
    Router::new()
        .route("/review/files", get(files))
        .route("/review/decide", post(decide))
        .route("/review/edit", post(edit))
        .route("/review/undo", post(undo))
        .with_state(serving)
}

async fn files(State(serving): State<Arc<Serving>>, Query(wanted): Query<WantedFiles>) -> Response {
    let look = move || serving.files(&wanted);
    match tokio::task::spawn_blocking(look).await {
        Ok(Ok(page)) => answer(StatusCode::OK, &page),
        Ok(Err(error)) => ReviewError::from(error).into_response(),
        Err(error) => ReviewError::from(error).into_response(),
    }
}

async fn decide(State(serving): State<Arc<Serving>>, headers: HeaderMap, body: Bytes) -> Response {
    let decision: Decision = match said(&serving, &headers, &body) {
        Ok(decision) => decision,
        Err(refusal) => return *refusal,
    };
    // A task of its own: a browser that goes away does not end it half way.
    match tokio::spawn(serving.decide(decision)).await {
        Ok(Ok(noted)) => answer(StatusCode::OK, &noted),
        Ok(Err(error)) => error.into_response(),
        Err(error) => ReviewError::from(error).into_response(),
    }
}

async fn edit(State(serving): State<Arc<Serving>>, headers: HeaderMap, body: Bytes) -> Response {
    let edit: Edit = match said(&serving, &headers, &body) {
        Ok(edit) => edit,
        Err(refusal) => return *refusal,
    };
    match tokio::spawn(serving.edit(edit)).await {
        Ok(Ok((file, noted))) => {
            let Noted { counts, warning } = noted;
            let document = json!({"file": file, "counts": counts, "warning": warning});
            answer(StatusCode::OK, &document)
        }
        Ok(Err(error)) => error.into_response(),
        Err(error) => ReviewError::from(error).into_response(),
    }
}

async fn undo(State(serving): State<Arc<Serving>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = without_key(&serving, &headers) {
        return refusal;
    }
    match tokio::spawn(serving.take_back()).await {
        Ok(Ok((taken, noted))) => {
            let Noted { counts, warning } = noted;
            answer(
                StatusCode::OK,
                &json!({"taken": taken, "counts": counts, "warning": warning}),
            )
        }
        Ok(Err(error)) => error.into_response(),
        Err(error) => ReviewError::from(error).into_response(),
    }
}

/// What a person says, if they show the key.
fn said<T: DeserializeOwned>(
    serving: &Serving,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<T, Box<Response>> {
    if let Some(refusal) = without_key(serving, headers) {
        return Err(Box::new(refusal));
    }
    let bad = |error| (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response();
    serde_json::from_slice(body).map_err(|error: serde_json::Error| Box::new(bad(error)))
}

fn without_key(serving: &Serving, headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(KEY).map(|key| key.as_bytes());
    let is_known = given.is_some_and(|given| serving.is_key(given));
    let refusal = "this page is not the one of this review: open the address that `batchgen review --page` printed\n";
    (!is_known).then(|| (StatusCode::FORBIDDEN, refusal).into_response())
}

impl IntoResponse for ReviewError {
    fn into_response(self) -> Response {
        let status = match &self {
            ReviewError::NotThere => StatusCode::NOT_FOUND,
            ReviewError::Changed(_) => StatusCode::CONFLICT,
            ReviewError::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ReviewError::Store(_) | ReviewError::Lost(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let error = self.to_string();
        match self {
            ReviewError::Changed(file) => answer(status, &json!({"error": error, "file": file})),
            _ => answer(status, &json!({"error": error})),
        }
    }
}

fn answer(status: StatusCode, document: &impl Serialize) -> Response {
    match types::shown::json(document) {
        Ok(json) => (status, [(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
