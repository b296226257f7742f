//! Partners, theatres and screens.

use marquee_domain::catalogue::City;
use marquee_domain::ids::{PartnerId, TheatreId};
use marquee_domain::request::Request;
use marquee_domain::theatre::{
    OnboardPartner, Partner, PartnerEvent, PartnerOnboarded, ScreenAdded, ScreenChanged, ScreenDetails,
    Theatre, TheatreAdded, TheatreChanged, TheatreCommand, TheatreDetails, TheatreEvent, TheatreRejection,
};
use marquee_domain::{Decider, Event};
use marquee_event_store::StreamName;

use crate::Commands;
use crate::context::{Answer, Context};
use crate::error::CommandError;
use crate::execute::{Loaded, execute};

/// An event that may answer an idempotent request.
pub(crate) trait Requested {
    /// The request that it answers.
    fn request(&self) -> Option<&Request>;
}

impl Requested for PartnerEvent {
    fn request(&self) -> Option<&Request> {
        match self {
            Self::Onboarded(partner) => partner.request.as_ref(),
        }
    }
}

impl Requested for TheatreEvent {
    fn request(&self) -> Option<&Request> {
        match self {
            Self::Added(theatre) => theatre.request.as_ref(),
            Self::Changed(theatre) => theatre.request.as_ref(),
            Self::ScreenAdded(screen) => screen.request.as_ref(),
            Self::ScreenChanged(screen) => screen.request.as_ref(),
        }
    }
}

impl<D> Answer<D> {
    /// A part of the state that the command must have left behind.
    pub(crate) fn some<T>(
        self,
        part: impl FnOnce(D) -> Option<T>,
        what: &'static str,
    ) -> Result<Answer<T>, CommandError> {
        let Self { value, position, replayed } = self;
        Ok(Answer { value: part(value).ok_or(CommandError::NotFound(what))?, position, replayed })
    }
}

impl Commands {
    /// Decides a command on a stream that is not hot. A replay has the state and position that its original had.
    pub(crate) async fn answer<D>(
        &self,
        ctx: &Context,
        stream: StreamName,
        request: Option<&Request>,
        command: &D::Command,
    ) -> Result<Answer<D>, CommandError>
    where
        D: Decider,
        D::Event: Clone + Into<Event> + Requested,
        D::Rejection: Into<CommandError>,
        for<'a> &'a D::Event: TryFrom<&'a Event>,
    {
        let store = &*self.inner.store;
        let executed =
            execute::<D>(store, &*self.inner.clock, stream.clone(), &ctx.metadata(), None, command).await?;
        let Loaded { state, position, count, .. } = executed.loaded;
        if let (None, Some(request)) = (executed.appended, request) {
            let mut then = Loaded::<D>::default();
            for recorded in store.read_stream(stream, 0, usize::try_from(count).unwrap_or(100_000)).await? {
                then.fold(&recorded)?;
                let event = recorded.event().ok().and_then(|event| <&D::Event>::try_from(event).ok());
                if event.and_then(Requested::request).is_some_and(|answered| answered.same_key(request)) {
                    return Ok(Answer { value: then.state, position: then.position, replayed: true });
                }
            }
        }
        // What changes nothing without having been asked before is not a replay.
        Ok(Answer { value: state, position, replayed: false })
    }

    /// Takes a partner aboard. How to reach it is kept apart from the log, encrypted.
    pub async fn onboard_partner(
        &self,
        ctx: &Context,
        partner: PartnerOnboarded,
        contact_email: &str,
    ) -> Result<Answer<PartnerOnboarded>, CommandError> {
        let (stream, request) = (StreamName::partner(&partner.partner_id), partner.request.clone());
        let subject = format!("partner:{}", partner.partner_id);
        let answer = self.answer::<Partner>(ctx, stream, request.as_ref(), &OnboardPartner(partner)).await?;
        let (contacts, contact, replayed) =
            (self.inner.contacts.clone(), contact_email.to_owned(), answer.replayed);
        // A replay may be of a request that ended between the log and the contact.
        let put = tokio::task::spawn_blocking(move || {
            if replayed { contacts.put_missing(&subject, &contact) } else { contacts.put(&subject, &contact) }
        });
        let put = put.await.map_err(|error| CommandError::Unavailable(error.to_string()))?;
        put.map_err(|error| CommandError::Unavailable(error.to_string()))?;
        answer.some(|state| state.details, "partner")
    }

