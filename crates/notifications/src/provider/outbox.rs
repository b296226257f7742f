//! The local outbox: for operators to read, where no provider is set. It holds what would be said, not to whom.

use futures_util::future::BoxFuture;
use marquee_domain::customer::Channel;

use super::{DeliveryError, Letter, Provider};
use crate::queue::{OutboxText, Queue};

/// Keeps texts in the queue's file.
pub(crate) struct Outbox(pub Queue);

impl Provider for Outbox {
    fn name(&self) -> &'static str {
        "outbox"
    }

    fn deliver<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), DeliveryError>> {
        let subject = match letter.channel {
            Channel::Email => Some(letter.subject.clone()),
            Channel::Sms | Channel::Whatsapp => None,
        };
        let text = OutboxText { subject, text: letter.text.clone() };
        let kept = self.0.keep_text(&letter.id, &text);
        Box::pin(std::future::ready(kept.map_err(|_| DeliveryError::Later("outbox".into()))))
    }
}
