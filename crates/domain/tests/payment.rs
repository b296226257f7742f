//! The rules of money: what was asked for, what came, what goes back.

#[path = "support/harness.rs"]
mod harness;

use harness::{When, given};
use jiff::Timestamp;
use marquee_domain::money::{Currency, Money};
use marquee_domain::payment::{
    IntentCreated, Notice, Outcome, Payment, PaymentCommand, PaymentEvent, PaymentFailed, PaymentInitiated,
    PaymentMismatched, PaymentRejection, PaymentState, PaymentSucceeded, PaymentUnmatched, RefundCause,
    RefundFailed, RefundRequested, RefundStatus, RefundSucceeded,
};
use marquee_domain::request::{KeyReused, Request};

/// Money keeps its own pace: no rule of it reads the time.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const CAUSES: [RefundCause; 3] =
    [RefundCause::LatePayment, RefundCause::BookingCancelled, RefundCause::ShowCancelled];

fn inr(minor: i64) -> Money {
    Money::new(minor, Currency::inr())
}

fn request(key: &str, fingerprint: &str) -> Request {
    Request {
        user_id: "asha".into(),
        route: "POST /bookings/{bookingId}/payments".into(),
        idempotency_key: key.into(),
        fingerprint: fingerprint.into(),
    }
}

fn initiate(request: Request) -> PaymentInitiated {
    PaymentInitiated {
        payment_id: "pay_1".into(),
        booking_id: "bk_sh_1".into(),
        user_id: "asha".into(),
        provider: "SANDBOX".into(),
        amount: inr(30_200),
        return_url: "https://app.example.com/done".into(),
        request,
    }
}

fn initiated() -> PaymentEvent {
    initiate(request("k", "body")).into()
}

fn created(intent: &str) -> IntentCreated {
    IntentCreated {
        payment_id: "pay_1".into(),
        payment_intent_id: intent.into(),
        redirect_url: "https://pay.example.com/pi_1".into(),
    }
}

/// A payment that was initiated and that the gateway knows, and what happened to it since.
fn begun(since: &[PaymentEvent]) -> Vec<PaymentEvent> {
    [vec![initiated(), created("pi_1").into()], since.to_vec()].concat()
}

fn notice(event: &str, outcome: Outcome, amount: Money) -> Notice {
    Notice {
        provider_event_id: event.into(),
        payment_intent_id: "pi_1".into(),
        outcome,
        amount,
        occurred_at: NOW,
    }
}

fn told(notice: Notice) -> PaymentCommand {
    PaymentCommand::RecordNotice(notice)
}

fn captured(event: &str) -> PaymentCommand {
    told(notice(event, Outcome::Captured, inr(30_200)))
}

fn declined(event: &str) -> PaymentCommand {
    told(notice(event, Outcome::Failed, inr(30_200)))
}

fn succeeded(event: &str) -> PaymentEvent {
    PaymentSucceeded {
        payment_id: "pay_1".into(),
        booking_id: "bk_sh_1".into(),
        payment_intent_id: "pi_1".into(),
        provider_event_id: event.into(),
        amount: inr(30_200),
        occurred_at: NOW,
    }
    .into()
}

fn failed(event: &str) -> PaymentEvent {
    PaymentFailed {
        payment_id: "pay_1".into(),
        booking_id: "bk_sh_1".into(),
        provider_event_id: event.into(),
        reason: "declined".into(),
    }
    .into()
}

fn mismatched(event: &str, captured: Money) -> PaymentEvent {
    PaymentMismatched {
        payment_id: "pay_1".into(),
        booking_id: "bk_sh_1".into(),
        payment_intent_id: "pi_1".into(),
        provider_event_id: event.into(),
        expected: inr(30_200),
        captured,
    }
    .into()
}

fn refund(id: &str, amount: Money, cause: RefundCause) -> PaymentEvent {
    RefundRequested {
        refund_id: id.into(),
        payment_id: "pay_1".into(),
        provider: "SANDBOX".into(),
        payment_intent_id: "pi_1".into(),
        amount,
        cause,
        part: None,
    }
    .into()
}

