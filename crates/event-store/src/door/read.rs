//! `Read` up to a count: a stream or the whole log, in either direction.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::{Response, Status};

use super::filter::Filter;
use super::proto::streams::read_req::all_options::AllOption;
use super::proto::streams::read_req::options::{CountOption, FilterOption, StreamOption};
use super::proto::streams::read_req::stream_options::RevisionOption;
use super::proto::streams::read_resp::{Content, StreamNotFound};
use super::proto::streams::{ReadReq, ReadResp};
use super::refusal::{Refusal, malformed};
use super::service::{Answers, Streams, answers};
use super::wire::{self, IdForm, answer, read_stream_name};
use crate::envelope::Recorded;
use crate::port::{EventStore, Position, TypeFilter};
use crate::stream::StreamName;

/// Events read from the log at once.
pub(super) const PAGE: usize = 512;
/// Answers that may wait for a client to take them.
const ANSWERS: usize = 64;

/// Where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Start,
    End,
    /// A revision of a stream, or a position of the log.
    At(u64),
}

/// What is read.
#[derive(Debug)]
pub(super) enum Source {
    Stream(StreamName),
    All(Option<Filter>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forwards,
    Backwards,
}

/// Why no more is told: the client has gone, or what it must be told.
pub(super) enum Ended {
    Gone,
    Told(Refusal),
}

impl<E: Into<Refusal>> std::convert::From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Told(error.into())
    }
}

/// Tells a client what it reads.
pub(super) struct Teller {
    tell: mpsc::Sender<Result<ReadResp, Status>>,
    pub ids: IdForm,
}

impl Teller {
    pub async fn tell(&self, content: Content) -> Result<(), Ended> {
        self.tell.send(Ok(answer(content))).await.map_err(|_| Ended::Gone)
    }

    pub async fn event(&self, event: &Recorded) -> Result<(), Ended> {
        self.tell.send(Ok(wire::event(event, self.ids))).await.map_err(|_| Ended::Gone)
    }

    /// Returns once the client has gone.
    pub async fn gone(&self) {
        self.tell.closed().await;
    }
}

impl Streams {
    /// `Read`, which is a subscription too.
    pub(super) fn answer_read(&self, request: ReadReq) -> Result<Response<Answers<ReadResp>>, Refusal> {
        let options = request.options.ok_or_else(|| malformed("the read has no options"))?;
        let filter = match options.filter_option {
            Some(FilterOption::Filter(filter)) => Some(Filter::new(filter)?),
            Some(FilterOption::NoFilter(())) | None => None,
        };
        let (source, from) = match options.stream_option {
            Some(StreamOption::Stream(stream)) => {
                if filter.is_some() {
                    return Err(malformed("only the whole log is read with a filter"));
                }
                let name = StreamName::new(read_stream_name(stream.stream_identifier.as_ref())?);
                let from = match stream.revision_option {
                    Some(RevisionOption::Revision(revision)) => From::At(revision),
                    Some(RevisionOption::Start(())) => From::Start,
                    Some(RevisionOption::End(())) => From::End,
                    None => return Err(malformed("the read does not say where it begins")),
                };
                (Source::Stream(name), from)
            }
            Some(StreamOption::All(all)) => {
                let from = match all.all_option {
                    Some(AllOption::Position(position)) => From::At(position.commit_position),
                    Some(AllOption::Start(())) => From::Start,
                    Some(AllOption::End(())) => From::End,
                    None => return Err(malformed("the read does not say where it begins")),
                };
                (Source::All(filter), from)
            }
            None => return Err(malformed("the read does not say what it reads")),
        };
        let direction = match options.read_direction {
            0 => Direction::Forwards,
            1 => Direction::Backwards,
            _ => return Err(malformed("there are two directions")),
        };
        let ends_told = options.control_option.is_some_and(|control| control.compatibility >= 1);
        let (tell, told) = mpsc::channel(ANSWERS);
        let teller = Teller { tell: tell.clone(), ids: IdForm::of(options.uuid_option.as_ref()) };
        let streams = self.clone();
        match (options.count_option, direction) {
            (Some(CountOption::Count(count)), direction) => {
                let reader = Reader { store: Arc::clone(&self.store), teller, left: count };
                tokio::spawn(async move {
                    let read = reader.read(source, from, direction, ends_told);
                    tokio::select! {
                        ended = read => hand_on(ended, &tell).await,
                        () = tell.closed() => {}
                        () = streams.stop.cancelled() => hand_on(Err(closing().into()), &tell).await,
                    }
                });
            }
            (Some(CountOption::Subscription(())), Direction::Forwards) => {
                tokio::spawn(async move {
                    tokio::select! {
                        ended = super::subscribe::follow(&streams.store, &teller, source, from) => {
                            hand_on(ended, &tell).await;
                        }
                        () = teller.gone() => {}
                        () = streams.stop.cancelled() => hand_on(Err(closing().into()), &tell).await,
                    }
                });
            }
            (Some(CountOption::Subscription(())), Direction::Backwards) => {
                return Err(malformed("a subscription goes forwards"));
            }
            (None, _) => return Err(malformed("the read has neither a count nor a subscription")),
        }
        Ok(Response::new(answers(told)))
    }
}

