//! The real binary as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::http::Http;
use crate::support::nats::NatsServer;
use crate::support::tokens::JWT_SECRET;

/// The secret that the sandbox gateway signs with.
pub const SANDBOX_SECRET: &str = "the-sandbox-secret-of-the-black-box-suites";

/// Beside the data directory: where bookings are kept, unless embedded.
const READ_MODEL: &str = "read-model";

const BINARY: &str = env!("CARGO_BIN_EXE_marquee");

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Options {
    pub seat_lock_ttl: &'static str,
    pub doors_open: &'static str,
    pub rate_limit: &'static str,
    pub live_locks_per_user: &'static str,
    pub lapsed_locks_per_user: &'static str,
    pub refunds_per_second: &'static str,
    /// The origin that clients reach it by, where that is not where it listens.
    pub public_url: Option<&'static str>,
    /// Where messages to the outside go, if not where the suite has them go.
    pub messages: Option<String>,
    /// Blocks that any one file may have, as `ulimit -f` counts them: a disk that fills up.
    pub largest_file: Option<u32>,
    /// From this flush of the event log on, every one of them fails: a disk that breaks.
    pub failing_flush: Option<u32>,
    /// What it is told of real payment gateways; where there are any, the sandbox is off.
    pub gateways: Vec<(&'static str, String)>,
    /// Where its log is, if not in its directory.
    pub event_store: Option<String>,
    /// Whether KurrentDB's clients come in, and may append.
    pub door: Door,
    /// What else the environment says.
    pub environment: Vec<(&'static str, String)>,
}

/// A door for KurrentDB's clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    #[default]
    Closed,
    ReadOnly,
    Writable,
    /// Where it was before.
    WritableAt(u16),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seat_lock_ttl: "5m",
            doors_open: "4h",
            rate_limit: "off",
            live_locks_per_user: "off",
            lapsed_locks_per_user: "off",
            refunds_per_second: "off",
            public_url: None,
            messages: None,
            largest_file: None,
            failing_flush: None,
            gateways: vec![],
            event_store: None,
            door: Door::Closed,
            environment: vec![],
        }
    }
}

impl Options {
    /// For a test that looks into the log's own files.
    pub fn embedded() -> Self {
        Self { event_store: Some("embedded".into()), ..Self::default() }
    }

    /// For a test that says where messages go.
    pub fn messages(to: &str) -> Self {
        Self { messages: Some(to.to_owned()), ..Self::default() }
    }
}

/// A data directory; it goes when the last that uses it goes.
///
/// With `MARQUEE_TEST_EVENT_STORE=kurrentdb` the log of each home lies behind the door of another server, which stands in for
/// KurrentDB and lives as long as the home. With `MARQUEE_TEST_MESSAGES=nats` its messages go to a NATS server of its own.
#[derive(Debug, Clone)]
pub struct Home(Arc<Place>);

#[derive(Debug)]
struct Place {
    dir: TempDir,
    stand_in: OnceCell<Server>,
    nats: OnceLock<NatsServer>,
}

