//! Partners, their theatres and the screens in them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Decider;
use crate::event::events;
use crate::ids::{CityId, PartnerId, ScreenId, SeatId, TheatreId};
use crate::request::{Answered, KeyReused, Request};
use crate::seat_rules::{SeatRules, SeatRulesFault};

/// What a seat is, and is priced as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SeatType {
    /// An ordinary seat.
    Regular,
    /// A better one.
    Premium,
    /// One that reclines.
    Recliner,
    /// A space for a wheelchair.
    Wheelchair,
    /// The seat beside such a space.
    Companion,
}

/// A seat as the screen is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutSeat {
    /// Unique within the screen.
    pub seat_id: SeatId,
    /// What it is.
    #[serde(rename = "type")]
    pub seat_type: SeatType,
    /// The widths of a seat that are empty to its left: an aisle, a pillar. Seats with a gap between them are not beside each other.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gap_before: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(gap: &u8) -> bool {
    *gap == 0
}

impl LayoutSeat {
    /// A seat right beside the one to its left.
    pub fn new(seat_id: SeatId, seat_type: SeatType) -> Self {
        Self { seat_id, seat_type, gap_before: 0 }
    }
}

/// A row of seats, as the hall sees it from left to right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutRow {
    /// Its label, such as `A`.
    pub row_label: SmolStr,
    /// Its seats.
    pub seats: Vec<LayoutSeat>,
}

impl LayoutRow {
    /// Its seats that stand side by side.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &[LayoutSeat]> {
        self.seats.chunk_by(|_, next| next.gap_before == 0)
    }
}

/// The one or two seats beside one of a block.
pub(crate) fn neighbours(block: &[LayoutSeat], index: usize) -> impl Iterator<Item = &LayoutSeat> + Clone {
    let left = index.checked_sub(1).and_then(|left| block.get(left));
    left.into_iter().chain(block.get(index + 1))
}

/// A partner came aboard. Its contact address is personal data and lies apart from the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerOnboarded {
    /// The partner.
    pub partner_id: PartnerId,
    /// The company's name.
    pub name: SmolStr,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A theatre's facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TheatreDetails {
    /// The theatre.
    pub theatre_id: TheatreId,
    /// Whose it is.
    pub partner_id: PartnerId,
    /// Its name.
    pub name: SmolStr,
    /// Where it is.
    pub city_id: CityId,
    /// The part of the city.
    pub area: SmolStr,
    /// Its postal address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SmolStr>,
    /// How its seats are booked. A show copies them.
    #[serde(default, skip_serializing_if = "SeatRules::is_none")]
    pub seat_rules: SeatRules,
}

/// A theatre was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TheatreAdded {
    /// Its facts.
    #[serde(flatten)]
    pub theatre: TheatreDetails,
    /// The request that added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A theatre's facts were replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TheatreChanged {
    /// All its facts, as they now stand.
    #[serde(flatten)]
    pub theatre: TheatreDetails,
    /// The request that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A screen's facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScreenDetails {
    /// The screen.
    pub screen_id: ScreenId,
    /// The theatre that it is in.
    pub theatre_id: TheatreId,
    /// Its name, such as `Screen 3`.
    pub name: SmolStr,
    /// Its seats. A show copies them, so that a later change leaves sold seats alone.
    pub rows: Vec<LayoutRow>,
}

/// A screen was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScreenAdded {
    /// Its facts.
    #[serde(flatten)]
    pub screen: ScreenDetails,
    /// The request that added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A screen's facts were replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScreenChanged {
    /// All its facts, as they now stand.
    #[serde(flatten)]
    pub screen: ScreenDetails,
    /// The request that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

events! {
    /// What happened to a partner.
    PartnerEvent {
        Onboarded(PartnerOnboarded) = "partner.onboarded.v1",
    }
}

events! {
    /// What happened to a theatre and its screens.
    TheatreEvent {
        Added(TheatreAdded) = "theatre.added.v1",
        Changed(TheatreChanged) = "theatre.changed.v1",
        ScreenAdded(ScreenAdded) = "screen.added.v1",
        ScreenChanged(ScreenChanged) = "screen.changed.v1",
    }
}

/// Why a change of a partner or a theatre is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TheatreRejection {
    /// The id is taken.
    #[error("already exists")]
    AlreadyExists,
    /// There is nothing to change.
    #[error("does not exist")]
    NotFound,
    /// It belongs to another partner.
    #[error("belongs to another partner")]
    NotYours,
    /// Two seats of the screen have one name.
    #[error("seat {0} is there twice")]
    DuplicateSeat(SeatId),
    /// A companion's seat with no wheelchair beside it.
    #[error("companion seat {0} has no wheelchair place beside it")]
    CompanionAlone(SeatId),
    /// A screen without seats.
    #[error("a screen needs at least one seat")]
    NoSeats,
    /// Its rules on seats make no sense.
    #[error(transparent)]
    SeatRules(#[from] SeatRulesFault),
    /// The key was used for another body.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
}

/// Takes a partner aboard.
#[derive(Debug, Clone, PartialEq)]
pub struct OnboardPartner(pub PartnerOnboarded);

/// A partner, or none yet.
#[derive(Debug, Clone, Default)]
pub struct Partner {
    /// Its facts.
    pub details: Option<PartnerOnboarded>,
    answered: Answered,
}

impl Decider for Partner {
    type Command = OnboardPartner;
    type Event = PartnerEvent;
    type Rejection = TheatreRejection;

    fn decide(
        &self,
        _now: Timestamp,
        OnboardPartner(partner): &OnboardPartner,
    ) -> Result<Vec<PartnerEvent>, TheatreRejection> {
        if self.answered.seen(partner.request.as_ref())? {
            return Ok(vec![]);
        }
        match self.details {
            Some(_) => Err(TheatreRejection::AlreadyExists),
            None => Ok(vec![partner.clone().into()]),
        }
    }

