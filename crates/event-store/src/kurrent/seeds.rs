//! The URL: the nodes to try, and how to speak to each.

use std::fmt;

use kurrentdb::ClientSettings;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Why a URL names no KurrentDB.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is not of this form, or a parameter is not known.
    #[error("{0} (such as kurrentdb://host:2113,other:2113?tls=true)")]
    Malformed(String),
    /// A file that it names cannot be read.
    #[error("{0} cannot be read")]
    File(String, #[source] std::io::Error),
}

/// The nodes of a `kurrentdb://` URL. Never shown whole: a password may stand in it.
#[derive(Clone)]
pub struct Seeds(Vec<Seed>);

/// One node.
#[derive(Clone)]
pub(super) struct Seed {
    pub settings: ClientSettings,
    /// Its address, for people.
    pub name: String,
}

impl fmt::Debug for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|seed| &seed.name)).finish()
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|seed| seed.name.as_str()).collect();
        f.write_str(&names.join(","))
    }
}

impl Seeds {
    /// The nodes of a URL, `kurrentdb://[user:password@]host[:port][,host[:port]…][?parameters]`.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let malformed = |what: &str| UrlError::Malformed(what.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(|| malformed("that is no URL"))?;
        if !["kurrentdb", "kurrentdb+discover"].contains(&scheme) {
            return Err(malformed("the URL must begin with kurrentdb://"));
        }
        let (authority, query) = match rest.find(['/', '?']) {
            Some(end) => (&rest[..end], rest[end..].trim_start_matches('/')),
            None => (rest, ""),
        };
        let parameters = query.strip_prefix('?').unwrap_or(query);
        check(parameters)?;
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        if user.contains('%') {
            return Err(malformed(
                "the client takes % in a name or password as it stands: choose one without",
            ));
        }
        // The client alone would wait this long before it connects at all.
        let quick = if parameters.to_lowercase().contains("discoveryinterval=") {
            parameters.to_owned()
        } else {
            [parameters, "discoveryInterval=20"]
                .iter()
                .filter(|part| !part.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join("&")
        };
        let seed = |host: &str| {
            let url = format!("{scheme}://{user}{host}?{quick}");
            let parsed = url.parse::<ClientSettings>();
            // The client's own error may repeat the URL, and so a password.
            let settings =
                parsed.map_err(|_| malformed(&format!("{host} or its parameters are not sound")))?;
            Ok(Seed { settings, name: host.to_owned() })
        };
        let seeds = hosts.split(',').map(seed).collect::<Result<Vec<_>, _>>()?;
        if hosts.is_empty() { Err(malformed("the URL names no host")) } else { Ok(Self(seeds)) }
    }

    pub(super) fn all(&self) -> &[Seed] {
        &self.0
    }

    /// Whether a URL has a password in it, and so must not stand where others can read it.
    pub fn has_password(url: &str) -> bool {
        url.split_once("://")
            .and_then(|(_, rest)| rest.rsplit_once('@'))
            .is_some_and(|(user, _)| user.contains(':'))
    }
}

/// What the client would panic of, or pass over in silence.
fn check(parameters: &str) -> Result<(), UrlError> {
    const KNOWN: [&str; 13] = [
        "connectionname",
        "defaultdeadline",
        "discoveryinterval",
        "gossiptimeout",
        "keepaliveinterval",
        "keepalivetimeout",
        "maxdiscoverattempts",
        "nodepreference",
        "tls",
        "tlscafile",
        "tlsverifycert",
        "usercertfile",
        "userkeyfile",
    ];
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = name.to_lowercase();
        if !KNOWN.contains(&name.as_str()) {
            return Err(UrlError::Malformed(format!("{name} is no parameter of the URL")));
        }
        if name == "defaultdeadline" && value.parse::<u64>().is_err() {
            return Err(UrlError::Malformed("defaultDeadline must be a number of milliseconds".into()));
        }
        if name == "nodepreference" && !value.eq_ignore_ascii_case("leader") {
            let reason = "nodePreference must be leader: a follower lags, and a refusal from what it has proves nothing";
            return Err(UrlError::Malformed(reason.into()));
        }
        if name.starts_with("keepalive") && value.parse::<u64>().is_ok_and(|millis| millis < 10_000) {
            return Err(UrlError::Malformed(format!("{name} must be at least 10000 (milliseconds)")));
        }
        if name.ends_with("file") {
            let file = value.replace("%2F", "/").replace("%2f", "/");
            std::fs::File::open(&file).map_err(|error| UrlError::File(file.clone(), error))?;
            if name != "userkeyfile" && !has_certificates(&file) {
                return Err(UrlError::Malformed(format!("{name} has no certificates: {file}")));
            }
        }
    }
    Ok(())
}

fn has_certificates(file: &str) -> bool {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    found.is_ok_and(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Vec<String> {
        Seeds::parse(url).unwrap().0.into_iter().map(|seed| seed.name).collect()
    }

    #[test]
    fn every_host_is_a_seed_of_its_own() {
        assert_eq!(names("kurrentdb://one:2113,two:2114/?tls=false"), ["one:2113", "two:2114"]);
        assert_eq!(names("kurrentdb://admin:secret@one"), ["one"]);
        let seeds = Seeds::parse("kurrentdb://admin:secret@one:1,two?tls=false").unwrap();
        for seed in seeds.all() {
            assert_eq!(seed.settings.hosts().len(), 1);
            assert!(!seed.settings.is_secure_mode_enabled());
            assert!(seed.settings.default_authenticated_user().is_some());
        }
        assert_eq!(seeds.all()[1].settings.hosts()[0].port, 2113);
        assert!(Seeds::parse("kurrentdb://one").unwrap().all()[0].settings.is_secure_mode_enabled());
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = "kurrentdb://admin:secret@one:1,two:2?tls=false";
        let seeds = Seeds::parse(url).unwrap();
        assert!(!format!("{seeds:?} {seeds}").contains("secret"));
        assert!(Seeds::has_password(url) && !Seeds::has_password("kurrentdb://one:2113"));
        let error = Seeds::parse("kurrentdb://admin:secret@one:nonsense").unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error}");
    }

    #[test]
    fn what_the_client_would_panic_of_or_ignore_is_refused() {
        for url in [
            "one:2113",
            "http://one:2113",
            "kurrentdb://",
            "kurrentdb://one?tsl=false",
            "kurrentdb://admin:a%40b@one",
            "kurrentdb://one?defaultDeadline=-1",
            "kurrentdb://one?keepAliveInterval=500",
            "kurrentdb://one?tlsCAFile=/nowhere/ca.pem",
        ] {
            assert!(Seeds::parse(url).is_err(), "{url}");
        }
        let no_certificate = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&no_certificate, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
            .unwrap();
        let url = format!("kurrentdb://one?tlsCAFile={}", no_certificate.path().display());
        assert!(Seeds::parse(&url).is_err());
    }
}
