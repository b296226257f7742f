//! Clients that want whatever is still free, pay for it, and go to another node when theirs is gone.

use std::time::Duration;

use serde_json::Value;

use crate::bookers::Dice;
use crate::commands::Command;
use crate::journal::{Outcome, Record};
use crate::production::Addresses;

/// Between two things that somebody does at a screen, in milliseconds: this and up to three times as much.
const THINKING: u64 = 80;
/// Longest that a node is waited for, with the same key again and again.
const PATIENCE: u32 = 1_200;

/// One client, until nothing is left.
pub struct Buyer {
    user: String,
    dice: Dice,
    /// Shows that were not sold out when it looked last.
    open: Vec<String>,
    node: usize,
    pub journal: Vec<Record>,
}

/// What a seat map says.
struct Seats {
    free: Vec<String>,
    sold_out: bool,
}

impl Buyer {
    pub fn new(number: u64, seed: u64, shows: &[String]) -> Self {
        let dice = Dice(seed.wrapping_mul(2_000_003).wrapping_add(number));
        let node = usize::try_from(number).unwrap();
        Self { user: format!("u_{number}"), dice, open: shows.to_vec(), node, journal: vec![] }
    }

    /// Buys until every seat of every show is sold.
    pub async fn buy_all(&mut self, nodes: &Addresses) {
        while !self.open.is_empty() {
            let show = self.dice.pick(&self.open).clone();
            self.think().await;
            match self.look(nodes, &show).await {
                Some(Seats { sold_out: true, .. }) => self.open.retain(|open| *open != show),
                Some(Seats { free, .. }) if !free.is_empty() => self.buy(nodes, &show, &free).await,
                Some(_all_taken) => {}
                None => self.node += 1,
            }
        }
    }

    async fn think(&mut self) {
        let millis = THINKING + self.dice.below(2 * THINKING);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    async fn look(&self, nodes: &Addresses, show: &str) -> Option<Seats> {
        let asked = nodes.of(self.node).get(&format!("/shows/{show}/seats")).attempt().await.ok()?;
        let rows = (asked.status == 200).then(|| asked.body["seatMap"]["rows"].as_array()).flatten()?;
        let seats = || rows.iter().flat_map(|row| row["seats"].as_array().into_iter().flatten());
        let free = seats().filter(|seat| seat["status"] == "AVAILABLE");
        let free = free.filter_map(|seat| seat["seatId"].as_str().map(str::to_owned)).collect();
        Some(Seats { free, sold_out: seats().all(|seat| seat["status"] == "SOLD") })
    }

    async fn buy(&mut self, nodes: &Addresses, show: &str, free: &[String]) {
        let mut seats: Vec<String> = (0..=self.dice.below(2)).map(|_| self.dice.pick(free).clone()).collect();
        seats.sort();
        seats.dedup();
        let Some(booked) = self.done(nodes, Command::book(&self.user, show, &seats)).await else { return };
        let booking = booked["bookingId"].as_str().expect("an id").to_owned();
        self.think().await;
        // One of sixteen walks away: the seats are to come back by themselves.
        if self.dice.below(16) == 0 {
            return;
        }
        let Some(payment) = self.done(nodes, Command::pay(&self.user, &booking)).await else { return };
        self.think().await;
        if self.done(nodes, Command::notice(&booking, &payment, true)).await.is_some() {
            self.done(nodes, Command::read(&self.user, &booking)).await;
        }
    }

    /// Asks until there is an answer, each time that there is none at the next node. `None` where it was refused.
    async fn done(&mut self, nodes: &Addresses, command: Command) -> Option<Value> {
        for _ in 0..PATIENCE {
            let outcome = command.attempt(&nodes.of(self.node)).await.unwrap_or(Outcome::Unknown);
            self.journal.push(command.record(outcome.clone()));
            match outcome {
                Outcome::Ok(body) => return Some(body),
                Outcome::Refused(..) => return None,
                Outcome::Unknown => {
                    self.node += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        panic!("{} never learns what became of {command:?}", self.user);
    }
}
