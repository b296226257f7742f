//! Refunds of parts: what the payment grants of what its booking owes.

#[path = "support/harness.rs"]
mod harness;

use harness::{When, given};
use jiff::Timestamp;
use marquee_domain::money::{Currency, Money};
use marquee_domain::payment::{
    IntentCreated, Payment, PaymentCommand, PaymentEvent, PaymentInitiated, PaymentRejection,
    PaymentSucceeded, RefundCause, RefundDue, RefundFailed, RefundRequested, RefundStatus, RefundSucceeded,
};
use marquee_domain::request::Request;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const PAID: i64 = 61_000;

fn inr(minor: i64) -> Money {
    Money::new(minor, Currency::inr())
}

/// A payment of 610 whose money is here, and what happened to it since.
fn paid(since: &[PaymentEvent]) -> Payment {
    let request = Request {
        user_id: "asha".into(),
        route: "pay".into(),
        idempotency_key: "k".into(),
        fingerprint: "body".into(),
    };
    let initiated = PaymentInitiated {
        payment_id: "pay_1".into(),
        booking_id: "bk_sh_1".into(),
        user_id: "asha".into(),
        provider: "SANDBOX".into(),
        amount: inr(PAID),
        return_url: "https://app.example.com".into(),
        request,
    };
    let created = IntentCreated {
        payment_id: "pay_1".into(),
        payment_intent_id: "pi_1".into(),
        redirect_url: "https://pay.example.com".into(),
    };
    let succeeded = PaymentSucceeded {
        payment_id: "pay_1".into(),
        booking_id: "bk_sh_1".into(),
        payment_intent_id: "pi_1".into(),
        provider_event_id: "e".into(),
        amount: inr(PAID),
        occurred_at: NOW,
    };
    given::<Payment>([vec![initiated.into(), created.into(), succeeded.into()], since.to_vec()].concat())
}

fn part(number: u32, minor: i64) -> PaymentCommand {
    let due = RefundDue { cause: RefundCause::SeatsCancelled, amount: Some(minor), part: Some(number) };
    PaymentCommand::RequestRefund(due)
}

fn whole(amount: Option<i64>) -> PaymentCommand {
    PaymentCommand::RequestRefund(RefundDue { cause: RefundCause::BookingCancelled, amount, part: None })
}

fn granted(id: &str, minor: i64, part: Option<u32>) -> PaymentEvent {
    let cause = if part.is_some() { RefundCause::SeatsCancelled } else { RefundCause::BookingCancelled };
    RefundRequested {
        refund_id: id.into(),
        payment_id: "pay_1".into(),
        provider: "SANDBOX".into(),
        payment_intent_id: "pi_1".into(),
        amount: inr(minor),
        cause,
        part,
    }
    .into()
}

fn first() -> PaymentEvent {
    granted("rf_pay_1_part_1", 18_000, Some(1))
}

fn second() -> PaymentEvent {
    granted("rf_pay_1_part_2", 25_000, Some(2))
}

#[test]
fn parts_go_back_once_each_and_together_no_more_than_came() {
    paid(&[]).decides(NOW, part(1, 18_000), [first()]);
    let once = paid(&[first()]);
    once.decides(NOW, part(1, 18_000), []);
    once.decides(NOW, part(2, 25_000), [second()]);
    let twice = paid(&[first(), second()]);
    twice.decides(NOW, part(3, 18_000), [granted("rf_pay_1_part_3", 18_000, Some(3))]);
    twice.refuses(NOW, part(3, 18_001), PaymentRejection::MoreThanCaptured);
    twice.refuses(NOW, whole(Some(18_001)), PaymentRejection::MoreThanCaptured);
}

#[test]
fn the_end_of_a_booking_gives_back_what_it_says_or_all_that_is_left() {
    paid(&[]).decides(NOW, whole(Some(30_000)), [granted("rf_pay_1", 30_000, None)]);
    paid(&[]).decides(NOW, whole(None), [granted("rf_pay_1", PAID, None)]);
    let parts = paid(&[first(), second()]);
    parts.decides(NOW, whole(Some(8_000)), [granted("rf_pay_1", 8_000, None)]);
    parts.decides(NOW, whole(None), [granted("rf_pay_1", 18_000, None)]);
    let over = paid(&[first(), granted("rf_pay_1", 8_000, None)]);
    over.decides(NOW, whole(Some(8_000)), []);
    over.decides(NOW, whole(None), []);
}

#[test]
fn what_is_nothing_is_not_granted() {
    paid(&[]).decides(NOW, whole(Some(0)), []);
    paid(&[]).decides(NOW, part(1, 0), []);
    paid(&[granted("rf_pay_1_part_1", PAID, Some(1))]).decides(NOW, whole(None), []);
}

#[test]
fn a_part_that_is_granted_late_is_granted_beside_the_end() {
    let over = paid(&[granted("rf_pay_1", 18_000, None), second()]);
    over.decides(NOW, part(1, 18_000), [first()]);
}

#[test]
fn a_customer_is_shown_the_sum_as_far_as_the_least_advanced() {
    let shown = |since: &[PaymentEvent]| paid(since).refund().map(|(status, money)| (status, money.minor));
    let succeeded = |id: &str| PaymentEvent::from(RefundSucceeded { refund_id: id.into() });
    let failed =
        |id: &str| PaymentEvent::from(RefundFailed { refund_id: id.into(), reason: "closed".into() });
    let (one, two) = ("rf_pay_1_part_1", "rf_pay_1_part_2");
    assert_eq!(shown(&[]), None);
    assert_eq!(shown(&[first(), succeeded(one)]), Some((RefundStatus::Succeeded, 18_000)));
    assert_eq!(shown(&[first(), succeeded(one), second()]), Some((RefundStatus::Initiated, 43_000)));
    assert_eq!(shown(&[first(), failed(one), second()]), Some((RefundStatus::Initiated, 43_000)));
    let ended = [first(), failed(one), second(), succeeded(two)];
    assert_eq!(shown(&ended), Some((RefundStatus::Failed, 43_000)));
}
