//! Providers of text messages that take JSON over HTTP.

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::{DeliveryError, Letter, PATIENCE, Provider};

/// Where a provider is, and who calls it.
#[derive(Clone)]
pub struct HttpSettings {
    /// An `https` URL; plain `http` on loopback alone.
    pub url: String,
    /// The bearer token.
    pub token: Option<String>,
}

impl std::fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL itself may hold a secret.
        f.debug_struct("HttpSettings").field("token", &self.token.is_some()).finish_non_exhaustive()
    }
}

/// Posts each notification as JSON, with its id as the `Idempotency-Key`.
pub struct HttpProvider {
    client: reqwest::Client,
    settings: HttpSettings,
}

/// What is posted.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    channel: &'static str,
    to: &'a str,
    language: &'static str,
    kind: &'static str,
    text: &'a str,
}

impl HttpProvider {
    /// A provider at a URL; it need not be there yet.
    pub fn new(settings: HttpSettings) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            // A token goes where the operator said, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, settings })
    }

    async fn post(&self, letter: &Letter) -> Result<(), DeliveryError> {
        let body = Body {
            id: &letter.id,
            channel: letter.channel.as_str(),
            to: &letter.to,
            language: letter.language,
            kind: letter.kind.as_str(),
            text: &letter.text,
        };
        let body = serde_json::to_vec(&body).map_err(|_| DeliveryError::Refused("not-json".into()))?;
        let mut request = self.client.post(&self.settings.url);
        if let Some(token) = &self.settings.token {
            request = request.bearer_auth(token);
        }
        let request =
            request.header("content-type", "application/json").header("idempotency-key", &letter.id);
        let answer = request.body(body).send().await;
        let answer = answer.map_err(|error| {
            let reason = if error.is_timeout() { "timeout" } else { "unreachable" };
            DeliveryError::Later(reason.into())
        })?;
        judge(answer.status().as_u16())
    }
}

/// What an answer means. A token that is refused is the house's to mend, and no fault of the message.
fn judge(status: u16) -> Result<(), DeliveryError> {
    let reason = format!("http-{status}");
    match status {
        200..=299 => Ok(()),
        // An address that leads nowhere is the house's fault, as wrong credentials are.
        300..=399 | 401 | 403 | 404 | 405 | 408 | 409 | 425 | 429 | 500.. => {
            Err(DeliveryError::Later(reason))
        }
        _ => Err(DeliveryError::Refused(reason)),
    }
}

impl Provider for HttpProvider {
    fn name(&self) -> &'static str {
        "http"
    }

    fn deliver<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(self.post(letter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_message_is_final_and_what_is_wrong_with_the_provider_is_not() {
        for taken in [200, 201, 202, 204] {
            assert_eq!(judge(taken), Ok(()));
        }
        for later in [301, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(judge(later), Err(DeliveryError::Later(_))), "{later}");
        }
        for refused in [400, 413, 422] {
            assert!(matches!(judge(refused), Err(DeliveryError::Refused(_))), "{refused}");
        }
    }
}
