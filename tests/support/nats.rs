//! A private NATS server: the system's own, on a free port, with a store of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
/// Where the system's package puts it, beside what the path has.
const PLACES: [&str; 3] = ["nats-server", "/usr/sbin/nats-server", "/usr/local/bin/nats-server"];

/// A server on an address that stays the same however often it is started. Killed when dropped.
#[derive(Debug)]
pub struct NatsServer {
    address: SocketAddr,
    home: TempDir,
    password: Option<&'static str>,
    /// The files of its certificate and key, where it speaks TLS.
    identity: Option<(PathBuf, PathBuf)>,
    running: Option<Child>,
}

impl NatsServer {
    /// A server that is yet to be started.
    pub fn new() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { address, home: tempfile::tempdir().unwrap(), password: None, identity: None, running: None }
    }

    pub fn started() -> Self {
        let mut server = Self::new();
        server.start();
        server
    }

    /// A server that knows one user, `marquee`.
    pub fn with_password(password: &'static str) -> Self {
        let mut server = Self::new();
        server.password = Some(password);
        server.start();
        server
    }

    /// A server that speaks TLS alone, to the user `marquee`.
    pub fn with_certificate(certificate: &Path, key: &Path, password: &'static str) -> Self {
        let mut server = Self::new();
        server.password = Some(password);
        server.identity = Some((certificate.to_owned(), key.to_owned()));
        server.start();
        server
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn start(&mut self) {
        let started = PLACES.iter().find_map(|place| self.launch(Path::new(place)));
        let missing =
            "nats-server cannot be started: install the package nats-server, or run scripts/test.sh";
        self.running = Some(started.unwrap_or_else(|| panic!("{missing}")));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < deadline, "nats-server does not listen on {}", self.address);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn launch(&self, program: &Path) -> Option<Child> {
        let mut command = Command::new(program);
        command.args(["--addr", "127.0.0.1", "--port", &self.address.port().to_string(), "--jetstream"]);
        command.arg("--store_dir").arg(self.home.path().join("store"));
        if let Some(password) = self.password {
            command.args(["--user", "marquee", "--pass", password]);
        }
        if let Some((certificate, key)) = &self.identity {
            command.arg("--tls").arg("--tlscert").arg(certificate).arg("--tlskey").arg(key);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
    }

    /// As a power switch would.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().unwrap();
            running.wait().unwrap();
        }
    }

    /// All that it held is gone. It must not be running.
    pub fn wipe(&mut self) {
        assert!(self.running.is_none());
        std::fs::remove_dir_all(self.home.path().join("store")).unwrap();
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}
