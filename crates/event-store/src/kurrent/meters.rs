//! What is counted. Handles are looked up once.

use metrics::{Counter, Gauge, Histogram, Unit};

pub(super) struct Meters {
    pub seconds: Histogram,
    pub events: Counter,
    pub conflicts: Counter,
    pub failures: Counter,
    pub connections: Counter,
    pub up: Gauge,
}

impl Meters {
    pub fn new() -> Self {
        metrics::describe_histogram!(
            "marquee_kurrent_append_seconds",
            Unit::Seconds,
            "until KurrentDB has answered an append"
        );
        metrics::describe_counter!("marquee_kurrent_events_total", Unit::Count, "events made durable");
        metrics::describe_counter!(
            "marquee_kurrent_conflicts_total",
            Unit::Count,
            "appends that were not at the end of their stream"
        );
        metrics::describe_counter!(
            "marquee_kurrent_failures_total",
            Unit::Count,
            "appends that failed, most of them with an outcome that nobody knows"
        );
        metrics::describe_counter!(
            "marquee_kurrent_connections_total",
            Unit::Count,
            "connections made: the first, and one after each that broke"
        );
        metrics::describe_gauge!("marquee_kurrent_up", Unit::Count, "1 while KurrentDB is within reach");
        Self {
            seconds: metrics::histogram!("marquee_kurrent_append_seconds"),
            events: metrics::counter!("marquee_kurrent_events_total"),
            conflicts: metrics::counter!("marquee_kurrent_conflicts_total"),
            failures: metrics::counter!("marquee_kurrent_failures_total"),
            connections: metrics::counter!("marquee_kurrent_connections_total"),
            up: metrics::gauge!("marquee_kurrent_up"),
        }
    }
}
