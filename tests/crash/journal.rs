//! What the clients did and what they were told: all that the auditor may know beside the events.

use serde_json::Value;

/// What a client wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// To book seats of a show.
    Book { show: String, seats: Vec<String> },
    /// To begin the payment of a booking.
    Pay { booking: String },
    /// To tell, as the gateway, how a payment ended.
    Notice { booking: String, captured: bool },
    /// To cancel a booking, or these of its seats where any are named.
    Cancel { booking: String, seats: Vec<String> },
    /// To read a booking.
    Read { booking: String },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Acknowledged, with this body.
    Ok(Value),
    /// Refused for good, with this status and code.
    Refused(u16, String),
    /// Nobody knows: the connection broke, or the server said that it does not know.
    Unknown,
}

/// One attempt. Attempts with the same user, act and key are repeats of one command.
#[derive(Debug, Clone)]
pub struct Record {
    /// Who.
    pub user: String,
    /// The idempotency key; a notice's own event id.
    pub key: String,
    /// What.
    pub act: Act,
    /// And then.
    pub outcome: Outcome,
}
