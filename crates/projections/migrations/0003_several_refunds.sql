-- Each refund of a booking by itself, as JSON, where `refund_status` and `refund_amount` do not tell it: they are the least advanced
-- status and the sum.
ALTER TABLE bookings ADD COLUMN refunds text;
