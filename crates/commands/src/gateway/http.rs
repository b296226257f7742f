//! Calls to a gateway over HTTP: time-outs, repeats, a circuit breaker, and what is measured of them. The same for all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde_json::Value;
use smol_str::SmolStr;

use crate::gateway::GatewayError;
use crate::gateway::backoff::pause;
use crate::gateway::breaker::Breaker;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// From the first byte sent to the last one read.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often a call that may be repeated is made in all.
const MOST_ATTEMPTS: u32 = 3;
/// No answer that is of use is larger.
const LARGEST_ANSWER: usize = 1024 * 1024;
/// A reason is for people, and goes into the log.
const LONGEST_REASON: usize = 200;

const CALLS: &str = "marquee_gateway_calls_total";
const SECONDS: &str = "marquee_gateway_call_seconds";
const BREAKER: &str = "marquee_gateway_breaker";

/// Why a gateway cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Its address is none.
    #[error("{0} is not the address of a gateway: https, or http to this machine alone")]
    Address(String),
    /// The HTTP client does not start.
    #[error("no HTTP client")]
    Client(#[from] reqwest::Error),
}

/// Whether a call may be made again when nobody knows what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or it carries a key.
    Safe,
    /// It would be done twice.
    Never,
}

/// The line to one gateway.
pub(super) struct Line {
    provider: &'static str,
    base: Url,
    client: Client,
    breaker: Mutex<Breaker>,
    dice: Mutex<fastrand::Rng>,
}

/// What came of one attempt.
enum Attempt {
    /// It did what was asked.
    Done(Value),
    /// It refuses, for good.
    Refused(SmolStr),
    /// It refuses for now: too many calls, or the same one is under way.
    Busy(String),
    /// It does not know the credentials.
    Denied(String),
    /// It failed, or nothing is known of it.
    Failed(String),
}

impl Attempt {
    fn result(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::Busy(_) => "busy",
            Self::Denied(_) => "denied",
            Self::Failed(_) => "failed",
        }
    }
}

impl Line {
    /// A line to a gateway at an address: https, or this machine itself.
    pub(super) fn open(provider: &'static str, address: &str) -> Result<Self, LineError> {
        let base = address_of(address).ok_or_else(|| LineError::Address(address.to_owned()))?;
        let client = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .redirect(redirect::Policy::none())
            .user_agent("marquee")
            .build()?;
        describe_counter!(CALLS, Unit::Count, "calls to a payment gateway, each attempt");
        describe_histogram!(SECONDS, Unit::Seconds, "a payment gateway's answer, each attempt");
        describe_gauge!(BREAKER, "the circuit breaker: 0 closed, 1 half-open, 2 open");
        gauge!(BREAKER, "provider" => provider).set(0.0);
        let (breaker, dice) = (Mutex::new(Breaker::new()), Mutex::new(fastrand::Rng::new()));
        Ok(Self { provider, base, client, breaker, dice })
    }

