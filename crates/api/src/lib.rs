//! The HTTP edge: one endpoint a file.
//!
//! Architecture invariant: no rule lives here. A handler extracts, builds a command or a query, and answers.

mod accept;
mod app;
pub mod auth;
mod body;
mod cursor;
mod docs;
mod endpoints;
mod error;
mod idempotency;
mod language;
mod limit;
mod query;
mod return_url;
mod same_origin;
mod server;
mod tickets;
mod trace;
mod wire;

pub use app::{ApiConfig, App, AppError, JwtConfig, Outbound, TicketKey};
pub use docs::openapi;
pub use endpoints::audit::EventBody;
pub use server::serve;
