//! The rules of what shows are made of: cities, films, partners, theatres, screens and their schedules.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/harness.rs"]
mod harness;

use harness::{When, given};
use jiff::Timestamp;
use marquee_domain::catalogue::{
    AddCity, CatalogueRejection, City, CityAdded, Movie, MovieAdded, MovieChanged, MovieCommand, MovieDetails,
};
use marquee_domain::ids::SeatId;
use marquee_domain::money::Currency;
use marquee_domain::request::{KeyReused, Request};
use marquee_domain::schedule::{Overlap, Schedule, ScheduleCommand, SlotReleased, SlotReserved};
use marquee_domain::seat_rules::SeatRules;
use marquee_domain::theatre::{
    LayoutRow, LayoutSeat, OnboardPartner, Partner, PartnerOnboarded, ScreenAdded, ScreenChanged,
    ScreenDetails, SeatType, Theatre, TheatreAdded, TheatreChanged, TheatreCommand, TheatreDetails,
    TheatreRejection,
};

/// Reference data keeps no deadlines: no rule of it reads the time.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn request(fingerprint: &str) -> Request {
    Request {
        user_id: "admin".into(),
        route: "route".into(),
        idempotency_key: "k".into(),
        fingerprint: fingerprint.into(),
    }
}

// Cities.

fn city(request: Option<Request>) -> CityAdded {
    CityAdded {
        city_id: "blr".into(),
        name: "Bengaluru".into(),
        timezone: "Asia/Kolkata".into(),
        currency: Currency::inr(),
        request,
    }
}

#[test]
fn a_city_is_added_once() {
    given::<City>([]).decides(NOW, AddCity(city(None)), [city(None).into()]);
    let known = given::<City>([city(None).into()]);
    known.refuses(NOW, AddCity(city(None)), CatalogueRejection::AlreadyExists);
    known.refuses(NOW, AddCity(city(Some(request("body")))), CatalogueRejection::AlreadyExists);
}

#[test]
fn a_repeated_request_adds_no_second_city_and_its_key_fits_no_other_body() {
    let known = given::<City>([city(Some(request("body"))).into()]);
    known.decides(NOW, AddCity(city(Some(request("body")))), []);
    known.refuses(NOW, AddCity(city(Some(request("other")))), KeyReused.into());
}

// Films.

fn film(title: &str) -> MovieDetails {
    MovieDetails {
        movie_id: "mv_1".into(),
        title: title.into(),
        titles: std::collections::BTreeMap::new(),
        languages: vec!["English".into()],
        genres: vec!["Drama".into()],
        duration_mins: 120,
        certificate: None,
        synopsis: None,
        release_date: None,
    }
}

fn added(title: &str, request: Option<Request>) -> MovieAdded {
    MovieAdded { movie: film(title), request }
}

fn changed(title: &str, request: Option<Request>) -> MovieChanged {
    MovieChanged { movie: film(title), request }
}

#[test]
fn a_film_is_added_once() {
    given::<Movie>([]).decides(NOW, MovieCommand::Add(added("One", None)), [added("One", None).into()]);
    given::<Movie>([added("One", None).into()]).refuses(
        NOW,
        MovieCommand::Add(added("Two", None)),
        CatalogueRejection::AlreadyExists,
    );
}

#[test]
fn a_film_that_changes_is_replaced_whole() {
    let known = given::<Movie>([added("One", None).into()]);
    known.decides(NOW, MovieCommand::Change(changed("Two", None)), [changed("Two", None).into()]);
    let after = given::<Movie>([added("One", None).into(), changed("Two", None).into()]);
    assert_eq!(after.details, Some(film("Two")));
}

#[test]
fn a_film_that_is_not_there_cannot_change() {
    given::<Movie>([]).refuses(NOW, MovieCommand::Change(changed("Two", None)), CatalogueRejection::NotFound);
}

#[test]
fn a_change_of_a_film_to_what_it_is_changes_nothing() {
    given::<Movie>([added("One", None).into()]).decides(NOW, MovieCommand::Change(changed("One", None)), []);
}

#[test]
fn a_repeated_request_changes_no_film_twice_and_its_key_fits_no_other_body() {
    let known = given::<Movie>([added("One", Some(request("body"))).into(), changed("Two", None).into()]);
    known.decides(NOW, MovieCommand::Add(added("One", Some(request("body")))), []);
    known.refuses(NOW, MovieCommand::Add(added("Two", Some(request("other")))), KeyReused.into());
    let known = given::<Movie>([added("One", None).into(), changed("Two", Some(request("body"))).into()]);
    known.decides(NOW, MovieCommand::Change(changed("Two", Some(request("body")))), []);
    known.refuses(NOW, MovieCommand::Change(changed("Three", Some(request("other")))), KeyReused.into());
}

