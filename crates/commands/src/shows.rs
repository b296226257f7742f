//! Scheduling shows: reserve the slot, then create the show with layout and prices copied in.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use marquee_domain::catalogue::{City, Movie};
use marquee_domain::ids::{MovieId, PartnerId, ScreenId, ShowId, TheatreId};
use marquee_domain::money::{Currency, Money};
use marquee_domain::request::Request;
use marquee_domain::schedule::{Overlap, Schedule, ScheduleCommand, SlotReleased, SlotReserved};
use marquee_domain::show::{
    ChangeShow, Rejection, SalesBound, SalesWindow, Screening, ShowCancelled, ShowChanged, ShowCommand,
    ShowDetails, ShowScheduled,
};
use marquee_domain::theatre::SeatType;
use marquee_domain::time;
use marquee_event_store::StreamName;
use smol_str::SmolStr;

use crate::Commands;
use crate::context::{Answer, Context};
use crate::error::CommandError;
use crate::execute::execute;
use crate::writer::{Decided, Seen};

const MILLIS_PER_MINUTE: u64 = 60_000;
/// A slot that was reserved this long ago without its show following belongs to nobody.
const ORPHAN_AFTER_MILLIS: i64 = 60_000;

/// A partner schedules a show.
#[derive(Debug, Clone)]
pub struct ScheduleShow {
    /// The show.
    pub show_id: ShowId,
    /// Who schedules it.
    pub partner_id: PartnerId,
    /// Where.
    pub theatre_id: TheatreId,
    /// On which screen.
    pub screen_id: ScreenId,
    /// Which film.
    pub movie_id: MovieId,
    /// When it starts.
    pub start_time: Timestamp,
    /// In which language.
    pub language: SmolStr,
    /// In which format.
    pub format: SmolStr,
    /// Major units for each type of seat, as the wire has them.
    pub prices: BTreeMap<SeatType, String>,
    /// When it is on sale.
    pub sales: SalesWindow,
    /// The request that does it.
    pub request: Option<Request>,
}

/// A partner changes some of a show's facts.
#[derive(Debug, Clone, Default)]
pub struct ShowPatch {
    /// The new start.
    pub start_time: Option<Timestamp>,
    /// The new language.
    pub language: Option<SmolStr>,
    /// The new format.
    pub format: Option<SmolStr>,
    /// New prices in major units, for the types that they name.
    pub prices: BTreeMap<SeatType, String>,
    /// The new beginning of its sale.
    pub sales_from: Option<SalesBound>,
    /// The new end of its sale.
    pub sales_until: Option<SalesBound>,
    /// The request that does it.
    pub request: Option<Request>,
}

/// All of a show's facts that a partner can change.
#[derive(Debug, Clone)]
pub struct ShowReplacement {
    /// The start.
    pub start_time: Timestamp,
    /// The language.
    pub language: SmolStr,
    /// The format.
    pub format: SmolStr,
    /// Prices in major units, for every type of seat that has one.
    pub prices: BTreeMap<SeatType, String>,
    /// When it is on sale.
    pub sales: SalesWindow,
    /// The request that does it.
    pub request: Option<Request>,
}

impl From<Overlap> for CommandError {
    fn from(Overlap(slot): Overlap) -> Self {
        Self::Overlap(slot.show_id)
    }
}

impl Commands {
    /// Schedules a show on a screen of this partner.
    pub async fn schedule_show(
        &self,
        ctx: &Context,
        show: ScheduleShow,
    ) -> Result<Answer<Arc<ShowDetails>>, CommandError> {
        if let Some(answer) = self.scheduled_before(&show).await? {
            return Ok(answer);
        }
        let details = self.show_details(&show).await?;
        let (show_id, slot) = (details.show_id.clone(), slot(&details));
        if details.start_time <= self.inner.clock.now() {
            return Err(Rejection::StartsInThePast.into());
        }
        self.reserve(ctx, &slot).await?;
        let command = ShowCommand::Schedule(ShowScheduled { show: details, request: show.request });
        match self.inner.writers.decide(&show_id, command, ctx.metadata()).await {
            Ok(decided) => Ok(show_answer(decided)),
            Err(error) => {
                // Where the log says no, the slot goes back; where it does not answer, the show may be there.
                if matches!(error, CommandError::Show(_)) && !self.runs_in(&slot).await? {
                    self.release(ctx, &slot).await?;
                }
                Err(error)
            }
        }
    }

