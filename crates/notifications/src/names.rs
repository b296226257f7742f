//! What a film and a theatre are called, as their streams have it now.

use marquee_domain::catalogue::{Movie, MovieEvent};
use marquee_domain::theatre::{Theatre, TheatreEvent};
use marquee_domain::{Decider, Event};
use marquee_event_store::{EventStore, ReadError, StreamName};
use marquee_projections::title_for;
use smol_str::SmolStr;

use crate::kind::Facts;

const PAGE: usize = 1_000;

/// Names for a text. What is not known is called by its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub film: Option<SmolStr>,
    pub theatre: Option<SmolStr>,
}

impl Names {
    /// The names of what a notification speaks of, the film's in the customer's language where it has one in it.
    pub async fn of(store: &dyn EventStore, facts: &Facts, language: &str) -> Result<Self, ReadError> {
        let Some(show) = &facts.show else { return Ok(Self::default()) };
        let (movie, theatre) = (show.movie_id.as_str().into(), show.theatre_id.as_str().into());
        let film = fold::<Movie>(store, StreamName::movie(&movie), |event| match event {
            Event::Movie(event) => Some(event),
            _ => None::<&MovieEvent>,
        });
        let film = film.await?.details;
        let theatre = fold::<Theatre>(store, StreamName::theatre(&theatre), |event| match event {
            Event::Theatre(event) => Some(event),
            _ => None::<&TheatreEvent>,
        });
        let theatre = theatre.await?.details;
        Ok(Self {
            film: film.map(|film| title_for(&film, &[language.into()]).clone()),
            theatre: theatre.map(|theatre| theatre.name),
        })
    }
}

async fn fold<D: Decider>(
    store: &dyn EventStore,
    stream: StreamName,
    of: impl Fn(&Event) -> Option<&D::Event>,
) -> Result<D, ReadError> {
    let (mut state, mut next) = (D::default(), 0);
    loop {
        let page = store.read_stream(stream.clone(), next, PAGE).await?;
        for event in page.iter().filter_map(|recorded| recorded.event().ok().and_then(&of)) {
            state.evolve(event);
        }
        next += page.len() as u64;
        if page.len() < PAGE {
            return Ok(state);
        }
    }
}
