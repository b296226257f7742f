//! What a theatre asks of how its seats are booked.

use serde::{Deserialize, Serialize};

use crate::show::MAX_SEATS_PER_BOOKING;

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
    /// Like that; and a wheelchair place that has a free companion's seat beside it is booked with one.
    Required,
}

impl SeatRules {
    /// Longest extension of a lock, in seconds.
    pub const LONGEST_EXTENSION_SECONDS: u32 = 3_600;

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What makes no sense in them.
    pub fn fault(&self) -> Option<SeatRulesFault> {
        let most_of_all = u32::try_from(MAX_SEATS_PER_BOOKING).unwrap_or(u32::MAX);
        if self.seats_per_booking.is_some_and(|most| !(1..=most_of_all).contains(&most)) {
            Some(SeatRulesFault::SeatsPerBooking)
        } else if self.seats_per_user == Some(0) {
            Some(SeatRulesFault::SeatsPerUser)
        } else if self
            .lock_extension_seconds
            .is_some_and(|seconds| !(1..=Self::LONGEST_EXTENSION_SECONDS).contains(&seconds))
        {
            Some(SeatRulesFault::LockExtension)
        } else {
            None
        }
    }
}

/// What makes no sense in a theatre's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeatRulesFault {
    /// More than anybody may book, or nothing.
    #[error("seatsPerBooking is from 1 to {MAX_SEATS_PER_BOOKING}")]
    SeatsPerBooking,
    /// Nothing.
    #[error("seatsPerUser is at least 1")]
    SeatsPerUser,
    /// Nothing, or too long.
    #[error("lockExtensionSeconds is from 1 to {}", SeatRules::LONGEST_EXTENSION_SECONDS)]
    LockExtension,
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

/// One of the rules, and what it counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeatRule {
    /// [`SeatRules::no_single_seats`].
    #[error("a single seat would be left between others")]
    NoSingleSeats,
    /// [`SeatRules::seats_per_booking`].
    #[error("at most {most} seats of this show go into one booking")]
    SeatsPerBooking {
        /// So many.
        most: u32,
    },
    /// [`SeatRules::seats_per_user`].
    #[error("a customer has at most {most} seats of this show, and {held} are held already")]
    SeatsPerUser {
        /// So many.
        most: u32,
        /// So many the customer holds or has bought.
        held: u32,
    },
    /// [`Companions::Required`].
    #[error("a wheelchair place is booked with the companion seat beside it")]
    WheelchairNeedsCompanion,
    /// [`Companions::WithWheelchair`].
    #[error("a companion seat is booked with the wheelchair place beside it")]
    CompanionNeedsWheelchair,
}

impl SeatRule {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSingleSeats => "NO_SINGLE_SEATS",
            Self::SeatsPerBooking { .. } => "SEATS_PER_BOOKING",
            Self::SeatsPerUser { .. } => "SEATS_PER_USER",
            Self::WheelchairNeedsCompanion => "WHEELCHAIR_NEEDS_COMPANION",
            Self::CompanionNeedsWheelchair => "COMPANION_NEEDS_WHEELCHAIR",
        }
    }
}