    /// Changes some of a show's facts.
    pub async fn change_show(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        show_id: &ShowId,
        patch: ShowPatch,
    ) -> Result<Answer<Arc<ShowDetails>>, CommandError> {
        let (before, now) = self.own_show(partner, show_id).await?;
        let ShowPatch { start_time, language, format, prices, sales_from, sales_until, request } = patch;
        let end_time = start_time.map(|start| ends(&before, start));
        let prices = minor_prices(&prices, &before.currency)?;
        let changed = ShowChanged { start_time, end_time, language, format, prices, sales: None, request };
        let sales = to_millis(SalesWindow::default().with(sales_from, sales_until));
        let change = move |changed| {
            let sales_from = sales_from.map(|_| SalesBound(sales.from));
            let sales_until = sales_until.map(|_| SalesBound(sales.until));
            ShowCommand::Change(ChangeShow { changed, sales_from, sales_until })
        };
        self.carry_out(ctx, &before, now, changed, change).await
    }

    /// Replaces all of a show's facts that can change.
    pub async fn replace_show(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        show_id: &ShowId,
        replacement: ShowReplacement,
    ) -> Result<Answer<Arc<ShowDetails>>, CommandError> {
        let (before, now) = self.own_show(partner, show_id).await?;
        let ShowReplacement { start_time, language, format, prices, sales, request } = replacement;
        let changed = ShowChanged {
            start_time: Some(time::to_millis(start_time)),
            end_time: Some(ends(&before, start_time)),
            language: Some(language),
            format: Some(format),
            prices: minor_prices(&prices, &before.currency)?,
            sales: Some(to_millis(sales)),
            request,
        };
        self.carry_out(ctx, &before, now, changed, ShowCommand::Replace).await
    }

    /// A new time is reserved before the show moves, and the slot that it does not use goes back after.
    async fn carry_out(
        &self,
        ctx: &Context,
        before: &ShowDetails,
        now: Timestamp,
        changed: ShowChanged,
        command: impl FnOnce(ShowChanged) -> ShowCommand,
    ) -> Result<Answer<Arc<ShowDetails>>, CommandError> {
        let mut after = before.clone();
        after.change(&changed);
        let (old, new) = (slot(before), slot(&after));
        let request = changed.request.clone();
        let seen = move |seen: Seen<'_>| Ok(seen.show.screening()?.has_answered(request.as_ref()));
        let again =
            self.inner.writers.read(&before.show_id, seen).await?.map_err(|error: Rejection| error)?;
        // A repeated request moves nothing: the slot that it was for may be another show's by now.
        let moves = !again && old != new && after.start_time > now;
        if moves {
            self.reserve(ctx, &new).await?;
        }
        let decided = self.inner.writers.decide(&before.show_id, command(changed), ctx.metadata()).await;
        if moves && !matches!(decided, Err(CommandError::Unavailable(_))) {
            for slot in [&old, &new] {
                if !self.runs_in(slot).await? {
                    self.release(ctx, slot).await?;
                    // Another change of the show may have moved it there in between.
                    if self.runs_in(slot).await? {
                        self.reserve(ctx, slot).await?;
                    }
                }
            }
        }
        Ok(show_answer(decided?))
    }

    /// Calls a show off. Its live bookings are cancelled with it, and what was paid goes back.
    pub async fn cancel_show(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        show_id: &ShowId,
        request: Option<Request>,
    ) -> Result<Answer<Arc<ShowDetails>>, CommandError> {
        self.own_show(partner, show_id).await?;
        let command = ShowCommand::Cancel(ShowCancelled { request });
        let decided = self.inner.writers.decide(show_id, command, ctx.metadata()).await?;
        self.release(ctx, &slot(&decided.show)).await?;
        Ok(show_answer(decided))
    }

