//! Who calls. An extractor in a handler's signature is what its endpoint demands.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use marquee_commands::Context;
use marquee_domain::ids::{PartnerId, UserId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::app::{App, JwtConfig};
use crate::error::ApiError;
use crate::limit::Client;
use crate::trace;

/// Where the connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub SocketAddr);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    sub: SmolStr,
    #[serde(default)]
    role: SmolStr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partner_id: Option<SmolStr>,
}

#[derive(Serialize)]
struct Minted<'a> {
    #[serde(flatten)]
    claims: Claims,
    iss: &'a str,
    aud: &'a str,
    exp: u64,
}

/// Makes a token: for the command line, the demo and tests.
pub fn mint(
    secret: &[u8],
    issuer: &str,
    audience: &str,
    role: &str,
    sub: &str,
    partner_id: Option<&str>,
    ttl: Duration,
) -> String {
    let claims = Claims { sub: sub.into(), role: role.into(), partner_id: partner_id.map(SmolStr::from) };
    let minted = Minted {
        claims,
        iss: issuer,
        aud: audience,
        exp: jsonwebtoken::get_current_timestamp() + ttl.as_secs(),
    };
    // Signing fails only for algorithms that need another kind of key.
    encode(&Header::default(), &minted, &EncodingKey::from_secret(secret)).unwrap_or_default()
}

/// Checks tokens: one pinned algorithm, and every claim that bounds a token.
pub(crate) struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    pub fn new(config: &JwtConfig) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        Self { key: DecodingKey::from_secret(&config.secret), validation }
    }

    fn verify(&self, token: &str) -> Result<Claims, ApiError> {
        let refused = || ApiError::unauthorized("The token is not good.");
        let token = decode::<Claims>(token, &self.key, &self.validation).map_err(|_| refused())?;
        let Header { typ, jku, jwk, x5u, x5c, crit, .. } = &token.header;
        let typed = typ
            .as_deref()
            .is_none_or(|typ| typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt"));
        let brings_a_key = jku.is_some() || jwk.is_some() || x5u.is_some() || x5c.is_some() || crit.is_some();
        if !typed || brings_a_key || token.claims.sub.is_empty() {
            return Err(refused());
        }
        Ok(token.claims)
    }
}

/// What a token lets its bearer do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Customer,
    Partner(PartnerId),
    Ops,
    Auditor,
    Admin,
}

/// Anybody with a good token.
#[derive(Debug, Clone)]
struct Caller {
    subject: SmolStr,
    role: Role,
}

impl Caller {
    fn context(&self) -> Context {
        let role = match &self.role {
            Role::Customer => "customer",
            Role::Partner(_) => "partner",
            Role::Ops => "ops",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        };
        Context {
            actor: SmolStr::from(format!("{role}:{}", self.subject)),
            correlation_id: trace::correlation_id(),
        }
    }
}

fn address(parts: &Parts) -> Client {
    Client::at(parts.extensions.get::<Peer>().map(|peer| peer.0.ip()))
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.split_once(' '));
        let token =
            token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let verified = match token {
            Some(token) => app.verifier.verify(token),
            None => Err(ApiError::unauthorized("A bearer token is needed.")),
        };
        let claims = match (verified, &app.limiter) {
            (Ok(claims), Some(limiter)) => {
                limiter.check(&Client::Subject(claims.sub.clone()))?;
                claims
            }
            (Ok(claims), None) => claims,
            (Err(error), limiter) => {
                limiter.as_ref().map_or(Ok(()), |limiter| limiter.check(&address(parts)))?;
                tracing::info!(correlation_id = %trace::correlation_id(), "a token was refused");
                return Err(error);
            }
        };
        let role = match (claims.role.as_str(), claims.partner_id) {
            ("customer", _) => Role::Customer,
            ("partner", Some(partner)) => Role::Partner(
                PartnerId::parse(&partner).map_err(|_| ApiError::forbidden("The token names no partner."))?,
            ),
            ("partner", None) => return Err(ApiError::forbidden("The token names no partner.")),
            ("ops", _) => Role::Ops,
            ("auditor", _) => Role::Auditor,
            ("admin", _) => Role::Admin,
            _ => return Err(ApiError::forbidden("The token has no role that is known.")),
        };
        Ok(Self { subject: claims.sub, role })
    }
}