fn owed_back(cause: RefundCause) -> PaymentEvent {
    refund("rf_pay_1", inr(30_200), cause)
}

fn paid_back(id: &str) -> PaymentEvent {
    RefundSucceeded { refund_id: id.into() }.into()
}

fn refused_back(id: &str) -> PaymentEvent {
    RefundFailed { refund_id: id.into(), reason: "closed account".into() }.into()
}

fn unmatched(captured: bool, minor: i64) -> PaymentUnmatched {
    PaymentUnmatched {
        provider: "SANDBOX".into(),
        payment_id: "pay_unmatched_1".into(),
        payment_intent_id: "pi_9".into(),
        provider_event_id: "evt_9".into(),
        booking_reference: "nonsense".into(),
        amount: inr(minor),
        captured,
    }
}

// Beginning.

#[test]
fn a_payment_is_written_down_before_the_gateway_hears_of_it() {
    let initiate = initiate(request("k", "body"));
    given::<Payment>([]).decides(NOW, PaymentCommand::Initiate(initiate), [initiated()]);
    let payment = given::<Payment>([initiated()]);
    assert_eq!(payment.state, Some(PaymentState::Pending));
    assert_eq!(payment.booking_id().map(ToString::to_string).as_deref(), Some("bk_sh_1"));
    assert_eq!(payment.payment_id().map(ToString::to_string).as_deref(), Some("pay_1"));
}

#[test]
fn a_payment_that_is_asked_for_again_is_the_same_payment() {
    for history in [vec![initiated()], begun(&[]), begun(&[succeeded("e")]), begun(&[failed("e")])] {
        let again = PaymentCommand::Initiate(initiate(request("k", "body")));
        given::<Payment>(history).decides(NOW, again, []);
    }
}

#[test]
fn a_payment_whose_answer_is_known_beforehand_begins_with_it_by_the_same_rules() {
    let known = |key, body| PaymentCommand::InitiateKnown(initiate(request(key, body)), created("pi_1"));
    given::<Payment>([]).decides(NOW, known("k", "body"), begun(&[]));
    for history in [vec![initiated()], begun(&[]), begun(&[succeeded("e")])] {
        let payment = given::<Payment>(history);
        payment.decides(NOW, known("k", "body"), []);
        payment.refuses(NOW, known("k", "other"), KeyReused.into());
        payment.refuses(NOW, known("k2", "body"), PaymentRejection::AlreadyInitiated);
    }
}

#[test]
fn a_booking_is_paid_for_by_one_payment() {
    let other_key = PaymentCommand::Initiate(initiate(request("k2", "body")));
    let other_user = Request { user_id: "ben".into(), ..request("k", "body") };
    for history in [vec![initiated()], begun(&[succeeded("e")]), begun(&[failed("e")])] {
        let payment = given::<Payment>(history);
        payment.refuses(NOW, other_key.clone(), PaymentRejection::AlreadyInitiated);
        let other_user = PaymentCommand::Initiate(initiate(other_user.clone()));
        payment.refuses(NOW, other_user, PaymentRejection::AlreadyInitiated);
    }
}

#[test]
fn the_key_of_a_payment_fits_no_other_body() {
    let other = PaymentCommand::Initiate(initiate(request("k", "other")));
    given::<Payment>([initiated()]).refuses(NOW, other, KeyReused.into());
}

#[test]
fn the_first_answer_of_the_gateway_is_kept() {
    let record = |intent| PaymentCommand::RecordIntent(created(intent));
    given::<Payment>([initiated()]).decides(NOW, record("pi_1"), [created("pi_1").into()]);
    given::<Payment>(begun(&[])).decides(NOW, record("pi_1"), []);
    given::<Payment>(begun(&[])).decides(NOW, record("pi_2"), []);
}

