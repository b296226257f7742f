//! When a show is on sale.

use crate::cinema::{START, at, begun, details, lock, request, scheduled, seats};
use crate::harness::{When, given};
use marquee_domain::show::{
    ChangeShow, Rejection, SalesBound, SalesWindow, SeatsBlocked, Show, ShowChanged, ShowCommand,
    ShowDetails, ShowEvent, ShowScheduled,
};
use marquee_domain::theatre::SeatType;

fn window(from: Option<i64>, until: Option<i64>) -> SalesWindow {
    SalesWindow { from: from.map(at), until: until.map(at) }
}

fn on_sale(from: Option<i64>, until: Option<i64>) -> ShowScheduled {
    ShowScheduled { show: ShowDetails { sales: window(from, until), ..details() }, request: None }
}

fn moved_sale(from: Option<i64>, until: Option<i64>) -> ShowChanged {
    ShowChanged { sales: Some(window(from, until)), ..ShowChanged::default() }
}

fn change(changed: ShowChanged) -> ShowCommand {
    ShowCommand::Change(changed.into())
}

fn book() -> ShowCommand {
    ShowCommand::LockSeats(lock())
}

#[test]
fn a_show_is_bookable_from_when_its_sale_begins() {
    let show = given::<Show>([on_sale(Some(1_000), None).into()]);
    show.refuses(at(999), book(), Rejection::NotYetOnSale(at(1_000)));
    show.decides(at(1_000), book(), begun(&lock(), 1_000, 18_000));
    show.refuses(at(START), book(), Rejection::ShowStarted);
}

#[test]
fn a_show_is_bookable_until_its_sale_ends() {
    let show = given::<Show>([on_sale(None, Some(1_000)).into()]);
    show.decides(at(999), book(), begun(&lock(), 999, 18_000));
    show.refuses(at(1_000), book(), Rejection::NoLongerOnSale(at(1_000)));
}

#[test]
fn a_sale_begins_before_it_ends_and_ends_by_the_start() {
    let none = given::<Show>([]);
    let refused = [
        (Some(START), None, Rejection::NeverOnSale),
        (Some(1_000), Some(1_000), Rejection::NeverOnSale),
        (Some(1_001), Some(1_000), Rejection::NeverOnSale),
        (None, Some(START + 1), Rejection::SoldAfterStart),
    ];
    for (from, until, rejection) in refused {
        none.refuses(at(0), ShowCommand::Schedule(on_sale(from, until)), rejection.clone());
        given::<Show>([scheduled()]).refuses(at(0), change(moved_sale(from, until)), rejection);
    }
    let sound = on_sale(Some(START - 1), Some(START));
    none.decides(at(0), ShowCommand::Schedule(sound.clone()), [sound.into()]);
}

#[test]
fn a_sale_may_have_begun_before_its_show_is_scheduled() {
    let sound = on_sale(Some(-1_000), None);
    given::<Show>([]).decides(at(0), ShowCommand::Schedule(sound.clone()), [sound.into()]);
}

#[test]
fn a_sale_is_moved_and_its_bounds_taken_away() {
    let show = given::<Show>([on_sale(Some(1_000), Some(2_000)).into()]);
    show.decides(at(0), change(moved_sale(None, Some(2_000))), [moved_sale(None, Some(2_000)).into()]);
    show.decides(at(0), change(moved_sale(Some(1_000), Some(2_000))), []);
    let open = given::<Show>([on_sale(Some(1_000), Some(2_000)).into(), moved_sale(None, None).into()]);
    open.decides(at(0), book(), begun(&lock(), 0, 18_000));
    open.decides(at(2_000), book(), begun(&lock(), 2_000, 18_000));
}

#[test]
fn a_show_is_not_moved_to_before_the_end_of_its_sale() {
    let earlier = |start| ShowChanged { start_time: Some(at(start)), ..ShowChanged::default() };
    let show = given::<Show>([on_sale(None, Some(2_000)).into()]);
    show.refuses(at(0), change(earlier(1_999)), Rejection::SoldAfterStart);
    show.decides(at(0), change(earlier(2_000)), [earlier(2_000).into()]);
}

