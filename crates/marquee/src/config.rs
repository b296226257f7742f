//! Configuration: defaults < `marquee.toml` < `MARQUEE_*` < flags. Secrets come by environment or file only.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use marquee_domain::show::HoardingLimits;
use marquee_event_store::door::DoorConfig;
use marquee_projections::{Postgres, ReadModel};
use serde::Deserialize;

use crate::gateways::{GatewaysConfig, GatewaysError};
use crate::log::LogChoice;
use crate::notify::NotificationsChoice;
use crate::outbound::MessagesChoice;

/// Why the configuration does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is not the configuration of Marquee.
    #[error("{0} is not sound")]
    Malformed(PathBuf, #[source] toml::de::Error),
    /// A value does not fit its name.
    #[error("{0}: {1}")]
    Value(&'static str, String),
    /// The payment gateways cannot be what was asked for.
    #[error(transparent)]
    Gateways(#[from] GatewaysError),
}

/// What `marquee.toml` may hold; every name is a flag's.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    event_store: Option<String>,
    kurrent_door: Option<SocketAddr>,
    kurrent_door_writable: Option<bool>,
    read_model: Option<String>,
    messages: Option<String>,
    seat_lock_ttl: Option<String>,
    refund_patience: Option<String>,
    doors_open: Option<String>,
    rate_limit: Option<Limit>,
    live_locks_per_user: Option<Limit>,
    lapsed_locks_per_user: Option<Limit>,
    refunds_per_second: Option<Limit>,
    log_json: Option<bool>,
    return_origins: Option<Vec<String>>,
    public_url: Option<String>,
    jwt_issuer: Option<String>,
    jwt_audience: Option<String>,
}

/// A limit as the file has it: a number, or `"off"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Limit {
    Number(u32),
    Word(String),
}

impl Limit {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Word(word) => word.clone(),
        }
    }
}

impl File {
    fn read(path: &Path, required: bool) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| ConfigError::Malformed(path.into(), error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => Ok(Self::default()),
            Err(error) => Err(ConfigError::Unreadable(path.into(), error)),
        }
    }
}

/// What every command needs.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// Where everything is kept [default: ./marquee-data].
    #[arg(long, env = "MARQUEE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration file [default: ./marquee.toml, where there is one].
    #[arg(long, env = "MARQUEE_CONFIG")]
    config: Option<PathBuf>,
    /// The log: `embedded`, or a URL such as `kurrentdb://host:2113`, one with a password by `MARQUEE_EVENT_STORE` alone [default:
    /// embedded].
    #[arg(long)]
    event_store: Option<String>,
    /// Where bookings are kept to be queried: `embedded`, or `postgres://user@host/database`; a password belongs into
    /// the environment, in this address or as PGPASSWORD [default: embedded].
    #[arg(long, env = "MARQUEE_READ_MODEL", hide_env_values = true)]
    read_model: Option<String>,
    /// The issuer of tokens [default: marquee].
    #[arg(long, env = "MARQUEE_JWT_ISSUER")]
    jwt_issuer: Option<String>,
    /// The audience of tokens [default: marquee].
    #[arg(long, env = "MARQUEE_JWT_AUDIENCE")]
    jwt_audience: Option<String>,
}

/// What every command has.
#[derive(Debug, Clone)]
pub struct Common {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where the log is.
    pub log: LogChoice,
    /// Where bookings are kept to be queried.
    pub read_model: ReadModel,
    /// The secret of tokens, where one was given.
    pub jwt_secret: Option<Vec<u8>>,
    /// The issuer of tokens.
    pub jwt_issuer: String,
    /// The audience of tokens.
    pub jwt_audience: String,
}

impl CommonArgs {
    fn file(&self) -> Result<File, ConfigError> {
        match &self.config {
            Some(path) => File::read(path, true),
            None => File::read(Path::new("marquee.toml"), false),
        }
    }

    /// Settles what was given with what was not.
    pub fn load(&self) -> Result<Common, ConfigError> {
        self.settle(&self.file()?)
    }

    fn settle(&self, file: &File) -> Result<Common, ConfigError> {
        let or = |flag: &Option<String>, file: &Option<String>, default: &str| {
            flag.clone().or_else(|| file.clone()).unwrap_or_else(|| default.to_owned())
        };
        let data_dir = self.data_dir.clone().or_else(|| file.data_dir.clone());
        Ok(Common {
            read_model: read_model(&or(&self.read_model, &file.read_model, "embedded"))?,
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("marquee-data")),
            log: LogChoice::settle(self.event_store.as_deref(), file.event_store.as_deref())?,
            jwt_secret: secret("MARQUEE_JWT_SECRET"),
            jwt_issuer: or(&self.jwt_issuer, &file.jwt_issuer, "marquee"),
            jwt_audience: or(&self.jwt_audience, &file.jwt_audience, "marquee"),
        })
    }
}