#[test]
fn the_gateway_answers_only_what_it_was_asked() {
    let payment = given::<Payment>([]);
    payment.refuses(NOW, PaymentCommand::RecordIntent(created("pi_1")), PaymentRejection::UnknownIntent);
    payment.refuses(NOW, captured("e"), PaymentRejection::UnknownIntent);
    payment.refuses(NOW, declined("e"), PaymentRejection::UnknownIntent);
}

// What the gateway tells.

#[test]
fn money_that_came_is_written_down_once() {
    given::<Payment>(begun(&[])).decides(NOW, captured("e"), [succeeded("e")]);
    let payment = given::<Payment>(begun(&[succeeded("e")]));
    assert_eq!(payment.state, Some(PaymentState::Captured));
    payment.decides(NOW, captured("e"), []);
    payment.decides(NOW, captured("another"), []);
}

#[test]
fn a_notice_may_overtake_the_answer_to_the_intent() {
    given::<Payment>([initiated()]).decides(NOW, captured("e"), [succeeded("e")]);
    given::<Payment>([initiated()]).decides(NOW, declined("e"), [failed("e")]);
}

#[test]
fn a_failure_is_written_down_once() {
    given::<Payment>(begun(&[])).decides(NOW, declined("e"), [failed("e")]);
    let payment = given::<Payment>(begun(&[failed("e")]));
    assert_eq!(payment.state, Some(PaymentState::Failed));
    payment.decides(NOW, declined("e"), []);
    payment.decides(NOW, declined("another"), []);
}

#[test]
fn money_outlasts_a_failure_in_whatever_order_they_are_told() {
    given::<Payment>(begun(&[failed("e1")])).decides(NOW, captured("e2"), [succeeded("e2")]);
    let payment = given::<Payment>(begun(&[failed("e1"), succeeded("e2")]));
    assert_eq!(payment.state, Some(PaymentState::Captured));
    given::<Payment>(begun(&[succeeded("e2")])).decides(NOW, declined("e1"), []);
    payment.decides(NOW, declined("e1"), []);
}

#[test]
fn a_notice_of_another_intent_fits_no_payment() {
    for since in [vec![], vec![succeeded("e")], vec![failed("e")]] {
        for outcome in [Outcome::Captured, Outcome::Failed] {
            let foreign = Notice { payment_intent_id: "pi_2".into(), ..notice("f", outcome, inr(30_200)) };
            given::<Payment>(begun(&since)).refuses(NOW, told(foreign), PaymentRejection::UnknownIntent);
        }
    }
}

#[test]
fn money_of_a_second_intent_is_not_taken_for_a_repeat_of_the_first() {
    let second = Notice { payment_intent_id: "pi_2".into(), ..notice("f", Outcome::Captured, inr(30_200)) };
    let before_the_answer = given::<Payment>([initiated(), succeeded("e")]);
    before_the_answer.refuses(NOW, told(second), PaymentRejection::UnknownIntent);
    let answered_otherwise = given::<Payment>([initiated(), succeeded("e"), created("pi_2").into()]);
    answered_otherwise.decides(NOW, captured("e"), []);
}

// The wrong money.

#[test]
fn the_wrong_amount_or_currency_goes_back_and_the_booking_stays_payable() {
    let dollars = Money::new(30_200, Currency::parse("USD").unwrap());
    for wrong in [inr(30_199), inr(30_201), inr(1), dollars] {
        let events = [
            mismatched("e", wrong.clone()),
            refund("rf_pay_1_mismatch_1", wrong.clone(), RefundCause::Mismatch),
        ];
        let command = told(notice("e", Outcome::Captured, wrong));
        given::<Payment>(begun(&[])).decides(NOW, command, &events);
        let after = given::<Payment>(begun(&events));
        assert_eq!(after.state, Some(PaymentState::Pending));
        assert_eq!(after.refund(), None, "the customer sees no refund of the booking");
        after.decides(NOW, captured("e2"), [succeeded("e2")]);
    }
}

#[test]
fn a_mismatch_of_nothing_owes_nothing() {
    let nothing = told(notice("e", Outcome::Captured, inr(0)));
    given::<Payment>(begun(&[])).decides(NOW, nothing, [mismatched("e", inr(0))]);
}

