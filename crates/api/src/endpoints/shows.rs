//! Shows and their seats.

pub(crate) mod cancel;
pub(crate) mod change;
pub(crate) mod house;
pub(crate) mod read;
pub(crate) mod replace;
pub(crate) mod schedule;
pub(crate) mod seats;
pub(crate) mod stream;

use std::collections::BTreeMap;

use marquee_domain::money::Money;
use marquee_domain::show::ShowDetails;
use marquee_domain::theatre::SeatType;
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{Amount, Major, local};

/// A show.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShowBody {
    show_id: String,
    theatre_id: String,
    screen_id: String,
    screen_name: String,
    movie_id: String,
    start_time: String,
    end_time: String,
    language: String,
    format: String,
    currency: String,
    /// Major units for each type of seat.
    #[schema(value_type = BTreeMap<String, f64>)]
    prices: BTreeMap<SeatType, Amount>,
    /// It can be booked from then on, where that is not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_from: Option<String>,
    /// It can be booked until then, where that is not its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_until: Option<String>,
    /// `SCHEDULED` or `CANCELLED`.
    status: &'static str,
}

impl ShowBody {
    pub fn of(show: &ShowDetails, cancelled: bool) -> Self {
        let amount = |minor: &i64| Amount(Money::new(*minor, show.currency.clone()));
        Self {
            show_id: show.show_id.to_string(),
            theatre_id: show.theatre_id.to_string(),
            screen_id: show.screen_id.to_string(),
            screen_name: show.screen_name.to_string(),
            movie_id: show.movie_id.to_string(),
            start_time: local(show.start_time, &show.timezone),
            end_time: local(show.end_time, &show.timezone),
            language: show.language.to_string(),
            format: show.format.to_string(),
            currency: show.currency.to_string(),
            prices: show.prices.iter().map(|(seat_type, minor)| (*seat_type, amount(minor))).collect(),
            sales_from: show.sales.from.map(|from| local(from, &show.timezone)),
            sales_until: show.sales.until.map(|until| local(until, &show.timezone)),
            status: if cancelled { "CANCELLED" } else { "SCHEDULED" },
        }
    }
}

/// Prices as they were sent, in major units.
pub(crate) fn prices(prices: &BTreeMap<SeatType, Major>) -> BTreeMap<SeatType, String> {
    prices.iter().map(|(seat_type, price)| (*seat_type, price.0.to_string())).collect()
}
