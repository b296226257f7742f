//! What a newer release, or something else, may have written into the log.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::{Metadata, Position, Recorded, StreamName};
use uuid::Uuid;

use crate::browse::BrowseBlueprint;
use crate::projector::{Blueprint, Projector};
use crate::seat_maps::SeatMapsBlueprint;

use super::SeatInventory;

fn stored(position: u64, stream: &str, name: &str, data: &'static str) -> Arc<Recorded> {
    let (stream, data) = (StreamName::new(stream), Bytes::from_static(data.as_bytes()));
    let (id, time, metadata) = (Uuid::nil(), Timestamp::UNIX_EPOCH, Metadata::default());
    Arc::new(Recorded::new(Position(position), stream, 0, id, name.into(), time, metadata, data, None))
}

/// A page with an unknown name in a stream of every kind.
fn from_the_future() -> Vec<Arc<Recorded>> {
    let streams =
        ["show-s", "payment-b", "payment-unmatched-1", "city-c", "movie-m", "partner-p", "theatre-t"];
    let streams = streams.into_iter().chain(["schedule-s", "offer-o", "lease-l"]);
    (1..).zip(streams).map(|(at, stream)| stored(at, stream, "thing.happened.v9", "{}")).collect()
}

fn parked(projector: &dyn Projector) -> Vec<String> {
    projector.parked().iter().map(|parked| parked.stream.to_string()).collect()
}

#[test]
fn an_unknown_name_parks_only_a_stream_that_the_view_reads() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::lock(&dir.path().join("log")).unwrap();
    let store = Arc::new(EmbeddedStore::open(&data).unwrap());
    let page = from_the_future();
    let views: [(Box<dyn Blueprint>, &[&str]); 3] = [
        (Box::new(SeatInventory::new(dir.path().into())), &["payment-b", "show-s"]),
        (Box::new(SeatMapsBlueprint::new(dir.path().into(), store)), &["show-s"]),
        (
            Box::new(BrowseBlueprint::new(dir.path().into())),
            &["city-c", "movie-m", "partner-p", "show-s", "theatre-t"],
        ),
    ];
    for (view, expected) in views {
        let mut projector = view.open().unwrap();
        projector.apply(&page, Position(20)).unwrap();
        assert_eq!(parked(&*projector), expected, "{}", view.name());
        assert_eq!(projector.checkpoint(), Position(20), "a position moves over what is not applied");
    }
}

#[test]
fn a_payload_that_does_not_fit_its_name_is_poison() {
    let dir = tempfile::tempdir().unwrap();
    let mut projector = SeatInventory::new(dir.path().into()).open().unwrap();
    let page = [stored(1, "show-s", "booking.expired.v1", r#"{"bookingId":7}"#)];
    projector.apply(&page, Position(1)).unwrap();
    assert_eq!(parked(&*projector), ["show-s"]);
}

#[test]
fn a_view_opens_at_its_checkpoint_with_what_it_had_parked() {
    let dir = tempfile::tempdir().unwrap();
    let view = SeatInventory::new(dir.path().into());
    let mut projector = view.open().unwrap();
    projector.apply(&from_the_future(), Position(20)).unwrap();
    let before = projector.fingerprint().unwrap();
    drop(projector);
    let mut again = SeatInventory::new(dir.path().into()).open().unwrap();
    assert_eq!((again.checkpoint(), parked(&*again).len()), (Position(20), 2));
    assert_eq!(again.fingerprint().unwrap(), before);
}