    /// Adds a theatre in a city that exists, for a partner that does.
    pub async fn add_theatre(
        &self,
        ctx: &Context,
        theatre: TheatreAdded,
    ) -> Result<Answer<TheatreDetails>, CommandError> {
        let partner = self.load::<Partner>(StreamName::partner(&theatre.theatre.partner_id)).await?;
        if partner.state.details.is_none() {
            return Err(CommandError::NotFound("partner"));
        }
        self.check_city(&theatre.theatre).await?;
        let (stream, request) = (StreamName::theatre(&theatre.theatre.theatre_id), theatre.request.clone());
        let answer =
            self.answer::<Theatre>(ctx, stream, request.as_ref(), &TheatreCommand::Add(theatre)).await?;
        answer.some(|state| state.details, "theatre")
    }

    /// Replaces a theatre's facts.
    pub async fn change_theatre(
        &self,
        ctx: &Context,
        theatre: TheatreChanged,
    ) -> Result<Answer<TheatreDetails>, CommandError> {
        self.check_city(&theatre.theatre).await?;
        let (stream, request) = (StreamName::theatre(&theatre.theatre.theatre_id), theatre.request.clone());
        let answer =
            self.answer::<Theatre>(ctx, stream, request.as_ref(), &TheatreCommand::Change(theatre)).await;
        not_found(answer, "theatre")?.some(|state| state.details, "theatre")
    }

    /// A theatre as its stream has it.
    pub async fn theatre(&self, id: &TheatreId) -> Result<Theatre, CommandError> {
        let theatre = self.load::<Theatre>(StreamName::theatre(id)).await?.state;
        if theatre.details.is_some() { Ok(theatre) } else { Err(CommandError::NotFound("theatre")) }
    }

    /// Adds a screen to a theatre of this partner.
    pub async fn add_screen(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        screen: ScreenAdded,
    ) -> Result<Answer<ScreenDetails>, CommandError> {
        let (theatre_id, id) = (screen.screen.theatre_id.clone(), screen.screen.screen_id.clone());
        let (stream, request) = (StreamName::theatre(&theatre_id), screen.request.clone());
        let command = TheatreCommand::AddScreen(partner.clone(), screen);
        let answer = self.answer::<Theatre>(ctx, stream, request.as_ref(), &command).await;
        not_found(answer, "theatre")?.some(|mut state| state.screens.remove(&id), "screen")
    }

    /// Replaces a screen's facts. Shows that are scheduled keep the layout that they copied.
    pub async fn change_screen(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        screen: ScreenChanged,
    ) -> Result<Answer<ScreenDetails>, CommandError> {
        let (theatre_id, id) = (screen.screen.theatre_id.clone(), screen.screen.screen_id.clone());
        let (stream, request) = (StreamName::theatre(&theatre_id), screen.request.clone());
        let command = TheatreCommand::ChangeScreen(partner.clone(), screen);
        let answer = self.answer::<Theatre>(ctx, stream, request.as_ref(), &command).await;
        not_found(answer, "screen")?.some(|mut state| state.screens.remove(&id), "screen")
    }

    async fn check_city(&self, theatre: &TheatreDetails) -> Result<(), CommandError> {
        let city = self.load::<City>(StreamName::city(&theatre.city_id)).await?;
        if city.state.details.is_some() {
            return Ok(());
        }
        Err(CommandError::Invalid {
            field: "cityId",
            reason: format!("there is no city {}", theatre.city_id),
        })
    }
}

/// Names what a theatre's stream lacks.
fn not_found<T>(result: Result<T, CommandError>, what: &'static str) -> Result<T, CommandError> {
    result.map_err(|error| match error {
        CommandError::Theatre(TheatreRejection::NotFound) => CommandError::NotFound(what),
        CommandError::Theatre(TheatreRejection::NotYours) => CommandError::NotYours,
        other => other,
    })
}