/// Anybody at all; counted by address.
pub(crate) struct Public;

impl FromRequestParts<App> for Public {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        app.limiter.as_ref().map_or(Ok(()), |limiter| limiter.check(&address(parts)))?;
        Ok(Self)
    }
}

/// Anybody at all; a token, where there is one, must be good.
pub(crate) struct Anybody {
    /// The customer whom it names.
    pub customer: Option<UserId>,
}

impl FromRequestParts<App> for Anybody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Public::from_request_parts(parts, app).await.map(|Public| Self { customer: None });
        }
        let caller = Caller::from_request_parts(parts, app).await?;
        let customer = (caller.role == Role::Customer).then(|| UserId::new(caller.subject));
        Ok(Self { customer })
    }
}

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident: $($role:pat_param)|+ => $refusal:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name {
            /// Whom the token names.
            pub user: UserId,
            /// Who acts, and in which request.
            pub ctx: Context,
        }

        impl FromRequestParts<App> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
                let caller = Caller::from_request_parts(parts, app).await?;
                match &caller.role {
                    $($role)|+ => {
                        let ctx = caller.context();
                        Ok(Self { user: UserId::new(caller.subject), ctx })
                    }
                    _ => Err(ApiError::forbidden($refusal)),
                }
            }
        }
    )*};
}

roles! {
    /// A customer.
    Customer: Role::Customer => "Only customers may do this.";
    /// An administrator.
    Admin: Role::Admin => "Only administrators may do this.";
}

macro_rules! gates {
    ($($(#[$doc:meta])* $name:ident: $($role:pat_param)|+ => $refusal:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl FromRequestParts<App> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
                match Caller::from_request_parts(parts, app).await?.role {
                    $($role)|+ => Ok(Self),
                    _ => Err(ApiError::forbidden($refusal)),
                }
            }
        }
    )*};
}

gates! {
    /// Who runs the platform.
    Ops: Role::Ops | Role::Admin => "Only operators may do this.";
    /// Who reads the history.
    Auditor: Role::Auditor | Role::Admin => "Only auditors may do this.";
    /// Who looks after what is told to the outside.
    OpsOrAuditor: Role::Ops | Role::Auditor | Role::Admin => "Only operators and auditors may do this.";
}

/// Who makes offers and policies: the house, or a partner for its own theatres.
pub(crate) struct Pricer {
    /// Whom the token names.
    pub user: UserId,
    /// The partner that it acts for; the house where there is none.
    pub partner: Option<PartnerId>,
    /// Who acts, and in which request.
    pub ctx: Context,
}

impl FromRequestParts<App> for Pricer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let ctx = caller.context();
        let partner = match caller.role {
            Role::Admin => None,
            Role::Partner(id) => Some(id),
            Role::Customer | Role::Ops | Role::Auditor => {
                return Err(ApiError::forbidden("Only administrators and partners may do this."));
            }
        };
        Ok(Self { user: UserId::new(caller.subject), partner, ctx })
    }
}

/// A partner, for its own theatres and shows.
pub(crate) struct Partner {
    /// Whom the token names.
    pub user: UserId,
    /// The partner that it acts for.
    pub id: PartnerId,
    /// Who acts, and in which request.
    pub ctx: Context,
}

impl FromRequestParts<App> for Partner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let ctx = caller.context();
        match caller.role {
            Role::Partner(id) => Ok(Self { user: UserId::new(caller.subject), id, ctx }),
            Role::Customer | Role::Ops | Role::Auditor | Role::Admin => {
                Err(ApiError::forbidden("Only partners may do this."))
            }
        }
    }
}
