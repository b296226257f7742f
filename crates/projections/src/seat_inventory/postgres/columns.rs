//! Writes what a page came to: a statement for each kind of change, a column of values for each of its parameters.

use marquee_domain::ids::{BookingId, RefundId, ShowId, TicketId};
use marquee_domain::pricing::Pricing;
use sqlx::{Postgres, Transaction};

use super::super::RefundRow;
use super::super::reasons::Reasons;
use super::super::rows::stored;
use super::fold::{Fold, Place, Touched};
use super::{rows, sql};

/// Writes a fold. Seats are let go before others take them.
pub(super) async fn write(
    transaction: &mut Transaction<'_, Postgres>,
    generation: i64,
    fold: &Fold<'_>,
) -> sqlx::Result<()> {
    if !fold.parked.is_empty() {
        let (mut streams, mut positions, mut errors) = (vec![], vec![], vec![]);
        for parked in &fold.parked {
            streams.push(parked.stream.as_str());
            positions.push(stored(parked.position));
            errors.push(parked.error.as_str());
        }
        let park = sqlx::query(sql::PARK).bind(generation).bind(streams).bind(positions).bind(errors);
        park.execute(&mut **transaction).await?;
    }
    shows(transaction, generation, fold).await?;
    seats(transaction, generation, sql::RELEASE_SEATS, fold.released.iter()).await?;
    seats(transaction, generation, sql::TAKE_SEATS, fold.taken.iter()).await?;
    let (known, new): (Vec<_>, Vec<_>) = fold.touched.iter().partition(|(_, touched)| touched.stored);
    insert_bookings(transaction, generation, &new).await?;
    update_bookings(transaction, generation, &known).await
}

async fn shows(
    transaction: &mut Transaction<'_, Postgres>,
    generation: i64,
    fold: &Fold<'_>,
) -> sqlx::Result<()> {
    if !fold.scheduled.is_empty() {
        let new = || fold.scheduled.values();
        let insert = sqlx::query(sql::INSERT_SHOWS)
            .bind(generation)
            .bind(fold.scheduled.keys().map(ShowId::as_str).collect::<Vec<_>>())
            .bind(new().map(|show| show.theatre_id.as_str()).collect::<Vec<_>>())
            .bind(new().map(|show| show.start_time).collect::<Vec<_>>())
            .bind(new().map(|show| show.end_time).collect::<Vec<_>>())
            .bind(new().map(|show| show.timezone.as_str()).collect::<Vec<_>>())
            .bind(new().map(|show| show.cancelled).collect::<Vec<_>>());
        insert.execute(&mut **transaction).await?;
    }
    if !fold.edited.is_empty() {
        let update = sqlx::query(sql::UPDATE_SHOWS)
            .bind(generation)
            .bind(fold.edited.keys().map(ShowId::as_str).collect::<Vec<_>>())
            .bind(fold.edited.values().map(|edit| edit.start_time).collect::<Vec<_>>())
            .bind(fold.edited.values().map(|edit| edit.end_time).collect::<Vec<_>>())
            .bind(fold.edited.values().map(|edit| edit.cancelled).collect::<Vec<_>>());
        update.execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn seats<'a>(
    transaction: &mut Transaction<'_, Postgres>,
    generation: i64,
    statement: &'static str,
    seats: impl ExactSizeIterator<Item = (&'a Place, &'a BookingId)>,
) -> sqlx::Result<()> {
    if seats.len() == 0 {
        return Ok(());
    }
    let (mut shows, mut places, mut holders) = (vec![], vec![], vec![]);
    for ((show, seat), holder) in seats {
        shows.push(show.as_str());
        places.push(seat.as_str());
        holders.push(holder.as_str());
    }
    let write = sqlx::query(statement).bind(generation).bind(shows).bind(places).bind(holders);
    write.execute(&mut **transaction).await?;
    Ok(())
}

type Rows<'a> = [(&'a BookingId, &'a Touched)];

async fn insert_bookings(
    transaction: &mut Transaction<'_, Postgres>,
    generation: i64,
    new: &Rows<'_>,
) -> sqlx::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let seats = new.iter().map(|(_, touched)| rows::to_json(&touched.row.seat_ids));
    let insert = sqlx::query(sql::INSERT_BOOKINGS)
        .bind(generation)
        .bind(new.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, touched)| touched.show.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, touched)| touched.row.user_id.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, touched)| stored(touched.row.began)).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, touched)| stored(touched.row.position)).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, touched)| touched.row.status.as_str()).collect::<Vec<_>>())
        .bind(seats.collect::<sqlx::Result<Vec<_>>>()?)
        .bind(deadlines(new));
    later(insert, new)?.execute(&mut **transaction).await?;
    Ok(())
}