    /// A show's facts, for the partner that owns it, and the instant at which they were read.
    pub(crate) async fn own_show(
        &self,
        partner: &PartnerId,
        show_id: &ShowId,
    ) -> Result<(Arc<ShowDetails>, Timestamp), CommandError> {
        let look = |seen: Seen<'_>| Ok((Arc::clone(&seen.show.screening()?.details), seen.now));
        let (details, now) =
            self.inner.writers.read(show_id, look).await?.map_err(|error: Rejection| error)?;
        if details.partner_id != *partner {
            return Err(CommandError::NotYours);
        }
        Ok((details, now))
    }

    /// The answer to a request that has scheduled this show already: none of what it names is looked up again.
    async fn scheduled_before(
        &self,
        show: &ScheduleShow,
    ) -> Result<Option<Answer<Arc<ShowDetails>>>, CommandError> {
        if show.request.is_none() {
            return Ok(None);
        }
        let events = self.inner.store.read_stream(StreamName::show(&show.show_id), 0, 1).await?;
        let Some(first) = events.first() else { return Ok(None) };
        let Ok(marquee_domain::Event::Show(marquee_domain::show::ShowEvent::Scheduled(scheduled))) =
            first.event()
        else {
            return Ok(None);
        };
        match (&scheduled.request, &show.request) {
            (Some(known), Some(request)) if known.same_key(request) => {
                if known.fingerprint != request.fingerprint {
                    return Err(Rejection::KeyReused(marquee_domain::request::KeyReused).into());
                }
                let value = Arc::new(scheduled.show.clone());
                Ok(Some(Answer { value, position: first.position, replayed: true }))
            }
            _ => Ok(None),
        }
    }

    /// Everything that a show copies from elsewhere, read from streams.
    async fn show_details(&self, show: &ScheduleShow) -> Result<ShowDetails, CommandError> {
        let missing = |field, id: &str| CommandError::Invalid { field, reason: format!("there is no {id}") };
        let theatre = self.theatre(&show.theatre_id).await.map_err(|error| match error {
            CommandError::NotFound(_) => missing("theatreId", show.theatre_id.as_str()),
            other => other,
        })?;
        let details = theatre.owned_by(&show.partner_id).map_err(|_| CommandError::NotYours)?;
        let screen = theatre
            .screens
            .get(&show.screen_id)
            .ok_or_else(|| missing("screenId", show.screen_id.as_str()))?;
        let movie = self.load::<Movie>(StreamName::movie(&show.movie_id)).await?.state.details;
        let movie = movie.ok_or_else(|| missing("movieId", show.movie_id.as_str()))?;
        let city = self.load::<City>(StreamName::city(&details.city_id)).await?.state.details;
        let city = city.ok_or_else(|| missing("cityId", details.city_id.as_str()))?;
        let length = u64::from(movie.duration_mins) * MILLIS_PER_MINUTE;
        Ok(ShowDetails {
            show_id: show.show_id.clone(),
            partner_id: show.partner_id.clone(),
            theatre_id: show.theatre_id.clone(),
            city_id: city.city_id,
            timezone: city.timezone,
            screen_id: show.screen_id.clone(),
            screen_name: screen.name.clone(),
            movie_id: show.movie_id.clone(),
            start_time: time::to_millis(show.start_time),
            end_time: time::after(show.start_time, length),
            language: show.language.clone(),
            format: show.format.clone(),
            prices: minor_prices(&show.prices, &city.currency)?,
            currency: city.currency,
            sales: to_millis(show.sales),
            seat_rules: details.seat_rules,
            cancel_policy: details.cancel_policy.clone(),
            rows: screen.rows.clone(),
        })
    }

