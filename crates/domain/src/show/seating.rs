//! Which seats somebody gets who has not chosen any, and which seats a choice would leave alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::SeatId;
use crate::seat_rules::{Companions, SeatRule};
use crate::show::command::Rejection;
use crate::theatre::{LayoutRow, LayoutSeat, SeatType, neighbours};

/// What it costs to leave room to a side into which groups of the same size do not fit without rest, in half seats to the side.
const ODD: usize = 2;
/// What a row further from the wanted one costs, in half seats to the side.
const ROW: usize = 4;

/// Seats that are wanted, but not by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatWish {
    /// How many.
    pub quantity: usize,
    /// Of which types; none says any that needs no reason, which a wheelchair's and its companion's do.
    pub types: BTreeSet<SeatType>,
    /// Whether they must be beside each other.
    pub adjacent: bool,
    /// Where in the hall.
    pub near: Near,
}

/// A part of the hall. The first row is the front; the screen is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Near {
    /// The first row.
    Front,
    /// The row in the middle.
    #[default]
    Middle,
    /// The last row.
    Back,
}

impl SeatWish {
    fn suits(&self, seat_type: SeatType) -> bool {
        if self.types.is_empty() { is_common(seat_type) } else { self.types.contains(&seat_type) }
    }
}

/// Whether anybody may sit there.
fn is_common(seat_type: SeatType) -> bool {
    match seat_type {
        SeatType::Regular | SeatType::Premium | SeatType::Recliner => true,
        SeatType::Wheelchair | SeatType::Companion => false,
    }
}

/// A hall at one instant.
pub struct Seating<'a, F> {
    rows: &'a [LayoutRow],
    free: F,
    companions: Companions,
}

/// Seats side by side, and how good they are.
struct Found<'a> {
    leaves_alone: usize,
    distance: usize,
    seats: &'a [LayoutSeat],
}

/// Where seats should be.
#[derive(Clone, Copy)]
struct Aim {
    /// The number of the row.
    row: usize,
    /// How far to the right the middle of the seats is, in half seats; the middle of the row where absent.
    column: Option<usize>,
}

/// Whether seats beside each other are such as are wanted, free or not.
type Suits<'s> = &'s dyn Fn(&[LayoutSeat]) -> bool;

impl<'a, F: Fn(&SeatId) -> bool> Seating<'a, F> {
    /// The hall's rows, which of the seats are free, and how companions' seats are booked.
    pub fn new(rows: &'a [LayoutRow], free: F, companions: Companions) -> Self {
        Self { rows, free, companions }
    }

    /// The seats that suit a wish best: such as leave no seat alone before all others, then the nearest to where they are wanted.
    /// `None` where the hall has them no more.
    pub fn best(&self, wish: &SeatWish) -> Option<Vec<SeatId>> {
        let aim = Aim {
            row: match wish.near {
                Near::Front => 0,
                Near::Middle => self.rows.len() / 2,
                Near::Back => self.rows.len().saturating_sub(1),
            },
            column: None,
        };
        let suits = |seats: &[LayoutSeat]| seats.iter().all(|seat| wish.suits(seat.seat_type));
        let none = BTreeSet::new();
        if wish.adjacent {
            let found = self.beside_each_other(self.rows, wish.quantity, aim, &none, &suits)?;
            return Some(ids(found.seats));
        }
        // In as few groups as there are.
        let (mut taken, mut chosen) = (none, Vec::new());
        let mut together = wish.quantity;
        while chosen.len() < wish.quantity {
            together = together.min(wish.quantity - chosen.len());
            if let Some(found) = self.beside_each_other(self.rows, together, aim, &taken, &suits) {
                taken.extend(found.seats.iter().map(|seat| &seat.seat_id));
                chosen.extend(ids(found.seats));
            } else if together == 1 {
                return None;
            } else {
                together -= 1;
            }
        }
        Some(chosen)
    }

    /// Whether the rule on companions' seats lets a choice be booked.
    ///
    /// # Errors
    /// The rule, the seats for which it does not, and the choice with the companions' seats that it lacks.
    pub fn check_companions(&self, chosen: &[SeatId]) -> Result<(), Rejection> {
        if self.companions == Companions::Free {
            return Ok(());
        }
        let seats = self.unaccompanied(chosen);
        let Some(first) = seats.first() else { return Ok(()) };
        let is_companion = self.seat(first).is_some_and(|seat| seat.seat_type == SeatType::Companion);
        let rule = if is_companion {
            SeatRule::CompanionNeedsWheelchair
        } else {
            SeatRule::WheelchairNeedsCompanion
        };
        Err(Rejection::AgainstSeatRule { rule, instead: self.accompanied(chosen), seats })
    }