// Partners.

fn partner(request: Option<Request>) -> PartnerOnboarded {
    PartnerOnboarded { partner_id: "pt_1".into(), name: "Aurora".into(), request }
}

#[test]
fn a_partner_comes_aboard_once() {
    given::<Partner>([]).decides(NOW, OnboardPartner(partner(None)), [partner(None).into()]);
    let known = given::<Partner>([partner(Some(request("body"))).into()]);
    known.refuses(NOW, OnboardPartner(partner(None)), TheatreRejection::AlreadyExists);
    known.decides(NOW, OnboardPartner(partner(Some(request("body")))), []);
    known.refuses(NOW, OnboardPartner(partner(Some(request("other")))), KeyReused.into());
}

// Theatres and their screens.

fn theatre(partner: &str, name: &str) -> TheatreDetails {
    TheatreDetails {
        theatre_id: "th_1".into(),
        partner_id: partner.into(),
        name: name.into(),
        city_id: "blr".into(),
        area: "Centre".into(),
        address: None,
        seat_rules: SeatRules::default(),
        cancel_policy: None,
    }
}

fn opened() -> TheatreAdded {
    TheatreAdded { theatre: theatre("pt_1", "Aurora"), request: None }
}

fn renamed(partner: &str, name: &str) -> TheatreChanged {
    TheatreChanged { theatre: theatre(partner, name), request: None }
}

fn screen(name: &str, seats: &[&str]) -> ScreenDetails {
    let seat = |seat: &&str| LayoutSeat::new((*seat).into(), SeatType::Regular);
    ScreenDetails {
        screen_id: "sc_1".into(),
        theatre_id: "th_1".into(),
        name: name.into(),
        rows: vec![LayoutRow { row_label: "A".into(), seats: seats.iter().map(seat).collect() }],
    }
}

fn built() -> ScreenAdded {
    ScreenAdded { screen: screen("Screen 1", &["A1", "A2"]), request: None }
}

fn rebuilt(name: &str, seats: &[&str]) -> ScreenChanged {
    ScreenChanged { screen: screen(name, seats), request: None }
}

fn of_partner(added: ScreenAdded) -> TheatreCommand {
    TheatreCommand::AddScreen("pt_1".into(), added)
}

#[test]
fn a_theatre_is_added_once() {
    given::<Theatre>([]).decides(NOW, TheatreCommand::Add(opened()), [opened().into()]);
    let known = given::<Theatre>([opened().into()]);
    known.refuses(NOW, TheatreCommand::Add(opened()), TheatreRejection::AlreadyExists);
}

#[test]
fn a_theatre_is_changed_by_its_partner_alone() {
    let known = given::<Theatre>([opened().into()]);
    let change = |partner, name| TheatreCommand::Change(renamed(partner, name));
    known.decides(NOW, change("pt_1", "Borealis"), [renamed("pt_1", "Borealis").into()]);
    known.decides(NOW, change("pt_1", "Aurora"), []);
    known.refuses(NOW, change("pt_2", "Borealis"), TheatreRejection::NotYours);
    assert_eq!(known.owned_by(&"pt_2".into()), Err(TheatreRejection::NotYours));
    assert_eq!(known.owned_by(&"pt_1".into()), Ok(&theatre("pt_1", "Aurora")));
}

#[test]
fn nothing_is_done_to_a_theatre_that_is_not_there() {
    let none = given::<Theatre>([]);
    none.refuses(NOW, TheatreCommand::Change(renamed("pt_1", "Aurora")), TheatreRejection::NotFound);
    none.refuses(NOW, of_partner(built()), TheatreRejection::NotFound);
    let change = TheatreCommand::ChangeScreen("pt_1".into(), rebuilt("Screen 1", &["A1"]));
    none.refuses(NOW, change, TheatreRejection::NotFound);
}

#[test]
fn a_screen_is_added_once_by_the_partner_of_its_theatre() {
    let known = given::<Theatre>([opened().into()]);
    known.decides(NOW, of_partner(built()), [built().into()]);
    let foreign = TheatreCommand::AddScreen("pt_2".into(), built());
    known.refuses(NOW, foreign, TheatreRejection::NotYours);
    let known = given::<Theatre>([opened().into(), built().into()]);
    known.refuses(NOW, of_partner(built()), TheatreRejection::AlreadyExists);
}

