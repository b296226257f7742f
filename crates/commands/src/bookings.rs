//! Booking commands.

use std::sync::Arc;

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, IdempotencyKey, OfferCode, ShowId, UserId};
use marquee_domain::money::Money;
use marquee_domain::payment::{Payment, RefundCause, RefundStatus};
use marquee_domain::show::{
    Booking, BookingState, CancelBooking, ClientInfo, ExtendLock, LockSeats, Rejection, SeatChoice,
    ShowCommand, ShowDetails,
};
use marquee_event_store::{Metadata, Position};
use smol_str::SmolStr;

use crate::context::{Answer, Context};
use crate::error::CommandError;
use crate::execute::time_ordered;
use crate::redemptions::Claims;
use crate::{Commands, counters, writer};

/// A customer wants seats.
#[derive(Debug, Clone)]
pub struct CreateBooking {
    /// Who.
    pub user_id: UserId,
    /// In which show.
    pub show_id: ShowId,
    /// Which, all or none.
    pub seats: SeatChoice,
    /// An offer's code.
    pub coupon_code: Option<SmolStr>,
    /// The client that asks.
    pub client: Option<ClientInfo>,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
    /// A hash of the parsed body.
    pub fingerprint: SmolStr,
}

/// A booking with its show.
#[derive(Debug, Clone)]
pub struct BookingAnswer {
    /// The booking.
    pub booking: Arc<Booking>,
    /// Its show.
    pub show: Arc<ShowDetails>,
}

/// A refund as a customer sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RefundView {
    /// How far it has come.
    pub status: RefundStatus,
    /// How much.
    pub amount: Money,
}

impl RefundView {
    fn of(payment: &Payment) -> Option<Self> {
        let refund = payment.refund()?;
        Some(Self { status: refund.status, amount: refund.requested.amount.clone() })
    }
}

/// A cancelled booking.
#[derive(Debug, Clone)]
pub struct CancelAnswer {
    /// The booking.
    pub booking: Arc<Booking>,
    /// What goes back, where it had been paid.
    pub refund: Option<RefundView>,
}

/// A booking as its streams have it.
#[derive(Debug, Clone)]
pub struct BookingSnapshot {
    /// The booking.
    pub booking: Arc<Booking>,
    /// Its show.
    pub show: Arc<ShowDetails>,
    /// What goes back.
    pub refund: Option<RefundView>,
    /// How far its show's stream was read.
    pub position: Position,
}

impl Commands {
    /// Locks seats and begins a booking. The same key with the same body answers the same booking again.
    pub async fn create_booking(
        &self,
        ctx: &Context,
        create: CreateBooking,
    ) -> Result<Answer<BookingAnswer>, CommandError> {
        let CreateBooking { user_id, show_id, seats, coupon_code, client, idempotency_key, fingerprint } =
            create;
        let metadata = ctx.metadata();
        let unique = ulid(self.inner.clock.now());
        let mut terms = self.terms(coupon_code).await?;
        let mut claims = Claims {
            booking_id: BookingId::compose(&show_id, &unique),
            user_id: user_id.clone(),
            idempotency_key: idempotency_key.clone(),
            codes: vec![],
            lock_before: None,
        };
        self.claim_redemptions(&metadata, &mut terms, &mut claims).await?;
        let lock = LockSeats {
            booking_id: claims.booking_id.clone(),
            user_id,
            seats,
            terms,
            lock_before: claims.lock_before,
            client,
            idempotency_key,
            fingerprint,
            ttl_millis: u64::try_from(self.inner.config.seat_lock_ttl.as_millis()).unwrap_or(u64::MAX),
            hoarding: self.inner.config.hoarding,
        };
        let command = ShowCommand::LockSeats(lock);
        let decided = self.inner.writers.decide(&show_id, command, Arc::clone(&metadata)).await;
        self.release_unused(&metadata, &claims, &decided).await;
        match &decided {
            Ok(decided) if !decided.replayed => {
                metrics::counter!(counters::BOOKINGS_CREATED).increment(1);
            }
            Err(CommandError::Show(Rejection::SeatsUnavailable { .. } | Rejection::NoSeatsFit)) => {
                metrics::counter!(counters::SEAT_LOCKS_REFUSED).increment(1);
            }
            Ok(_) | Err(_) => {}
        }
        booking_answer(decided?)
    }

    /// A customer holds the seats of a booking for longer.
    pub async fn extend_lock(
        &self,
        ctx: &Context,
        extend: ExtendLock,
    ) -> Result<Answer<BookingAnswer>, CommandError> {
        let show_id = extend.booking_id.show().ok_or(CommandError::NotFound("booking"))?;
        let command = ShowCommand::ExtendLock(extend);
        let decided = self.inner.writers.decide(&show_id, command, ctx.metadata()).await;
        booking_answer(known_booking(decided)?)
    }