impl Home {
    /// With the read model that the suite is run on: `MARQUEE_TEST_READ_MODEL=postgres`, or embedded.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("marquee-test-").tempdir().unwrap();
        let home = Self(Arc::new(Place { dir, stand_in: OnceCell::new(), nats: OnceLock::new() }));
        match std::env::var("MARQUEE_TEST_READ_MODEL").as_deref() {
            Err(_) | Ok("embedded") => home,
            Ok("postgres") => home.with_read_model(&marquee_test_postgres::database()),
            Ok(other) => panic!("MARQUEE_TEST_READ_MODEL={other} is not known"),
        }
    }

    /// The servers of this home keep bookings in this database.
    pub fn with_read_model(self, url: &str) -> Self {
        std::fs::write(self.0.dir.path().join(READ_MODEL), url).unwrap();
        self
    }

    pub fn data_dir(&self) -> PathBuf {
        self.0.dir.path().join("data")
    }

    /// Where views are kept: beside the embedded log, or apart from it where the log is another.
    pub fn views(&self) -> PathBuf {
        let apart = self.data_dir().join("kurrentdb/views");
        if apart.exists() { apart } else { self.data_dir().join("views") }
    }

    fn log(&self) -> PathBuf {
        self.0.dir.path().join("server.log")
    }

    /// Where the log is, if not in the directory.
    async fn event_store(&self, options: &Options) -> Option<String> {
        if options.event_store.is_some() || options.door != Door::Closed {
            return options.event_store.clone();
        }
        match std::env::var("MARQUEE_TEST_EVENT_STORE").as_deref() {
            Err(_) | Ok("embedded") => None,
            Ok("kurrentdb") => {
                let options = Options { door: Door::Writable, ..Options::messages("embedded") };
                let stand_in = || Box::pin(async move { Server::with(Self::new(), &options).await });
                Some(self.0.stand_in.get_or_init(stand_in).await.kurrentdb())
            }
            Ok(other) => panic!("MARQUEE_TEST_EVENT_STORE is {other}, neither embedded nor kurrentdb"),
        }
    }

    /// Where messages go.
    fn messages(&self, options: &Options) -> String {
        match (&options.messages, std::env::var("MARQUEE_TEST_MESSAGES").as_deref()) {
            (Some(to), _) => to.clone(),
            (None, Err(_) | Ok("embedded")) => "embedded".into(),
            (None, Ok("nats")) => self.0.nats.get_or_init(NatsServer::started).url(),
            (None, Ok(other)) => panic!("MARQUEE_TEST_MESSAGES is {other}, neither embedded nor nats"),
        }
    }

    /// What the servers of this home have logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub http: Http,
    /// Where KurrentDB's clients come in, if they do.
    door: Option<String>,
    pub home: Home,
}

/// The binary with the tests' secrets and this data directory.
pub fn marquee(data_dir: &Path, args: &[&str]) -> Command {
    in_surroundings(Command::new(BINARY), data_dir, args)
}

fn in_surroundings(mut command: Command, data_dir: &Path, args: &[&str]) -> Command {
    let read_model = std::fs::read_to_string(data_dir.parent().unwrap().join(READ_MODEL));
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("MARQUEE_DATA_DIR", data_dir)
        .env("MARQUEE_JWT_SECRET", JWT_SECRET)
        .env("MARQUEE_SANDBOX_SECRET", SANDBOX_SECRET)
        .current_dir(data_dir.parent().unwrap())
        .stdin(Stdio::null());
    if let Ok(url) = read_model {
        command.env("MARQUEE_READ_MODEL", url);
    }
    command
}

fn writable_door(command: &mut Command, port: u16) {
    command.env("MARQUEE_KURRENT_DOOR", format!("127.0.0.1:{port}"));
    command.env("MARQUEE_KURRENT_DOOR_WRITABLE", "true");
}

