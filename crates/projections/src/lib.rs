//! The read side: the projector runtime and the views that it keeps.
//!
//! Architecture invariant: a view is made of the log alone, so that it can be thrown away and made again. Its rows and
//! its checkpoint commit together; nothing here ever appends to the log, and nothing here imports the write side.

mod browse;
mod catalogue;
mod fingerprint;
mod generation;
pub mod messages;
mod postgres;
mod programme;
mod projector;
mod runtime;
mod seat_inventory;
mod seat_maps;
mod snapshot;
mod status;
mod views;
mod wire;

pub use browse::{
    Browse, BrowseError, CityPage, MovieListed, MoviePage, MoviePlace, MovieQuery, MovieShows, MovieStatus,
    NamePlace, Programme, ProgrammeQuery, ShowPage, ShowQuery, TheatrePage, TheatreShows, title_for,
};
pub use catalogue::{Catalogue, ShowCard};
pub use fingerprint::Fingerprint;
pub use postgres::{InvalidAddress, Postgres, PostgresContacts, Source, SourceError};
pub use seat_inventory::{BookingPage, BookingRow, Bookings, RefundRow, RefundStatus, RefundTotal};
pub use seat_maps::{
    Availability, AvailabilityStatus, RenderedSeatMap, SeatMaps, SeatSnapshot, SeatStatus, ShowFacts,
};
pub use status::{Behind, Outage, ParkedStream, ProjectionState, ProjectionStatus};
pub use views::{ReadModel, RebuildError, View, Views, ViewsConfig, ViewsError};
pub use wire::local_time;
