//! The real binary as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::http::Http;
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
    pub rate_limit: &'static str,
    pub live_locks_per_user: &'static str,
    /// Blocks that any one file may have, as `ulimit -f` counts them: a disk that fills up.
    pub largest_file: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seat_lock_ttl: "5m", rate_limit: "off", live_locks_per_user: "off", largest_file: None }
    }
}

/// A data directory; it goes when the last that uses it goes.
#[derive(Debug, Clone)]
pub struct Home(Arc<TempDir>);

impl Home {
    /// With the read model that the suite is run on: `MARQUEE_TEST_READ_MODEL=postgres`, or embedded.
    pub fn new() -> Self {
        let home = Self(Arc::new(tempfile::Builder::new().prefix("marquee-test-").tempdir().unwrap()));
        if std::env::var("MARQUEE_TEST_READ_MODEL").is_ok_and(|model| model == "postgres") {
            return home.with_read_model(&marquee_test_postgres::database());
        }
        home
    }

    /// The servers of this home keep bookings in this database.
    pub fn with_read_model(self, url: &str) -> Self {
        std::fs::write(self.0.path().join(READ_MODEL), url).unwrap();
        self
    }

    pub fn data_dir(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("server.log")
    }

    /// What the servers of this home have logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    pub http: Http,
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

/// Runs a command line to its end, off the test's own thread.
pub async fn run(data_dir: &Path, args: &[&str]) -> Output {
    let mut command = marquee(data_dir, args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

impl Server {
    /// A server on a directory that may have been used before. Ready when this returns.
    pub async fn with(home: Home, options: &Options) -> Self {
        let log = File::options().create(true).append(true).open(home.log()).unwrap();
        let mut command = match options.largest_file {
            None => marquee(&home.data_dir(), &[]),
            Some(blocks) => {
                // A write past the limit is an error, and not the signal that would end the process.
                let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
                in_surroundings(Command::new("sh"), &home.data_dir(), &["-c", &script, BINARY])
            }
        };
        let child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--seat-lock-ttl", options.seat_lock_ttl])
            .args(["--rate-limit", options.rate_limit])
            .args(["--live-locks-per-user", options.live_locks_per_user])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { child, http: Http::new("http://127.0.0.1:0"), home };
        let began = Instant::now();
        loop {
            if let Some(http) = server.listening()
                && let Ok(answer) = http.root("GET", "/readyz").attempt().await
                && answer.status == 200
            {
                server.http = http;
                return server;
            }
            let exited = server.child.try_wait().unwrap();
            assert!(exited.is_none(), "the server exited with {exited:?}:\n{}", server.home.logged());
            assert!(began.elapsed() < Duration::from_secs(30), "not ready:\n{}", server.home.logged());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The address in `server.json`, once this process has written it.
    fn listening(&self) -> Option<Http> {
        let text = std::fs::read_to_string(self.home.data_dir().join("server.json")).ok()?;
        let told: Value = serde_json::from_str(&text).ok()?;
        let mine = told["pid"].as_u64() == Some(u64::from(self.child.id()));
        mine.then(|| Http::new(&format!("http://{}", told["listen"].as_str().unwrap())))
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
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
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