    /// Takes a slot. One that another show reserved and never came to use is given back first.
    async fn reserve(&self, ctx: &Context, slot: &SlotReserved) -> Result<(), CommandError> {
        match self.schedule(ctx, slot, &ScheduleCommand::Reserve(slot.clone())).await {
            Err(CommandError::Overlap(other)) => {
                let stream = StreamName::schedule(&slot.theatre_id, &slot.screen_id);
                let schedule = self.load::<Schedule>(stream.clone()).await?.state;
                for held in schedule.slots_of(&other) {
                    if self.is_orphan(&stream, held).await? {
                        self.release(ctx, held).await?;
                    }
                }
                self.schedule(ctx, slot, &ScheduleCommand::Reserve(slot.clone())).await
            }
            reserved => reserved,
        }
    }

    async fn is_orphan(&self, stream: &StreamName, slot: &SlotReserved) -> Result<bool, CommandError> {
        let reserved = self.inner.store.read_stream(stream.clone(), 0, 100_000).await?;
        let at =
            reserved.iter().rev().find_map(|recorded| match recorded.event() {
                Ok(marquee_domain::Event::Schedule(marquee_domain::schedule::ScheduleEvent::Reserved(
                    held,
                ))) if held == slot => Some(recorded.time),
                _ => None,
            });
        let now = self.inner.clock.now().as_millisecond();
        let old = at.is_some_and(|at| now - at.as_millisecond() > ORPHAN_AFTER_MILLIS);
        Ok(old && !self.runs_in(slot).await?)
    }

    /// Whether the show that holds a slot runs in it.
    async fn runs_in(&self, held: &SlotReserved) -> Result<bool, CommandError> {
        let wanted = held.clone();
        let runs = move |screening: &Screening| !screening.cancelled && slot(&screening.details) == wanted;
        self.inner.writers.read(&held.show_id, move |seen| seen.show.screening().is_ok_and(runs)).await
    }

    async fn release(&self, ctx: &Context, slot: &SlotReserved) -> Result<(), CommandError> {
        let SlotReserved { theatre_id, screen_id, show_id, start_time, end_time: _ } = slot.clone();
        let release = SlotReleased { theatre_id, screen_id, show_id, start_time };
        self.schedule(ctx, slot, &ScheduleCommand::Release(release)).await
    }

    async fn schedule(
        &self,
        ctx: &Context,
        slot: &SlotReserved,
        command: &ScheduleCommand,
    ) -> Result<(), CommandError> {
        let (store, clock) = (&*self.inner.store, &*self.inner.clock);
        let stream = StreamName::schedule(&slot.theatre_id, &slot.screen_id);
        execute::<Schedule>(store, clock, stream, &ctx.metadata(), None, command).await.map(|_| ())
    }
}

/// When a show ends that starts at another time: its length stays.
fn ends(show: &ShowDetails, start: Timestamp) -> Timestamp {
    let length = show.end_time.as_millisecond() - show.start_time.as_millisecond();
    time::after(start, u64::try_from(length).unwrap_or_default())
}

fn slot(show: &ShowDetails) -> SlotReserved {
    SlotReserved {
        theatre_id: show.theatre_id.clone(),
        screen_id: show.screen_id.clone(),
        show_id: show.show_id.clone(),
        start_time: show.start_time,
        end_time: show.end_time,
    }
}

fn to_millis(sales: SalesWindow) -> SalesWindow {
    SalesWindow { from: sales.from.map(time::to_millis), until: sales.until.map(time::to_millis) }
}

fn show_answer(decided: Decided) -> Answer<Arc<ShowDetails>> {
    Answer { value: decided.show, position: decided.position, replayed: decided.replayed }
}

fn minor_prices(
    prices: &BTreeMap<SeatType, String>,
    currency: &Currency,
) -> Result<BTreeMap<SeatType, i64>, CommandError> {
    let minor = |(seat_type, text): (&SeatType, &String)| {
        let price = Money::from_major(text, currency.clone()).ok_or_else(|| CommandError::Invalid {
            field: "prices",
            reason: format!("{text} is not a price in {currency}"),
        })?;
        Ok((*seat_type, price.minor))
    };
    prices.iter().map(minor).collect()
}
