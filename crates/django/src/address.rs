//! The URL of the database.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::DjangoError;

/// Where the database is, and how to connect. Its debug form hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
    pub(crate) tls: Tls,
}

/// Whether the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    Disabled,
    /// The server's certificate must name the host, and be signed by an authority: one of this file, or of the system.
    Verified {
        authorities: Option<PathBuf>,
    },
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, .. } = self;
        write!(f, "DatabaseAddress(mysql://{host}:{port}/{database})")
    }
}

impl DatabaseAddress {
    /// Reads `mysql://USER:PASSWORD@HOST[:PORT]/NAME`. The query takes `ssl-mode`, which is `DISABLED` or
    /// `VERIFY_IDENTITY`, and `ssl-ca`, a file of certificates in PEM. Without `ssl-mode`, only a connection to this
    /// machine is not encrypted.
    ///
    /// # Errors
    /// What is wrong with the URL, without quoting it.
    pub fn parse(text: &str) -> Result<Self, DjangoError> {
        let wrong = |problem: &str| DjangoError::Address(problem.to_owned());
        let form = "it has the form mysql://USER:PASSWORD@HOST/NAME. In a password, write %40 for @, %2F for /, \
                    %23 for #, %3F for ?, %25 for %";
        let url = Url::parse(text).map_err(|_| wrong(form))?;
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            return Err(wrong(form));
        }
        let decoded = |part: &str| {
            let part = percent_decode_str(part).decode_utf8().map_err(|_| wrong("it is not UTF-8"))?;
            if part.contains('\0') { Err(wrong("it contains a NUL")) } else { Ok(part.into_owned()) }
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong(form))?.to_owned();
        let database = decoded(url.path().trim_start_matches('/'))?;
        if database.is_empty() || url.username().is_empty() {
            return Err(wrong(form));
        }
        let (mut mode, mut authorities) = (None, None);
        for (key, value) in url.query_pairs() {
            match &*key {
                "ssl-mode" => mode = Some(value.to_ascii_uppercase()),
                "ssl-ca" => authorities = Some(PathBuf::from(&*value)),
                _ => return Err(wrong("its query takes ssl-mode and ssl-ca")),
            }
        }
        let tls = match mode.as_deref() {
            Some("DISABLED") if authorities.is_none() => Tls::Disabled,
            None if authorities.is_none() && is_this_machine(&host) => Tls::Disabled,
            None | Some("VERIFY_IDENTITY") => Tls::Verified { authorities },
            Some("DISABLED") => return Err(wrong("ssl-ca means nothing with ssl-mode=DISABLED")),
            Some(_) => return Err(wrong("its ssl-mode is DISABLED or VERIFY_IDENTITY")),
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(3306),
            user: decoded(url.username())?,
            password: decoded(url.password().unwrap_or_default())?,
            database,
            tls,
        })
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_everything_and_tls() {
        let of = |text: &str| DatabaseAddress::parse(text).expect("it is accepted");
        let local = of("mysql://lm:p%40ss@127.0.0.1:3307/license_manager");
        assert_eq!((local.host.as_str(), local.port), ("127.0.0.1", 3307));
        assert_eq!((local.user.as_str(), local.password.as_str()), ("lm", "p@ss"));
        assert_eq!((local.database.as_str(), &local.tls), ("license_manager", &Tls::Disabled));
        assert_eq!(of("mysql://lm@db.example.com/x").tls, Tls::Verified { authorities: None });
        assert_eq!(of("mysql://lm@db.example.com/x?ssl-mode=disabled").tls, Tls::Disabled);
        let named = of("mariadb://lm@localhost/x?ssl-ca=/etc/ca.pem");
        assert_eq!(named.tls, Tls::Verified { authorities: Some("/etc/ca.pem".into()) });
        assert_eq!(of("mysql://lm@[::1]/x").host, "::1");
        assert!(!format!("{local:?}").contains("p@ss"));
    }

    #[test]
    fn a_url_that_is_wrong_is_refused_without_quoting_it() {
        for text in [
            "postgres://lm:hush@localhost/x",
            "mysql://lm:hush@localhost",
            "mysql://:hush@localhost/x",
            "mysql://lm:hush@localhost/x?ssl-mode=PREFERRED",
            "mysql://lm:hush@localhost/x?ssl-mode=DISABLED&ssl-ca=/ca.pem",
            "mysql://lm:hush@localhost/x?charset=latin1",
            "hush",
        ] {
            let refused = DatabaseAddress::parse(text).expect_err(text).to_string();
            assert!(!refused.contains("hush"), "{refused}");
        }
        for text in ["mysql://lm:hush#x@localhost/x", "mysql://lm:hush/x@localhost/x", "mysql://lm:hush?x@localhost/x"]
        {
            let refused = DatabaseAddress::parse(text).expect_err(text).to_string();
            assert!(refused.contains("%23 for #") && !refused.contains("hush"), "{refused}");
        }
    }
}
