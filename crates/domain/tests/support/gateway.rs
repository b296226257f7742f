//! What the gateway does and tells, and how its notices arrive.

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, PaymentIntentId};
use marquee_domain::money::Money;
use marquee_domain::payment::{Notice, Outcome, PaymentCommand, PaymentUnmatched};

use super::{Done, Later, World, intent_id, payment_stream};

impl World {
    pub(super) fn gateway_acts(&mut self) {
        if self.intents.is_empty() {
            return;
        }
        let from = if self.rng.u32(0..3) == 0 { 0 } else { self.intents.len().saturating_sub(8) };
        let which = self.rng.usize(from..self.intents.len());
        let serial = self.serial();
        let intent = &mut self.intents[which];
        let mut notice = Notice {
            provider_event_id: format!("evt_{serial}").into(),
            payment_intent_id: intent_id(&intent.booking),
            outcome: Outcome::Captured,
            amount: intent.amount.clone(),
            occurred_at: Timestamp::UNIX_EPOCH,
        };
        let mut reference = intent.booking.clone();
        match self.rng.u32(0..20) {
            0..12 if intent.paid => return,
            0..12 => intent.paid = true,
            12..15 => notice.outcome = Outcome::Failed,
            15 => notice.amount.minor = (notice.amount.minor + self.rng.i64(-3..4) * 50).max(0),
            16 => notice.amount = Money::new(notice.amount.minor, self.dollar.clone()),
            17 => notice.amount.minor = 0,
            18 => notice.payment_intent_id = PaymentIntentId::new(format!("pi_foreign_{serial}")),
            _ => reference = BookingId::new(format!("nonsense{serial}")),
        }
        for _ in 0..self.rng.usize(1..4) {
            self.notices.push((reference.clone(), notice.clone()));
        }
        if self.rng.u32(0..4) == 0 {
            notice.provider_event_id = format!("evt_{serial}_replayed").into();
            self.notices.push((reference, notice));
        }
    }

    /// A notice arrives, in no order, or is lost.
    pub(super) fn deliver(&mut self) -> Done {
        if self.notices.is_empty() {
            return Ok(());
        }
        let node = self.node();
        let which = self.rng.usize(0..self.notices.len());
        let (booking, notice) = self.notices.swap_remove(which);
        if self.rng.u32(0..10) == 0 {
            return Ok(());
        }
        if notice.outcome == Outcome::Captured {
            self.told.insert((notice.payment_intent_id.clone(), booking.clone(), notice.amount.clone()));
        }
        let command = PaymentCommand::RecordNotice(notice.clone());
        let (payment, answer) = self.payment(node, &payment_stream(&booking), command)?;
        match answer {
            Ok(()) => match self.rng.u32(0..6) {
                0 => Ok(()),
                1 => {
                    self.later.push(Later::Settle(booking, Box::new(payment)));
                    Ok(())
                }
                _ => self.settle(node, &booking, &payment),
            },
            Err(_) => self.unmatched(node, &booking, &notice),
        }
    }

    pub(super) fn unmatched(&mut self, node: usize, reference: &BookingId, notice: &Notice) -> Done {
        let captured = notice.outcome == Outcome::Captured;
        let Notice { payment_intent_id, provider_event_id, amount, .. } = notice.clone();
        let name = format!("{payment_intent_id}-{captured}-{}-{}-{reference}", amount.minor, amount.currency);
        let unmatched = PaymentUnmatched {
            provider: "SANDBOX".into(),
            payment_id: name.as_str().into(),
            payment_intent_id,
            provider_event_id,
            booking_reference: reference.as_str().into(),
            amount,
            captured,
        };
        let stream = format!("payment-unmatched-{name}");
        self.payment(node, &stream, PaymentCommand::RecordUnmatched(unmatched)).map(|_| ())
    }
}
