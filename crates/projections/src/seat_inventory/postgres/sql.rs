//! Every statement of the seat inventory. A test prepares each against the server.

pub(super) const GENERATIONS: &str = "
    SELECT generation, state, position, epoch FROM generations ORDER BY generation";

/// What readers and other nodes go by.
pub(super) const SERVING: &str = "
    SELECT s.generation, s.position, b.generation IS NOT NULL AS building
    FROM generations s LEFT JOIN generations b ON b.state = 'BUILDING'
    WHERE s.state = 'SERVING'";

pub(super) const PARKED: &str = "
    SELECT stream, position, error FROM parked_streams WHERE generation = $1 ORDER BY stream";

/// Shuts out whoever wrote under an older epoch.
pub(super) const FENCE: &str = "UPDATE generations SET epoch = $1 WHERE epoch < $1";

pub(super) const NEW_GENERATION: &str = "
    INSERT INTO generations (generation, state, epoch)
    SELECT coalesce(max(generation), 0) + 1, $1, $2 FROM generations RETURNING generation";

pub(super) const RETIRE_SERVING: &str = "
    UPDATE generations SET state = 'RETIRED' WHERE state = 'SERVING' AND epoch = $1";

pub(super) const PROMOTE: &str = "
    UPDATE generations SET state = 'SERVING' WHERE generation = $1 AND state = 'BUILDING' AND epoch = $2";

pub(super) const FORGET: &str = "DELETE FROM generations WHERE generation = $1 AND state = 'RETIRED'";

/// Both or neither: the rows of a page were written by whom the lease is with, or not at all.
pub(super) const CHECKPOINT: &str = "
    UPDATE generations SET position = $3 WHERE generation = $1 AND position = $2 AND epoch = $4";

pub(super) const KNOWN_SHOWS: &str = "
    SELECT w.show_id FROM UNNEST($2::text[]) AS w (show_id)
    JOIN shows s ON s.generation = $1 AND s.show_id = w.show_id";

pub(super) const KNOWN_BOOKINGS: &str = "
    SELECT b.booking_id, b.user_id, b.began, b.position, b.status, b.seat_ids, b.expires_at, b.currency, b.subtotal,
           b.discount, b.fees, b.tax, b.total, b.offers, b.confirmed_at, b.ticket_id, b.refund_id, b.refund_status,
           b.refund_amount, b.refund_currency, b.refunds
    FROM UNNEST($2::text[]) AS w (booking_id)
    JOIN bookings b ON b.generation = $1 AND b.booking_id = w.booking_id";

pub(super) const HOLDERS: &str = "
    SELECT h.show_id, h.seat_id, h.booking_id FROM UNNEST($2::text[], $3::text[]) AS w (show_id, seat_id)
    JOIN live_seats h ON h.generation = $1 AND h.show_id = w.show_id AND h.seat_id = w.seat_id";

pub(super) const PARK: &str = "
    INSERT INTO parked_streams (generation, stream, position, error)
    SELECT $1, p.* FROM UNNEST($2::text[], $3::bigint[], $4::text[]) AS p";

pub(super) const INSERT_SHOWS: &str = "
    INSERT INTO shows (generation, show_id, theatre_id, start_time, end_time, timezone, cancelled)
    SELECT $1, s.* FROM UNNEST($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::boolean[]) AS s";

pub(super) const UPDATE_SHOWS: &str = "
    UPDATE shows s SET start_time = coalesce(n.start_time, s.start_time), end_time = coalesce(n.end_time, s.end_time),
        cancelled = s.cancelled OR n.cancelled
    FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::boolean[]) AS n (show_id, start_time, end_time, cancelled)
    WHERE s.generation = $1 AND s.show_id = n.show_id";

pub(super) const RELEASE_SEATS: &str = "
    DELETE FROM live_seats h USING UNNEST($2::text[], $3::text[], $4::text[]) AS n (show_id, seat_id, booking_id)
    WHERE h.generation = $1 AND h.show_id = n.show_id AND h.seat_id = n.seat_id AND h.booking_id = n.booking_id";

pub(super) const TAKE_SEATS: &str = "
    INSERT INTO live_seats (generation, show_id, seat_id, booking_id)
    SELECT $1, n.* FROM UNNEST($2::text[], $3::text[], $4::text[]) AS n";

pub(super) const INSERT_BOOKINGS: &str = "
    INSERT INTO bookings (generation, booking_id, show_id, user_id, began, position, status, seat_ids, expires_at,
        currency, subtotal, discount, fees, tax, total, offers, confirmed_at, ticket_id,
        refund_id, refund_status, refund_amount, refund_currency, refunds)
    SELECT $1, n.* FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
        $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
        $16::text[], $17::bigint[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::text[],
        $23::text[]) AS n";

