//! Razorpay and Stripe as their documentation has them, on a loopback port, misbehaving when they are told to.

mod razorpay;
mod stripe;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::http::{Call, Http};
use crate::support::server::Options;
use crate::support::time::now;
use crate::support::world::signature;

pub const WEBHOOK_SECRET: &str = "the-webhook-secret-of-the-black-box-suites";
const KEY_ID: &str = "rzp_test_blackbox";
const KEY: &str = "a-key-that-guards-nothing";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Razorpay,
    Stripe,
}

/// What it does to a call instead of what it should.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Nothing: this call is well.
    Well,
    /// It does what was asked and answers after this long.
    Slow(Duration),
    /// It does nothing and answers this status.
    Status(u16),
    /// It does what was asked, and the connection breaks.
    Drop,
}

/// A payment as its provider has it.
#[derive(Debug, Clone)]
pub struct Made {
    pub id: String,
    pub booking: String,
    pub amount: i64,
    pub currency: String,
    /// `open`, `paid` or `closed`.
    pub status: &'static str,
    pub paid: i64,
    reference: String,
    paid_by: String,
}

/// A refund as its provider has it.
#[derive(Debug, Clone)]
pub struct MadeRefund {
    pub amount: i64,
    /// `pending`, `paid` or `failed`.
    pub status: &'static str,
    key: String,
    of: String,
    notes: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Books {
    payments: Vec<Made>,
    refunds: Vec<MadeRefund>,
    /// What a new refund is.
    refunds_are: &'static str,
    faults: VecDeque<(&'static str, Fault)>,
    calls: Vec<String>,
}

/// One of the two, running. It ends when dropped.
pub struct Gateway {
    pub provider: Provider,
    pub url: String,
    books: Arc<Mutex<Books>>,
    serving: JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A call as it came.
struct Asked<'a> {
    method: &'a Method,
    path: Vec<&'a str>,
    /// Of the query, or of a form.
    fields: BTreeMap<String, String>,
    body: &'a [u8],
    headers: &'a HeaderMap,
}

impl Provider {
    pub fn name(self) -> &'static str {
        match self {
            Self::Razorpay => "RAZORPAY",
            Self::Stripe => "STRIPE",
        }
    }
}

impl Gateway {
    pub async fn start(provider: Provider) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let books = Books {
            payments: vec![],
            refunds: vec![],
            refunds_are: "paid",
            faults: VecDeque::new(),
            calls: vec![],
        };
        let books = Arc::new(Mutex::new(books));
        let app = Router::new().fallback(answer).with_state((provider, Arc::clone(&books)));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { provider, url, books, serving }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// What a server needs to know of it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.variables_with(WEBHOOK_SECRET)
    }

    pub fn variables_with(&self, webhook_secret: &str) -> Vec<(&'static str, String)> {
        let (url, key, secret) = (self.url.clone(), KEY.to_owned(), webhook_secret.to_owned());
        match self.provider {
            Provider::Razorpay => vec![
                ("MARQUEE_RAZORPAY_KEY_ID", KEY_ID.into()),
                ("MARQUEE_RAZORPAY_KEY_SECRET", key),
                ("MARQUEE_RAZORPAY_WEBHOOK_SECRET", secret),
                ("MARQUEE_RAZORPAY_URL", url),
            ],
            Provider::Stripe => vec![
                ("MARQUEE_STRIPE_SECRET_KEY", key),
                ("MARQUEE_STRIPE_WEBHOOK_SECRET", secret),
                ("MARQUEE_STRIPE_URL", url),
            ],
        }
    }

    /// Options of a server that takes money through it.
    pub fn options(&self) -> Options {
        Options { gateways: self.variables(), ..Options::default() }
    }

    /// What it does to the next calls whose path contains a text and whose method is this: `POST refund`.
    pub fn next(&self, calls: &'static str, faults: &[Fault]) {
        self.books().faults.extend(faults.iter().map(|fault| (calls, *fault)));
    }

    /// It is well again.
    pub fn heal(&self) {
        self.books().faults.clear();
    }

    /// What new refunds are from now on: `pending`, `paid` or `failed`.
    pub fn refunds_are(&self, status: &'static str) {
        self.books().refunds_are = status;
    }

