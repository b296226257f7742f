//! The check after each scenario: the server's own log against what its clients were told.
//!
//! It shares no rule with the server: it reads the exported events as an auditor does and folds them by itself.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::error::LoadError;
use crate::measure::Acknowledged;
use crate::wire::excerpt;

const PAGE: usize = 1000;

/// A log, folded.
#[derive(Default)]
pub struct Ledger {
    bookings: HashMap<String, Booking>,
    holders: HashMap<String, HashMap<String, String>>,
    revisions: HashMap<String, u64>,
    /// Events read.
    pub events: u64,
    /// What must not be.
    pub violations: Vec<String>,
}

struct Booking {
    user_id: String,
    show_id: String,
    seats: Vec<String>,
    expires_at: Timestamp,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Confirmed,
    Over,
}

#[derive(Deserialize)]
struct Line<'a> {
    stream: &'a str,
    revision: u64,
    position: Position,
    #[serde(rename = "type")]
    kind: &'a str,
    time: Timestamp,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// A position is a decimal whole number; a client keeps it as it came.
#[derive(Deserialize)]
#[serde(untagged)]
enum Position {
    Number(u64),
    Text(String),
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeatsLocked {
    booking_id: String,
    user_id: String,
    seat_ids: Vec<String>,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfBooking {
    booking_id: String,
}

impl Ledger {
    /// Reads every booking event of the log.
    pub async fn read(auditor: &Client) -> Result<Self, LoadError> {
        let mut ledger = Self::default();
        let mut after = "0".to_owned();
        loop {
            let uri =
                auditor.uri(&format!("/api/v1/audit/events?after={after}&type=booking.&limit={PAGE}"))?;
            let reply = auditor.get_lines(&uri).await?;
            if !reply.status.is_success() {
                let (status, body) = (reply.status.as_u16(), excerpt(&reply.body));
                return Err(LoadError::Refused { request: format!("GET {uri}"), status, body });
            }
            let mut lines = 0;
            for line in reply.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let event: Line<'_> =
                    serde_json::from_slice(line).map_err(LoadError::shape(excerpt(line)))?;
                after = event.position.to_string();
                ledger.fold(&event)?;
                lines += 1;
            }
            if lines == 0 {
                return Ok(ledger);
            }
        }
    }

    fn fold(&mut self, event: &Line<'_>) -> Result<(), LoadError> {
        self.events += 1;
        let last = self.revisions.insert(event.stream.to_owned(), event.revision);
        if last.is_some_and(|last| last >= event.revision) {
            self.violations.push(format!("revision {} of {} does not grow", event.revision, event.stream));
        }
        let parse = || LoadError::shape(excerpt(event.data.get().as_bytes()));
        let (name, _version) = event.kind.rsplit_once('.').unwrap_or((event.kind, ""));
        if name == "booking.seats-locked" {
            let locked: SeatsLocked = serde_json::from_str(event.data.get()).map_err(parse())?;
            self.lock(event, locked);
            return Ok(());
        }
        let state = match name {
            "booking.confirmed" | "booking.completed" => State::Confirmed,
            "booking.failed" | "booking.expired" | "booking.cancelled" => State::Over,
            _ => return Ok(()),
        };
        let of: OfBooking = serde_json::from_str(event.data.get()).map_err(parse())?;
        match self.bookings.get_mut(&of.booking_id) {
            Some(booking) if booking.state == State::Over => {
                self.violations.push(format!("{} is over and yet {name}", of.booking_id));
            }
            Some(booking) => booking.state = state,
            None => self.violations.push(format!("{} is {name} and never began", of.booking_id)),
        }
        Ok(())
    }

    fn lock(&mut self, event: &Line<'_>, locked: SeatsLocked) {
        let show_id = event.stream.strip_prefix("show-").unwrap_or(event.stream).to_owned();
        let holders = self.holders.entry(show_id.clone()).or_default();
        for seat in &locked.seat_ids {
            let Some(holder) = holders.insert(seat.clone(), locked.booking_id.clone()) else { continue };
            let free = self.bookings.get(&holder).is_none_or(|held| match held.state {
                State::Pending => held.expires_at <= event.time,
                State::Confirmed => false,
                State::Over => true,
            });
            if !free {
                self.violations
                    .push(format!("seat {seat} of {show_id} is held by {holder} and {}", locked.booking_id));
            }
        }
        let SeatsLocked { booking_id, user_id, seat_ids: seats, expires_at } = locked;
        let booking = Booking { user_id, show_id, seats, expires_at, state: State::Pending };
        if self.bookings.insert(booking_id.clone(), booking).is_some() {
            self.violations.push(format!("{booking_id} began twice"));
        }
    }

    /// Checks that the log has what a client was told, and has it as it was told.
    pub fn check(&mut self, told: &Acknowledged) {
        let id = &told.booking_id;
        let wrong = match self.bookings.get(id) {
            None => "was answered 201 and is not in the log",
            Some(known) if known.user_id != *told.user_id => "belongs to somebody else in the log",
            Some(known) if known.show_id != told.show_id => "is of another show in the log",
            Some(known) if known.seats != told.seats => "has other seats in the log",
            Some(known) if told.paid && known.state != State::Confirmed => {
                "was paid and is not confirmed in the log"
            }
            Some(_) => return,
        };
        self.violations.push(format!("{id} {wrong}"));
    }

    /// Bookings in the log.
    pub fn bookings(&self) -> usize {
        self.bookings.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(revision: u64, kind: &str, data: &str) -> String {
        format!(
            r#"{{"stream":"show-sh_1","revision":{revision},"position":{},"type":"{kind}","time":"2026-02-01T10:00:00Z","data":{data}}}"#,
            revision + 7
        )
    }

    fn locked(booking: &str, expires_at: &str) -> String {
        format!(r#"{{"bookingId":"{booking}","userId":"u_1","seatIds":["A1"],"expiresAt":"{expires_at}"}}"#)
    }

    fn fold(lines: &[String]) -> Ledger {
        let mut ledger = Ledger::default();
        for line in lines {
            ledger.fold(&serde_json::from_str(line).unwrap()).unwrap();
        }
        ledger
    }

    const LATER: &str = "2026-02-01T10:05:00Z";
    const PAST: &str = "2026-02-01T10:00:00Z";

    #[test]
    fn a_seat_in_two_live_bookings_is_a_violation() {
        let first = line(1, "booking.seats-locked.v1", &locked("bk_1", LATER));
        let second = |revision| line(revision, "booking.seats-locked.v1", &locked("bk_2", LATER));
        assert_eq!(fold(&[first.clone(), second(2)]).violations.len(), 1);
        let over = line(2, "booking.expired.v1", r#"{"bookingId":"bk_1"}"#);
        assert_eq!(fold(&[first, over, second(3)]).violations, Vec::<String>::new());
        let lapsed = line(1, "booking.seats-locked.v1", &locked("bk_1", PAST));
        assert_eq!(fold(&[lapsed, second(2)]).violations, Vec::<String>::new());
    }

    #[test]
    fn a_booking_that_was_answered_must_be_in_the_log_as_it_was_answered() {
        let told = |booking: &str, paid| Acknowledged {
            booking_id: booking.into(),
            user_id: "u_1".into(),
            show_id: "sh_1".into(),
            seats: vec!["A1".into()],
            paid,
        };
        let lines = [line(1, "booking.seats-locked.v1", &locked("bk_1", LATER))];
        let violations = |told: &Acknowledged| {
            let mut ledger = fold(&lines);
            ledger.check(told);
            ledger.violations.len()
        };
        assert_eq!(violations(&told("bk_1", false)), 0);
        assert_eq!(violations(&told("bk_2", false)), 1);
        assert_eq!(violations(&told("bk_1", true)), 1);
        assert_eq!(violations(&Acknowledged { seats: vec!["A2".into()], ..told("bk_1", false) }), 1);
    }
}
