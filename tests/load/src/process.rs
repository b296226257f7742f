//! The servers of a run: child processes on free ports of loopback, stopped by their id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bare::Announcement;
use crate::client::Client;
use crate::error::LoadError;

/// How long a server may take to listen and to be ready.
const START: Duration = Duration::from_secs(30);
/// How long a server may take to drain and end.
const STOP: Duration = Duration::from_secs(20);

/// A running server. Dropped, it is killed.
pub struct Server {
    child: Child,
    name: &'static str,
    /// `http://127.0.0.1:PORT`.
    pub base: String,
}

impl Server {
    /// Starts this program's own bare handler.
    pub async fn bare(dir: &Path) -> Result<Self, LoadError> {
        let program = std::env::current_exe().map_err(LoadError::io("finding this program"))?;
        let announced = dir.join("bare.json");
        let mut command = Command::new(program);
        command.arg("bare").arg("--announce").arg(&announced);
        Self::start("the bare handler", command, &announced, dir).await
    }

    /// Starts this program's own door for KurrentDB's clients, on an empty log inside `dir`.
    pub async fn door(dir: &Path) -> Result<Self, LoadError> {
        let program = std::env::current_exe().map_err(LoadError::io("finding this program"))?;
        let announced = dir.join("door.json");
        let mut command = Command::new(program);
        command.arg("door").arg("--dir").arg(dir.join("log")).arg("--announce").arg(&announced);
        Self::start("the door", command, &announced, dir).await
    }

    /// Starts Marquee on an empty data directory inside `dir`, with these settings.
    pub async fn marquee(
        program: &Path,
        dir: &Path,
        settings: Vec<(&'static str, String)>,
    ) -> Result<Self, LoadError> {
        let data = dir.join("data");
        let mut command = Command::new(program);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MARQUEE_"))
        {
            command.env_remove(name);
        }
        command
            .current_dir(dir)
            .env("RUST_LOG", "warn")
            .envs(settings)
            .env("MARQUEE_JWT_SECRET", crate::token::JWT_SECRET)
            .env("MARQUEE_SANDBOX_SECRET", crate::scenario::SANDBOX_SECRET)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .args([
                "--rate-limit",
                "off",
                "--live-locks-per-user",
                "off",
                "--lapsed-locks-per-user",
                "off",
                "--seat-lock-ttl",
                "30m",
            ]);
        let server = Self::start("marquee", command, &data.join("server.json"), dir).await?;
        server.ready().await?;
        Ok(server)
    }

    async fn start(
        name: &'static str,
        mut command: Command,
        announced: &Path,
        dir: &Path,
    ) -> Result<Self, LoadError> {
        let log: PathBuf = dir.join(format!("{}.log", name.replace(' ', "-")));
        let stderr = File::create(&log).map_err(LoadError::io(log.display().to_string()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(LoadError::io(format!("starting {}", command.get_program().to_string_lossy())))?;
        let mut server = Self { child, name, base: String::new() };
        let deadline = Instant::now() + START;
        loop {
            // A file that is half written does not parse; the next look sees it whole.
            let announcement =
                std::fs::read(announced).ok().and_then(|text| serde_json::from_slice(&text).ok());
            if let Some(Announcement { listen }) = announcement {
                server.base = format!("http://{listen}");
                return Ok(server);
            }
            let ended = server.child.try_wait().map_err(LoadError::io(name))?;
            if let Some(status) = ended {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(LoadError::Child(format!(
                    "{name} ended with {status} before it listened: {said}"
                )));
            }
            if Instant::now() > deadline {
                return Err(LoadError::Child(format!("{name} does not listen after {START:?}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ready(&self) -> Result<(), LoadError> {
        let client = Client::new(&self.base, None, 1)?;
        let uri = client.uri("/readyz")?;
        let deadline = Instant::now() + START;
        loop {
            let reply = client.get(&uri).await;
            match reply {
                Ok(reply) if reply.status.is_success() => return Ok(()),
                _ if Instant::now() > deadline => {
                    return Err(LoadError::Child(format!("{} is not ready after {START:?}", self.name)));
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the process to drain and end, and waits for it. A server that has ended by itself is an error.
    pub async fn stop(mut self) -> Result<(), LoadError> {
        if let Some(status) = self.child.try_wait().map_err(LoadError::io(self.name))? {
            return Err(LoadError::Child(format!("{} ended by itself with {status}", self.name)));
        }
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().map_err(LoadError::io("kill"))?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.child.try_wait().map_err(LoadError::io(self.name))?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(LoadError::Child(format!("{} does not end {STOP:?} after SIGTERM", self.name)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
