//! Asks a running server, on the command line's behalf.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use marquee_event_store::embedded::{DataDir, DataDirError};
use serde_json::Value;

use crate::cli::Failure;
use crate::config::Common;
use crate::secrets;
use crate::server_file::ServerFile;

const TOKEN_TTL: Duration = Duration::from_secs(600);

/// A client of the server that holds the data directory.
pub struct Client {
    http: legacy::Client<legacy::connect::HttpConnector, Empty<Bytes>>,
    listen: SocketAddr,
    common: Common,
}

impl Client {
    /// A client of the server that holds the data directory; `None` where none does.
    pub fn of_running_server(common: &Common) -> Result<Option<Self>, Failure> {
        if !common.data_dir.exists() {
            return Err(format!("there is no data directory {}", common.data_dir.display()).into());
        }
        match DataDir::lock(&common.data_dir) {
            Ok(_free) => Ok(None),
            Err(DataDirError::InUse { .. }) => {
                let server =
                    ServerFile::read(&common.data_dir).ok_or("the server is still starting; try again")?;
                let http = legacy::Client::builder(TokioExecutor::new()).build_http();
                Ok(Some(Self { http, listen: server.listen, common: common.clone() }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// `GET`, as ops or as an auditor, whichever the path needs.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path).await
    }

    /// `POST` without a body, as ops.
    pub async fn post(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::POST, path).await
    }

    async fn send(&self, method: Method, path: &str) -> Result<Value, Failure> {
        let role = if path.starts_with("/api/v1/audit") { "auditor" } else { "ops" };
        let token = secrets::mint(&self.common, role, "command-line", None, TOKEN_TTL)?;
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.listen))
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::new())?;
        let response = self.http.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let answer: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
        Err(format!("the server answered {status}: {message}").into())
    }
}
