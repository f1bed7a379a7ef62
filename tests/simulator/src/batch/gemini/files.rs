//! Files as Gemini has them: an upload is opened, gets its bytes in one piece or more, and is closed.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::batch::ask::Ask;
use crate::batch::files::{NewFile, Stored};
use crate::batch::job::now;
use crate::batch::reply::Reply;
use crate::dialect::rfc3339;
use crate::problem::Problem;

/// Seconds that a file is kept for.
const KEPT: u64 = 172_800;
/// Most bytes of an input, where the script does not say it.
const BYTES: u64 = 2_000_000_000;

pub fn no_file(id: &str) -> Problem {
    Problem::NotFound(format!(
        "You do not have permission to access the File {id} or it may not exist."
    ))
}

/// A file that this key made.
///
/// # Errors
/// There is none with this id.
pub fn stored(ask: &Ask<'_>, id: &str) -> Result<Stored, Problem> {
    let found = ask
        .desk
        .with_files(|files| files.get(ask.owner, id).cloned());
    found.ok_or_else(|| no_file(id))
}

pub fn object(file: &Stored) -> Value {
    json!({
        "name": format!("files/{}", file.id),
        "displayName": file.name,
        "mimeType": "application/jsonl",
        "sizeBytes": file.bytes.to_string(),
        "createTime": rfc3339(file.created),
        "updateTime": rfc3339(file.created),
        "expirationTime": rfc3339(file.created + KEPT),
        "uri": format!("https://generativelanguage.googleapis.com/v1beta/files/{}", file.id),
        "state": "ACTIVE",
        "source": if file.purpose == "batch" { "UPLOADED" } else { "GENERATED" },
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Start {
    file: File,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(rename = "displayName", alias = "display_name")]
    display_name: String,
}

/// Opens an upload.
///
/// # Errors
/// What the API says is wrong with it.
pub fn start(ask: &Ask<'_>) -> Result<Reply, Problem> {
    if ask.head.upload_command.as_deref() != Some("start") {
        let message = "X-Goog-Upload-Command: an upload begins with start";
        return Err(Problem::Invalid(message.to_owned()));
    }
    let start: Start = if ask.body.is_empty() {
        Start::default()
    } else {
        serde_json::from_slice(ask.body).map_err(|error| Problem::Invalid(error.to_string()))?
    };
    let new = NewFile {
        owner: ask.owner.to_owned(),
        purpose: "batch".to_owned(),
        name: start.file.display_name,
        expires_after: None,
    };
    let opened = ask.desk.with_files(|files| files.open(new));
    let upload = opened.map_err(|_| Problem::Server(500))?;
    let host = ask.head.host.as_deref().unwrap_or("localhost");
    let url =
        format!("http://{host}/upload/v1beta/files?upload_id={upload}&upload_protocol=resumable");
    let headers = vec![
        ("x-goog-upload-status", "active".to_owned()),
        ("x-goog-upload-url", url),
    ];
    Ok(Reply::Headed(headers, String::new()))
}

/// Adds bytes to an upload, and closes it with the last of them.
///
/// # Errors
/// What the API says is wrong with it.
pub fn append(ask: &Ask<'_>, upload: u64) -> Result<Reply, Problem> {
    let command = ask.head.upload_command.as_deref().unwrap_or_default();
    let (adds, ends) = (command.contains("upload"), command.contains("finalize"));
    if !adds && !ends {
        let message = format!("X-Goog-Upload-Command: {command:?} is none");
        return Err(Problem::Invalid(message));
    }
    let desk = ask.desk;
    let most = desk.script().limits.bytes.unwrap_or(BYTES);
    let offset = ask.head.upload_offset.unwrap_or(0);
    let added = desk.with_files(|files| files.append(upload, offset, ask.body));
    let bytes = added.map_err(|_| Problem::Server(500))?.ok_or_else(|| {
        Problem::Invalid("Upload must be opened, and its offset right.".to_owned())
    })?;
    if bytes > most {
        return Err(Problem::TooLarge);
    }
    let status = |word: &str| vec![("x-goog-upload-status", word.to_owned())];
    if !ends {
        return Ok(Reply::Headed(status("active"), String::new()));
    }
    let closed = desk.with_files(|files| files.close(upload, now().1));
    let file = closed.ok_or(Problem::Server(500))?;
    let body = json!({"file": object(&file)}).to_string();
    Ok(Reply::Headed(status("final"), body))
}
