//! Who has not chosen gets good seats, and nobody is left alone without need.

use std::collections::BTreeSet;

use marquee_domain::ids::SeatId;
use marquee_domain::seat_rules::Companions;
use marquee_domain::show::{Near, SeatWish, Seating};
use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};
use proptest::collection::vec;
use proptest::prelude::*;

/// A row as drawn: a letter for each seat (`r`egular, `p`remium, `w`heelchair, `c`ompanion), in capitals where it is taken, a space for a gap.
/// Seats are named by their place in the drawing.
fn row(label: char, drawn: &str) -> LayoutRow {
    let mut gap_before = 0;
    let mut seats = vec![];
    for (place, letter) in drawn.chars().enumerate() {
        let seat_type = match letter.to_ascii_lowercase() {
            ' ' => {
                gap_before += 1;
                continue;
            }
            'r' => SeatType::Regular,
            'p' => SeatType::Premium,
            'w' => SeatType::Wheelchair,
            'c' => SeatType::Companion,
            other => panic!("{other} is no seat"),
        };
        let mut seat = LayoutSeat::new(SeatId::new(format!("{label}{place}")), seat_type);
        seat.gap_before = std::mem::take(&mut gap_before);
        seats.push(seat);
    }
    LayoutRow { row_label: label.to_string().into(), seats }
}

struct Hall {
    rows: Vec<LayoutRow>,
    taken: BTreeSet<SeatId>,
}

impl Hall {
    fn drawn(rows: &[&str]) -> Self {
        let labels = 'A'..;
        let taken = labels.clone().zip(rows).flat_map(|(label, drawn)| {
            let taken = drawn.char_indices().filter(|(_, letter)| letter.is_ascii_uppercase());
            taken.map(move |(place, _)| SeatId::new(format!("{label}{place}")))
        });
        Self {
            taken: taken.collect(),
            rows: labels.zip(rows).map(|(label, drawn)| row(label, drawn)).collect(),
        }
    }

    fn seating(&self) -> Seating<'_, impl Fn(&SeatId) -> bool> {
        Seating::new(&self.rows, |seat| !self.taken.contains(seat), Companions::Free)
    }

    fn best(&self, wish: &SeatWish) -> Option<Vec<String>> {
        let best = self.seating().best(wish);
        best.map(|seats| seats.iter().map(ToString::to_string).collect())
    }

    fn take(&mut self, seats: &[SeatId]) {
        for seat in seats {
            assert!(self.taken.insert(seat.clone()), "{seat} is given twice");
        }
    }
}

fn wish(quantity: usize) -> SeatWish {
    SeatWish { quantity, types: BTreeSet::new(), adjacent: true, near: Near::Middle }
}

fn names(seats: &[&str]) -> Option<Vec<String>> {
    (!seats.is_empty()).then(|| seats.iter().map(ToString::to_string).collect())
}

#[test]
fn two_get_the_middle_of_the_middle_row() {
    let hall = Hall::drawn(&["rrrrrr", "rrrrrr", "rrrrrr"]);
    assert_eq!(hall.best(&wish(2)), names(&["B2", "B3"]));
}

#[test]
fn a_hall_of_even_rows_seats_nobody_but_pairs() {
    let mut hall = Hall::drawn(&["r".repeat(20).as_str(); 15]);
    for _ in 0..150 {
        let pair = hall.seating().best(&wish(2)).unwrap();
        hall.take(&pair);
    }
    assert_eq!(hall.taken.len(), 300);
}

#[test]
fn who_wants_the_front_or_the_back_gets_it() {
    let hall = Hall::drawn(&["rrrrrr", "rrrrrr", "rrrrrr"]);
    assert_eq!(hall.best(&SeatWish { near: Near::Front, ..wish(2) }), names(&["A2", "A3"]));
    assert_eq!(hall.best(&SeatWish { near: Near::Back, ..wish(2) }), names(&["C2", "C3"]));
}

#[test]
fn seats_with_an_aisle_between_them_are_not_beside_each_other() {
    assert_eq!(Hall::drawn(&["r r", "r r"]).best(&wish(2)), None);
    assert_eq!(Hall::drawn(&["rr  rr"]).best(&wish(3)), None);
    assert_eq!(Hall::drawn(&["RR  rr"]).best(&wish(2)), names(&["A4", "A5"]));
}

