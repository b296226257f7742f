//! `marquee projections status|rebuild`. Asks the server that holds the data directory; where none does, does it itself.

use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use crate::cli::Failure;
use crate::client::Client;
use crate::config::CommonArgs;
use crate::offline::Offline;

const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub enum ProjectionsCommand {
    /// Shows how far each view is.
    Status {
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Makes a view again from the first event on, beside the one that serves reads, and swaps them.
    Rebuild {
        /// Its name, as `status` shows it.
        name: String,
        #[command(flatten)]
        common: CommonArgs,
    },
}

/// A row of `status`.
struct Row {
    name: String,
    status: String,
    generation: u64,
    checkpoint: u64,
    lag: u64,
}

impl ProjectionsCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Status { common } => {
                let rows = match Client::of_running_server(&common.load()?)? {
                    Some(server) => rows(&server.get("/api/v1/ops/projections").await?)?,
                    None => {
                        let offline = Offline::open(&common.load()?).await?;
                        let rows = offline_rows(&offline);
                        offline.close().await;
                        rows
                    }
                };
                print(&rows);
            }
            Self::Rebuild { name, common } => {
                let row = match Client::of_running_server(&common.load()?)? {
                    Some(server) => rebuild_on(&server, &name).await?,
                    None => {
                        let offline = Offline::open(&common.load()?).await?;
                        let row = rebuild_offline(&offline, &name).await;
                        offline.close().await;
                        row?
                    }
                };
                print(&[row]);
            }
        }
        Ok(())
    }
}

async fn rebuild_on(server: &Client, name: &str) -> Result<Row, Failure> {
    let before = find(rows(&server.get("/api/v1/ops/projections").await?)?, name)?;
    server.post(&format!("/api/v1/ops/projections/{name}/rebuild")).await?;
    loop {
        tokio::time::sleep(POLL).await;
        let row = find(rows(&server.get("/api/v1/ops/projections").await?)?, name)?;
        if row.generation > before.generation && row.status != "REBUILDING" {
            return Ok(row);
        }
    }
}

async fn rebuild_offline(offline: &Offline, name: &str) -> Result<Row, Failure> {
    let before = find(offline_rows(offline), name)?;
    offline.views.rebuild(name).await?;
    loop {
        tokio::time::sleep(POLL).await;
        let row = find(offline_rows(offline), name)?;
        if row.generation > before.generation && row.status != "REBUILDING" {
            return Ok(row);
        }
    }
}

fn offline_rows(offline: &Offline) -> Vec<Row> {
    let rows = offline.views.status().into_iter().map(|status| Row {
        name: status.name.into(),
        status: status.status.as_str().into(),
        generation: status.generation,
        checkpoint: status.checkpoint.0,
        lag: status.lag,
    });
    rows.collect()
}

fn find(rows: Vec<Row>, name: &str) -> Result<Row, Failure> {
    let known = rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>().join(", ");
    let row = rows.into_iter().find(|row| row.name == name);
    row.ok_or_else(|| format!("there is no projection {name}; there are: {known}").into())
}

fn rows(answer: &Value) -> Result<Vec<Row>, Failure> {
    let projections =
        answer.get("projections").and_then(Value::as_array).ok_or("the server's answer is not a status")?;
    let text = |row: &Value, field: &str| row.get(field).and_then(Value::as_str).unwrap_or("?").to_owned();
    let number = |row: &Value, field: &str| row.get(field).and_then(Value::as_u64).unwrap_or_default();
    let row = |row| Row {
        name: text(row, "name"),
        status: text(row, "status"),
        generation: number(row, "generation"),
        checkpoint: number(row, "checkpoint"),
        lag: number(row, "lag"),
    };
    Ok(projections.iter().map(row).collect())
}

fn print(rows: &[Row]) {
    println!("{:<16} {:<12} {:>10} {:>12} {:>8}", "PROJECTION", "STATUS", "GENERATION", "CHECKPOINT", "LAG");
    for row in rows {
        println!(
            "{:<16} {:<12} {:>10} {:>12} {:>8}",
            row.name, row.status, row.generation, row.checkpoint, row.lag
        );
    }
}
