//! Which seats a client asks for next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::world::Hall;

/// Share of a hall, in percent, after which a rush moves on to the next one.
const RUSH_MOVES_ON_AT: usize = 90;

/// One request for seats.
#[derive(Debug)]
pub struct Pick {
    /// The show.
    pub show_id: String,
    /// The seats.
    pub seats: Vec<String>,
    hall: usize,
}

/// How seats are picked. Shared by all clients of a phase.
pub struct Seats {
    shows: Vec<String>,
    names: Vec<String>,
    how: How,
}

enum How {
    /// A random show, and in it seats that nobody else asks for: one, then two, then one …
    Free { taken: Vec<AtomicUsize>, again: bool },
    /// The only show, and in it one or two random seats, whether free or not.
    Hot,
    /// As hot, but when a hall is nearly sold out everybody moves to the next.
    Rush { current: AtomicUsize, sold: Vec<AtomicUsize>, again: bool },
}

impl Seats {
    /// Distinct free seats over many shows. `again` starts over when they run out, for a server that keeps none.
    pub fn free(shows: Vec<String>, hall: Hall, again: bool) -> Arc<Self> {
        let taken = shows.iter().map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { shows, names: hall.seats(), how: How::Free { taken, again } })
    }

    /// One show that everyone wants.
    pub fn hot(show: String, hall: Hall) -> Arc<Self> {
        Arc::new(Self { shows: vec![show], names: hall.seats(), how: How::Hot })
    }

    /// One such show after another.
    pub fn rush(shows: Vec<String>, hall: Hall, again: bool) -> Arc<Self> {
        let sold = shows.iter().map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self {
            shows,
            names: hall.seats(),
            how: How::Rush { current: AtomicUsize::new(0), sold, again },
        })
    }

    /// Whether a 409 can be right.
    pub fn contended(&self) -> bool {
        match self.how {
            How::Free { .. } => false,
            How::Hot | How::Rush { .. } => true,
        }
    }

    /// The next request; `None` where all seats are gone.
    pub fn pick(&self) -> Option<Pick> {
        match &self.how {
            How::Free { taken, again } => self.pick_free(taken, *again),
            How::Hot => Some(self.pick_random(0)),
            How::Rush { current, again, .. } => {
                let hall = current.load(Ordering::Relaxed);
                let hall = if *again { hall % self.shows.len() } else { hall };
                (hall < self.shows.len()).then(|| self.pick_random(hall))
            }
        }
    }

    /// A pick was granted.
    pub fn granted(&self, pick: &Pick) {
        let How::Rush { current, sold, .. } = &self.how else { return };
        let sold = sold[pick.hall].fetch_add(pick.seats.len(), Ordering::Relaxed) + pick.seats.len();
        if sold * 100 >= self.names.len() * RUSH_MOVES_ON_AT {
            // Only the first to notice moves on; the rest are already on their way.
            let _ = current.compare_exchange(pick.hall, pick.hall + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn pick_free(&self, taken: &[AtomicUsize], again: bool) -> Option<Pick> {
        // Three seats make two picks: one seat, and two.
        let picks = self.names.len() / 3 * 2;
        let start = fastrand::usize(..self.shows.len());
        for step in 0..self.shows.len() {
            let hall = (start + step) % self.shows.len();
            let mut number = taken[hall].fetch_add(1, Ordering::Relaxed);
            if again {
                number %= picks;
            } else if number >= picks {
                continue;
            }
            let first = number / 2 * 3;
            let seats = if number.is_multiple_of(2) {
                &self.names[first..=first]
            } else {
                &self.names[first + 1..first + 3]
            };
            return Some(Pick { show_id: self.shows[hall].clone(), seats: seats.to_vec(), hall });
        }
        None
    }

    fn pick_random(&self, hall: usize) -> Pick {
        let first = fastrand::usize(..self.names.len() - 1);
        let count = fastrand::usize(1..=2);
        Pick { show_id: self.shows[hall].clone(), seats: self.names[first..first + count].to_vec(), hall }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const HALL: Hall = Hall { rows: 2, columns: 6 };

    #[test]
    fn free_seats_are_handed_out_once_and_all() {
        let seats = Seats::free(vec!["sh_1".into(), "sh_2".into()], HALL, false);
        let mut seen = HashSet::new();
        while let Some(pick) = seats.pick() {
            for seat in pick.seats {
                assert!(seen.insert((pick.show_id.clone(), seat)), "a seat was handed out twice");
            }
        }
        assert_eq!(seen.len(), 24);
    }

    #[test]
    fn a_rush_moves_on_when_a_hall_is_nearly_sold() {
        let seats = Seats::rush(vec!["sh_1".into(), "sh_2".into()], HALL, false);
        let mut asked = Vec::new();
        while let Some(pick) = seats.pick() {
            seats.granted(&pick);
            asked.push(pick.show_id);
        }
        assert_eq!(
            (asked.first().map(String::as_str), asked.last().map(String::as_str)),
            (Some("sh_1"), Some("sh_2"))
        );
        assert!(asked.is_sorted());
    }
}
