//! JSON numbers, digit for digit: money must not pass through a binary fraction.

use std::fmt;

/// Zeros that are written out; past them, an exponent says how many there are.
const MOST_ZEROS: i64 = 30;

/// A decimal number of any length and size. Equal numbers are equal, however they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    /// Of ten, by which the digits are multiplied.
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON writes it, such as `302.50` or `3.025e2`. `None` where it is none, or its exponent is absurd.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let places = i64::try_from(fraction.len()).ok()?;
        let dropped = i64::try_from(all.len() - digits.len()).ok()?;
        let exponent = i64::from(exponent.parse::<i32>().ok()?) - places + dropped;
        let digits = digits.trim_start_matches('0').to_owned();
        Some(if digits.is_empty() {
            Self { negative: false, digits, exponent: 0 }
        } else {
            Self { negative, digits, exponent }
        })
    }

    /// The number times ten to the power of `places`. `None` where that is no whole number, is negative, or has more than
    /// `most_digits` digits (at most 18).
    pub(crate) fn scaled(&self, places: u32, most_digits: u32) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = u32::try_from(self.exponent + i64::from(places)).ok()?;
        let length = u32::try_from(self.digits.len()).ok()?.checked_add(zeros)?;
        if self.negative || length > most_digits {
            return None;
        }
        self.digits.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(zeros)?)
    }
}

/// As JSON writes it, the same for equal numbers.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { negative, digits, exponent } = self;
        f.write_str(if *negative { "-" } else { "" })?;
        if digits.is_empty() {
            return f.write_str("0");
        }
        if exponent.abs() > MOST_ZEROS {
            return write!(f, "{digits}e{exponent}");
        }
        let Ok(places) = usize::try_from(-exponent) else {
            let zeros = usize::try_from(*exponent).unwrap_or_default();
            return write!(f, "{digits}{:0<zeros$}", "");
        };
        // At least one digit before the point.
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        if fraction.is_empty() { f.write_str(whole) } else { write!(f, "{whole}.{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_equal_however_they_are_written() {
        for (texts, canonical) in [
            (&["302.5", "302.50", "0302.5", "3.025e2", "3025E-1", "3.025e+2"][..], "302.5"),
            (&["302", "302.0", "30200e-2"], "302"),
            (&["0", "-0", "0.00", "0e99"], "0"),
            (&["-0.05", "-5e-2"], "-0.05"),
            (&["1000", "1e3"], "1000"),
            (&["10e99"], "1e100"),
            (&["90071992547409.93"], "90071992547409.93"),
        ] {
            for text in texts {
                assert_eq!(Decimal::parse(text).map(|number| number.to_string()).as_deref(), Some(canonical));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in
            ["", ".", "1.", ".5", "+1", "1e", "1e1.5", "1e99999999999", "0x1", "١", "\"1\"", "null", "--1"]
        {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }
}