fn deadlines(rows: &Rows<'_>) -> Vec<i64> {
    rows.iter().map(|(_, touched)| touched.row.expires_at.as_millisecond()).collect()
}

async fn update_bookings(
    transaction: &mut Transaction<'_, Postgres>,
    generation: i64,
    known: &Rows<'_>,
) -> sqlx::Result<()> {
    if known.is_empty() {
        return Ok(());
    }
    let seats = known.iter().map(|(_, touched)| rows::to_json(&touched.row.seat_ids));
    let update = sqlx::query(sql::UPDATE_BOOKINGS)
        .bind(generation)
        .bind(known.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>())
        .bind(known.iter().map(|(_, touched)| stored(touched.row.position)).collect::<Vec<_>>())
        .bind(known.iter().map(|(_, touched)| touched.row.status.as_str()).collect::<Vec<_>>())
        .bind(seats.collect::<sqlx::Result<Vec<_>>>()?)
        .bind(deadlines(known));
    later(update, known)?.execute(&mut **transaction).await?;
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;

/// Binds what may come after a booking began: its price, its confirmation, its refund.
fn later<'q>(query: Query<'q>, rows: &Rows<'q>) -> sqlx::Result<Query<'q>> {
    fn amounts(rows: &Rows<'_>, amount: impl Fn(&Pricing) -> i64) -> Vec<Option<i64>> {
        rows.iter().map(|(_, touched)| touched.row.pricing.as_ref().map(&amount)).collect()
    }
    let shown: Vec<Option<RefundRow>> = rows.iter().map(|(_, touched)| touched.row.refunds.shown()).collect();
    let refunds = || shown.iter().map(Option::as_ref);
    let latest = rows.iter().map(|(_, touched)| touched.row.refunds.latest().map(RefundId::as_str));
    let apart = rows.iter().map(|(_, touched)| touched.row.refunds.apart().map(rows::to_json).transpose());
    let prices = || rows.iter().map(|(_, touched)| touched.row.pricing.as_ref());
    let offers = prices().map(|price| Reasons::of(price).as_ref().map(rows::to_json).transpose());
    let confirmed =
        rows.iter().map(|(_, touched)| touched.row.confirmed_at.map(jiff::Timestamp::as_millisecond));
    let tickets = rows.iter().map(|(_, touched)| touched.row.ticket_id.as_ref().map(TicketId::as_str));
    Ok(query
        .bind(prices().map(|price| price.map(|price| price.currency.as_str())).collect::<Vec<_>>())
        .bind(amounts(rows, |price| price.subtotal))
        .bind(amounts(rows, |price| price.discount))
        .bind(amounts(rows, |price| price.fees))
        .bind(amounts(rows, |price| price.tax))
        .bind(amounts(rows, |price| price.total))
        .bind(offers.collect::<sqlx::Result<Vec<_>>>()?)
        .bind(confirmed.collect::<Vec<_>>())
        .bind(tickets.collect::<Vec<_>>())
        .bind(latest.collect::<Vec<_>>())
        .bind(
            refunds()
                .map(|refund| refund.map(|refund| rows::refund_status(refund.status)))
                .collect::<Vec<_>>(),
        )
        .bind(refunds().map(|refund| refund.map(|refund| refund.amount.minor)).collect::<Vec<_>>())
        .bind(
            refunds()
                .map(|refund| refund.map(|refund| refund.amount.currency.to_string()))
                .collect::<Vec<_>>(),
        )
        .bind(apart.collect::<sqlx::Result<Vec<_>>>()?))
}
