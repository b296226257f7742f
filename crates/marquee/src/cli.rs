//! The command line.

mod audit;
mod migrate;
mod notifications;
mod projections;
mod token;

use std::error::Error;

use clap::{Parser, Subcommand};

use crate::config::ServeArgs;
use crate::server;

/// A booking engine for cinemas: every fact is kept as an event, and no seat is sold twice.
#[derive(Debug, Parser)]
#[command(name = "marquee", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the platform.
    Serve(Box<ServeArgs>),
    /// Prints a token to call the API with.
    Token(token::TokenArgs),
    /// Shows or rebuilds the views.
    #[command(subcommand)]
    Projections(projections::ProjectionsCommand),
    /// Shows what customers were told, or has it tried again.
    #[command(subcommand)]
    Notifications(notifications::NotificationsCommand),
    /// Shows what happened.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Copies the embedded log to KurrentDB.
    Migrate(migrate::MigrateArgs),
}

/// Anything that ends the program: it is printed with its causes.
pub type Failure = Box<dyn Error + Send + Sync>;

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Serve(args) => server::run(&args.load()?).await,
            Command::Token(args) => args.run(),
            Command::Projections(command) => command.run().await,
            Command::Notifications(command) => command.run().await,
            Command::Audit(command) => command.run().await,
            Command::Migrate(args) => args.run().await,
        }
    }
}
