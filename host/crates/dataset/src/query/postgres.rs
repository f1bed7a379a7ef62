//! Postgres: the server writes each row as JSON itself, so that dates, decimals, arrays and nested JSON are what it says they
//! are.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use futures_util::{StreamExt, pin_mut};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls, Row, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::copies::Copies;
use super::super::copying;
use super::super::input::Shared;
use super::{DatasetError, Query};

/// As long is waited for a connection, with all that is said before the query.
const CONNECTING: Duration = Duration::from_secs(30);
/// As long is waited for the next row: the first one may take a large query.
const NEXT_ROW: Duration = Duration::from_secs(900);

/// A shorter password occurs in plain words.
const SECRET: usize = 4;
/// Rows that may wait to be written.
const AHEAD: usize = 256;

/// The rows of the query.
pub(super) fn open(
    query: &Query<'_>,
    url: &str,
    password: Option<&str>,
    copies: &Copies,
) -> Result<Shared, DatasetError> {
    let path = PathBuf::from(query.url.to_string());
    let mut config: Config = url.parse().map_err(|error| query.cannot_connect(&error))?;
    if let (None, Some(password)) = (config.get_password(), password) {
        config.password(password);
    }
    config.application_name("batchgen");
    let source = format!("postgres {} {}", path.display(), query.sql);
    let known = copies
        .is_known(&source)
        .then(|| copies.last(&source))
        .flatten();
    let ask_now = || {
        copying::taken(&path, &source, copies, |out| {
            std::thread::scope(|scope| {
                let (sender, lines) = mpsc::sync_channel::<String>(AHEAD);
                // A runtime cannot be started within another one.
                let asking = scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .map_err(|error| query.cannot_connect(&error))?;
                    runtime.block_on(ask(query, &config, &sender))
                });
                let written = lines
                    .iter()
                    .try_for_each(|line| out.write_all(line.as_bytes()));
                drop(lines);
                let asked = asking.join();
                asked.unwrap_or_else(|_| Err(query.failed("the client broke")))?;
                written.map_err(|error| query.failed(error))
            })
        })
    };
    let (file, state) = known.map_or_else(ask_now, Ok)?;
    let length = file.metadata().map(|metadata| metadata.len());
    Ok(Shared {
        length: length.map_err(|cause| DatasetError::io(&path, cause))?,
        file: Arc::new(file),
        state: Some(state),
        path,
        encoding: None,
    })
}

async fn ask(
    query: &Query<'_>,
    config: &Config,
    lines: &SyncSender<String>,
) -> Result<(), DatasetError> {
    let late = |_| {
        query.refused(
            "the server does not answer",
            "see whether it runs, and try again",
        )
    };
    // The address may say so itself, as `?connect_timeout=5`.
    let patience = config.get_connect_timeout().copied().unwrap_or(CONNECTING);
    let connected = timeout(patience, connect(query, config));
    let client = connected.await.map_err(late)??;
    // The line break ends a comment behind which the query may end.
    let sql = query.sql.trim().trim_end_matches(';');
    let wrapped = format!("SELECT row_to_json(q)::text FROM (\n{sql}\n) AS q");
    let read_only = client.batch_execute("BEGIN TRANSACTION READ ONLY");
    let begun = timeout(CONNECTING, read_only).await.map_err(late)?;
    begun.map_err(|error| query.failed(told(&error, config)))?;
    let none: [&(dyn ToSql + Sync); 0] = [];
    let rows = timeout(NEXT_ROW, client.query_raw(&wrapped, none));
    let rows = rows.await.map_err(late)?;
    let rows = rows.map_err(|error| query.failed(told(&error, config)))?;
    pin_mut!(rows);
    while let Some(row) = timeout(NEXT_ROW, rows.next()).await.map_err(late)? {
        let row: Row = row.map_err(|error| query.failed(told(&error, config)))?;
        let text: &str = row
            .try_get(0)
            .map_err(|error| query.failed(told(&error, config)))?;
        // A line break is white space between values: within texts it is escaped.
        let mut line = text.replace(['\n', '\r'], " ");
        line.push('\n');
        // Who takes no more says why.
        if lines.send(line).is_err() {
            break;
        }
    }
    Ok(())
}

async fn connect(
    query: &Query<'_>,
    config: &Config,
) -> Result<tokio_postgres::Client, DatasetError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
    let failed = |error: tokio_postgres::Error| query.cannot_connect(&told(&error, config));
    let has_tls = match config.get_ssl_mode() {
        SslMode::Disable => false,
        // A certificate for this machine is nobody's but its own.
        SslMode::Prefer => !query.url.is_here(),
        _ => true,
    };
    // What goes over the connection is moved by a task of its own, which ends with it.
    match tls.ok().filter(|_| has_tls) {
        Some(tls) => {
            let (client, connection) = config
                .connect(MakeRustlsConnect::new(tls))
                .await
                .map_err(failed)?;
            tokio::spawn(connection);
            Ok(client)
        }
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

impl Query<'_> {
    fn cannot_connect(&self, cause: &impl std::fmt::Display) -> DatasetError {
        self.refused(
            format!("cannot be reached: {cause}"),
            "check `url` in [dataset], and the password in PGPASSWORD",
        )
    }
}

/// What the server says, with its hint, or else what lies behind an error. It may repeat the password.
fn told(error: &tokio_postgres::Error, config: &Config) -> String {
    use std::error::Error;
    let said = match (error.as_db_error(), error.source()) {
        (Some(said), _) => match said.hint() {
            Some(hint) => format!("{} ({hint})", said.message()),
            None => said.message().to_owned(),
        },
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    };
    let password = config.get_password().map(String::from_utf8_lossy);
    match password {
        Some(password) if password.len() >= SECRET => said.replace(&*password, "[key]"),
        _ => said,
    }
}
