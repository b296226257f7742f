//! `marquee notifications list|replay`. Asks the server that holds the data directory.

use clap::Subcommand;
use serde_json::Value;

use crate::cli::Failure;
use crate::client::Client;
use crate::config::CommonArgs;

#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// Shows what customers were told, are to be told and could not be told, the newest first.
    List {
        /// Those of one booking.
        #[arg(long)]
        booking: Option<String>,
        /// Those that are `PENDING`, `SENT`, `DEAD` or `SUPPRESSED`.
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Has dead letters tried again.
    Replay {
        /// The notification, as `list` shows it.
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// Every dead letter.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        #[command(flatten)]
        common: CommonArgs,
    },
}

impl NotificationsCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List { booking, status, common } => {
                let found = list(&server(&common)?, booking.as_deref(), status.as_deref()).await?;
                println!("{:<10} {:>8} {:<17} {:<9} NOTIFICATION", "STATUS", "ATTEMPTS", "KIND", "CHANNEL");
                for row in &found {
                    print(row);
                }
            }
            Self::Replay { id: Some(id), common, .. } => print(&replay(&server(&common)?, &id).await?),
            Self::Replay { id: None, common, .. } => {
                let server = server(&common)?;
                for dead in list(&server, None, Some("DEAD")).await? {
                    print(&replay(&server, text(&dead, "notificationId")).await?);
                }
            }
        }
        Ok(())
    }
}

fn server(common: &CommonArgs) -> Result<Client, Failure> {
    let server = Client::of_running_server(&common.load()?)?;
    server.ok_or_else(|| "no server runs on this data directory: nothing is delivered without one".into())
}

async fn list(server: &Client, booking: Option<&str>, status: Option<&str>) -> Result<Vec<Value>, Failure> {
    let mut query = String::from("limit=1000");
    for (name, value) in [("bookingId", booking), ("status", status)] {
        if let Some(value) = value {
            let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            query = format!("{query}&{name}={value}");
        }
    }
    let (mut found, mut cursor) = (vec![], String::new());
    loop {
        let page = server.get(&format!("/api/v1/ops/notifications?{query}{cursor}")).await?;
        let rows = page.get("notifications").and_then(Value::as_array);
        found.extend(rows.ok_or("the server's answer is no list")?.iter().cloned());
        let Some(next) = page.get("nextCursor").and_then(Value::as_str) else { return Ok(found) };
        cursor = format!("&cursor={next}");
    }
}

async fn replay(server: &Client, id: &str) -> Result<Value, Failure> {
    let id = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
    server.post(&format!("/api/v1/ops/notifications/{id}/replay")).await
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or("?")
}

fn print(row: &Value) {
    println!(
        "{:<10} {:>8} {:<17} {:<9} {} {}",
        text(row, "status"),
        row.get("attempts").and_then(Value::as_u64).unwrap_or_default(),
        text(row, "kind"),
        text(row, "channel"),
        text(row, "notificationId"),
        row.get("reason").and_then(Value::as_str).unwrap_or_default(),
    );
}
