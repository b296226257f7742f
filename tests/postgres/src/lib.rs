//! A private PostgreSQL server for tests: in a directory of its own, on a free port of the loopback, without fsync unless it is to measure.
//!
//! It takes the server of the system's package (`apt-get install postgresql`) and panics where there is none: a test that
//! needs it fails, and is never skipped. The server runs as the user `postgres` where the tests run as root, which it
//! refuses. It ends with its owner, however that ends.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a server that cannot run fails the test"
)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, atomic::AtomicU32, atomic::Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// The user of the system's package.
const UNPRIVILEGED: &str = "postgres";
/// The database's own superuser.
const USER: &str = "marquee";

/// Runs the server and ends it once its standard input closes: that is once its owner is gone, killed or not.
const WATCH: &str = r#"
    "$0" -D "$1" -k "$1" -h 127.0.0.1 -p "$2" -c "fsync=$4" -c "full_page_writes=$4" -c max_connections=80 \
        -c shared_buffers=128MB -c log_min_messages=fatal >"$1/server.log" 2>&1 &
    server=$!
    echo "$server"
    read -r _
    kill -CONT "$server" $(pgrep -P "$server") 2>/dev/null
    kill -INT "$server" 2>/dev/null
    wait "$server"
    if [ "$3" = remove ]; then rm -rf "$(dirname "$1")"; fi
"#;

/// A server. It is stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    /// The data directory; its parent is the test's.
    data: PathBuf,
    port: u16,
    fsync: bool,
    running: Option<Running>,
    /// Deletes the directory at the end, where the watcher does not.
    _dir: Option<TempDir>,
}

#[derive(Debug)]
struct Running {
    watcher: Child,
    pid: u32,
}

/// A database of a server that the tests of a process share.
pub fn database() -> String {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = SHARED.get_or_init(|| Postgres::begin(true, false));
    server.create_database(&format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

impl Postgres {
    /// A server of the caller's own, to be stopped and started at will.
    pub fn start() -> Self {
        Self::begin(false, false)
    }

    /// The same, with fsync on: to measure.
    pub fn start_durable() -> Self {
        Self::begin(false, true)
    }

    fn begin(shared: bool, fsync: bool) -> Self {
        let dir = tempfile::Builder::new().prefix("marquee-postgres-").tempdir().expect("a directory");
        let data = dir.path().join("data");
        // The unprivileged user walks through it and owns what is in it.
        run(Command::new("chmod").arg("755").arg(dir.path()));
        run(Command::new("mkdir").arg(&data));
        if root() {
            run(Command::new("chown").args(["-R", UNPRIVILEGED]).arg(dir.path()));
        }
        run(unprivileged(&binary("initdb")).arg("-D").arg(&data).args([
            "-U",
            USER,
            "--auth=trust",
            "--no-sync",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
        ]));
        let dir = if shared {
            drop(dir.keep());
            None
        } else {
            Some(dir)
        };
        let mut server = Self { data, port: 0, fsync, running: None, _dir: dir };
        server.run(shared);
        server
    }

    /// The address of a new, empty database.
    pub fn create_database(&self, name: &str) -> String {
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs a statement and returns its rows as text.
    pub fn psql(&self, database: &str, statement: &str) -> String {
        let url = format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port);
        psql(&url, statement)
    }

    /// Ends the server as an operator does in a hurry: connections are cut, what was committed is kept.
    pub fn stop(&mut self) {
        if let Some(Running { mut watcher, .. }) = self.running.take() {
            drop(watcher.stdin.take());
            watcher.wait().expect("the server's end");
        }
    }

    /// Starts the server again, where it was.
    pub fn start_again(&mut self) {
        self.stop();
        self.run(false);
    }

    /// From now on lets nobody in but over TLS, with the password that the user of [`Postgres::create_database`] has from now on.
    pub fn require_tls(&mut self, certificate: &Path, key: &Path, password: &str) {
        self.psql("postgres", &format!("ALTER ROLE {USER} PASSWORD '{password}'"));
        self.psql("postgres", "ALTER SYSTEM SET ssl = on");
        run(Command::new("cp").arg(certificate).arg(self.data.join("server.crt")));
        run(Command::new("cp").arg(key).arg(self.data.join("server.key")));
        run(Command::new("chmod").arg("600").arg(self.data.join("server.key")));
        if root() {
            run(Command::new("chown").args(["-R", UNPRIVILEGED]).arg(&self.data));
        }
        std::fs::write(self.data.join("pg_hba.conf"), "hostssl all all all scram-sha-256\n").expect("a file");
        self.start_again();
    }

    /// SIGSTOP to the server and its backends: it is there and answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT after [`Postgres::freeze`].
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.running.as_ref().expect("a running server").pid.to_string();
        let children = Command::new("pgrep").args(["-P", &pid]).output().expect("pgrep");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        for pid in std::iter::once(pid.as_str()).chain(children.split_whitespace()) {
            // A backend may have ended since it was listed.
            let _ = Command::new("kill").args([&format!("-{signal}"), pid]).status();
        }
    }

    fn run(&mut self, remove: bool) {
        let began = Instant::now();
        loop {
            if self.port == 0 {
                self.port = free_port();
            }
            let mut watcher = unprivileged(Path::new("sh"))
                .args(["-c", WATCH])
                .arg(binary("postgres"))
                .arg(&self.data)
                .arg(self.port.to_string())
                .arg(if remove { "remove" } else { "keep" })
                .arg(if self.fsync { "on" } else { "off" })
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .current_dir("/")
                .spawn()
                .expect("sh");
            let mut pid = String::new();
            let told = BufReader::new(watcher.stdout.take().expect("a pipe")).read_line(&mut pid);
            told.expect("the server's pid");
            let pid: u32 = pid.trim().parse().expect("the server's pid");
            self.running = Some(Running { watcher, pid });
            while Path::new(&format!("/proc/{pid}")).exists() {
                if self.ready() {
                    return;
                }
                assert!(began.elapsed() < PATIENCE, "PostgreSQL does not answer: {}", self.log());
                sleep(Duration::from_millis(20));
            }
            // Somebody else may have taken the port in between.
            assert!(began.elapsed() < PATIENCE, "PostgreSQL does not start: {}", self.log());
            self.stop();
            self.port = 0;
        }
    }

    fn ready(&self) -> bool {
        let asked = Command::new(binary("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", "1"])
            .status();
        asked.expect("pg_isready").success()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("server.log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a statement in a database and returns its rows as text.
pub fn psql(url: &str, statement: &str) -> String {
    let asked = Command::new(binary("psql"))
        .args([url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement])
        .output()
        .expect("psql");
    assert!(asked.status.success(), "{statement}: {}", String::from_utf8_lossy(&asked.stderr));
    String::from_utf8_lossy(&asked.stdout).trim().to_owned()
}

/// A program of the newest server that is installed.
fn binary(name: &str) -> PathBuf {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = installed
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(version);
    let folder = newest.expect("no PostgreSQL server under /usr/lib/postgresql: apt-get install postgresql");
    folder.join("bin").join(name)
}

fn root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn unprivileged(program: &Path) -> Command {
    if !root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED, "--clear-groups", "--"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.current_dir("/").output().expect("a program of the system");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
