//! All that a ticket tells whoever holds it.

use jiff::Zoned;
use jiff::tz::TimeZone;
use marquee_commands::BookingSnapshot;
use marquee_domain::ids::{BookingId, SeatId, TicketId};
use marquee_projections::{View, title_for};
use smol_str::SmolStr;

use crate::app::App;
use crate::error::ApiError;
use crate::tickets::TicketClaims;

/// A ticket in full. It names nobody.
pub(crate) struct TicketFacts {
    pub ticket_id: TicketId,
    pub booking_id: BookingId,
    /// The text of the QR code.
    pub token: String,
    pub seat_ids: Vec<SeatId>,
    /// In the reader's language, where the film has a title in it.
    pub title: SmolStr,
    pub language: SmolStr,
    pub format: SmolStr,
    pub screen: SmolStr,
    pub theatre: SmolStr,
    /// Street, area and city, as far as they are known.
    pub address: String,
    /// In the city's time zone, as is the end.
    pub start: Zoned,
    pub end: Zoned,
}

impl TicketFacts {
    /// Of a booking that is worth a ticket; what the catalogue lacks is told by its id.
    pub async fn of(
        app: &App,
        snapshot: &BookingSnapshot,
        ticket_id: &TicketId,
        readers: &[SmolStr],
    ) -> Result<Self, ApiError> {
        let BookingSnapshot { booking, show, refund: _, position: _ } = snapshot;
        let catalogue = &app.views.catalogue;
        if catalogue.movie(&show.movie_id).is_none() || catalogue.theatre(&show.theatre_id).is_none() {
            app.catch_up(View::Catalogue).await?;
        }
        let (theatre, city) = (catalogue.theatre(&show.theatre_id), catalogue.city(&show.city_id));
        let street = theatre.as_ref().and_then(|theatre| theatre.address.clone());
        let area = theatre.as_ref().map(|theatre| theatre.area.clone());
        let city = city.map(|city| city.name.clone());
        let address: Vec<SmolStr> = [street, area, city].into_iter().flatten().collect();
        let title = catalogue.movie(&show.movie_id).map(|movie| title_for(&movie, readers).clone());
        let timezone = TimeZone::get(&show.timezone).unwrap_or(TimeZone::UTC);
        Ok(Self {
            ticket_id: ticket_id.clone(),
            booking_id: booking.id.clone(),
            token: app.tickets.sign(&TicketClaims::of(ticket_id, booking, show))?,
            seat_ids: booking.seat_ids.clone(),
            title: title.unwrap_or_else(|| show.movie_id.as_str().into()),
            language: show.language.clone(),
            format: show.format.clone(),
            screen: show.screen_name.clone(),
            theatre: theatre.map_or_else(|| show.theatre_id.as_str().into(), |theatre| theatre.name.clone()),
            address: address.join(", "),
            start: show.start_time.to_zoned(timezone.clone()),
            end: show.end_time.to_zoned(timezone),
        })
    }

    /// Its seats in one line.
    pub fn seats(&self) -> String {
        let seats: Vec<&str> = self.seat_ids.iter().map(SeatId::as_str).collect();
        seats.join(", ")
    }
}