pub(super) const UPDATE_BOOKINGS: &str = "
    UPDATE bookings b SET position = n.position, status = n.status, seat_ids = n.seat_ids, expires_at = n.expires_at,
        currency = n.currency, subtotal = n.subtotal, discount = n.discount, fees = n.fees, tax = n.tax, total = n.total,
        offers = n.offers, confirmed_at = n.confirmed_at, ticket_id = n.ticket_id, refund_id = n.refund_id,
        refund_status = n.refund_status, refund_amount = n.refund_amount, refund_currency = n.refund_currency,
        refunds = n.refunds
    FROM UNNEST($2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[], $9::bigint[],
        $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::text[], $16::text[], $17::text[],
        $18::bigint[], $19::text[], $20::text[]) AS n (booking_id, position, status, seat_ids, expires_at, currency,
        subtotal, discount, fees, tax, total, offers, confirmed_at, ticket_id, refund_id, refund_status, refund_amount,
        refund_currency, refunds)
    WHERE b.generation = $1 AND b.booking_id = n.booking_id";

pub(super) const BOOKING: &str = "
    SELECT b.booking_id, b.user_id, b.began, b.position, b.status, b.seat_ids, b.expires_at, b.currency, b.subtotal,
           b.discount, b.fees, b.tax, b.total, b.offers, b.confirmed_at, b.ticket_id, b.refund_id, b.refund_status,
           b.refund_amount, b.refund_currency, b.refunds, s.show_id, s.theatre_id, s.start_time, s.end_time, s.timezone
    FROM bookings b JOIN shows s ON s.generation = b.generation AND s.show_id = b.show_id
    WHERE b.generation = (SELECT generation FROM generations WHERE state = 'SERVING') AND b.booking_id = $1";

pub(super) const BOOKINGS_OF_USER: &str = "
    SELECT b.booking_id, b.user_id, b.began, b.position, b.status, b.seat_ids, b.expires_at, b.currency, b.subtotal,
           b.discount, b.fees, b.tax, b.total, b.offers, b.confirmed_at, b.ticket_id, b.refund_id, b.refund_status,
           b.refund_amount, b.refund_currency, b.refunds, s.show_id, s.theatre_id, s.start_time, s.end_time, s.timezone
    FROM bookings b JOIN shows s ON s.generation = b.generation AND s.show_id = b.show_id
    WHERE b.generation = (SELECT generation FROM generations WHERE state = 'SERVING')
      AND b.user_id = $1 AND b.began < $2
    ORDER BY b.began DESC LIMIT $3";

/// A booking's id begins with its show's: its key finds them.
pub(super) const REFUNDS_OF_SHOW: &str = "
    SELECT b.refund_id, b.refund_status, b.refund_amount, b.refund_currency, b.refunds
    FROM bookings b
    WHERE b.generation = (SELECT generation FROM generations WHERE state = 'SERVING')
      AND b.booking_id >= $2 AND b.booking_id < $3 AND b.show_id = $1
      AND (b.refund_id IS NOT NULL OR b.refunds IS NOT NULL)";

pub(super) const ALL_SHOWS: &str = "
    SELECT show_id, theatre_id, start_time, end_time, timezone, cancelled FROM shows WHERE generation = $1 ORDER BY show_id";

pub(super) const ALL_BOOKINGS: &str = "
    SELECT booking_id, user_id, began, position, status, seat_ids, expires_at, currency, subtotal,
           discount, fees, tax, total, offers, confirmed_at, ticket_id, refund_id, refund_status,
           refund_amount, refund_currency, refunds, show_id
    FROM bookings WHERE generation = $1 ORDER BY show_id, booking_id";

pub(super) const ALL_SEATS: &str = "
    SELECT show_id, seat_id, booking_id FROM live_seats WHERE generation = $1 ORDER BY show_id, seat_id";

/// Each, for the test that prepares them.
#[cfg(test)]
pub(super) const ALL: &[&str] = &[
    GENERATIONS,
    SERVING,
    PARKED,
    FENCE,
    NEW_GENERATION,
    RETIRE_SERVING,
    PROMOTE,
    FORGET,
    CHECKPOINT,
    KNOWN_SHOWS,
    KNOWN_BOOKINGS,
    HOLDERS,
    PARK,
    INSERT_SHOWS,
    UPDATE_SHOWS,
    RELEASE_SEATS,
    TAKE_SEATS,
    INSERT_BOOKINGS,
    UPDATE_BOOKINGS,
    BOOKING,
    BOOKINGS_OF_USER,
    REFUNDS_OF_SHOW,
    ALL_SHOWS,
    ALL_BOOKINGS,
    ALL_SEATS,
];
