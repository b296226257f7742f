//! Given a history, when a command is judged at an instant, then these events, or this refusal.

use std::fmt::Debug;

use jiff::Timestamp;
use marquee_domain::Decider;

/// The state that a history leaves.
pub fn given<D: Decider>(history: impl AsRef<[D::Event]>) -> D {
    D::fold(history.as_ref())
}

/// What a state decides, to be compared.
pub trait When: Decider<Event: Debug + PartialEq + Clone, Rejection: Debug + PartialEq> {
    /// The command happens as these events; none means that it had happened already.
    #[track_caller]
    fn decides(&self, now: Timestamp, command: impl Into<Self::Command>, events: impl AsRef<[Self::Event]>) {
        assert_eq!(self.decide(now, &command.into()), Ok(events.as_ref().to_vec()));
    }

    /// The command is refused.
    #[track_caller]
    fn refuses(&self, now: Timestamp, command: impl Into<Self::Command>, rejection: Self::Rejection) {
        assert_eq!(self.decide(now, &command.into()), Err(rejection));
    }
}

impl<D: Decider<Event: Debug + PartialEq + Clone, Rejection: Debug + PartialEq>> When for D {}
