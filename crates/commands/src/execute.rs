//! Load, decide, append: a command on a stream that is not hot.

use std::sync::Arc;

use jiff::Timestamp;
use marquee_domain::{Decider, Event};
use marquee_event_store::clock::Clock;
use marquee_event_store::{
    AppendError, EventStore, Expected, Metadata, NewEvent, Position, ReadError, Recorded, StreamName,
};
use uuid::Uuid;

use crate::error::CommandError;

const PAGE: usize = 1_000;
/// A stream that is not hot does not conflict this often in a row.
const MOST_ATTEMPTS: usize = 64;

/// A folded stream.
#[derive(Debug, Clone)]
pub(crate) struct Loaded<D> {
    pub state: D,
    /// Events folded.
    pub count: u64,
    /// Time of the last one; time in a stream never runs backwards.
    pub time: Timestamp,
    /// Position of the last one.
    pub position: Position,
}

impl<D: Default> Default for Loaded<D> {
    fn default() -> Self {
        Self { state: D::default(), count: 0, time: Timestamp::UNIX_EPOCH, position: Position(0) }
    }
}

impl<D> Loaded<D>
where
    D: Decider,
    for<'a> &'a D::Event: TryFrom<&'a Event>,
{
    /// Folds one more event. An event that this release cannot read stops the stream from being written: deciding on
    /// a state that lacks a fact could sell a seat twice.
    pub(crate) fn fold(&mut self, recorded: &Recorded) -> Result<(), ReadError> {
        let unreadable = |reason: String| {
            ReadError::Unavailable(format!("{} at revision {}: {reason}", recorded.stream, recorded.revision))
        };
        if recorded.revision != self.count {
            return Err(unreadable(format!("{} was to come", self.count)));
        }
        let event = recorded.event().map_err(|error| unreadable(error.to_string()))?;
        let event = event.try_into().map_err(|_| unreadable("an event of another aggregate".into()))?;
        self.state.evolve(event);
        self.count += 1;
        self.time = self.time.max(recorded.time);
        self.position = recorded.position;
        Ok(())
    }
}

/// Reads and folds what a stream has after what is already folded.
pub(crate) async fn catch_up<D>(
    store: &dyn EventStore,
    stream: &StreamName,
    loaded: &mut Loaded<D>,
    mut each: impl FnMut(&Recorded),
) -> Result<(), ReadError>
where
    D: Decider,
    for<'a> &'a D::Event: TryFrom<&'a Event>,
{
    loop {
        let page = store.read_stream(stream.clone(), loaded.count, PAGE).await?;
        for recorded in &page {
            loaded.fold(recorded)?;
            each(recorded);
        }
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

/// Reads and folds a stream.
pub(crate) async fn load<D>(store: &dyn EventStore, stream: StreamName) -> Result<Loaded<D>, ReadError>
where
    D: Decider,
    for<'a> &'a D::Event: TryFrom<&'a Event>,
{
    let mut loaded = Loaded::default();
    catch_up(store, &stream, &mut loaded, |_| {}).await?;
    Ok(loaded)
}

/// Decided events as the log takes them. Ids are time-ordered, which keeps the log's index warm.
pub(crate) fn new_event(time: Timestamp, event: impl Into<Event>, metadata: &Arc<Metadata>) -> NewEvent {
    NewEvent { id: time_ordered(time), time, event: event.into(), metadata: Arc::clone(metadata) }
}

/// An id that sorts by its millisecond; all else in it is random, 74 bits: no counter, which would let one id be guessed
/// from its neighbour.
pub(crate) fn time_ordered(time: Timestamp) -> Uuid {
    let seconds = u64::try_from(time.as_second()).unwrap_or_default();
    let nanos = u32::try_from(time.subsec_nanosecond()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}

/// What came of a command.
pub(crate) struct Executed<D> {
    pub loaded: Loaded<D>,
    /// The last event that was appended; `None` where it had happened already.
    pub appended: Option<Uuid>,
}

/// Decides a command on a stream and appends what it decides.
///
/// `hint` is a fold from memory. Only an append proves it fresh, so a refusal or a no-op from it is decided again on
/// what the log holds.
pub(crate) async fn execute<D>(
    store: &dyn EventStore,
    clock: &dyn Clock,
    stream: StreamName,
    metadata: &Arc<Metadata>,
    hint: Option<Loaded<D>>,
    command: &D::Command,
) -> Result<Executed<D>, CommandError>
where
    D: Decider,
    D::Event: Clone + Into<Event>,
    D::Rejection: Into<CommandError>,
    for<'a> &'a D::Event: TryFrom<&'a Event>,
{
    let proven = hint.is_none();
    let mut loaded = match hint {
        Some(hint) => hint,
        None => load(store, stream.clone()).await?,
    };
    let appended = execute_on(store, clock, stream, metadata, &mut loaded, proven, command).await?;
    Ok(Executed { loaded, appended })
}

/// Decides a command on a fold, which is kept: it is what the log holds afterwards, also where a rule said no. Where the store failed
/// it is to be dropped, for what was appended may be there.
pub(crate) async fn execute_on<D>(
    store: &dyn EventStore,
    clock: &dyn Clock,
    stream: StreamName,
    metadata: &Arc<Metadata>,
    loaded: &mut Loaded<D>,
    mut proven: bool,
    command: &D::Command,
) -> Result<Option<Uuid>, CommandError>
where
    D: Decider,
    D::Event: Clone + Into<Event>,
    D::Rejection: Into<CommandError>,
    for<'a> &'a D::Event: TryFrom<&'a Event>,
{
    for _ in 0..MOST_ATTEMPTS {
        let now = clock.now().max(loaded.time);
        let events = match loaded.state.decide(now, command) {
            Ok(events) if !events.is_empty() => events,
            Ok(_) if proven => return Ok(None),
            Err(rejection) if proven => return Err(rejection.into()),
            Ok(_) | Err(_) => {
                catch_up(store, &stream, loaded, |_| {}).await?;
                proven = true;
                continue;
            }
        };
        let new: Vec<NewEvent> = events.iter().map(|event| new_event(now, event.clone(), metadata)).collect();
        let last = new.last().map(|event| event.id);
        match store.append(stream.clone(), Expected::after(loaded.count), new).await {
            Ok(appended) => {
                for event in &events {
                    loaded.state.evolve(event);
                }
                loaded.count = appended.revision + 1;
                loaded.time = now;
                loaded.position = appended.position;
                return Ok(last);
            }
            Err(AppendError::Conflict { .. }) => {
                catch_up(store, &stream, loaded, |_| {}).await?;
                proven = true;
            }
            Err(error @ (AppendError::TooLarge | AppendError::Unavailable(_))) => {
                return Err(CommandError::Unavailable(error.to_string()));
            }
        }
    }
    Err(CommandError::Unavailable(format!("{stream} is written by too many at once")))
}
