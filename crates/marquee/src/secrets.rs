//! Secrets: given by the environment, or made once in the data directory, readable by its owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand;
use aws_lc_rs::signature::Ed25519KeyPair;
use marquee_api::{TicketKey, auth};

use crate::config::Common;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its file is out.
    #[error("{0} cannot be read or written")]
    File(PathBuf, #[source] io::Error),
    /// The machine gives no random numbers.
    #[error("no random numbers are to be had")]
    NoRandom,
    /// There is none, and the command at hand does not make one.
    #[error(
        "MARQUEE_JWT_SECRET is not set, and {0} is not there: has `marquee serve` run with this data directory?"
    )]
    Missing(PathBuf),
}

const JWT_SECRET: &str = "jwt.secret";

/// The secret of tokens; made where there is none.
pub fn jwt(common: &Common) -> Result<Vec<u8>, SecretError> {
    match &common.jwt_secret {
        Some(secret) => Ok(secret.clone()),
        None => text_file(&common.data_dir.join(JWT_SECRET)),
    }
}

/// The secret of the sandbox gateway, where it was not given.
pub fn sandbox(data_dir: &Path) -> Result<Vec<u8>, SecretError> {
    text_file(&data_dir.join("sandbox.secret"))
}

/// The key that seals contacts: 32 bytes.
pub fn contacts_key(data_dir: &Path) -> Result<Vec<u8>, SecretError> {
    file(&data_dir.join("contacts.key"), || random::<32>().map(Vec::from))
}

const TICKET_KEY: &str = "ticket.key";

/// The keys of tickets, Ed25519 key pairs as PKCS#8: `ticket.key`, which signs, then every other `ticket-*.key`, which verify alone.
pub fn ticket_keys(data_dir: &Path) -> Result<Vec<TicketKey>, SecretError> {
    let signs = file(&data_dir.join(TICKET_KEY), || {
        let pair =
            Ed25519KeyPair::generate_pkcs8(&rand::SystemRandom::new()).map_err(|_| SecretError::NoRandom)?;
        Ok(pair.as_ref().to_vec())
    })?;
    let out = |error| SecretError::File(data_dir.into(), error);
    let mut names = vec![];
    for entry in fs::read_dir(data_dir).map_err(out)? {
        let name = entry.map_err(out)?.file_name().to_string_lossy().into_owned();
        let key = Path::new(&name).extension().is_some_and(|extension| extension == "key");
        let verifies = key && name.starts_with("ticket-");
        names.extend(verifies.then_some(name));
    }
    names.sort_unstable();
    let mut keys = vec![TicketKey { name: TICKET_KEY.into(), pkcs8: signs }];
    for name in names {
        let path = data_dir.join(&name);
        let pkcs8 = fs::read(&path).map_err(|error| SecretError::File(path, error))?;
        keys.push(TicketKey { name, pkcs8 });
    }
    Ok(keys)
}

/// A token of this deployment. Needs a secret that is there already.
pub fn mint(
    common: &Common,
    role: &str,
    sub: &str,
    partner_id: Option<&str>,
    ttl: Duration,
) -> Result<String, SecretError> {
    let secret = match &common.jwt_secret {
        Some(secret) => secret.clone(),
        None => {
            let path = common.data_dir.join(JWT_SECRET);
            fs::read(&path).map_err(|_| SecretError::Missing(path))?
        }
    };
    Ok(auth::mint(&secret, &common.jwt_issuer, &common.jwt_audience, role, sub, partner_id, ttl))
}

fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| SecretError::NoRandom)?;
    Ok(bytes)
}

fn text_file(path: &Path) -> Result<Vec<u8>, SecretError> {
    file(path, || Ok(hex::encode(random::<32>()?).into_bytes()))
}

/// Reads a secret; makes it where it is not there.
fn file(path: &Path, make: impl FnOnce() -> Result<Vec<u8>, SecretError>) -> Result<Vec<u8>, SecretError> {
    let out = |error| SecretError::File(path.into(), error);
    match fs::read(path) {
        Ok(secret) if !secret.is_empty() => return Ok(secret),
        Ok(_half_made) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(out(error)),
    }
    let secret = make()?;
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(out)?;
    file.write_all(&secret).and_then(|()| file.sync_all()).map_err(out)?;
    fs::rename(&unfinished, path).map_err(out)?;
    Ok(secret)
}