#[test]
fn wheelchair_places_and_their_companions_go_to_those_who_ask_for_them() {
    let hall = Hall::drawn(&["wcrr"]);
    assert_eq!(hall.best(&wish(2)), names(&["A2", "A3"]));
    assert_eq!(hall.best(&wish(3)), None);
    let both = SeatWish { types: [SeatType::Wheelchair, SeatType::Companion].into(), ..wish(2) };
    assert_eq!(hall.best(&both), names(&["A0", "A1"]));
}

#[test]
fn only_the_types_that_are_wanted_are_given() {
    let premium = SeatWish { types: [SeatType::Premium].into(), ..wish(2) };
    assert_eq!(Hall::drawn(&["rrrr", "rppr", "rrrr"]).best(&premium), names(&["B1", "B2"]));
    assert_eq!(Hall::drawn(&["rrrr", "rpPr", "prrr"]).best(&premium), None);
}

#[test]
fn who_need_not_sit_together_gets_as_few_groups_as_there_are() {
    let apart = |quantity| SeatWish { adjacent: false, ..wish(quantity) };
    assert_eq!(Hall::drawn(&["rrRrR", "RrRRr"]).best(&apart(3)), names(&["A0", "A1", "B1"]));
    assert_eq!(Hall::drawn(&["rRr"]).best(&apart(3)), None);
    assert_eq!(Hall::drawn(&["rrrr"]).best(&apart(2)), names(&["A0", "A1"]), "and leaves nobody alone");
}

#[test]
fn a_worse_place_that_leaves_nobody_alone_is_given_before_a_better_one_that_does() {
    // In the middle two of five leave one on either side, or three.
    let hall = Hall::drawn(&["rrrr", "rrr"]);
    assert_eq!(hall.best(&wish(2)), names(&["A0", "A1"]));
    // Where there is no other place somebody has to be.
    assert_eq!(Hall::drawn(&["rrr"]).best(&wish(2)).map(|seats| seats.len()), Some(2));
}

#[test]
fn a_seat_is_left_alone_that_had_a_neighbour_and_has_none() {
    let hall = Hall::drawn(&["rrrR rRr"]);
    let left = |taken: &[&str]| {
        let taken: Vec<SeatId> = taken.iter().map(|seat| (*seat).into()).collect();
        hall.seating().left_alone(&taken).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(left(&["A1"]), ["A0", "A2"]);
    assert_eq!(left(&["A0", "A1"]), ["A2"]);
    assert_eq!(left(&["A0"]), <[&str; 0]>::default());
    assert_eq!(left(&["A0", "A1", "A2"]), <[&str; 0]>::default());
    assert_eq!(left(&["A5"]), <[&str; 0]>::default(), "the one beyond was alone before");
    let wheels = Hall::drawn(&["wrr"]);
    assert_eq!(
        wheels.seating().left_alone(&["A1".into(), "A2".into()]),
        [],
        "a wheelchair place stands by itself"
    );
}

/// Rows of blocks, some seats of them special, some taken.
fn halls() -> impl Strategy<Value = Vec<String>> {
    vec("[rrrrrrpwcR ]{1,14}", 1..8)
}

proptest! {
    #[test]
    fn whoever_fits_side_by_side_is_seated_so_and_leaves_nobody_alone_without_need(
        drawn in halls(),
        quantities in vec(1..5_usize, 1..40),
    ) {
        let mut hall = Hall::drawn(&drawn.iter().map(String::as_str).collect::<Vec<_>>());
        for quantity in quantities {
            let free = |seat: &LayoutSeat| {
                !matches!(seat.seat_type, SeatType::Wheelchair | SeatType::Companion)
                    && !hall.taken.contains(&seat.seat_id)
            };
            let blocks: Vec<_> = hall.rows.iter().flat_map(|row| row.seats.chunk_by(|_, next| next.gap_before == 0)).collect();
            let windows: Vec<Vec<SeatId>> = blocks
                .iter()
                .flat_map(|block| block.windows(quantity))
                .filter(|seats| seats.iter().all(free))
                .map(|seats| seats.iter().map(|seat| seat.seat_id.clone()).collect())
                .collect();
            let best = hall.seating().best(&wish(quantity));
            prop_assert_eq!(best.is_some(), !windows.is_empty());
            let Some(best) = best else { continue };
            prop_assert!(windows.contains(&best), "free seats side by side");
            let alone = |seats: &[SeatId]| hall.seating().left_alone(seats).len();
            let least = windows.iter().map(|seats| alone(seats)).min().unwrap();
            prop_assert_eq!(alone(&best), least);
            hall.take(&best);
        }
    }
}
