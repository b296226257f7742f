//! Every event of Marquee, under its stored name. A name carries its version and, once released, is decodable for ever.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{catalogue, customer, offer, payment, policy, redemption, schedule, show, theatre};

/// Declares an aggregate's events: one variant, one payload and one stored name each.
macro_rules! events {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident($payload:ty) = $stored:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each payload carries its own documentation")]
        pub enum $name {
            $($(#[$vdoc])* $variant($payload),)*
        }

        impl $name {
            /// The stored names of this aggregate's events, each with its current version.
            pub const STORED_NAMES: &'static [&'static str] = &[$($stored),*];

            /// The name that this event is stored under.
            pub fn stored_name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $stored,)*
                }
            }

            /// Reads the payload of a stored name; `None` where the name is not one of this aggregate's.
            pub fn deserialize_named<'de, D: serde::Deserializer<'de>>(
                stored_name: &str,
                data: D,
            ) -> Result<Option<Self>, D::Error> {
                match stored_name {
                    $($stored => <$payload as serde::Deserialize>::deserialize(data).map(|payload| Some(Self::$variant(payload))),)*
                    _ => Ok(None),
                }
            }
        }

        /// Writes the payload alone; the name is stored beside it.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(payload) => serde::Serialize::serialize(payload, serializer),)*
                }
            }
        }

        $(
            impl From<$payload> for $name {
                fn from(payload: $payload) -> Self {
                    Self::$variant(payload)
                }
            }
        )*
    };
}
pub(crate) use events;

/// Any event of any stream.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each aggregate documents its own events")]
pub enum Event {
    Show(show::ShowEvent),
    Payment(payment::PaymentEvent),
    City(catalogue::CityEvent),
    Movie(catalogue::MovieEvent),
    Partner(theatre::PartnerEvent),
    Theatre(theatre::TheatreEvent),
    Schedule(schedule::ScheduleEvent),
    Offer(offer::OfferEvent),
    Policy(policy::PolicyEvent),
    Redemption(redemption::RedemptionEvent),
    Customer(customer::CustomerEvent),
}

macro_rules! aggregates {
    ($($variant:ident($event:ty),)*) => {
        impl Event {
            /// The name that this event is stored under.
            pub fn stored_name(&self) -> &'static str {
                match self {
                    $(Self::$variant(event) => event.stored_name(),)*
                }
            }

            /// Every stored name, each with its current version.
            pub fn stored_names() -> impl Iterator<Item = &'static str> {
                [$(<$event>::STORED_NAMES,)*].into_iter().flatten().copied()
            }

            /// Reads the payload of a stored name; `None` where no event of that name is known.
            pub fn deserialize_named<'de, D: Deserializer<'de>>(
                stored_name: &str,
                data: D,
            ) -> Result<Option<Self>, D::Error> {
                $(if <$event>::STORED_NAMES.contains(&stored_name) {
                    return <$event>::deserialize_named(stored_name, data).map(|event| event.map(Self::$variant));
                })*
                serde::de::IgnoredAny::deserialize(data).map(|_| None)
            }
        }

        impl Serialize for Event {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(event) => event.serialize(serializer),)*
                }
            }
        }

        $(
            impl From<$event> for Event {
                fn from(event: $event) -> Self {
                    Self::$variant(event)
                }
            }

            /// Takes an event of this aggregate out of any event.
            impl<'a> TryFrom<&'a Event> for &'a $event {
                type Error = ();
                fn try_from(event: &'a Event) -> Result<Self, ()> {
                    match event {
                        Event::$variant(event) => Ok(event),


                        _ => Err(()),
                    }
                }
            }
        )*
    };
}

aggregates! {
    Show(show::ShowEvent),
    Payment(payment::PaymentEvent),
    City(catalogue::CityEvent),
    Movie(catalogue::MovieEvent),
    Partner(theatre::PartnerEvent),
    Theatre(theatre::TheatreEvent),
    Schedule(schedule::ScheduleEvent),
    Offer(offer::OfferEvent),
    Policy(policy::PolicyEvent),
    Redemption(redemption::RedemptionEvent),
    Customer(customer::CustomerEvent),
}