    /// Gives back what was claimed for a booking that did not begin, or that another offer served better.
    async fn release_unused(
        &self,
        metadata: &Arc<Metadata>,
        claims: &Claims,
        decided: &Result<writer::Decided, CommandError>,
    ) {
        if claims.codes.is_empty() {
            return;
        }
        let used: Vec<&OfferCode> = match decided {
            Ok(decided) => {
                let booking = decided.booking.iter().filter(|booking| booking.id == claims.booking_id);
                let pricing = booking.filter_map(|booking| booking.pricing.as_ref());
                pricing.flat_map(|pricing| &pricing.applied_offers).map(|offer| &offer.code).collect()
            }
            // The seats may be locked or not.
            Err(CommandError::Unavailable(_)) => return,
            Err(_) => vec![],
        };
        let unused = claims.codes.iter().filter(|(code, _)| !used.contains(&code));
        let unused = unused.cloned().collect::<Vec<_>>();
        self.release_redemptions(metadata, &claims.booking_id, &unused).await;
    }

    /// A customer cancels a booking. What was paid for it is owed back from then on.
    pub async fn cancel_booking(
        &self,
        ctx: &Context,
        cancel: CancelBooking,
    ) -> Result<Answer<CancelAnswer>, CommandError> {
        let show_id = cancel.booking_id.show().ok_or(CommandError::NotFound("booking"))?;
        let decided =
            self.inner.writers.decide(&show_id, ShowCommand::CancelBooking(cancel), ctx.metadata()).await;
        let answer = booking_answer(known_booking(decided)?)?;
        let booking = Arc::clone(&answer.value.booking);
        let refund = match booking.state {
            BookingState::Cancelled { paid: true, .. } => {
                let payment =
                    self.request_refund(&ctx.metadata(), &booking.id, RefundCause::BookingCancelled).await?;
                // The same answer for ever: what a refund has come to since is told by reading the booking.
                RefundView::of(&payment)
                    .map(|refund| RefundView { status: RefundStatus::Initiated, ..refund })
            }
            BookingState::Cancelled { paid: false, .. }
            | BookingState::SeatsLocked
            | BookingState::PaymentPending
            | BookingState::Confirmed { .. }
            | BookingState::Completed { .. }
            | BookingState::Failed
            | BookingState::Expired => None,
        };
        Ok(answer.map(|BookingAnswer { booking, .. }| CancelAnswer { booking, refund }))
    }

    /// A booking as its streams have it, whatever any view knows.
    pub async fn booking(&self, id: &BookingId) -> Result<BookingSnapshot, CommandError> {
        let show_id = id.show().ok_or(CommandError::NotFound("booking"))?;
        let wanted = id.clone();
        let look = move |seen: writer::Seen<'_>| {
            let screening = seen.show.screening()?;
            Ok((Arc::clone(screening.booking(&wanted)?), Arc::clone(&screening.details), seen.position))
        };
        let (booking, show, position) = known_booking(self.inner.writers.read(&show_id, look).await?)?;
        let refund = match booking.state {
            BookingState::SeatsLocked | BookingState::PaymentPending => None,
            BookingState::Confirmed { .. }
            | BookingState::Completed { .. }
            | BookingState::Failed
            | BookingState::Expired
            | BookingState::Cancelled { .. } => RefundView::of(&self.payment(id).await?),
        };
        Ok(BookingSnapshot { booking, show, refund, position })
    }
}

/// A booking of a show that does not exist does not exist either.
pub(crate) fn known_booking<T>(result: Result<T, CommandError>) -> Result<T, CommandError> {
    result.map_err(|error| match error {
        CommandError::Show(Rejection::UnknownShow | Rejection::UnknownBooking) => {
            CommandError::NotFound("booking")
        }
        other => other,
    })
}

fn booking_answer(decided: writer::Decided) -> Result<Answer<BookingAnswer>, CommandError> {
    let writer::Decided { show, booking, position, replayed } = decided;
    let booking = booking.ok_or(CommandError::NotFound("booking"))?;
    Ok(Answer { value: BookingAnswer { booking, show }, position, replayed })
}

/// The 26 characters of a ULID: ordered by time, 74 random bits, so that no booking id can be guessed.
fn ulid(now: Timestamp) -> String {
    const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = time_ordered(now).as_u128();
    (0..26).rev().map(|group| char::from(CROCKFORD[((bits >> (group * 5)) & 31) as usize])).collect()
}
