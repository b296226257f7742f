//! The sandbox's own pay page, used as a person's browser would.

use crate::support::http::{Answer, Http};
use crate::support::server::Options;
use crate::support::world::World;

/// The value of an attribute of the first tag in a piece of HTML.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = &tag[..=tag.find('>')?];
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = &tag[start..];
    let value = &value[..value.find('"')?];
    Some(value.replace("&amp;", "&").replace("&#x2F;", "/").replace("&#x2f;", "/"))
}

fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Presses the button with this label: posts the form that it is in, as HTML says.
async fn press(http: &Http, page_url: &str, html: &str, label: &str) -> Answer {
    let form = html
        .split("<form")
        .skip(1)
        .map(|form| format!("<form{}", form.split("</form>").next().unwrap()))
        .find(|form| {
            form.split("<button")
                .skip(1)
                .any(|b| b.split('>').nth(1).is_some_and(|text| text.trim_start().starts_with(label)))
        })
        .unwrap_or_else(|| panic!("no form with the button {label}: {html}"));
    assert_eq!(attribute(&form, "method").expect("a method").to_lowercase(), "post");
    let mut fields: Vec<String> = vec![];
    for input in form.split("<input").skip(1).map(|rest| format!("<input{rest}")) {
        let name = attribute(&input, "name").expect("a name");
        fields.push(format!(
            "{}={}",
            percent(&name),
            percent(&attribute(&input, "value").unwrap_or_default())
        ));
    }
    for button in form.split("<button").skip(1).map(|rest| format!("<button{rest}")) {
        let is_it = button.split('>').nth(1).is_some_and(|text| text.trim_start().starts_with(label));
        if let (true, Some(name)) = (is_it, attribute(&button, "name")) {
            fields.push(format!(
                "{}={}",
                percent(&name),
                percent(&attribute(&button, "value").unwrap_or_default())
            ));
        }
    }
    let action = attribute(&form, "action").unwrap_or_default();
    let target = match action.as_str() {
        "" => page_url.to_owned(),
        path if path.starts_with('/') => format!("{}{path}", http.base()),
        url => url.to_owned(),
    };
    http.url("POST", &target).raw("application/x-www-form-urlencoded", fields.join("&")).send().await
}

async fn page(world: &World, booking: &str) -> (String, String) {
    let payment = world.paying("u_1", booking).await;
    let url = payment["providerPayload"]["redirectUrl"].as_str().expect("text").to_owned();
    let page = world.http.url("GET", &url).send().await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    (url, page.text)
}

#[tokio::test]
async fn pressing_pay_confirms_by_a_signed_webhook_and_returns_the_person() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let (url, html) = page(&world, &booking).await;
    assert!(html.contains("180"), "the page says what is to be paid: {html}");
    for outside in ["src=\"http", "src=\"//", "<link", "@import"] {
        assert!(!html.contains(outside), "needs no network: {outside}");
    }
    let pressed = press(&world.http, &url, &html, "Pay").await;
    assert_eq!(pressed.status, 303, "{}", pressed.text);
    let back = pressed.header("Location").expect("a way back");
    assert!(back.starts_with("https://app.example.com/payment/return"), "{back}");
    world.reaches("u_1", &booking, "CONFIRMED").await;
    let succeeded = world.events_of("payment.succeeded", &booking, 1).await;
    assert_eq!(succeeded.len(), 1);
    assert!(succeeded[0]["actor"].as_str().expect("text").starts_with("gateway:"), "{}", succeeded[0]);

    press(&world.http, &url, &html, "Pay").await;
    world.reaches("u_1", &booking, "CONFIRMED").await;
    assert_eq!(world.events_of("payment.succeeded", &booking, 1).await.len(), 1, "pressed twice, paid once");
}

/// Behind a proxy that speaks TLS, the server cannot reach itself by the name that customers use.
#[tokio::test]
async fn pressing_pay_works_behind_a_public_name() {
    let options = Options { public_url: Some("https://tickets.example.com"), ..Options::default() };
    let world = World::with(&options).await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    let redirect = payment["providerPayload"]["redirectUrl"].as_str().expect("text");
    let path = redirect.strip_prefix("https://tickets.example.com").expect("the public name");
    let url = format!("{}{path}", world.http.base());
    let html = world.http.url("GET", &url).send().await.text;
    assert_eq!(press(&world.http, &url, &html, "Pay").await.status, 303);
    world.reaches("u_1", &booking, "CONFIRMED").await;
}

#[tokio::test]
async fn pressing_decline_fails_the_booking_and_returns_the_person() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let (url, html) = page(&world, &booking).await;
    let pressed = press(&world.http, &url, &html, "Decline").await;
    assert_eq!(pressed.status, 303, "{}", pressed.text);
    assert!(
        pressed.header("Location").expect("a way back").starts_with("https://app.example.com/payment/return")
    );
    world.reaches("u_1", &booking, "FAILED").await;
    world.seat_becomes("A1", "AVAILABLE").await;
}

#[tokio::test]
async fn a_page_of_no_payment_is_404() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let (url, _) = page(&world, &booking).await;
    let (before, _) = url.rsplit_once('/').expect("a path");
    let answer = world.http.url("GET", &format!("{before}/pi_nobody_knows")).send().await;
    assert_eq!(answer.status, 404, "{}", answer.text);
}

#[tokio::test]
async fn only_the_page_itself_and_tools_press_its_buttons() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let (url, _) = page(&world, &booking).await;
    let pay = || world.http.url("POST", &url).raw("application/x-www-form-urlencoded", "outcome=pay");
    pay().header("Origin", "https://evil.example").send().await.refused(403, "FORBIDDEN");
    pay().header("Origin", "null").send().await.refused(403, "FORBIDDEN");
    pay().header("Sec-Fetch-Site", "cross-site").send().await.refused(403, "FORBIDDEN");
    pay().header("Sec-Fetch-Site", "same-site").send().await.refused(403, "FORBIDDEN");
    let body = world.get_booking("u_1", &booking).send().await.expect(200);
    assert_eq!(body["status"], "PAYMENT_PENDING", "nothing was pressed");

    let own = pay().header("Origin", world.http.base()).header("Sec-Fetch-Site", "same-origin").send().await;
    assert_eq!(own.status, 303, "{}", own.text);
    world.reaches("u_1", &booking, "CONFIRMED").await;
    assert_eq!(pay().send().await.status, 303, "a tool says nothing of an origin");
}

#[tokio::test]
async fn the_page_may_load_nothing_and_tells_its_own_form_its_origin() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let (url, _) = page(&world, &booking).await;
    let page = world.http.url("GET", &url).send().await;
    let policy = page.header("Content-Security-Policy").expect("a policy");
    for rule in ["default-src 'none'", "form-action 'self' https://app.example.com", "frame-ancestors 'none'"]
    {
        assert!(policy.split("; ").any(|told| told == rule), "{rule}: {policy}");
    }
    // Under `no-referrer` a browser sends `Origin: null` with the page's own form.
    assert_eq!(page.header("Referrer-Policy"), Some("same-origin"));
}
