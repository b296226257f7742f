//! `marquee audit show`: the events of a stream, one a line. Asks the server that holds the data directory; where none does,
//! reads the log itself.

use clap::Subcommand;
use marquee_api::EventBody;
use marquee_event_store::{EventStore, StreamName};
use serde_json::Value;

use crate::cli::Failure;
use crate::client::Client;
use crate::config::CommonArgs;
use crate::offline::Offline;

const PAGE: u64 = 1_000;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Prints the events of a stream, one JSON object a line.
    Show {
        /// Its name, such as `show-sh_5001`.
        stream: String,
        #[command(flatten)]
        common: CommonArgs,
    },
}

impl AuditCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self::Show { stream, common } = self;
        let common = common.load()?;
        let shown = match Client::of_running_server(&common)? {
            Some(server) => show_from_server(&server, &stream).await?,
            None => {
                let offline = Offline::open_log(&common).await?;
                let shown = show_from_log(&*offline.log.store(), &stream).await;
                offline.log.close().await;
                shown?
            }
        };
        if shown == 0 { Err(format!("there is no stream {stream}").into()) } else { Ok(()) }
    }
}

async fn show_from_server(server: &Client, stream: &str) -> Result<u64, Failure> {
    let mut from = 0;
    loop {
        let page =
            server.get(&format!("/api/v1/audit/streams/{stream}/events?from={from}&limit={PAGE}")).await?;
        let events = page
            .get("events")
            .and_then(Value::as_array)
            .ok_or("the server's answer is not a page of events")?;
        for event in events {
            println!("{event}");
        }
        from += events.len() as u64;
        if (events.len() as u64) < PAGE {
            return Ok(from);
        }
    }
}

async fn show_from_log(store: &dyn EventStore, stream: &str) -> Result<u64, Failure> {
    let mut from = 0;
    loop {
        let limit = usize::try_from(PAGE)?;
        let page = store.read_stream(StreamName::new(stream), from, limit).await?;
        for recorded in &page {
            println!("{}", serde_json::to_string(&EventBody::of(recorded)?)?);
        }
        from += page.len() as u64;
        if page.len() < limit {
            return Ok(from);
        }
    }
}
