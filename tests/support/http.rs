//! An HTTP client that holds every answer to what all answers owe: no 5xx, a correlation id, the error envelope.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    base: String,
}

/// A request in the making.
#[must_use]
pub struct Call(reqwest::RequestBuilder);

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The body as JSON; null where it is not.
    pub body: Value,
}

impl Http {
    pub fn new(base: &str) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        Self { client, base: base.to_owned() }
    }

    /// A client on connections of its own.
    pub fn fresh(&self) -> Self {
        Self::new(&self.base)
    }

    /// Scheme, host and port.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request to a path under `/api/v1`.
    pub fn api(&self, method: &str, path: &str) -> Call {
        self.root(method, &format!("/api/v1{path}"))
    }

    /// A request to a path as it stands.
    pub fn root(&self, method: &str, path: &str) -> Call {
        self.url(method, &format!("{}{path}", self.base))
    }

    /// A request to any URL.
    pub fn url(&self, method: &str, url: &str) -> Call {
        Call(self.client.request(method.parse().unwrap(), url))
    }

    pub fn get(&self, path: &str) -> Call {
        self.api("GET", path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.api("POST", path).json(body)
    }

    pub fn put(&self, path: &str, body: &Value) -> Call {
        self.api("PUT", path).json(body)
    }
}

impl Call {
    pub fn token(self, token: &str) -> Self {
        Self(self.0.bearer_auth(token))
    }

    pub fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// Waits for the view to have this position.
    pub fn after(self, position: u64) -> Self {
        self.header("X-Min-Log-Position", &position.to_string())
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string().into_bytes())
    }

    pub fn raw(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.header("Content-Type", content_type).body(body.into()))
    }

    /// Sends it; what the network or a 5xx makes of it is the caller's to judge.
    pub async fn attempt(self) -> Result<Answer, reqwest::Error> {
        let response = self.0.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = String::from_utf8_lossy(&response.bytes().await?).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, headers, text, body })
    }

    /// Sends it to a server that must be well.
    pub async fn send(self) -> Answer {
        let answer = self.attempt().await.unwrap();
        assert!(answer.status < 500, "never a 5xx: {answer:?}");
        answer
    }

    /// Sends it and hands over the body as it comes.
    pub async fn stream(self) -> reqwest::Response {
        self.0.send().await.unwrap()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body of an answer that has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// The `details` of an error of this status and code, in the envelope that every error has.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(keys(&self.body), ["error"], "the envelope holds the error alone: {}", self.text);
        let error = &self.body["error"];
        assert_eq!(error["code"], code, "{}", self.text);
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{}", self.text);
        let known = ["code", "message", "details", "correlationId"];
        assert!(keys(error).iter().all(|key| known.contains(&key.as_str())), "{}", self.text);
        let correlation = self.header("X-Correlation-Id").expect("every answer carries its correlation id");
        assert_eq!(error["correlationId"], correlation);
        error["details"].clone()
    }

    /// The position of the last event that this write is answered by.
    #[track_caller]
    pub fn position(&self) -> u64 {
        let position = self.header("X-Log-Position").unwrap_or_else(|| panic!("no X-Log-Position: {self:?}"));
        position.parse().expect("a position is a decimal whole number")
    }

    pub fn replayed(&self) -> bool {
        self.header("Idempotent-Replayed") == Some("true")
    }
}

/// The names of an object's fields, in order.
pub fn keys(object: &Value) -> Vec<String> {
    let mut keys: Vec<_> =
        object.as_object().unwrap_or_else(|| panic!("not an object: {object}")).keys().cloned().collect();
    keys.sort();
    keys
}

/// Checks that an object has these fields and no others.
#[track_caller]
pub fn assert_keys(object: &Value, expected: &[&str]) {
    let mut expected: Vec<_> = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(keys(object), expected, "{object}");
}
