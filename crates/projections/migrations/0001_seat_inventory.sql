-- Work that one node does at a time. `epoch` grows with each change of hands.
CREATE TABLE leases (
    name text PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

-- The makings of the seat inventory. A page of events is committed only where `position` and `epoch` are what its writer believes.
CREATE TABLE generations (
    generation bigint PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('BUILDING', 'SERVING', 'RETIRED')),
    position bigint NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX one_generation_serves_reads ON generations (state) WHERE state = 'SERVING';
CREATE UNIQUE INDEX one_generation_is_built ON generations (state) WHERE state = 'BUILDING';

-- Streams that a generation has stopped reading.
CREATE TABLE parked_streams (
    generation bigint NOT NULL REFERENCES generations ON DELETE CASCADE,
    stream text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (generation, stream)
);

-- Times are milliseconds since 1970, amounts are in minor units. A generation has a partition of its own of each table,
-- so that it goes in one piece.
CREATE TABLE shows (
    generation bigint NOT NULL,
    show_id text COLLATE "C" NOT NULL,
    theatre_id text NOT NULL,
    start_time bigint NOT NULL,
    end_time bigint NOT NULL,
    timezone text NOT NULL,
    cancelled boolean NOT NULL,
    PRIMARY KEY (generation, show_id)
) PARTITION BY LIST (generation);

-- `began` is the position of the event that began a booking: the order in which a customer sees bookings.
CREATE TABLE bookings (
    generation bigint NOT NULL,
    booking_id text COLLATE "C" NOT NULL,
    show_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    began bigint NOT NULL,
    position bigint NOT NULL,
    status text NOT NULL,
    seat_ids text NOT NULL,
    expires_at bigint NOT NULL,
    currency text,
    subtotal bigint,
    discount bigint,
    fees bigint,
    tax bigint,
    total bigint,
    offers text,
    confirmed_at bigint,
    ticket_id text,
    refund_id text,
    refund_status text,
    refund_amount bigint,
    refund_currency text,
    PRIMARY KEY (generation, booking_id)
) PARTITION BY LIST (generation);
CREATE INDEX bookings_of_user ON bookings (user_id, began);

-- The second lock: no two live bookings own one seat of a show.
CREATE TABLE live_seats (
    generation bigint NOT NULL,
    show_id text COLLATE "C" NOT NULL,
    seat_id text COLLATE "C" NOT NULL,
    booking_id text COLLATE "C" NOT NULL,
    CONSTRAINT one_live_booking_a_seat UNIQUE (generation, show_id, seat_id)
) PARTITION BY LIST (generation);

-- What reports read: it stays as it is while the tables under it change.
CREATE VIEW booking_report AS
SELECT b.booking_id,
       b.show_id,
       s.theatre_id,
       b.user_id,
       CASE WHEN b.status IN ('SEATS_LOCKED', 'PAYMENT_PENDING') AND b.expires_at <= extract(epoch FROM now()) * 1000
            THEN 'EXPIRED' ELSE b.status END AS status,
       b.seat_ids::jsonb AS seat_ids,
       b.currency,
       b.total,
       b.refund_amount,
       to_timestamp(s.start_time / 1000.0) AS starts_at,
       to_timestamp(b.confirmed_at / 1000.0) AS confirmed_at
FROM generations g
JOIN bookings b ON b.generation = g.generation
JOIN shows s ON s.generation = b.generation AND s.show_id = b.show_id
WHERE g.state = 'SERVING';
