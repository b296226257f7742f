//! What a theatre asks of how its seats are booked.

use serde::{Deserialize, Serialize};

/// A theatre's rules. A show copies them when it is scheduled, so that nothing that happens to the theatre later touches a
/// show that is on sale. A theatre that says nothing has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatRules {
    /// Whether a booking may not leave a single free seat between others, where the hall has as many seats elsewhere that leave
    /// none.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_single_seats: bool,
    /// Most seats in one booking, where that is fewer than [`crate::show::MAX_SEATS_PER_BOOKING`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_per_booking: Option<u32>,
    /// Most seats that one customer may hold and have bought in one show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_per_user: Option<u32>,
    /// Who sits beside a wheelchair.
    #[serde(default, skip_serializing_if = "Companions::is_free")]
    pub companions: Companions,
    /// How much longer, in seconds, a customer may hold the seats of one booking, asked for once; absent where that is not offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_extension_seconds: Option<u32>,
}

/// How companions' seats are booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Companions {
    /// By anybody who names them.
    #[default]
    Free,
    /// Only in one booking with a wheelchair place beside them.
    WithWheelchair,
    /// Like that; and a wheelchair place that has a companion's seat beside it is booked with one.
    Required,
}

impl SeatRules {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Companions {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_free(&self) -> bool {
        *self == Self::Free
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