/// What `serve` takes.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Loads demo data, turns the sandbox gateway on and prints a walk-through.
    #[arg(long)]
    demo: bool,
    /// Where to listen [default: 127.0.0.1:8080].
    #[arg(long, env = "MARQUEE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where KurrentDB's clients reach the log, such as `127.0.0.1:2113`; loopback only [default: nowhere].
    #[arg(long, env = "MARQUEE_KURRENT_DOOR")]
    kurrent_door: Option<SocketAddr>,
    /// Lets KurrentDB's clients append, without a password: for tests and for several nodes on one machine.
    #[arg(long, env = "MARQUEE_KURRENT_DOOR_WRITABLE", value_parser = clap::builder::BoolishValueParser::new())]
    kurrent_door_writable: bool,
    /// Where messages to the outside go: `embedded`, or a URL such as `nats://host:4222`, one with a password by `MARQUEE_MESSAGES`
    /// alone [default: embedded].
    #[arg(long)]
    messages: Option<String>,
    /// How long a seat lock lasts, such as `5m` [default: 5m].
    #[arg(long, env = "MARQUEE_SEAT_LOCK_TTL")]
    seat_lock_ttl: Option<String>,
    /// How long a gateway may take to confirm a refund before an alert is raised, such as `72h` [default: 72h].
    #[arg(long, env = "MARQUEE_REFUND_PATIENCE")]
    refund_patience: Option<String>,
    /// How long before a show's start its tickets are redeemed, such as `4h` [default: 4h].
    #[arg(long, env = "MARQUEE_DOORS_OPEN")]
    doors_open: Option<String>,
    /// Requests a second of one client, or `off` [default: 50].
    #[arg(long, env = "MARQUEE_RATE_LIMIT")]
    rate_limit: Option<String>,
    /// Live seat locks of one user in one show, or `off` [default: 2].
    #[arg(long, env = "MARQUEE_LIVE_LOCKS_PER_USER")]
    live_locks_per_user: Option<String>,
    /// Seat locks of one user in one show that may go unpaid within an hour, or `off` [default: 6].
    #[arg(long, env = "MARQUEE_LAPSED_LOCKS_PER_USER")]
    lapsed_locks_per_user: Option<String>,
    /// How often a second each gateway is asked to pay something back, or `off` [default: 20].
    #[arg(long, env = "MARQUEE_REFUNDS_PER_SECOND")]
    refunds_per_second: Option<String>,
    /// Origins that a customer may be sent back to after paying, by commas [default: <https://app.example.com> and the server's
    /// own].
    #[arg(long, env = "MARQUEE_RETURN_ORIGINS", value_delimiter = ',')]
    return_origins: Option<Vec<String>>,
    /// The origin that clients reach the server by [default: `http://` and the address that it listens on].
    #[arg(long, env = "MARQUEE_PUBLIC_URL")]
    public_url: Option<String>,
    /// Writes the log as JSON, one object a line.
    #[arg(long, env = "MARQUEE_LOG_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    log_json: bool,
}

/// What `serve` has.
#[derive(Debug)]
pub struct ServeConfig {
    /// What every command has.
    pub common: Common,
    /// Whether to load the demo data.
    pub demo: bool,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where KurrentDB's clients come in, if they do.
    pub door: Option<DoorConfig>,
    /// Where messages to the outside go.
    pub messages: MessagesChoice,
    /// Who delivers notifications to customers.
    pub notifications: NotificationsChoice,
    /// How long a seat lock lasts.
    pub seat_lock_ttl: Duration,
    /// How long before a show's start its tickets are redeemed.
    pub doors_open: Duration,
    /// Requests a second of one client; `None` for no limit.
    pub rate_limit: Option<u32>,
    /// What keeps one customer from holding a hall without buying.
    pub hoarding: HoardingLimits,
    /// How often a second each gateway is asked to pay something back; `None` for no limit.
    pub refunds_per_second: Option<u32>,
    /// Origins that a customer may be sent back to, beside the server's own.
    pub return_origins: Vec<String>,
    /// The origin that clients reach the server by.
    pub public_url: Option<String>,
    /// How long a gateway may take to confirm a refund before an alert is raised.
    pub refund_patience: Duration,
    /// The real payment gateways.
    pub gateways: GatewaysConfig,
    /// The secret of the sandbox gateway; `None` where it is off.
    pub sandbox_secret: Option<Vec<u8>>,
    /// Whether the log is JSON.
    pub log_json: bool,
}