    /// What all its refunds come to.
    pub fn refunds_become(&self, status: &'static str) {
        self.books().refunds.iter_mut().for_each(|refund| refund.status = status);
    }

    /// A day passes: keys are good no more.
    pub fn forget_keys(&self) {
        self.books().refunds.iter_mut().for_each(|refund| refund.key.clear());
    }

    pub fn calls(&self) -> Vec<String> {
        self.books().calls.clone()
    }

    pub fn payments(&self) -> Vec<Made> {
        self.books().payments.clone()
    }

    pub fn refunds(&self) -> Vec<MadeRefund> {
        self.books().refunds.clone()
    }

    /// The one payment of a booking.
    pub fn payment(&self, booking: &str) -> Made {
        let mut mine = self.payments();
        mine.retain(|payment| payment.booking == booking);
        assert_eq!(mine.len(), 1, "one payment of {booking}: {mine:?}");
        mine.remove(0)
    }

    /// The customer pays on its page.
    pub fn pay(&self, booking: &str) {
        self.pay_amount(booking, None);
    }

    pub fn pay_amount(&self, booking: &str, amount: Option<i64>) {
        let mut books = self.books();
        let payment = books.payments.iter_mut().find(|payment| payment.booking == booking).unwrap();
        assert_eq!(payment.status, "open", "nobody can pay any more");
        payment.status = "paid";
        payment.paid = amount.unwrap_or(payment.amount);
    }

    /// It ends, and nobody can pay any more.
    pub fn close(&self, booking: &str) {
        let mut books = self.books();
        let payment = books.payments.iter_mut().find(|payment| payment.booking == booking).unwrap();
        payment.status = "closed";
    }

    /// The body of the webhook that tells of a payment as it stands now.
    pub fn notice(&self, booking: &str) -> Value {
        let payment = self.payment(booking);
        match self.provider {
            Provider::Razorpay => {
                let event = match payment.status {
                    "paid" => "payment_link.paid",
                    "closed" => "payment_link.cancelled",
                    _ => "payment.failed",
                };
                let link = json!({ "payment_link": { "entity": razorpay::link(&payment, true) } });
                json!({ "entity": "event", "event": event, "contains": ["payment_link"], "payload": link, "created_at": now().as_second() })
            }
            Provider::Stripe => {
                let kind = match payment.status {
                    "paid" => "checkout.session.completed",
                    "closed" => "checkout.session.expired",
                    _ => "payment_intent.payment_failed",
                };
                json!({ "id": format!("evt_{}", uuid::Uuid::new_v4().simple()), "object": "event", "type": kind,
                    "created": now().as_second(), "data": { "object": stripe::session(&payment) } })
            }
        }
    }

    /// The body of the webhook that tells of its one refund.
    pub fn refund_notice(&self) -> Value {
        let refunds = self.refunds();
        let [refund] = refunds.as_slice() else { panic!("one refund: {refunds:?}") };
        match self.provider {
            Provider::Razorpay => {
                let refund = json!({ "refund": { "entity": razorpay::refund(refund) } });
                json!({ "entity": "event", "event": "refund.processed", "payload": refund, "created_at": now().as_second() })
            }
            Provider::Stripe => {
                json!({ "id": "evt_refund", "type": "refund.updated", "created": now().as_second(),
                "data": { "object": stripe::refund(refund) } })
            }
        }
    }

    /// A webhook, soundly signed.
    pub fn webhook(&self, http: &Http, notice: &Value) -> Call {
        let body = notice.to_string();
        let header = self.signed(WEBHOOK_SECRET, now().as_second(), &body);
        self.webhook_with(http, &body, &header)
    }

    /// The value of the signature's header.
    pub fn signed(&self, secret: &str, at: i64, body: &str) -> String {
        match self.provider {
            Provider::Razorpay => signature(secret, body.as_bytes()),
            Provider::Stripe => {
                format!("t={at},v1={}", signature(secret, format!("{at}.{body}").as_bytes()))
            }
        }
    }

