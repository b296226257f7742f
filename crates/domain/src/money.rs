//! Money: whole minor units with their currency inside.

mod decimal;

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use decimal::Decimal;

/// Digits that an amount may have before the point.
const MOST_WHOLE_DIGITS: u32 = 12;

/// An ISO 4217 code, such as `INR`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(SmolStr);

impl Currency {
    /// The rupee, the default of a city.
    pub fn inr() -> Self {
        Self(SmolStr::new_static("INR"))
    }

    /// Three upper-case letters.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())).then(|| Self(text.into()))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Decimal places of the major unit (ISO 4217).
    pub fn exponent(&self) -> u32 {
        match self.as_str() {
            "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "UGX" | "XAF" | "XOF" => 0,
            "BHD" | "JOD" | "KWD" | "OMR" | "TND" | "IQD" | "LYD" => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An amount in minor units (paise, cents) of one currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units; never fractions.
    pub minor: i64,
    /// What they are units of.
    pub currency: Currency,
}

impl Money {
    /// An amount of minor units.
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in a currency.
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads a JSON number in major units. `None` where it is negative, finer than the minor unit, or too large.
    pub fn from_major(text: &str, currency: Currency) -> Option<Self> {
        let places = currency.exponent();
        let minor = Decimal::parse(text)?.scaled(places, MOST_WHOLE_DIGITS + places)?;
        Some(Self { minor, currency })
    }

    /// The amount in major units as a JSON number: `302`, `302.5`.
    pub fn to_major(&self) -> String {
        let scale = 10_i64.pow(self.currency.exponent());
        let (whole, rest) = (self.minor / scale, (self.minor % scale).abs());
        if rest == 0 {
            return whole.to_string();
        }
        let places = self.currency.exponent() as usize;
        let fraction = format!("{rest:0places$}");
        let sign = if self.minor < 0 && whole == 0 { "-" } else { "" };
        format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inr(minor: i64) -> Money {
        Money::new(minor, Currency::inr())
    }

    #[test]
    fn major_units_are_what_the_wire_shows() {
        for (minor, wire) in
            [(30_200, "302"), (30_250, "302.5"), (30_205, "302.05"), (5, "0.05"), (0, "0"), (-5, "-0.05")]
        {
            assert_eq!(inr(minor).to_major(), wire);
        }
    }

    #[test]
    fn a_number_finer_than_the_minor_unit_is_refused() {
        let read = |text| Money::from_major(text, Currency::inr()).map(|money| money.minor);
        assert_eq!(read("302.5"), Some(30_250));
        assert_eq!(read("302.50"), Some(30_250));
        assert_eq!(read("302"), Some(30_200));
        assert_eq!(read("3.025e2"), Some(30_250));
        assert_eq!(read("999999999999.99"), Some(99_999_999_999_999));
        assert_eq!(read("-0"), Some(0));
        for bad in ["302.505", "0.001", "1e-3", "-1", "", ".", "9999999999999", "1e13", "1e2147483647"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
