//! The one shape of every aggregate.

use jiff::Timestamp;

/// Decides on commands and folds events. Pure: the same input gives the same answer, for ever.
pub trait Decider: Default + Clone {
    /// What somebody wants.
    type Command;
    /// What happened.
    type Event;
    /// Why it may not happen.
    type Rejection;

    /// Judges one command at one instant. No events means that it has happened already.
    fn decide(&self, now: Timestamp, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Applies one fact. Never refuses: facts are already true.
    fn evolve(&mut self, event: &Self::Event);

    /// The state after a history.
    fn fold<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Self
    where
        Self::Event: 'a,
    {
        let mut state = Self::default();
        for event in events {
            state.evolve(event);
        }
        state
    }
}