    fn evolve(&mut self, event: &PartnerEvent) {
        match event {
            PartnerEvent::Onboarded(partner) => {
                self.answered.remember(partner.request.as_ref());
                self.details = Some(partner.clone());
            }
        }
    }
}

/// What a partner wants of a theatre.
#[derive(Debug, Clone, PartialEq)]
pub enum TheatreCommand {
    /// Adds it.
    Add(TheatreAdded),
    /// Replaces its facts.
    Change(TheatreChanged),
    /// Adds a screen to it.
    AddScreen(PartnerId, ScreenAdded),
    /// Replaces a screen's facts.
    ChangeScreen(PartnerId, ScreenChanged),
}

/// A theatre with its screens, or none yet.
#[derive(Debug, Clone, Default)]
pub struct Theatre {
    /// Its facts.
    pub details: Option<TheatreDetails>,
    /// Its screens.
    pub screens: BTreeMap<ScreenId, ScreenDetails>,
    answered: Answered,
}

impl Theatre {
    /// The theatre's facts, for the partner that owns it.
    pub fn owned_by(&self, partner: &PartnerId) -> Result<&TheatreDetails, TheatreRejection> {
        let details = self.details.as_ref().ok_or(TheatreRejection::NotFound)?;
        if details.partner_id == *partner { Ok(details) } else { Err(TheatreRejection::NotYours) }
    }
}

fn check_rules(theatre: &TheatreDetails) -> Result<(), TheatreRejection> {
    theatre.seat_rules.fault().map_or(Ok(()), |fault| Err(fault.into()))
}

/// Whether a layout has seats, each named once, and a wheelchair place beside each companion's.
fn check_layout(rows: &[LayoutRow]) -> Result<(), TheatreRejection> {
    let mut seen = std::collections::BTreeSet::new();
    for seat in rows.iter().flat_map(|row| &row.seats) {
        if !seen.insert(&seat.seat_id) {
            return Err(TheatreRejection::DuplicateSeat(seat.seat_id.clone()));
        }
    }
    if seen.is_empty() {
        return Err(TheatreRejection::NoSeats);
    }
    rows.iter().find_map(companion_alone).map_or(Ok(()), |seat| Err(TheatreRejection::CompanionAlone(seat)))
}

/// A companion's seat of a row that no wheelchair place is beside.
fn companion_alone(row: &LayoutRow) -> Option<SeatId> {
    let is = |seat: &LayoutSeat, seat_type| seat.seat_type == seat_type;
    row.blocks().find_map(|block| {
        let accompanies = |index| neighbours(block, index).any(|seat| is(seat, SeatType::Wheelchair));
        let mut companions = block.iter().enumerate().filter(|(_, seat)| is(seat, SeatType::Companion));
        companions.find(|(index, _)| !accompanies(*index)).map(|(_, seat)| seat.seat_id.clone())
    })
}

impl Decider for Theatre {
    type Command = TheatreCommand;
    type Event = TheatreEvent;
    type Rejection = TheatreRejection;

    fn decide(
        &self,
        _now: Timestamp,
        command: &TheatreCommand,
    ) -> Result<Vec<TheatreEvent>, TheatreRejection> {
        let (partner, request) = match command {
            TheatreCommand::Add(added) => (&added.theatre.partner_id, &added.request),
            TheatreCommand::Change(changed) => (&changed.theatre.partner_id, &changed.request),
            TheatreCommand::AddScreen(partner, added) => (partner, &added.request),
            TheatreCommand::ChangeScreen(partner, changed) => (partner, &changed.request),
        };
        if self.answered.seen(request.as_ref())? {
            return Ok(vec![]);
        }
        match command {
            TheatreCommand::Add(_) if self.details.is_some() => Err(TheatreRejection::AlreadyExists),
            TheatreCommand::Add(added) => {
                check_rules(&added.theatre)?;
                Ok(vec![added.clone().into()])
            }
            TheatreCommand::Change(changed) => {
                let known = self.owned_by(partner)?;
                check_rules(&changed.theatre)?;
                Ok(if changed.theatre == *known { vec![] } else { vec![changed.clone().into()] })
            }
            TheatreCommand::AddScreen(_, added) => {
                self.owned_by(partner)?;
                check_layout(&added.screen.rows)?;
                match self.screens.get(&added.screen.screen_id) {
                    Some(_) => Err(TheatreRejection::AlreadyExists),
                    None => Ok(vec![added.clone().into()]),
                }
            }
            TheatreCommand::ChangeScreen(_, changed) => {
                self.owned_by(partner)?;
                check_layout(&changed.screen.rows)?;
                match self.screens.get(&changed.screen.screen_id) {
                    None => Err(TheatreRejection::NotFound),
                    Some(known) if *known == changed.screen => Ok(vec![]),
                    Some(_) => Ok(vec![changed.clone().into()]),
                }
            }
        }
    }

    fn evolve(&mut self, event: &TheatreEvent) {
        match event {
            TheatreEvent::Added(TheatreAdded { theatre, request })
            | TheatreEvent::Changed(TheatreChanged { theatre, request }) => {
                self.answered.remember(request.as_ref());
                self.details = Some(theatre.clone());
            }
            TheatreEvent::ScreenAdded(ScreenAdded { screen, request })
            | TheatreEvent::ScreenChanged(ScreenChanged { screen, request }) => {
                self.answered.remember(request.as_ref());
                self.screens.insert(screen.screen_id.clone(), screen.clone());
            }
        }
    }
}