    /// A request to a path, each of whose segments may be any text.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.client.request(method, url)
    }

    /// Makes a call, again where it may be, and returns the answer.
    pub(super) async fn call(
        &self,
        operation: &'static str,
        repeat: Repeat,
        request: impl Fn() -> RequestBuilder + Send + Sync,
    ) -> Result<Value, GatewayError> {
        let mut attempt = 0;
        loop {
            if !self.with_breaker(|breaker| breaker.admits(Instant::now())) {
                self.count(operation, "not_called");
                return Err(GatewayError::Unavailable(
                    "it kept failing, and is left alone for a while".into(),
                ));
            }
            let began = Instant::now();
            let came = attempted(request()).await;
            histogram!(SECONDS, "provider" => self.provider, "operation" => operation)
                .record(began.elapsed().as_secs_f64());
            self.count(operation, came.result());
            self.with_breaker(|breaker| match came {
                Attempt::Failed(_) => breaker.failed(Instant::now()),
                Attempt::Done(_) | Attempt::Refused(_) | Attempt::Busy(_) | Attempt::Denied(_) => {
                    breaker.answered();
                }
            });
            let reason = match came {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Refused(reason) => return Err(GatewayError::Refused(reason)),
                Attempt::Denied(reason) => {
                    tracing::error!(provider = self.provider, operation, %reason, "a gateway does not know the credentials");
                    return Err(GatewayError::Unavailable(reason));
                }
                Attempt::Busy(reason) | Attempt::Failed(reason) => reason,
            };
            attempt += 1;
            if repeat == Repeat::Never || attempt >= MOST_ATTEMPTS {
                return Err(GatewayError::Unavailable(reason));
            }
            tracing::debug!(provider = self.provider, operation, %reason, "a gateway is called again");
            let share = lock(&self.dice).f64();
            tokio::time::sleep(pause(attempt - 1, share)).await;
        }
    }

    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = lock(&self.breaker);
        let before = breaker.level();
        let answer = act(&mut breaker);
        let level = breaker.level();
        if level > before && level > 1.0 {
            tracing::warn!(provider = self.provider, "a gateway keeps failing; it is left alone for a while");
        }
        if before > 0.0 && level < 1.0 {
            tracing::info!(provider = self.provider, "a gateway that kept failing answers again");
        }
        gauge!(BREAKER, "provider" => self.provider).set(level);
        answer
    }

    fn count(&self, operation: &'static str, result: &'static str) {
        counter!(CALLS, "provider" => self.provider, "operation" => operation, "result" => result)
            .increment(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An address that secrets may be sent to.
fn address_of(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|host: std::net::IpAddr| host.is_loopback());
    let sound = match url.scheme() {
        "https" => true,
        "http" => here,
        _ => false,
    };
    (sound && url.username().is_empty() && url.password().is_none() && url.query().is_none()).then_some(url)
}

async fn attempted(request: RequestBuilder) -> Attempt {
    let answer = async {
        let mut response = request.send().await?;
        let body = body(&mut response).await?;
        Ok::<_, reqwest::Error>((response, body))
    };
    match answer.await {
        Ok((response, body)) => judged(&response, &body),
        Err(error) => Attempt::Failed(error.without_url().to_string()),
    }
}

/// The body; cut off where it is too large, so that it is then not JSON.
async fn body(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn judged(response: &Response, body: &[u8]) -> Attempt {
    let status = response.status();
    let parsed = serde_json::from_slice::<Value>(body);
    if status.is_success() {
        return parsed
            .map_or_else(|error| Attempt::Failed(format!("{status}, not JSON: {error}")), Attempt::Done);
    }
    let told = parsed.ok().as_ref().and_then(reason).unwrap_or_else(|| {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        SmolStr::from(format!("{status}, {}", kind.unwrap_or("nothing said")))
    });
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Attempt::Denied(format!("{status}: {told}")),
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::CONFLICT
        | StatusCode::TOO_EARLY
        | StatusCode::TOO_MANY_REQUESTS => Attempt::Busy(format!("{status}: {told}")),
        status if status.is_client_error() => Attempt::Refused(told),
        status => Attempt::Failed(format!("{status}: {told}")),
    }
}

/// Why a gateway refuses, in its words.
fn reason(answer: &Value) -> Option<SmolStr> {
    let error = answer.get("error")?;
    let said = error.get("description").or_else(|| error.get("message"))?.as_str()?;
    Some(said.chars().take(LONGEST_REASON).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_tls_or_stay_on_the_machine() {
        for sound in
            ["https://api.example.com", "http://127.0.0.1:9", "http://localhost:9/x", "http://[::1]:9"]
        {
            assert!(address_of(sound).is_some(), "{sound}");
        }
        for unsound in [
            "http://api.example.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://key:secret@api.example.com",
            "https://api.example.com?to=x",
            "api.example.com",
            "",
        ] {
            assert!(address_of(unsound).is_none(), "{unsound}");
        }
    }

    #[test]
    fn a_segment_of_a_path_stays_one() {
        let line = Line::open("TEST", "http://127.0.0.1:9/base/").unwrap();
        let request = line.request(Method::GET, &["v1", "links", "a/../b?c#d"]).build().unwrap();
        assert_eq!(request.url().as_str(), "http://127.0.0.1:9/base/v1/links/a%2F..%2Fb%3Fc%23d");
    }
}
