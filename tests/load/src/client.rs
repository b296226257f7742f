//! The client of a run: hyper-util's pooled client, each with one kept-alive connection.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::LoadError;
use crate::wire::excerpt;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One client with its connection and its token.
#[derive(Clone)]
pub struct Client {
    pooled: Pooled<HttpConnector, Full<Bytes>>,
    base: String,
    authorization: Option<HeaderValue>,
}

/// An answer, read to its end.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// Reads the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, LoadError> {
        serde_json::from_slice(&self.body).map_err(LoadError::shape(excerpt(&self.body)))
    }
}

impl Client {
    /// A client of `base` (`http://127.0.0.1:8080`). `connections` are kept alive; 1 for a client of a measurement.
    pub fn new(base: &str, token: Option<&str>, connections: usize) -> Result<Self, LoadError> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pooled =
            Pooled::builder(TokioExecutor::new()).pool_max_idle_per_host(connections).build(connector);
        let authorization = token
            .map(|token| HeaderValue::from_str(&format!("Bearer {token}")))
            .transpose()
            .map_err(|error| LoadError::Child(format!("a token is no header value: {error}")))?;
        Ok(Self { pooled, base: base.to_owned(), authorization })
    }

    /// The same connection without a token.
    pub fn anonymous(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// The address of a path of this client's server.
    pub fn uri(&self, path: &str) -> Result<Uri, LoadError> {
        Uri::try_from(format!("{}{path}", self.base))
            .map_err(|error| LoadError::NoAnswer { request: path.into(), reason: error.to_string() })
    }

    /// Sends a GET.
    pub async fn get(&self, uri: &Uri) -> Result<Reply, LoadError> {
        self.send(Request::builder().method(Method::GET).uri(uri.clone()), Bytes::new()).await
    }

    /// Sends a GET that asks for one JSON value a line.
    pub async fn get_lines(&self, uri: &Uri) -> Result<Reply, LoadError> {
        let request =
            Request::builder().method(Method::GET).uri(uri.clone()).header("accept", "application/x-ndjson");
        self.send(request, Bytes::new()).await
    }

    /// Sends a POST under a fresh idempotency key.
    pub async fn post(&self, uri: &Uri, body: Bytes) -> Result<Reply, LoadError> {
        let mut key = [0; uuid::fmt::Hyphenated::LENGTH];
        let key = uuid::Builder::from_random_bytes(fastrand::u128(..).to_le_bytes())
            .into_uuid()
            .hyphenated()
            .encode_lower(&mut key);
        let request = json(Method::POST, uri).header(IDEMPOTENCY_KEY, &*key);
        self.send(request, body).await
    }

    /// Sends a gateway's signed notice.
    pub async fn notify(&self, uri: &Uri, body: Bytes, signature: &str) -> Result<Reply, LoadError> {
        self.send(json(Method::POST, uri).header("x-sandbox-signature", signature), body).await
    }

    /// Sends a PUT.
    pub async fn put(&self, uri: &Uri, body: Bytes) -> Result<Reply, LoadError> {
        self.send(json(Method::PUT, uri), body).await
    }

    /// Creates something in the set-up; anything but success ends the run.
    pub async fn create<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, LoadError> {
        let body = serde_json::to_vec(body).map_err(LoadError::shape(path))?;
        let reply = self.post(&self.uri(path)?, body.into()).await?;
        if !reply.status.is_success() {
            let (status, body) = (reply.status.as_u16(), excerpt(&reply.body));
            return Err(LoadError::Refused { request: format!("POST {path}"), status, body });
        }
        reply.json()
    }

    async fn send(&self, request: hyper::http::request::Builder, body: Bytes) -> Result<Reply, LoadError> {
        let mut request = request.body(Full::new(body)).map_err(|error| LoadError::NoAnswer {
            request: "a request".into(),
            reason: error.to_string(),
        })?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let uri = request.uri().clone();
        let failed = |reason: String| LoadError::NoAnswer { request: uri.to_string(), reason };
        let reply = self.pooled.request(request).await.map_err(|error| failed(chain(&error)))?;
        let status = reply.status();
        let body = reply.into_body().collect().await.map_err(|error| failed(chain(&error)))?.to_bytes();
        Ok(Reply { status, body })
    }
}

fn json(method: Method, uri: &Uri) -> hyper::http::request::Builder {
    Request::builder().method(method).uri(uri.clone()).header(CONTENT_TYPE, "application/json")
}

/// An error with its causes: hyper's own text says only which layer failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