#[test]
fn the_wrong_amount_is_written_down_with_the_intent_that_it_came_by() {
    let nothing = |event, intent: &str| Notice {
        payment_intent_id: intent.into(),
        ..notice(event, Outcome::Captured, inr(0))
    };
    // The gateway has not answered yet, so its notices may speak of any intent.
    let payment = given::<Payment>([initiated(), mismatched("e", inr(0))]);
    payment.decides(NOW, told(nothing("replayed", "pi_1")), []);
    let PaymentEvent::Mismatched(first) = mismatched("f", inr(0)) else { panic!("another event") };
    let second = PaymentMismatched { payment_intent_id: "pi_2".into(), ..first };
    payment.decides(NOW, told(nothing("f", "pi_2")), [second.into()]);
}

#[test]
fn the_wrong_money_goes_back_once_whether_repeated_by_name_or_by_content() {
    let wrong = |event, minor| told(notice(event, Outcome::Captured, inr(minor)));
    let first = [mismatched("e", inr(100)), refund("rf_pay_1_mismatch_1", inr(100), RefundCause::Mismatch)];
    let payment = given::<Payment>(begun(&first));
    payment.decides(NOW, wrong("e", 100), []);
    payment.decides(NOW, wrong("replayed", 100), []);
    payment.decides(NOW, wrong("e", 200), []);
    let second = [mismatched("f", inr(200)), refund("rf_pay_1_mismatch_2", inr(200), RefundCause::Mismatch)];
    payment.decides(NOW, wrong("f", 200), second);
}

#[test]
fn the_wrong_money_goes_back_also_after_the_right_money_or_a_failure() {
    for since in [succeeded("e"), failed("e")] {
        let payment = given::<Payment>(begun(&[since]));
        let events =
            [mismatched("f", inr(100)), refund("rf_pay_1_mismatch_1", inr(100), RefundCause::Mismatch)];
        payment.decides(NOW, told(notice("f", Outcome::Captured, inr(100))), &events);
    }
}

#[test]
fn a_repeat_of_wrong_money_stays_one_when_the_right_money_came_by_another_intent() {
    let wrong = notice("e", Outcome::Captured, inr(100));
    let history = vec![
        initiated(),
        mismatched("e", inr(100)),
        refund("rf_pay_1_mismatch_1", inr(100), RefundCause::Mismatch),
        PaymentSucceeded {
            payment_id: "pay_1".into(),
            booking_id: "bk_sh_1".into(),
            payment_intent_id: "pi_2".into(),
            provider_event_id: "f".into(),
            amount: inr(30_200),
            occurred_at: NOW,
        }
        .into(),
    ];
    let payment = given::<Payment>(history);
    payment.decides(NOW, told(wrong.clone()), []);
    payment.decides(NOW, told(Notice { provider_event_id: "replayed".into(), ..wrong }), []);
}

// Refunds.

#[test]
fn captured_money_goes_back_whole_for_every_cause() {
    for cause in CAUSES {
        let payment = given::<Payment>(begun(&[succeeded("e")]));
        payment.decides(NOW, PaymentCommand::RequestRefund(cause.clone().into()), [owed_back(cause)]);
    }
}

#[test]
fn one_payment_goes_back_once_whatever_the_cause() {
    for first in CAUSES {
        let granted = vec![succeeded("e"), owed_back(first)];
        let ends = [vec![], vec![paid_back("rf_pay_1")], vec![refused_back("rf_pay_1")]];
        for end in ends {
            let payment = given::<Payment>(begun(&[granted.clone(), end].concat()));
            for second in CAUSES {
                payment.decides(NOW, PaymentCommand::RequestRefund(second.into()), []);
            }
        }
    }
}

