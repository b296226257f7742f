//! What each seat has of a price, so that seats can go back one by one.

use super::Pricing;

/// A seat's part of a price, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// The seat at its show's price.
    pub subtotal: i64,
    /// What offers took off it.
    pub discount: i64,
    /// Its fees.
    pub fees: i64,
    /// Its tax.
    pub tax: i64,
}

impl Share {
    /// What was to be paid for the seat.
    pub fn total(&self) -> i64 {
        self.subtotal - self.discount + self.fees + self.tax
    }
}

impl Pricing {
    /// The share of each seat, by the prices of the seats in their order. Discounts go by the seats' prices, fees are the same for
    /// each, and tax goes by what a seat costs with its fee. The shares add up to the price, to the minor unit.
    pub fn shares(&self, prices: &[i64]) -> Vec<Share> {
        let subtotals = apportion(self.subtotal, prices);
        let discounts = apportion(self.discount, &subtotals);
        let fees = apportion(self.fees, &vec![1; prices.len()]);
        let amounts = subtotals.into_iter().zip(discounts).zip(fees);
        let mut shares: Vec<Share> =
            amounts.map(|((subtotal, discount), fees)| Share { subtotal, discount, fees, tax: 0 }).collect();
        let net: Vec<i64> = shares.iter().map(Share::total).collect();
        for (share, tax) in shares.iter_mut().zip(apportion(self.tax, &net)) {
            share.tax = tax;
        }
        shares
    }

    /// The price of what remains: that of these shares. What made it is told as it was.
    #[must_use]
    pub fn of_shares<'a>(&self, shares: impl IntoIterator<Item = &'a Share>) -> Self {
        let mut rest = Self { subtotal: 0, discount: 0, fees: 0, tax: 0, total: 0, ..self.clone() };
        for share in shares {
            rest.subtotal += share.subtotal;
            rest.discount += share.discount;
            rest.fees += share.fees;
            rest.tax += share.tax;
            rest.total += share.total();
        }
        rest
    }
}

/// Parts of an amount in proportion to their weights, equal ones where no weight is above zero. What rounding leaves over goes
/// to the first part that completes a minor unit: each is the rounded sum up to it less the one before, so that nothing is lost.
fn apportion(amount: i64, weights: &[i64]) -> Vec<i64> {
    let positive: Vec<i128> = weights.iter().map(|weight| i128::from(*weight).max(0)).collect();
    let sum: i128 = positive.iter().sum();
    let (weights, sum) = match (sum, i128::try_from(weights.len())) {
        (0, Ok(count)) => (vec![1; weights.len()], count.max(1)),
        _ => (positive, sum.max(1)),
    };
    let (mut so_far, mut given) = (0_i128, 0_i128);
    let part = |weight: i128| {
        so_far += weight;
        let until_here = (i128::from(amount) * so_far).div_euclid(sum);
        let part = until_here - given;
        given = until_here;
        i64::try_from(part).unwrap_or_default()
    };
    weights.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn parts_add_up_to_the_minor_unit_and_none_has_the_wrong_sign() {
        for (amount, weights) in [
            (100, vec![1, 1, 1]),
            (1, vec![5, 0, 5]),
            (0, vec![3]),
            (7, vec![0, 0]),
            (99_999, vec![180, 250, 1]),
        ] {
            let parts = apportion(amount, &weights);
            assert_eq!((parts.iter().sum::<i64>(), parts.len()), (amount, weights.len()));
            assert!(parts.iter().all(|part| *part >= 0), "{amount} by {weights:?}: {parts:?}");
        }
        assert_eq!(apportion(100, &[1, 1, 1]), [33, 33, 34]);
    }

    #[test]
    fn a_cheap_seat_takes_less_of_the_price_than_a_dear_one() {
        let price = Pricing {
            discount: 4_300,
            fees: 4_000,
            tax: 7_749,
            total: 43_000 - 4_300 + 4_000 + 7_749,
            ..Pricing::of_seats(Currency::inr(), [18_000, 25_000])
        };
        let shares = price.shares(&[18_000, 25_000]);
        assert_eq!(price.of_shares(&shares), price);
        let [cheap, dear] = shares[..] else { panic!("two seats") };
        assert_eq!((cheap.subtotal, cheap.discount, cheap.fees), (18_000, 1_800, 2_000));
        assert_eq!((dear.subtotal, dear.discount, dear.fees), (25_000, 2_500, 2_000));
        assert_eq!(cheap.tax + dear.tax, 7_749);
        assert!(0 < cheap.tax && cheap.tax < dear.tax);
        assert_eq!(price.of_shares([&dear]).total, dear.total());
    }
}
