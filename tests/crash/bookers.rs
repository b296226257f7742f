//! Clients that book, pay and cancel at random, write down what they are told, and come back with the same key when they
//! were told nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::commands::Command;
use crate::journal::{Act, Outcome, Record};
use crate::support::http::Http;

/// `SplitMix64`: the same seed makes the same choices.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.below(u64::try_from(from.len()).unwrap());
        &from[usize::try_from(index).unwrap()]
    }
}

/// The shows and the seats of each.
pub struct Halls {
    pub shows: Vec<String>,
    pub seats: Vec<String>,
}

/// The connection broke: the server is gone.
pub struct Gone;

/// What a client has in hand.
#[derive(Debug, Clone)]
enum Hand {
    Booked(String),
    Paying(String, Value),
    Confirmed(String, Vec<String>),
}

/// One client, through all the rounds.
pub struct Booker {
    user: String,
    dice: Dice,
    doubtful: Option<Command>,
    hand: Vec<Hand>,
    pub journal: Vec<Record>,
    /// When each record's attempt was answered, and after how long.
    pub answered: Vec<(Instant, Duration)>,
}

impl Booker {
    pub fn new(number: u64, seed: u64) -> Self {
        let dice = Dice(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let user = format!("u_{number}");
        Self { user, dice, doubtful: None, hand: vec![], journal: vec![], answered: vec![] }
    }

    /// Goes on until the server is gone.
    pub async fn work(&mut self, http: &Http, halls: &Halls) {
        while self.step(http, halls).await.is_ok() {}
    }

    /// Goes on until it is told to stop, or the server is gone and with it the connection.
    pub async fn work_until(&mut self, http: &Http, halls: &Halls, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            if self.step(http, halls).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Asks again about what is in doubt, until it is not.
    pub async fn resolve(&mut self, http: &Http) {
        for _ in 0..100 {
            let Some(command) = self.doubtful.take() else { return };
            // A connection may have been cut before; a server that is gone for good is told below.
            if self.send(http, command).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        panic!("{} never learns what became of {:?}", self.user, self.doubtful);
    }

    /// One thing done, and looked after where that is a payment.
    pub async fn step(&mut self, http: &Http, halls: &Halls) -> Result<(), Gone> {
        let command = match self.doubtful.take() {
            Some(command) => command,
            None => self.choose(halls),
        };
        let notice = matches!(command.act, Act::Notice { .. }).then(|| command.clone());
        self.send(http, command).await?;
        if let Some(notice) = notice.filter(|_| self.doubtful.is_none()) {
            if self.dice.below(5) == 0 {
                self.send(http, notice.clone()).await?;
            }
            let Act::Notice { booking, .. } = notice.act else { return Ok(()) };
            self.send(http, Command::read(&self.user, &booking)).await?;
        }
        Ok(())
    }

    fn choose(&mut self, halls: &Halls) -> Command {
        let in_hand = (!self.hand.is_empty() && self.dice.below(100) < 60).then(|| self.hand.remove(0));
        match in_hand {
            Some(Hand::Booked(booking)) => Command::pay(&self.user, &booking),
            Some(Hand::Paying(booking, payment)) => {
                Command::notice(&booking, &payment, self.dice.below(10) != 0)
            }
            // A seat of those that have more, as often as not.
            Some(Hand::Confirmed(booking, mut seats)) => {
                let part = seats.len() > 1 && self.dice.below(2) == 0;
                seats.truncate(usize::from(part));
                Command::cancel(&self.user, &booking, &seats)
            }
            None => {
                let show = self.dice.pick(&halls.shows).clone();
                let mut seats: Vec<String> =
                    (0..=self.dice.below(3)).map(|_| self.dice.pick(&halls.seats).clone()).collect();
                seats.sort();
                seats.dedup();
                Command::book(&self.user, &show, &seats)
            }
        }
    }

    /// One attempt, written down. An unknown outcome stays in doubt.
    async fn send(&mut self, http: &Http, command: Command) -> Result<(), Gone> {
        let asked = Instant::now();
        let answer = command.attempt(http).await;
        self.answered.push((Instant::now(), asked.elapsed()));
        let gone = answer.is_none();
        let outcome = answer.unwrap_or(Outcome::Unknown);
        match &outcome {
            Outcome::Ok(body) => self.take(&command.act, body),
            Outcome::Refused(..) => {}
            Outcome::Unknown => self.doubtful = Some(command.clone()),
        }
        let unknown = outcome == Outcome::Unknown;
        self.journal.push(command.record(outcome));
        if gone {
            return Err(Gone);
        }
        if unknown {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn take(&mut self, act: &Act, body: &Value) {
        let next = match act {
            // Two of five are abandoned, and expire.
            Act::Book { .. } if self.dice.below(5) < 2 => return,
            Act::Book { .. } => Hand::Booked(body["bookingId"].as_str().expect("an id").to_owned()),
            Act::Pay { booking } => Hand::Paying(booking.clone(), body.clone()),
            Act::Read { booking } if body["status"] == "CONFIRMED" && self.dice.below(3) == 0 => {
                let seats = body["seats"].as_array().into_iter().flatten().filter_map(Value::as_str);
                Hand::Confirmed(booking.clone(), seats.map(str::to_owned).collect())
            }
            Act::Read { .. } | Act::Notice { .. } | Act::Cancel { .. } => return,
        };
        self.hand.push(next);
    }
}