    /// Whether a choice leaves no seat alone, or the hall has as many seats nowhere that leave none.
    ///
    /// # Errors
    /// The rule, the seats that would be left alone, and seats that would leave none.
    pub fn check_singles(&self, chosen: &[SeatId]) -> Result<(), Rejection> {
        let seats = self.left_alone(chosen);
        if seats.is_empty() {
            return Ok(());
        }
        match self.instead_of(chosen) {
            None => Ok(()),
            instead => Err(Rejection::AgainstSeatRule { rule: SeatRule::NoSingleSeats, seats, instead }),
        }
    }

    /// As many seats of the same types, side by side, that leave none alone: the nearest to a choice that does.
    /// `None` where the hall has no such seats.
    pub fn instead_of(&self, chosen: &[SeatId]) -> Option<Vec<SeatId>> {
        let found = self.nearest(chosen, self.rows)?;
        (found.leaves_alone == 0).then(|| ids(found.seats))
    }

    /// As many seats of the same types, side by side, in the row where a choice is or begins: the best that are free.
    pub fn in_the_same_row(&self, chosen: &[SeatId]) -> Option<Vec<SeatId>> {
        let first = chosen.first()?;
        let here = |row: &LayoutRow| row.seats.iter().any(|seat| seat.seat_id == *first);
        let row = self.rows.iter().position(here)?;
        self.nearest(chosen, &self.rows[row..=row]).map(|found| ids(found.seats))
    }