impl ServeArgs {
    /// Settles what was given with what was not.
    pub fn load(&self) -> Result<ServeConfig, ConfigError> {
        let file = self.common.file()?;
        let text = |flag: &Option<String>, file: &Option<String>, default: &str| {
            flag.clone().or_else(|| file.clone()).unwrap_or_else(|| default.to_owned())
        };
        let ttl = text(&self.seat_lock_ttl, &file.seat_lock_ttl, "5m");
        let ttl = parse_duration(&ttl).map_err(|reason| ConfigError::Value("seat-lock-ttl", reason))?;
        let patience = text(&self.refund_patience, &file.refund_patience, "72h");
        let patience =
            parse_duration(&patience).map_err(|reason| ConfigError::Value("refund-patience", reason))?;
        let doors = text(&self.doors_open, &file.doors_open, "4h");
        let doors = parse_duration(&doors).map_err(|reason| ConfigError::Value("doors-open", reason))?;
        let rate = text(&self.rate_limit, &file.rate_limit.as_ref().map(Limit::text), "50");
        let live = text(&self.live_locks_per_user, &file.live_locks_per_user.as_ref().map(Limit::text), "2");
        let lapsed = &file.lapsed_locks_per_user.as_ref().map(Limit::text);
        let lapsed = text(&self.lapsed_locks_per_user, lapsed, "6");
        let refunds = &file.refunds_per_second.as_ref().map(Limit::text);
        let refunds = text(&self.refunds_per_second, refunds, "20");
        let default_origins = || vec!["https://app.example.com".to_owned()];
        Ok(ServeConfig {
            common: self.common.settle(&file)?,
            demo: self.demo,
            listen: self.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            door: self.kurrent_door.or(file.kurrent_door).map(|listen| DoorConfig {
                listen,
                writable: self.kurrent_door_writable || file.kurrent_door_writable.unwrap_or_default(),
            }),
            messages: MessagesChoice::settle(self.messages.as_deref(), file.messages.as_deref())?,
            notifications: NotificationsChoice::settle()?,
            seat_lock_ttl: ttl,
            doors_open: doors,
            rate_limit: limit("rate-limit", &rate)?,
            hoarding: HoardingLimits {
                live_locks: limit("live-locks-per-user", &live)?,
                lapsed_locks: limit("lapsed-locks-per-user", &lapsed)?,
            },
            refunds_per_second: limit("refunds-per-second", &refunds)?,
            return_origins: self
                .return_origins
                .clone()
                .or(file.return_origins)
                .unwrap_or_else(default_origins),
            public_url: self.public_url.clone().or(file.public_url),
            refund_patience: patience,
            gateways: GatewaysConfig::from_environment()?,
            sandbox_secret: secret("MARQUEE_SANDBOX_SECRET"),
            log_json: self.log_json || file.log_json.unwrap_or_default(),
        })
    }
}

/// A secret of the environment. Never a flag: everybody on the machine may read those.
fn secret(variable: &str) -> Option<Vec<u8>> {
    std::env::var(variable).ok().filter(|secret| !secret.is_empty()).map(String::into_bytes)
}

/// `embedded`, or the address of a PostgreSQL database.
fn read_model(text: &str) -> Result<ReadModel, ConfigError> {
    if text == "embedded" {
        return Ok(ReadModel::Embedded);
    }
    // The address itself may hold a password: it is not repeated.
    let database =
        Postgres::new(text).map_err(|error| ConfigError::Value("read-model", error.to_string()))?;
    Ok(ReadModel::Postgres(database))
}

/// A whole number above zero, or `off`.
fn limit(name: &'static str, text: &str) -> Result<Option<u32>, ConfigError> {
    if text == "off" {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number
        .map(Some)
        .ok_or_else(|| ConfigError::Value(name, format!("{text} is neither a whole number above 0 nor off")))
}

/// Such as `5m`, `90s`, `1h30m`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text} is not a duration such as 5m"))?;
    Duration::try_from(duration)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{text} is not above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_off() {
        assert_eq!(limit("rate-limit", "off").unwrap(), None);
        assert_eq!(limit("rate-limit", "5").unwrap(), Some(5));
        assert!(limit("rate-limit", "0").is_err() && limit("rate-limit", "-1").is_err());
    }

    #[test]
    fn a_read_model_is_embedded_or_an_address_whose_password_is_never_shown() {
        assert!(matches!(read_model("embedded"), Ok(ReadModel::Embedded)));
        let shown = format!("{:?}", read_model("postgres://marquee:hunter2@db:5433/views").unwrap());
        assert!(shown.contains("db:5433/views") && !shown.contains("hunter2"), "{shown}");
        for wrong in ["mysql://u:hunter2@db/views", "postgres://u:hunter2@db:port/views", "sqlite"] {
            let error = read_model(wrong).unwrap_err().to_string();
            assert!(error.starts_with("read-model") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_duration_is_above_zero() {
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(
            parse_duration("0s").is_err()
                && parse_duration("-5m").is_err()
                && parse_duration("soon").is_err()
        );
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(toml::from_str::<File>("listen = \"127.0.0.1:80\"").is_ok());
        let limits: File = toml::from_str("rate-limit = 5\nlive-locks-per-user = \"off\"").unwrap();
        assert_eq!(limits.rate_limit.unwrap().text(), "5");
        assert_eq!(limits.live_locks_per_user.unwrap().text(), "off");
        assert!(
            toml::from_str::<File>("jwt-secret = \"x\"").is_err(),
            "no secret lies in the configuration file"
        );
    }
}