    pub fn webhook_with(&self, http: &Http, body: &str, header: &str) -> Call {
        let (path, name) = match self.provider {
            Provider::Razorpay => ("/payments/webhooks/razorpay", "X-Razorpay-Signature"),
            Provider::Stripe => ("/payments/webhooks/stripe", "Stripe-Signature"),
        };
        http.api("POST", path).raw("application/json", body).header(name, header)
    }
}

async fn answer(
    State((provider, books)): State<(Provider, Arc<Mutex<Books>>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = {
        let mut books = books.lock().unwrap();
        let call = format!("{method} {}", uri.path());
        let meant = books.faults.front().is_some_and(|(calls, _)| fits(calls, &call));
        books.calls.push(call);
        if meant { books.faults.pop_front().unwrap().1 } else { Fault::Well }
    };
    if let Fault::Status(status) = fault {
        return json_response(status, &json!({ "error": { "message": "out", "description": "out" } }));
    }
    let form = String::from_utf8_lossy(&body);
    let text = uri.query().unwrap_or(if provider == Provider::Stripe { &*form } else { "" });
    let fields = reqwest::Url::parse(&format!("http://here/?{text}")).unwrap();
    let asked = Asked {
        method: &method,
        path: uri.path().trim_start_matches("/v1/").split('/').collect(),
        fields: fields.query_pairs().into_owned().collect(),
        body: &body,
        headers: &headers,
    };
    let (status, value) = {
        let books = &mut books.lock().unwrap();
        match provider {
            Provider::Razorpay => razorpay::answer(books, &asked),
            Provider::Stripe => stripe::answer(books, &asked),
        }
    };
    match fault {
        Fault::Slow(how) => tokio::time::sleep(how).await,
        Fault::Drop => {
            let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("dropped"))]);
            return Response::new(Body::from_stream(broken));
        }
        Fault::Well | Fault::Status(_) => {}
    }
    json_response(status, &value)
}

/// Whether a call is one of those: method, blank, part of the path.
fn fits(calls: &str, call: &str) -> bool {
    let (method, part) = calls.split_once(' ').unwrap();
    call.strip_prefix(method).is_some_and(|path| path.contains(part))
}

fn json_response(status: u16, value: &Value) -> Response {
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    response.header("content-type", "application/json").body(Body::from(value.to_string())).unwrap()
}

fn refused(why: &str) -> (u16, Value) {
    (400, json!({ "error": { "code": "BAD_REQUEST_ERROR", "message": why, "description": why } }))
}

fn not_found() -> (u16, Value) {
    (404, json!({ "error": { "message": "no such thing", "description": "no such thing" } }))
}

fn header<'a>(asked: &'a Asked<'_>, name: &str) -> &'a str {
    asked.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

impl Books {
    fn find(&mut self, id: &str) -> Option<&mut Made> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }

    fn new_payment(
        &mut self,
        prefix: &str,
        booking: String,
        reference: String,
        amount: i64,
        currency: &str,
    ) -> Made {
        let number = uuid::Uuid::new_v4().simple().to_string();
        let paid_by = if prefix == "cs" { format!("pi_{number}") } else { format!("pay_{number}") };
        let (id, currency) = (format!("{prefix}_{number}"), currency.to_owned());
        let made = Made { id, booking, amount, currency, status: "open", paid: 0, reference, paid_by };
        self.payments.push(made.clone());
        made
    }

    /// A refund under a key: the same again, where there is one.
    fn new_refund(
        &mut self,
        key: &str,
        of: &str,
        amount: i64,
        notes: BTreeMap<String, String>,
    ) -> Option<MadeRefund> {
        if let Some(known) = self.refunds.iter().find(|refund| refund.key == key) {
            return Some(known.clone());
        }
        let paid = self.payments.iter().find(|payment| payment.paid_by == of)?.paid;
        let back: i64 =
            self.refunds.iter().filter(|refund| refund.of == of).map(|refund| refund.amount).sum();
        let (key, of, status) = (key.to_owned(), of.to_owned(), self.refunds_are);
        let made = MadeRefund { amount, status, key, of, notes };
        (back + amount <= paid).then(|| {
            self.refunds.push(made.clone());
            made
        })
    }
}
