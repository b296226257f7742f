//! A show as the log has it, and the way back from a batch that the log has not taken.

use std::collections::HashMap;

use marquee_domain::ids::BookingId;
use marquee_domain::show::{Show, ShowEvent};
use marquee_domain::{Decider, Event};
use marquee_event_store::{EventStore, ReadError, Recorded, StreamName};

use super::answers::{Answers, Noted, note};
use crate::execute::{Loaded, catch_up};

/// The fold, with where each booking's answers lie in the log. While a batch is decided its state is ahead of the rest.
#[derive(Default)]
pub(super) struct Durable {
    pub loaded: Loaded<Show>,
    pub answers: HashMap<BookingId, Answers>,
    /// The state once more, behind on purpose: no batch is decided on it. To fold each event twice costs what the event is large; a
    /// copy for each batch would cost what the show is large.
    spare: Option<Show>,
}

impl Durable {
    /// Folds what the stream has beyond what is folded.
    pub async fn catch_up(&mut self, store: &dyn EventStore, stream: &StreamName) -> Result<(), ReadError> {
        let Self { loaded, answers, spare } = self;
        let each = |recorded: &Recorded| {
            let event = recorded.event().ok();
            note(answers, event.and_then(Noted::of), recorded.position);
            if let (Some(spare), Some(Event::Show(event))) = (spare.as_mut(), event) {
                spare.evolve(event);
            }
        };
        catch_up(store, stream, loaded, each).await
    }

    /// Remembers the state as it is, to go back to it.
    pub fn remember(&mut self) {
        if self.spare.is_none() {
            self.spare = Some(self.loaded.state.clone());
        }
    }

    /// The events of a batch, for the state that is remembered; nothing where none is.
    pub fn for_the_spare<'a>(&self, events: impl Iterator<Item = &'a Event>) -> Vec<ShowEvent> {
        let of_show = |event: &Event| match event {
            Event::Show(event) => Some(event.clone()),
            Event::Payment(_)
            | Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Redemption(_)
            | Event::Customer(_) => None,
        };
        if self.spare.is_some() { events.filter_map(of_show).collect() } else { vec![] }
    }

    /// The batch is in the log: what is remembered moves on as well.
    pub fn move_on(&mut self, events: &[ShowEvent]) {
        if let Some(spare) = &mut self.spare {
            for event in events {
                spare.evolve(event);
            }
        }
    }

    /// The batch is not in the log: back to the state that is remembered, or to nothing.
    pub fn go_back(&mut self) {
        match self.spare.take() {
            Some(state) => self.loaded.state = state,
            None => *self = Self::default(),
        }
    }
}
