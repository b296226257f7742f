//! What the processes make of the log.

use marquee_domain::Event;
use marquee_domain::ids::BookingId;
use marquee_domain::payment::{Payment, PaymentCommand, PaymentEvent, PaymentState, RefundCause, RefundDue};
use marquee_domain::show::{BookingState, BookingStatus, Rejection, Show, ShowCommand, ShowEvent};

use super::{Done, Later, World, payment_stream, show_stream};
use crate::log::Loaded;

impl World {
    /// Brings a booking to where its payment says that it should be.
    pub(super) fn settle(&mut self, node: usize, booking: &BookingId, payment: &Payment) -> Done {
        let (Some(show), Some(initiated)) = (booking.show(), &payment.initiated) else { return Ok(()) };
        let payment_id = initiated.payment_id.clone();
        let booking_id = booking.clone();
        match payment.state {
            Some(PaymentState::Captured) => {
                let confirm = ShowCommand::Confirm { booking_id, payment_id };
                let answers = self.show(node, &show, &[confirm])?;
                let shows = &self.nodes[node].shows[&show_stream(&show)].state;
                let known = shows.screening().and_then(|screening| screening.booking(booking));
                let state = known.ok().map(|known| known.state.clone());
                if state == Some(BookingState::Expired) {
                    return self.refund(node, booking, RefundCause::LatePayment.into());
                }
                match answers.first() {
                    Some(Err(Rejection::NotPayable(BookingStatus::Cancelled))) => {
                        // Paid before it was cancelled: only what is due goes back.
                        if matches!(state, Some(BookingState::Cancelled { paid: true, .. })) {
                            return self.grant_all(node, booking);
                        }
                        self.refund(node, booking, RefundCause::BookingCancelled.into())
                    }
                    Some(Err(_)) => self.refund(node, booking, RefundCause::LatePayment.into()),
                    Some(Ok(())) | None => Ok(()),
                }
            }
            Some(PaymentState::Failed) => {
                let fail = ShowCommand::Fail { booking_id, reason: "declined".into() };
                self.show(node, &show, &[fail]).map(|_| ())
            }
            Some(PaymentState::Pending) | None => Ok(()),
        }
    }

    /// Somebody who was held up goes on with what they knew then.
    pub(super) fn at_last(&mut self) -> Done {
        if self.later.is_empty() {
            return Ok(());
        }
        let (node, which) = (self.node(), self.rng.usize(0..self.later.len()));
        match self.later.swap_remove(which) {
            Later::Settle(booking, payment) => self.settle(node, &booking, &payment),
            Later::Refund(booking, due) => self.grant(node, &booking, due),
        }
    }

    pub(super) fn refund(&mut self, node: usize, booking: &BookingId, due: RefundDue) -> Done {
        if self.rng.u32(0..6) == 0 {
            self.later.push(Later::Refund(booking.clone(), due));
            return Ok(());
        }
        self.grant(node, booking, due)
    }

    pub(super) fn grant(&mut self, node: usize, booking: &BookingId, due: RefundDue) -> Done {
        self.payment(node, &payment_stream(booking), PaymentCommand::RequestRefund(due)).map(|_| ())
    }

    /// What a booking says that it is owed, in whichever order.
    pub(super) fn grant_all(&mut self, node: usize, booking: &BookingId) -> Done {
        let Some(show) = booking.show() else { return Ok(()) };
        let mut loaded = Loaded::<Show>::default();
        loaded.catch_up(&self.log, &show_stream(&show));
        let known = loaded.state.screening().and_then(|screening| screening.booking(booking));
        let mut due = known.map(|known| known.refunds_due()).unwrap_or_default();
        self.rng.shuffle(&mut due);
        due.into_iter().try_for_each(|due| self.refund(node, booking, due))
    }

    /// The processes read on, acting on what they read.
    pub(super) fn processes(&mut self, most: usize) -> Done {
        for _ in 0..most {
            let Some(recorded) = self.log.events.get(self.cursor) else { return Ok(()) };
            let (stream, event) = (recorded.stream.clone(), recorded.event.clone());
            self.cursor += 1;
            self.react(&stream, &event)?;
        }
        Ok(())
    }

    pub(super) fn react(&mut self, stream: &str, event: &Event) -> Done {
        let node = self.node();
        match event {
            Event::Payment(PaymentEvent::Succeeded(_) | PaymentEvent::Failed(_)) => {
                let mut loaded = Loaded::<Payment>::default();
                loaded.catch_up(&self.log, stream);
                let Some(booking) = loaded.state.booking_id().cloned() else { return Ok(()) };
                self.settle(node, &booking, &loaded.state)
            }
            Event::Payment(PaymentEvent::RefundRequested(refund)) => {
                let id = refund.refund_id.clone();
                let command = match self.rng.u32(0..10) {
                    0 => PaymentCommand::RefundFailed(id, "refused".into()),
                    _ => PaymentCommand::RefundSucceeded(id),
                };
                self.payment(node, stream, command).map(|_| ())
            }
            Event::Show(ShowEvent::BookingCancelled(cancelled)) if cancelled.paid => {
                self.grant_all(node, &cancelled.booking_id)
            }
            Event::Show(ShowEvent::SeatsCancelled(cancelled)) => self.grant_all(node, &cancelled.booking_id),
            Event::Payment(_)
            | Event::Show(_)
            | Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Redemption(_)
            | Event::Customer(_) => Ok(()),
        }
    }

    pub(super) fn sweep(&mut self, command: ShowCommand) -> Done {
        let (node, show) = (self.node(), self.any_show());
        self.show(node, &show, &[command]).map(|_| ())
    }
}
