//! Claims of offers that may be redeemed only so often.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, IdempotencyKey, OfferCode, UserId};
use marquee_domain::offer::OfferLimits;
use marquee_domain::pricing::PriceTerms;
use marquee_domain::redemption::{Attempts, RedemptionCommand, Redemptions};
use marquee_domain::show::Screening;
use marquee_event_store::{Metadata, StreamName};
use tokio::sync::Mutex;

use crate::Commands;
use crate::error::CommandError;
use crate::execute::{Loaded, catch_up, execute_on};
use crate::offers::exhausted;
use crate::writer::Seen;

/// The redemptions of an offer as this node last saw them.
#[derive(Default)]
pub(crate) struct Fold {
    loaded: Loaded<Redemptions>,
    /// The log held no more at some instant after this one.
    fresh_since: Option<Instant>,
}

/// One claim of an offer is decided after the other: those of a node never conflict.
pub(crate) type RedemptionFold = Arc<Mutex<Fold>>;

/// What a booking claims.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    pub booking_id: BookingId,
    pub user_id: UserId,
    pub idempotency_key: IdempotencyKey,
    /// The offers of which a redemption was claimed, and by which attempt.
    pub codes: Vec<(OfferCode, Timestamp)>,
    /// When the first of them may be gone.
    pub lock_before: Option<Timestamp>,
}