#[test]
fn a_screen_is_changed_by_the_partner_of_its_theatre() {
    let change = |partner: &str, name, seats: &[&str]| {
        TheatreCommand::ChangeScreen(partner.into(), rebuilt(name, seats))
    };
    let known = given::<Theatre>([opened().into(), built().into()]);
    let wider = rebuilt("Screen 1", &["A1", "A2", "A3"]);
    known.decides(NOW, change("pt_1", "Screen 1", &["A1", "A2", "A3"]), [wider.clone().into()]);
    known.decides(NOW, change("pt_1", "Screen 1", &["A1", "A2"]), []);
    known.refuses(NOW, change("pt_2", "Screen 2", &["A1"]), TheatreRejection::NotYours);
    let unbuilt = given::<Theatre>([opened().into()]);
    unbuilt.refuses(NOW, change("pt_1", "Screen 1", &["A1"]), TheatreRejection::NotFound);
    let after = given::<Theatre>([opened().into(), built().into(), wider.clone().into()]);
    assert_eq!(after.screens.get(&"sc_1".into()), Some(&wider.screen));
}

#[test]
fn a_layout_has_seats_and_each_has_a_name_of_its_own() {
    let known = given::<Theatre>([opened().into(), built().into()]);
    let add = |seats: &[&str]| {
        let mut screen = screen("Screen 2", seats);
        screen.screen_id = "sc_2".into();
        of_partner(ScreenAdded { screen, request: None })
    };
    let change = |seats: &[&str]| TheatreCommand::ChangeScreen("pt_1".into(), rebuilt("Screen 1", seats));
    for command in [add(&[]), change(&[])] {
        known.refuses(NOW, command, TheatreRejection::NoSeats);
    }
    for command in [add(&["A1", "A2", "A1"]), change(&["A1", "A2", "A1"])] {
        known.refuses(NOW, command, TheatreRejection::DuplicateSeat("A1".into()));
    }
    let mut two_rows = screen("Screen 1", &["A1"]);
    two_rows.rows.push(LayoutRow { row_label: "B".into(), ..two_rows.rows[0].clone() });
    let command =
        TheatreCommand::ChangeScreen("pt_1".into(), ScreenChanged { screen: two_rows, request: None });
    known.refuses(NOW, command, TheatreRejection::DuplicateSeat("A1".into()));
}

#[test]
fn a_companion_sits_beside_a_wheelchair_in_its_row() {
    let seat = |(number, kind): (usize, char)| {
        let seat_type = match kind {
            'W' => SeatType::Wheelchair,
            'c' | '_' => SeatType::Companion,
            _ => SeatType::Regular,
        };
        let gap_before = u8::from(kind == '_');
        LayoutSeat { gap_before, ..LayoutSeat::new(SeatId::new(format!("A{number}")), seat_type) }
    };
    let known = given::<Theatre>([opened().into(), built().into()]);
    let change = |kinds: &str| {
        let mut screen = screen("Screen 1", &["Z1"]);
        let seats = (1..).zip(kinds.chars()).map(seat).collect();
        screen.rows.push(LayoutRow { row_label: "A".into(), seats });
        ScreenChanged { screen, request: None }
    };
    for sound in ["Wc", "cW", "cWc", "rcWr", "WccW", "W", "WWc", "r_W", "W_W"] {
        let change = change(sound);
        let command = TheatreCommand::ChangeScreen("pt_1".into(), change.clone());
        known.decides(NOW, command, [change.into()]);
    }
    // An underscore is a companion's seat with an aisle before it.
    let alone =
        [("c", "A1"), ("rc", "A2"), ("Wrc", "A3"), ("Wcc", "A3"), ("cr", "A1"), ("W_", "A2"), ("W_r", "A2")];
    for (kinds, seat) in alone {
        let command = TheatreCommand::ChangeScreen("pt_1".into(), change(kinds));
        known.refuses(NOW, command, TheatreRejection::CompanionAlone(seat.into()));
        let mut added = change(kinds).screen;
        added.screen_id = "sc_2".into();
        let command = of_partner(ScreenAdded { screen: added, request: None });
        known.refuses(NOW, command, TheatreRejection::CompanionAlone(seat.into()));
    }
    let mut rows = change("c").screen;
    rows.rows[0].seats = vec![LayoutSeat::new("Z1".into(), SeatType::Wheelchair)];
    let command = TheatreCommand::ChangeScreen("pt_1".into(), ScreenChanged { screen: rows, request: None });
    known.refuses(NOW, command, TheatreRejection::CompanionAlone("A1".into()));
}