#[test]
fn the_house_keeps_seats_before_the_sale_begins() {
    let block = SeatsBlocked { seat_ids: seats(&["A1"]), reason: None, request: None };
    let show = given::<Show>([on_sale(Some(1_000), None).into()]);
    show.decides(at(0), ShowCommand::BlockSeats(block.clone()), [block.into()]);
}

/// All that can change, changed.
fn replacement() -> ShowChanged {
    ShowChanged {
        start_time: Some(at(START + 1)),
        end_time: Some(at(START + 2)),
        language: Some("Hindi".into()),
        format: Some("3D".into()),
        prices: [(SeatType::Regular, 1), (SeatType::Premium, 2)].into(),
        sales: Some(window(None, None)),
        request: None,
    }
}

#[test]
fn a_replacement_leaves_nothing_of_what_can_change() {
    let replaced: [ShowEvent; 2] = [on_sale(Some(1_000), None).into(), replacement().into()];
    let show = given::<Show>([replaced[0].clone()]);
    show.decides(at(0), ShowCommand::Replace(replacement()), [replaced[1].clone()]);
    let show = given::<Show>(&replaced);
    show.decides(at(0), ShowCommand::Replace(replacement()), []);
    let mut after = ShowDetails {
        start_time: at(START + 1),
        end_time: at(START + 2),
        language: "Hindi".into(),
        format: "3D".into(),
        ..details()
    };
    after.prices = replacement().prices;
    assert_eq!(*show.screening().unwrap().details, after);
}

#[test]
fn a_replacement_names_a_price_for_every_type_that_has_one() {
    let mut short = replacement();
    short.prices.remove(&SeatType::Premium);
    let show = given::<Show>([scheduled()]);
    show.refuses(at(0), ShowCommand::Replace(short), Rejection::Unpriced);
    let mut more = replacement();
    more.prices.insert(SeatType::Recliner, 3);
    show.decides(at(0), ShowCommand::Replace(more.clone()), [more.into()]);
}

#[test]
fn a_replacement_is_held_to_the_rules_of_a_change() {
    let with = |change: fn(&mut ShowChanged)| {
        let mut replacement = replacement();
        change(&mut replacement);
        ShowCommand::Replace(replacement)
    };
    let show = given::<Show>([scheduled()]);
    show.refuses(at(0), with(|show| show.start_time = Some(at(0))), Rejection::StartsInThePast);
    show.refuses(
        at(0),
        with(|show| _ = show.prices.insert(SeatType::Regular, 0)),
        Rejection::PriceNotPositive,
    );
    show.refuses(
        at(0),
        with(|show| show.sales = Some(window(Some(START + 1), None))),
        Rejection::NeverOnSale,
    );
    show.refuses(at(START), with(|_| ()), Rejection::ShowStarted);
    given::<Show>([]).refuses(at(0), with(|_| ()), Rejection::UnknownShow);
    let asked = ShowChanged { request: Some(request("k", "body")), ..replacement() };
    let show = given::<Show>([scheduled(), asked.clone().into(), moved_sale(Some(1), None).into()]);
    show.decides(at(2), ShowCommand::Replace(asked), []);
}

/// Two partners' people move a bound each: neither takes back what the other did.
#[test]
fn a_change_of_one_bound_leaves_the_other_as_it_is_when_it_is_decided() {
    let change = |from: Option<i64>, until: Option<i64>| {
        let bound = |bound: Option<i64>| bound.map(|bound| SalesBound(Some(at(bound))));
        let (sales_from, sales_until) = (bound(from), bound(until));
        ShowCommand::Change(ChangeShow { sales_from, sales_until, ..ShowChanged::default().into() })
    };
    let show = given::<Show>([scheduled(), moved_sale(Some(1_000), None).into()]);
    show.decides(at(0), change(None, Some(5_000)), [moved_sale(Some(1_000), Some(5_000)).into()]);
    show.decides(at(0), change(Some(1_000), None), []);
}