fn closing() -> Refusal {
    Refusal::Unavailable("the door closes".into())
}

async fn hand_on(ended: Result<(), Ended>, tell: &mpsc::Sender<Result<ReadResp, Status>>) {
    if let Err(Ended::Told(refusal)) = ended {
        // Nobody is left to be told where this fails.
        let _ = tell.send(Err(refusal.into())).await;
    }
}

struct Reader {
    store: Arc<dyn EventStore>,
    teller: Teller,
    /// Events that the client still wants.
    left: u64,
}

impl Reader {
    async fn read(
        mut self,
        source: Source,
        from: From,
        direction: Direction,
        ends_told: bool,
    ) -> Result<(), Ended> {
        match (source, direction) {
            (Source::Stream(stream), Direction::Forwards) => self.stream(&stream, from, ends_told).await,
            (Source::Stream(stream), Direction::Backwards) => self.stream_back(&stream, from).await,
            (Source::All(filter), Direction::Forwards) => self.all(filter.as_ref(), from).await,
            (Source::All(filter), Direction::Backwards) => self.all_back(filter.as_ref(), from).await,
        }
    }

    fn page(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(PAGE)
    }

    async fn last_of(&self, stream: &StreamName) -> Result<Option<u64>, Ended> {
        let end = self.store.read_stream_back(stream.clone(), None, 1).await?;
        let last = end.first().map(|event| event.revision);
        if last.is_none() {
            let identifier = Some(wire::identifier(stream));
            self.teller
                .tell(Content::StreamNotFound(StreamNotFound { stream_identifier: identifier }))
                .await?;
        }
        Ok(last)
    }

    async fn stream(&mut self, stream: &StreamName, from: From, ends_told: bool) -> Result<(), Ended> {
        let Some(last) = self.last_of(stream).await? else { return Ok(()) };
        let mut next = match from {
            From::Start => 0,
            From::At(revision) => revision,
            From::End => last + 1,
        };
        while self.left > 0 && next <= last {
            let page = self.store.read_stream(stream.clone(), next, self.page()).await?;
            let Some(end) = page.last() else { break };
            next = end.revision + 1;
            self.left -= page.len() as u64;
            for event in page {
                self.teller.event(&event).await?;
            }
        }
        if ends_told {
            self.teller.tell(Content::LastStreamPosition(last)).await?;
        }
        Ok(())
    }

    async fn stream_back(&mut self, stream: &StreamName, from: From) -> Result<(), Ended> {
        let Some(last) = self.last_of(stream).await? else { return Ok(()) };
        let mut next = match from {
            From::Start => Some(0),
            From::At(revision) => Some(revision.min(last)),
            From::End => Some(last),
        };
        while self.left > 0
            && let Some(revision) = next
        {
            let page = self.store.read_stream_back(stream.clone(), Some(revision), self.page()).await;
            let page = page?;
            self.left -= page.len() as u64;
            next = page.last().and_then(|event| event.revision.checked_sub(1));
            for event in page {
                self.teller.event(&event).await?;
            }
        }
        Ok(())
    }

    /// From a position on, that one included.
    async fn all(&mut self, filter: Option<&Filter>, from: From) -> Result<(), Ended> {
        let head = *self.store.head().borrow();
        let mut next = match from {
            From::Start => Position(0),
            From::At(position) => Position(position.saturating_sub(1)),
            From::End => head,
        };
        while self.left > 0 && next < head {
            let page = self.store.read_all(next, PAGE, TypeFilter::All).await?;
            if page.next <= next {
                break;
            }
            next = page.next;
            self.tell_wanted(filter, page.events).await?;
        }
        Ok(())
    }

    /// Back from a position, that one not included.
    async fn all_back(&mut self, filter: Option<&Filter>, from: From) -> Result<(), Ended> {
        let mut before = match from {
            From::Start => return Ok(()),
            From::At(position) => Some(Position(position)),
            From::End => None,
        };
        while self.left > 0 && before != Some(Position(0)) {
            let page = self.store.read_all_back(before, PAGE, TypeFilter::All).await?;
            before = Some(page.next);
            self.tell_wanted(filter, page.events).await?;
        }
        Ok(())
    }

    async fn tell_wanted(
        &mut self,
        filter: Option<&Filter>,
        events: Vec<Arc<Recorded>>,
    ) -> Result<(), Ended> {
        for event in events {
            if self.left == 0 {
                break;
            }
            if filter.map_or(Ok(true), |filter| filter.wants(&event))? {
                self.teller.event(&event).await?;
                self.left -= 1;
            }
        }
        Ok(())
    }
}