#[test]
fn a_repeated_request_changes_no_theatre_twice_and_its_key_fits_no_other_body() {
    let pt = || "pt_1".into();
    let add = |body| TheatreAdded { request: Some(request(body)), ..opened() };
    let change = |body| TheatreChanged { request: Some(request(body)), ..renamed("pt_1", "Borealis") };
    let build = |body| ScreenAdded { request: Some(request(body)), ..built() };
    let rebuild = |body| ScreenChanged { request: Some(request(body)), ..rebuilt("Screen 9", &["A1"]) };

    let known = given::<Theatre>([add("body").into()]);
    known.decides(NOW, TheatreCommand::Add(add("body")), []);
    known.refuses(NOW, TheatreCommand::Add(add("other")), KeyReused.into());

    let known = given::<Theatre>([opened().into(), change("body").into()]);
    known.decides(NOW, TheatreCommand::Change(change("body")), []);
    known.refuses(NOW, TheatreCommand::Change(change("other")), KeyReused.into());

    let known = given::<Theatre>([opened().into(), build("body").into()]);
    known.decides(NOW, TheatreCommand::AddScreen(pt(), build("body")), []);
    known.refuses(NOW, TheatreCommand::AddScreen(pt(), build("other")), KeyReused.into());

    let known = given::<Theatre>([opened().into(), built().into(), rebuild("body").into()]);
    known.decides(NOW, TheatreCommand::ChangeScreen(pt(), rebuild("body")), []);
    known.refuses(NOW, TheatreCommand::ChangeScreen(pt(), rebuild("other")), KeyReused.into());
}

// Schedules.

fn slot(show: &str, start: i64, end: i64) -> SlotReserved {
    SlotReserved {
        theatre_id: "th_1".into(),
        screen_id: "sc_1".into(),
        show_id: show.into(),
        start_time: Timestamp::from_second(start).unwrap(),
        end_time: Timestamp::from_second(end).unwrap(),
    }
}

fn given_back(show: &str, start: i64) -> SlotReleased {
    SlotReleased {
        theatre_id: "th_1".into(),
        screen_id: "sc_1".into(),
        show_id: show.into(),
        start_time: Timestamp::from_second(start).unwrap(),
    }
}

#[test]
fn no_two_shows_overlap_on_a_screen() {
    let taken = slot("sh_1", 100, 200);
    let schedule = given::<Schedule>([taken.clone().into()]);
    for (start, end) in [(100, 200), (50, 101), (199, 300), (120, 150), (50, 300)] {
        let wanted = ScheduleCommand::Reserve(slot("sh_2", start, end));
        schedule.refuses(NOW, wanted, Overlap(taken.clone()));
    }
}

#[test]
fn one_show_may_begin_when_another_ends() {
    let schedule = given::<Schedule>([slot("sh_1", 100, 200).into()]);
    for (start, end) in [(0, 100), (200, 300)] {
        let wanted = slot("sh_2", start, end);
        schedule.decides(NOW, ScheduleCommand::Reserve(wanted.clone()), [wanted.into()]);
    }
}

#[test]
fn a_slot_that_is_reserved_again_stays_reserved_once() {
    let taken = slot("sh_1", 100, 200);
    let schedule = given::<Schedule>([taken.clone().into()]);
    schedule.decides(NOW, ScheduleCommand::Reserve(taken), []);
}

#[test]
fn a_show_holds_two_slots_while_it_moves_even_where_they_overlap() {
    let (old, new) = (slot("sh_1", 100, 200), slot("sh_1", 150, 250));
    let schedule = given::<Schedule>([old.clone().into()]);
    schedule.decides(NOW, ScheduleCommand::Reserve(new.clone()), [new.clone().into()]);
    let moving = given::<Schedule>([old.clone().into(), new.clone().into()]);
    assert_eq!(moving.slots_of(&"sh_1".into()).count(), 2);
    let wanted = ScheduleCommand::Reserve(slot("sh_2", 100, 120));
    moving.refuses(NOW, wanted, Overlap(old));
}

#[test]
fn a_show_that_changes_only_its_length_holds_one_slot() {
    let schedule = given::<Schedule>([slot("sh_1", 100, 300).into(), slot("sh_1", 100, 200).into()]);
    assert_eq!(schedule.slots_of(&"sh_1".into()).collect::<Vec<_>>(), [&slot("sh_1", 100, 200)]);
    let wanted = slot("sh_2", 200, 300);
    schedule.decides(NOW, ScheduleCommand::Reserve(wanted.clone()), [wanted.into()]);
}

#[test]
fn a_slot_that_is_given_back_is_free_for_others() {
    let schedule = given::<Schedule>([slot("sh_1", 100, 200).into()]);
    schedule.decides(
        NOW,
        ScheduleCommand::Release(given_back("sh_1", 100)),
        [given_back("sh_1", 100).into()],
    );
    let free = given::<Schedule>([slot("sh_1", 100, 200).into(), given_back("sh_1", 100).into()]);
    let wanted = slot("sh_2", 150, 250);
    free.decides(NOW, ScheduleCommand::Reserve(wanted.clone()), [wanted.into()]);
}

#[test]
fn giving_back_what_is_not_held_changes_nothing() {
    let schedule = given::<Schedule>([slot("sh_1", 100, 200).into()]);
    for release in [given_back("sh_1", 101), given_back("sh_2", 100)] {
        schedule.decides(NOW, ScheduleCommand::Release(release), []);
    }
}