impl Commands {
    /// Claims a redemption of each offer with limits that may apply. An automatic one of which none is left is as if it did not exist.
    pub(crate) async fn claim_redemptions(
        &self,
        metadata: &Arc<Metadata>,
        terms: &mut PriceTerms,
        claims: &mut Claims,
    ) -> Result<(), CommandError> {
        if !terms.has_limits() {
            return Ok(());
        }
        let show_id = claims.booking_id.show().ok_or(CommandError::NotFound("show"))?;
        let (wanted, user, key) = (terms.clone(), claims.user_id.clone(), claims.idempotency_key.clone());
        let look = move |seen: Seen<'_>| {
            let screening: &Screening = seen.show.screening()?;
            // A request that was answered before has its price.
            let answered = screening.booking_by_key(&user, &key).is_some();
            Ok(if answered { vec![] } else { wanted.limited_for(&screening.details, seen.now) })
        };
        let limited = self.inner.writers.read(&show_id, look).await?;
        for (code, limits) in limited.map_err(|error: marquee_domain::show::Rejection| error)? {
            let named = terms.coupon.as_ref().is_some_and(|coupon| coupon.details.code == code);
            if self.claim(metadata, claims, &code, limits).await? {
                terms.claimed.insert(code);
            } else if named {
                self.release_redemptions(metadata, &claims.booking_id, &claims.codes).await;
                return Err(exhausted(code));
            }
        }
        Ok(())
    }

    /// Whether the booking has one.
    async fn claim(
        &self,
        metadata: &Arc<Metadata>,
        claims: &mut Claims,
        code: &OfferCode,
        limits: OfferLimits,
    ) -> Result<bool, CommandError> {
        let (fold, asked) = (self.redemption_fold(code), Instant::now());
        let mut fold = fold.lock().await;
        // Whoever changes the offer here has the lock meanwhile: what it allows by now holds, not what it allowed when the request
        // began.
        let limits = self.inner.rules.offer(code).await?.map_or(limits, |offer| offer.details.limits);
        let Claims { booking_id, user_id, idempotency_key, .. } = claims.clone();
        let command = RedemptionCommand::Claim {
            code: code.clone(),
            booking_id: booking_id.clone(),
            user_id: user_id.clone(),
            idempotency_key: idempotency_key.clone(),
            limits,
        };
        let look = |fold: &Redemptions| {
            let claim = fold.claim(&user_id, &booking_id, &idempotency_key)?;
            Some((claim.booking_id.clone(), *claim.attempts.last()?))
        };
        let claimed = self.redeem_on(&mut fold, asked, metadata, code, &command, look).await;
        drop(fold);
        let (claimed_for, attempt) = match claimed {
            Ok(Some(claim)) => claim,
            Ok(None) | Err(CommandError::Redemption(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        // The same request may have claimed before, and been cut off before it had its seats.
        if claims.codes.is_empty() {
            claims.booking_id = claimed_for.clone();
        }
        if claims.booking_id != claimed_for {
            let given_up = [(code.clone(), attempt)];
            self.release_redemptions(metadata, &claimed_for, &given_up).await;
            return Ok(false);
        }
        claims.codes.push((code.clone(), attempt));
        claims.lock_before = Some(claims.lock_before.map_or(attempt, |before| before.min(attempt)));
        Ok(true)
    }

    /// Gives up an attempt's redemptions. What fails here is made good by the process that follows the log.
    pub(crate) async fn release_redemptions(
        &self,
        metadata: &Arc<Metadata>,
        booking_id: &BookingId,
        codes: &[(OfferCode, Timestamp)],
    ) {
        for (code, attempt) in codes {
            let given_up = self.release_redemption(metadata, booking_id, code, Attempts::This(*attempt));
            if let Err(error) = given_up.await {
                tracing::info!(%code, %booking_id, %error, "a redemption is given back later");
            }
        }
    }

    pub(crate) async fn release_redemption(
        &self,
        metadata: &Arc<Metadata>,
        booking_id: &BookingId,
        code: &OfferCode,
        attempts: Attempts,
    ) -> Result<(), CommandError> {
        let (code_of, booking_id) = (code.clone(), booking_id.clone());
        let command = RedemptionCommand::Release { code: code_of, booking_id, attempts };
        self.redeem(metadata, code, &command, |_| ()).await
    }

    /// Whether nobody can redeem an offer any more, or a customer who is known, as the log has it.
    pub(crate) async fn is_exhausted(
        &self,
        code: &OfferCode,
        limits: &OfferLimits,
        user: Option<&UserId>,
    ) -> Result<bool, CommandError> {
        let (fold, asked) = (self.redemption_fold(code), Instant::now());
        let mut fold = fold.lock().await;
        if !self.is_proven(&fold, asked) {
            let began = Instant::now();
            catch_up(&*self.inner.store, &StreamName::redemption(code), &mut fold.loaded, |_| {}).await?;
            fold.fresh_since = Some(began);
        }
        Ok(fold.loaded.state.is_exhausted(limits, user))
    }

    /// Whether a refusal by a fold holds for somebody who has asked at an instant: the log was read, or appended to, since then.
    /// A herd that waits for one refusal is answered by the same read. Where nobody else writes the log, the fold is all that it holds.
    fn is_proven(&self, fold: &Fold, asked: Instant) -> bool {
        let shared = self.inner.store.shared();
        fold.fresh_since.is_some_and(|fresh| !shared || fresh >= asked)
    }

    /// What claims and changes of an offer on this node go through, one after the other.
    pub(crate) fn redemption_fold(&self, code: &OfferCode) -> RedemptionFold {
        Arc::clone(&*self.inner.redemptions.entry(code.clone()).or_default())
    }

    async fn redeem<T>(
        &self,
        metadata: &Arc<Metadata>,
        code: &OfferCode,
        command: &RedemptionCommand,
        look: impl FnOnce(&Redemptions) -> T,
    ) -> Result<T, CommandError> {
        let (fold, asked) = (self.redemption_fold(code), Instant::now());
        let mut fold = fold.lock().await;
        self.redeem_on(&mut fold, asked, metadata, code, command, look).await
    }

    async fn redeem_on<T>(
        &self,
        fold: &mut Fold,
        asked: Instant,
        metadata: &Arc<Metadata>,
        code: &OfferCode,
        command: &RedemptionCommand,
        look: impl FnOnce(&Redemptions) -> T,
    ) -> Result<T, CommandError> {
        let (proven, began) = (self.is_proven(fold, asked), Instant::now());
        let (store, clock, stream) = (&*self.inner.store, &*self.inner.clock, StreamName::redemption(code));
        // Taken out while it is in use: an append whose outcome is unknown, or that nobody waits for any more, leaves none behind.
        let Fold { mut loaded, fresh_since } = std::mem::take(fold);
        let executed = execute_on(store, clock, stream, metadata, &mut loaded, proven, command).await;
        let seen = look(&loaded.state);
        if !matches!(executed, Err(CommandError::Unavailable(_))) {
            // An answer without an append or a read proves nothing new.
            let unproven = proven && !matches!(executed, Ok(Some(_)));
            *fold = Fold { loaded, fresh_since: if unproven { fresh_since } else { Some(began) } };
        }
        executed.map(|_| seen)
    }
}
