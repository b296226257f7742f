//! Two nodes that write one log in memory, each with a clock of its own and a memory that goes stale.

use std::collections::HashMap;
use std::fmt::Write;

use jiff::Timestamp;
use marquee_domain::payment::{Payment, PaymentEvent};
use marquee_domain::show::{Show, ShowEvent};
use marquee_domain::{Decider, Event};

use crate::checker::{Checker, Recorded, Violation};

/// A log that is checked with each event that it takes.
#[derive(Default)]
pub struct Log {
    pub events: Vec<Recorded>,
    streams: HashMap<String, Vec<usize>>,
    pub checker: Checker,
    /// Appends that another node came before.
    pub conflicts: u64,
}

impl Log {
    /// Appends under the expected revision; `false` where another node came before.
    fn append(
        &mut self,
        stream: &str,
        expected: usize,
        batch: Vec<(Timestamp, Event)>,
    ) -> Result<bool, Violation> {
        let known = self.streams.entry(stream.to_owned()).or_default();
        if known.len() != expected {
            self.conflicts += 1;
            return Ok(false);
        }
        for (time, event) in batch {
            let position = self.events.len();
            let recorded = Recorded {
                position: position as u64,
                stream: stream.to_owned(),
                revision: known.len() as u64,
                id: position as u64,
                time,
                event,
            };
            known.push(position);
            if let Err(mut violation) = self.checker.accept(&recorded) {
                let before = known[..known.len() - 1].iter().map(|position| &self.events[*position]);
                for Recorded { revision, time, event, .. } in before.chain([&recorded]) {
                    let _ = write!(violation.what, "\n  {revision} {time} {event:?}");
                }
                return Err(violation);
            }
            self.events.push(recorded);
        }
        Ok(true)
    }

    fn after(&self, stream: &str, revision: usize) -> impl Iterator<Item = &Recorded> {
        let positions = self.streams.get(stream).map_or(&[][..], |positions| &positions[revision..]);
        positions.iter().map(|position| &self.events[*position])
    }
}

/// An aggregate whose events the log holds.
pub trait Kept: Decider<Event: Into<Event> + Clone> {
    fn event(event: &Event) -> Option<&Self::Event>;
}

impl Kept for Show {
    fn event(event: &Event) -> Option<&ShowEvent> {
        event.try_into().ok()
    }
}

impl Kept for Payment {
    fn event(event: &Event) -> Option<&PaymentEvent> {
        event.try_into().ok()
    }
}

/// A stream as a node remembers it.
#[derive(Clone)]
pub struct Loaded<D> {
    pub state: D,
    revision: usize,
    time: Timestamp,
}

impl<D: Kept> Default for Loaded<D> {
    fn default() -> Self {
        Self { state: D::default(), revision: 0, time: Timestamp::MIN }
    }
}

impl<D: Kept> Loaded<D> {
    /// Folds what is new; whether there was any.
    pub fn catch_up(&mut self, log: &Log, stream: &str) -> bool {
        let before = self.revision;
        for recorded in log.after(stream, before) {
            if let Some(event) = D::event(&recorded.event) {
                self.state.evolve(event);
            }
            self.time = self.time.max(recorded.time);
            self.revision += 1;
        }
        self.revision > before
    }

    /// Decides a batch on a running state and appends it as one, again and again until no other node interferes. A stream's
    /// time never runs backwards, and a refusal counts only once the fold was proven fresh.
    pub fn execute(
        &mut self,
        log: &mut Log,
        stream: &str,
        clock: Timestamp,
        commands: &[D::Command],
    ) -> Result<Vec<Result<(), D::Rejection>>, Violation> {
        loop {
            let mut running = self.clone();
            let mut batch = vec![];
            let answers = commands.iter().map(|command| {
                let now = clock.max(running.time);
                for event in running.state.decide(now, command)? {
                    running.state.evolve(&event);
                    running.time = now;
                    batch.push((now, event.into()));
                }
                Ok(())
            });
            let answers = answers.collect();
            running.revision += batch.len();
            let done = if batch.is_empty() {
                !self.catch_up(log, stream)
            } else {
                log.append(stream, self.revision, batch)?
            };
            if done {
                *self = running;
                return Ok(answers);
            }
            self.catch_up(log, stream);
        }
    }
}
