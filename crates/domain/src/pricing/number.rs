//! Numbers of rules, as JSON writes them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money::{Currency, Decimal, Money};

/// In hundredths of a percent.
const WHOLE: u32 = 10_000;
/// Digits of an amount: as many as a binary fraction holds exactly.
const MOST_DIGITS: u32 = 15;
/// Decimal places of an amount: no currency has more.
const PLACES: u32 = 4;

/// A share of up to a hundred percent, to a hundredth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    /// Of hundredths of a percent. `None` past a hundred percent.
    pub fn of_hundredths(hundredths: u32) -> Option<Self> {
        (hundredths <= WHOLE).then_some(Self(hundredths))
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This share of an amount, half a minor unit rounded up.
    pub fn share_of(self, minor: i64) -> i64 {
        let exact = i128::from(minor) * i128::from(self.0);
        let rounded = (2 * exact + i128::from(WHOLE)).div_euclid(2 * i128::from(WHOLE));
        i64::try_from(rounded).unwrap_or(i64::MAX)
    }
}

/// An amount in major units of a currency that is told elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MajorAmount(Decimal);

impl MajorAmount {
    /// In minor units. `None` where it is finer than those, or too large.
    pub fn minor(&self, currency: &Currency) -> Option<i64> {
        Money::from_major(&self.0.to_string(), currency.clone()).map(|money| money.minor)
    }

    /// In minor units, half of one rounded up.
    pub fn rounded(&self, currency: &Currency) -> i64 {
        let finest = 10_i64.pow(PLACES.saturating_sub(currency.exponent()));
        let exact = self.0.scaled(PLACES, MOST_DIGITS).unwrap_or_default();
        (exact + finest / 2).div_euclid(finest)
    }
}

/// A number, read digit for digit.
trait Number: Sized {
    const EXPECTED: &str;
    fn read(number: &Decimal) -> Option<Self>;
}

impl Number for Percent {
    const EXPECTED: &str = "0 to 100, in hundredths";

    fn read(number: &Decimal) -> Option<Self> {
        u32::try_from(number.scaled(2, MOST_DIGITS)?).ok().and_then(Self::of_hundredths)
    }
}

impl Number for MajorAmount {
    const EXPECTED: &str = "an amount in major units";

    fn read(number: &Decimal) -> Option<Self> {
        number.scaled(PLACES, MOST_DIGITS).map(|_| Self(number.clone()))
    }
}

struct Reader<N>(PhantomData<N>);

impl<N: Number> Reader<N> {
    fn text<E: Error>(text: &str) -> Result<N, E> {
        let number = Decimal::parse(text).and_then(|number| N::read(&number));
        number.ok_or_else(|| E::custom(format_args!("{} is expected, not {text}", N::EXPECTED)))
    }
}

impl<N: Number> Visitor<'_> for Reader<N> {
    type Value = N;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(N::EXPECTED)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<N, E> {
        Self::text(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<N, E> {
        Self::text(&number.to_string())
    }

    /// The shortest digits that are this fraction are those that were written, for as many as it holds exactly.
    fn visit_f64<E: Error>(self, number: f64) -> Result<N, E> {
        Self::text(&number.to_string())
    }
}

fn write<S: Serializer>(digits: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match (digits.parse::<i64>(), digits.parse::<f64>()) {
        (Ok(whole), _) => serializer.serialize_i64(whole),
        (Err(_), Ok(fraction)) => serializer.serialize_f64(fraction),
        (Err(_), Err(error)) => Err(serde::ser::Error::custom(error)),
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        write(format!("{whole}.{hundredths:02}").trim_end_matches('0').trim_end_matches('.'), serializer)
    }
}

impl<'de> Deserialize<'de> for MajorAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl Serialize for MajorAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&self.0.to_string(), serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_minor_unit_is_rounded_up() {
        let percent = |hundredths| Percent::of_hundredths(hundredths).unwrap();
        for (hundredths, minor, share) in [
            (5_000, 18_001, 9_001),
            (5_000, 18_000, 9_000),
            (3_333, 100, 33),
            (1, 4_999, 0),
            (1, 5_000, 1),
            (10_000, 7, 7),
            (0, 7, 0),
        ] {
            assert_eq!(percent(hundredths).share_of(minor), share, "{hundredths} of {minor}");
        }
        assert_eq!(Percent::of_hundredths(10_001), None);
    }
}