    fn seat(&self, id: &SeatId) -> Option<&'a LayoutSeat> {
        self.rows.iter().flat_map(|row| &row.seats).find(|seat| seat.seat_id == *id)
    }

    /// As many seats of the same types, side by side, that are the best of these rows and near the choice.
    fn nearest(&self, chosen: &[SeatId], rows: &'a [LayoutRow]) -> Option<Found<'a>> {
        let wanted: BTreeSet<&SeatId> = chosen.iter().collect();
        let (mut types, mut aim, mut columns) = (Vec::new(), None, Vec::new());
        for (number, row) in rows.iter().enumerate() {
            let mut column = 0;
            for seat in &row.seats {
                column += usize::from(seat.gap_before);
                if wanted.contains(&seat.seat_id) {
                    types.push(seat.seat_type);
                    if *aim.get_or_insert(number) == number {
                        columns.push(2 * column + 1);
                    }
                }
                column += 1;
            }
        }
        let aim = Aim { row: aim?, column: Some(columns.iter().sum::<usize>() / columns.len()) };
        if types.len() < chosen.len() {
            return None;
        }
        types.sort_unstable();
        let suits = |seats: &[LayoutSeat]| {
            let mut of_these: Vec<SeatType> = seats.iter().map(|seat| seat.seat_type).collect();
            of_these.sort_unstable();
            of_these == types
        };
        self.beside_each_other(rows, chosen.len(), aim, &BTreeSet::new(), &suits)
    }

    /// Seats that are free, have a free neighbour now, and would have none if these were taken.
    pub fn left_alone(&self, taken: &[SeatId]) -> Vec<SeatId> {
        let taken: BTreeSet<&SeatId> = taken.iter().collect();
        let free_after = |seat: &LayoutSeat| self.counts(seat) && !taken.contains(&seat.seat_id);
        let mut alone = Vec::new();
        let blocks = self.rows.iter().flat_map(LayoutRow::blocks);
        for block in blocks.filter(|block| block.iter().any(|seat| taken.contains(&seat.seat_id))) {
            for (index, seat) in block.iter().enumerate().filter(|(_, seat)| free_after(seat)) {
                let mut before = neighbours(block, index).filter(|seat| self.counts(seat)).peekable();
                if before.peek().is_some() && !before.any(free_after) {
                    alone.push(seat.seat_id.clone());
                }
            }
        }
        alone
    }

    /// Those seats of a choice that the rule on companions' seats does not let be booked so.
    pub fn unaccompanied(&self, chosen: &[SeatId]) -> Vec<SeatId> {
        let chosen: BTreeSet<&SeatId> = chosen.iter().collect();
        let is_chosen = |seat: &LayoutSeat| chosen.contains(&seat.seat_id);
        let blocks = self.rows.iter().flat_map(LayoutRow::blocks);
        let unaccompanied = blocks.flat_map(|block| {
            let seats = block.iter().enumerate();
            seats.filter(move |(index, seat)| {
                is_chosen(seat) && !self.is_accompanied(block, *index, &is_chosen)
            })
        });
        unaccompanied.map(|(_, seat)| seat.seat_id.clone()).collect()
    }

    /// A choice with a free companion's seat for each wheelchair place that needs one and has none.
    /// `None` where that does not heal it.
    pub fn accompanied(&self, chosen: &[SeatId]) -> Option<Vec<SeatId>> {
        let mut whole = chosen.to_vec();
        for block in self.rows.iter().flat_map(LayoutRow::blocks) {
            for (index, seat) in block.iter().enumerate() {
                let is_chosen = |seat: &LayoutSeat| whole.contains(&seat.seat_id);
                if seat.seat_type == SeatType::Wheelchair
                    && is_chosen(seat)
                    && !self.is_accompanied(block, index, &is_chosen)
                {
                    let mut beside = neighbours(block, index);
                    let companion = beside
                        .find(|seat| seat.seat_type == SeatType::Companion && (self.free)(&seat.seat_id))?;
                    whole.push(companion.seat_id.clone());
                }
            }
        }
        (whole.len() > chosen.len() && self.unaccompanied(&whole).is_empty()).then_some(whole)
    }

    fn is_accompanied(
        &self,
        block: &[LayoutSeat],
        index: usize,
        is_chosen: &impl Fn(&LayoutSeat) -> bool,
    ) -> bool {
        let beside = |seat_type| neighbours(block, index).filter(move |seat| seat.seat_type == seat_type);
        match (self.companions, block[index].seat_type) {
            (Companions::WithWheelchair | Companions::Required, SeatType::Companion) => {
                beside(SeatType::Wheelchair).any(is_chosen)
            }
            (Companions::Required, SeatType::Wheelchair) => {
                // A companion's seat that is gone must not keep the place beside it empty for ever.
                let mut companions = beside(SeatType::Companion);
                companions.clone().any(is_chosen) || !companions.any(|seat| (self.free)(&seat.seat_id))
            }
            (Companions::Free | Companions::WithWheelchair, SeatType::Wheelchair)
            | (Companions::Free, SeatType::Companion)
            | (_, SeatType::Regular | SeatType::Premium | SeatType::Recliner) => true,
        }
    }

    /// Whether a seat that is left alone would be missed.
    fn counts(&self, seat: &LayoutSeat) -> bool {
        is_common(seat.seat_type) && (self.free)(&seat.seat_id)
    }

    fn beside_each_other(
        &self,
        rows: &'a [LayoutRow],
        quantity: usize,
        aim: Aim,
        taken: &BTreeSet<&SeatId>,
        suits: Suits<'_>,
    ) -> Option<Found<'a>> {
        let rows = rows.iter().enumerate();
        let found = rows.flat_map(|(number, row)| {
            let rows_off = ROW * number.abs_diff(aim.row);
            let in_row = self.in_row(row, quantity.max(1), aim.column, taken, suits).into_iter();
            in_row.map(move |found| Found { distance: found.distance + rows_off, ..found })
        });
        found.min_by_key(|found| (found.leaves_alone, found.distance))
    }

    /// Everywhere in a row where so many can sit beside each other, and the distance from where they should.
    fn in_row(
        &self,
        row: &'a LayoutRow,
        quantity: usize,
        column: Option<usize>,
        taken: &BTreeSet<&SeatId>,
        suits: Suits<'_>,
    ) -> Vec<Found<'a>> {
        let is_free = |seat: &LayoutSeat| (self.free)(&seat.seat_id) && !taken.contains(&seat.seat_id);
        let width = row.seats.iter().map(|seat| 1 + usize::from(seat.gap_before)).sum::<usize>();
        let (mut found, mut left_of_block) = (vec![], 0);
        for block in row.blocks() {
            left_of_block += block.first().map_or(0, |seat| usize::from(seat.gap_before));
            // Each seat is asked about once: that is what costs.
            let free: Vec<bool> = block.iter().map(is_free).collect();
            let missed = |index: &usize| free[*index] && is_common(block[*index].seat_type);
            for (index, seats) in block.windows(quantity).enumerate() {
                let within = index..index + quantity;
                let is_chosen = |seat: &LayoutSeat| seats.iter().any(|chosen| std::ptr::eq(chosen, seat));
                if !free[within.clone()].iter().all(|free| *free)
                    || !suits(seats)
                    || !within.clone().all(|index| self.is_accompanied(block, index, &is_chosen))
                {
                    continue;
                }
                // How many seats to either side are free and would be missed.
                let left = (0..within.start).rev().take_while(missed).count();
                let right = (within.end..block.len()).take_while(missed).count();
                let room = [left, right];
                // A seat beside a wheelchair place has no neighbour to lose.
                let edges =
                    [seats.first(), seats.last()].map(|edge| edge.is_some_and(|it| is_common(it.seat_type)));
                let leaves_alone = room.iter().zip(edges).filter(|(room, edge)| **room == 1 && *edge).count();
                let odd = room.iter().filter(|room| !room.is_multiple_of(quantity)).count();
                // Twice the distance between the middles, in seats.
                let off = (2 * (left_of_block + index) + quantity).abs_diff(column.unwrap_or(width));
                found.push(Found { leaves_alone, distance: off + ODD * odd, seats });
            }
            left_of_block += block.len();
        }
        found
    }
}

fn ids(seats: &[LayoutSeat]) -> Vec<SeatId> {
    seats.iter().map(|seat| seat.seat_id.clone()).collect()
}
