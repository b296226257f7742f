//! The slots of a screen: no two shows overlap.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Decider;
use crate::event::events;
use crate::ids::{ScreenId, ShowId, TheatreId};

/// A show took a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotReserved {
    /// The theatre.
    pub theatre_id: TheatreId,
    /// Its screen.
    pub screen_id: ScreenId,
    /// The show.
    pub show_id: ShowId,
    /// Its start.
    pub start_time: Timestamp,
    /// Its end, exclusive.
    pub end_time: Timestamp,
}

/// A show gave a slot back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotReleased {
    /// The theatre.
    pub theatre_id: TheatreId,
    /// Its screen.
    pub screen_id: ScreenId,
    /// The show.
    pub show_id: ShowId,
    /// The start of the slot.
    pub start_time: Timestamp,
}

events! {
    /// What happened to a screen's schedule.
    ScheduleEvent {
        Reserved(SlotReserved) = "slot.reserved.v1",
        Released(SlotReleased) = "slot.released.v1",
    }
}

/// Another show runs then.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("overlaps show {}", .0.show_id)]
pub struct Overlap(pub SlotReserved);

/// What is wanted of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum ScheduleCommand {
    /// Takes a slot. A show may hold two slots while it moves from one to the other.
    Reserve(SlotReserved),
    /// Gives a slot back.
    Release(SlotReleased),
}

/// The slots that are taken.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    slots: Vec<SlotReserved>,
}

impl Schedule {
    /// The slots of one show.
    pub fn slots_of(&self, show: &ShowId) -> impl Iterator<Item = &SlotReserved> {
        self.slots.iter().filter(move |slot| slot.show_id == *show)
    }
}

impl Decider for Schedule {
    type Command = ScheduleCommand;
    type Event = ScheduleEvent;
    type Rejection = Overlap;

    fn decide(&self, _now: Timestamp, command: &ScheduleCommand) -> Result<Vec<ScheduleEvent>, Overlap> {
        match command {
            ScheduleCommand::Reserve(wanted) if self.slots.contains(wanted) => Ok(vec![]),
            ScheduleCommand::Reserve(wanted) => {
                let clash = self.slots.iter().find(|slot| {
                    slot.show_id != wanted.show_id
                        && slot.start_time < wanted.end_time
                        && wanted.start_time < slot.end_time
                });
                match clash {
                    Some(slot) => Err(Overlap(slot.clone())),
                    None => Ok(vec![wanted.clone().into()]),
                }
            }
            ScheduleCommand::Release(release) => {
                let held = self.slots_of(&release.show_id).any(|slot| slot.start_time == release.start_time);
                Ok(if held { vec![release.clone().into()] } else { vec![] })
            }
        }
    }

    fn evolve(&mut self, event: &ScheduleEvent) {
        match event {
            ScheduleEvent::Reserved(slot) => {
                // A show that changes only its length keeps its start: the newer slot replaces the older.
                self.slots.retain(|held| held.show_id != slot.show_id || held.start_time != slot.start_time);
                self.slots.push(slot.clone());
            }
            ScheduleEvent::Released(slot) => {
                self.slots.retain(|held| held.show_id != slot.show_id || held.start_time != slot.start_time);
            }
        }
    }
}