#[test]
fn the_refund_of_wrong_money_does_not_stand_for_that_of_the_right_money() {
    let history = begun(&[
        mismatched("e", inr(100)),
        refund("rf_pay_1_mismatch_1", inr(100), RefundCause::Mismatch),
        succeeded("f"),
    ]);
    let command = PaymentCommand::RequestRefund(RefundCause::BookingCancelled.into());
    given::<Payment>(history).decides(NOW, command, [owed_back(RefundCause::BookingCancelled)]);
}

#[test]
fn nothing_goes_back_that_did_not_come() {
    let wrong = [mismatched("e", inr(100)), refund("rf_m", inr(100), RefundCause::Mismatch)];
    let histories = [vec![], vec![initiated()], begun(&[]), begun(&[failed("e")]), begun(&wrong)];
    for history in histories {
        for cause in CAUSES {
            let command = PaymentCommand::RequestRefund(cause.into());
            given::<Payment>(&history).refuses(NOW, command, PaymentRejection::NothingCaptured);
        }
    }
}

#[test]
fn a_refund_is_paid_or_refused_once() {
    let paid = || PaymentCommand::RefundSucceeded("rf_pay_1".into());
    let refused = || PaymentCommand::RefundFailed("rf_pay_1".into(), "closed account".into());
    let granted = [succeeded("e"), owed_back(RefundCause::LatePayment)];
    let open = given::<Payment>(begun(&granted));
    assert!(open.owes(&"rf_pay_1".into()));
    assert_eq!(open.refund().map(|(status, _)| status), Some(RefundStatus::Initiated));
    open.decides(NOW, paid(), [paid_back("rf_pay_1")]);
    open.decides(NOW, refused(), [refused_back("rf_pay_1")]);
    for (end, status) in
        [(paid_back("rf_pay_1"), RefundStatus::Succeeded), (refused_back("rf_pay_1"), RefundStatus::Failed)]
    {
        let closed = given::<Payment>(begun(&[granted.to_vec(), vec![end]].concat()));
        assert!(!closed.owes(&"rf_pay_1".into()));
        assert_eq!(closed.refund().map(|(status, _)| status), Some(status));
        closed.decides(NOW, paid(), []);
        closed.decides(NOW, refused(), []);
    }
}

#[test]
fn a_refund_that_was_never_granted_is_neither_paid_nor_refused() {
    let payment = given::<Payment>(begun(&[succeeded("e")]));
    let paid = PaymentCommand::RefundSucceeded("rf_pay_1".into());
    payment.refuses(NOW, paid, PaymentRejection::UnknownRefund);
    let refused = PaymentCommand::RefundFailed("rf_pay_1".into(), "closed account".into());
    payment.refuses(NOW, refused, PaymentRejection::UnknownRefund);
    assert!(!payment.owes(&"rf_pay_1".into()));
}

// Money that fits no booking.

#[test]
fn money_that_fits_no_booking_is_written_down_and_goes_back_once() {
    let money = unmatched(true, 500);
    let events = [
        PaymentEvent::from(money.clone()),
        RefundRequested {
            refund_id: "rf_pay_unmatched_1".into(),
            payment_id: "pay_unmatched_1".into(),
            provider: "SANDBOX".into(),
            payment_intent_id: "pi_9".into(),
            amount: inr(500),
            cause: RefundCause::Unmatched,
            part: None,
        }
        .into(),
    ];
    given::<Payment>([]).decides(NOW, PaymentCommand::RecordUnmatched(money.clone()), &events);
    let payment = given::<Payment>(&events);
    payment.decides(NOW, PaymentCommand::RecordUnmatched(money), []);
    payment.decides(
        NOW,
        PaymentCommand::RefundSucceeded("rf_pay_unmatched_1".into()),
        [paid_back("rf_pay_unmatched_1")],
    );
}

#[test]
fn a_failure_or_nothing_that_fits_no_booking_owes_nothing() {
    for nothing in [unmatched(false, 500), unmatched(true, 0)] {
        let command = PaymentCommand::RecordUnmatched(nothing.clone());
        given::<Payment>([]).decides(NOW, command, [nothing.into()]);
    }
}
