//! The address of a database.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

const SQLITE: &str = "sqlite:";
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

/// Where a database is: `sqlite:FILE` or `postgres://USER@HOST/NAME`. It is shown without a password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DatabaseUrl(pub(super) Place);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Sqlite(PathBuf),
    Postgres {
        url: String,
        password: Option<String>,
    },
}

impl TryFrom<String> for DatabaseUrl {
    type Error = String;

    fn try_from(url: String) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix(SQLITE) {
            return Ok(Self(Place::Sqlite(path.into())));
        }
        if POSTGRES.iter().any(|scheme| url.starts_with(scheme)) {
            check_plain(&url)?;
            return Ok(Self(Place::Postgres {
                url,
                password: None,
            }));
        }
        // It may hold a password, so it is not repeated.
        Err("the address of a database begins with `sqlite:`, or with `postgres://`".into())
    }
}

/// Passes an address that can be read in one way only, so that what is shown of it is where it leads.
fn check_plain(url: &str) -> Result<(), String> {
    if url.matches('@').count() > 1 {
        return Err(
            "the address of the database has more than one @: within a user, a password or a value, write it as %40"
                .into(),
        );
    }
    let (_, parameters) = url.split_once('?').unwrap_or_default();
    let names = parameters
        .split('&')
        .filter_map(|word| word.split_once('='));
    if names.into_iter().any(|(name, _)| name.contains('%')) {
        return Err("the address of the database has a parameter whose name is written with %: write it in letters".into());
    }
    Ok(())
}

impl DatabaseUrl {
    /// Lets the path of a file count from `base`.
    pub fn anchor(&mut self, base: &Path) {
        if let Place::Sqlite(path) = &mut self.0 {
            *path = base.join(&*path);
        }
    }

    /// The file that it is, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::Sqlite(path) => Some(path),
            Place::Postgres { .. } => None,
        }
    }

    /// Whether it is a file, or a server on this machine.
    pub fn is_here(&self) -> bool {
        let (Place::Postgres { url, .. }, Some(server)) = (&self.0, self.server()) else {
            return true;
        };
        let is_local = |host: &str| ["", "localhost", "127.0.0.1", "[::1]"].contains(&host);
        // A parameter may name another server, or the folder of a socket.
        let behind = url
            .rsplit_once('@')
            .map_or(url.as_str(), |(_, behind)| behind);
        let (_, parameters) = behind.split_once('?').unwrap_or_default();
        let parameters = parameters
            .split('&')
            .filter_map(|word| word.split_once('='));
        let names_another = parameters.into_iter().any(|(name, value)| match name {
            "host" => {
                let is_socket = value.starts_with('/') || value.to_lowercase().starts_with("%2f");
                value.contains(',') || !(is_socket || is_local(value))
            }
            name => name.starts_with("host"),
        });
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        is_local(host) && !names_another
    }

    /// All that decides where it leads and how: the address without user and password.
    pub fn target(&self) -> String {
        let Place::Postgres { url, .. } = &self.0 else {
            return self.to_string();
        };
        let behind = url
            .split_once('@')
            .map_or(url.as_str(), |(_, behind)| behind);
        let (_, parameters) = behind.split_once('?').unwrap_or_default();
        let is_secret = |word: &&str| {
            let (name, _) = word.split_once('=').unwrap_or((word, ""));
            name.contains("password") || name.contains("passfile")
        };
        let parameters = parameters.split('&').filter(|word| !is_secret(word));
        let parameters: Vec<&str> = parameters.filter(|word| !word.is_empty()).collect();
        match parameters.as_slice() {
            [] => self.to_string(),
            parameters => format!("{self}?{}", parameters.join("&")),
        }
    }

    /// Logs in with this password, unless the address has one.
    pub fn add_password(&mut self, password: &str) {
        if let Place::Postgres { password: own, .. } = &mut self.0 {
            *own = Some(password.to_owned());
        }
    }

    /// Its server as `host:port`, if it has one.
    fn server(&self) -> Option<&str> {
        self.parts().map(|(server, _)| server)
    }

    /// Server and name of a database on a server. What stands before the last `@` may be a password, however it is written.
    fn parts(&self) -> Option<(&str, &str)> {
        let Place::Postgres { url, .. } = &self.0 else {
            return None;
        };
        let (_, rest) = url.split_once("://")?;
        let (_, shown) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (place, _) = shown.split_once('?').unwrap_or((shown, ""));
        Some(place.split_once('/').unwrap_or((place, "")))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "{}", path.display()),
            Place::Postgres { .. } => {
                let (server, name) = self.parts().unwrap_or_default();
                write!(f, "postgres://{server}/{name}")
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> DatabaseUrl {
        url.to_owned().try_into().unwrap()
    }

    #[test]
    fn an_address_is_shown_without_its_password_and_knows_where_it_leads() {
        for (written, shown, is_here) in [
            ("sqlite:shop.db", "shop.db", true),
            (
                "postgres://me:secret@db.example.org:5433/shop?sslmode=require",
                "postgres://db.example.org:5433/shop",
                false,
            ),
            (
                "postgresql://me@localhost/shop",
                "postgres://localhost/shop",
                true,
            ),
            (
                "postgres://127.0.0.1:5432/shop",
                "postgres://127.0.0.1:5432/shop",
                true,
            ),
            (
                "postgres:///shop?host=/run/postgresql&user=me",
                "postgres:///shop",
                true,
            ),
            ("postgres:///shop?host=%2Frun", "postgres:///shop", true),
            (
                "postgres:///shop?host=evil.example.org",
                "postgres:///shop",
                false,
            ),
            (
                "postgres://localhost/shop?hostaddr=192.0.2.1",
                "postgres://localhost/shop",
                false,
            ),
            (
                "postgres://localhost,evil.example.org/shop",
                "postgres://localhost,evil.example.org/shop",
                false,
            ),
        ] {
            let url = url(written);
            assert_eq!(
                (url.to_string(), url.is_here()),
                (shown.to_owned(), is_here),
                "{written}"
            );
            assert!(!format!("{url:?}").contains("secret"));
        }
        for refused in [
            "mysql://secret",
            "postgres://a:secret@localhost@evil.example.org/shop",
            "postgres://a:secret@evil.example.org/shop?application_name=b@localhost/shop",
            "postgres:///shop?%68ost=secret.example.org",
        ] {
            let error = DatabaseUrl::try_from(refused.to_owned()).unwrap_err();
            assert!(!error.contains("secret"), "{refused}: {error}");
        }
    }

    #[test]
    fn a_parameter_that_leads_elsewhere_is_a_part_of_the_target() {
        for (written, target) in [
            ("postgres://db.example/shop", "postgres://db.example/shop"),
            (
                "postgres://me:secret@db.example/shop?hostaddr=192.0.2.1&sslmode=disable&password=secret",
                "postgres://db.example/shop?hostaddr=192.0.2.1&sslmode=disable",
            ),
            (
                "postgres://db.example/shop?host=b",
                "postgres://db.example/shop?host=b",
            ),
            (
                "postgres://db.example/shop?password=secret",
                "postgres://db.example/shop",
            ),
            ("sqlite:shop.db", "shop.db"),
        ] {
            assert_eq!(url(written).target(), target, "{written}");
        }
    }
}