/// Runs a command line to its end, off the test's own thread.
pub async fn run(data_dir: &Path, args: &[&str]) -> Output {
    let mut command = marquee(data_dir, args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The binary under a tracer that lets no flush of the log succeed from the `first` on. The tracer is no parent of the server
/// (`-D`), so that the child is the server itself, with its own pid and its own end. What it saw stands beside the data
/// directory, in `flushes`.
fn broken_disk(home: &Home, first: u32) -> Command {
    let log = home.data_dir().join("log.sqlite-wal");
    let told = home.data_dir().with_file_name("flushes");
    let inject = format!("inject=fsync,fdatasync:error=EIO:when={first}+");
    let (log, told) = (log.to_str().unwrap(), told.to_str().unwrap());
    let args = ["-D", "-f", "-o", told, "-P", log, "-e", "trace=fsync,fdatasync", "-e", &inject, BINARY];
    in_surroundings(Command::new("strace"), &home.data_dir(), &args)
}

impl Server {
    /// A server on a directory that may have been used before. Ready when this returns.
    pub async fn with(home: Home, options: &Options) -> Self {
        let log = File::options().create(true).append(true).open(home.log()).unwrap();
        let mut command = match (options.largest_file, options.failing_flush) {
            (None, None) => marquee(&home.data_dir(), &[]),
            (Some(blocks), None) => {
                // A write past the limit is an error, and not the signal that would end the process.
                let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
                in_surroundings(Command::new("sh"), &home.data_dir(), &["-c", &script, BINARY])
            }
            (None, Some(first)) => broken_disk(&home, first),
            (Some(_), Some(_)) => panic!("a disk is full or broken, not both"),
        };
        if !options.gateways.is_empty() {
            command.env_remove("MARQUEE_SANDBOX_SECRET").envs(options.gateways.iter().cloned());
        }
        if let Some(url) = home.event_store(options).await {
            command.env("MARQUEE_EVENT_STORE", url);
        }
        match options.door {
            Door::Closed => {}
            Door::ReadOnly => {
                command.env("MARQUEE_KURRENT_DOOR", "127.0.0.1:0");
            }
            Door::Writable => writable_door(&mut command, 0),
            Door::WritableAt(port) => writable_door(&mut command, port),
        }
        command.envs(options.environment.iter().cloned());
        let child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--seat-lock-ttl", options.seat_lock_ttl])
            .args(["--doors-open", options.doors_open])
            .args(["--rate-limit", options.rate_limit])
            .args(["--refunds-per-second", options.refunds_per_second])
            .args(["--live-locks-per-user", options.live_locks_per_user])
            .args(["--lapsed-locks-per-user", options.lapsed_locks_per_user])
            .args(["--messages", &home.messages(options)])
            .args(options.public_url.map(|url| format!("--public-url={url}")))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { child, http: Http::new("http://127.0.0.1:0"), door: None, home };
        let began = Instant::now();
        loop {
            if let Some((http, door)) = server.listening()
                && let Ok(answer) = http.root("GET", "/readyz").attempt().await
                && answer.status == 200
            {
                server.http = http;
                server.door = door;
                return server;
            }
            let exited = server.child.try_wait().unwrap();
            assert!(exited.is_none(), "the server exited with {exited:?}:\n{}", server.home.logged());
            assert!(began.elapsed() < Duration::from_secs(30), "not ready:\n{}", server.home.logged());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The door, as KurrentDB's clients are told of it.
    pub fn kurrentdb(&self) -> String {
        format!("kurrentdb://{}?tls=false", self.door.as_ref().expect("a door"))
    }

    /// The door's port.
    pub fn door_port(&self) -> u16 {
        self.door.as_ref().and_then(|door| door.rsplit(':').next()).unwrap().parse().unwrap()
    }

    /// The addresses in `server.json`, once this process has written it.
    fn listening(&self) -> Option<(Http, Option<String>)> {
        let text = std::fs::read_to_string(self.home.data_dir().join("server.json")).ok()?;
        let told: Value = serde_json::from_str(&text).ok()?;
        let mine = told["pid"].as_u64() == Some(u64::from(self.child.id()));
        let http = || Http::new(&format!("http://{}", told["listen"].as_str().unwrap()));
        mine.then(|| (http(), told["door"].as_str().map(str::to_owned)))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: as if the power of this one process went. Returns its home, for the next server.
    pub async fn kill(mut self) -> Home {
        self.child.kill().unwrap();
        self.wait().await;
        self.home.clone()
    }

    /// Asks the process to end, without waiting for it.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGTERM, and what became of it.
    pub async fn stop(mut self) -> (ExitStatus, Home) {
        self.terminate();
        (self.wait().await, self.home.clone())
    }

    /// Waits for the process's own end.
    pub async fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "does not end:\n{}", self.home.logged());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log, its last lines ---");
            let log = self.home.logged();
            let lines: Vec<_> = log.lines().collect();
            lines[lines.len().saturating_sub(15)..].iter().for_each(|line| eprintln!("{line}"));
        }
    }
}
