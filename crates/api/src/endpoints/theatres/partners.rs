//! `POST /partners`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::Commands;
use marquee_domain::ids::PartnerId;
use marquee_domain::theatre::PartnerOnboarded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Admin;
use crate::body::Json;
use crate::endpoints::{id, text};
use crate::error::{ApiError, ErrorEnvelope};
use crate::{idempotency, wire};

/// A partner.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PartnerBody {
    /// Assigned where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partner_id: Option<String>,
    name: String,
    /// Kept apart from the log, encrypted.
    contact_email: String,
}

/// Takes a partner aboard.
#[utoipa::path(post, operation_id = "createPartner", path = "/api/v1/partners", tag = "partners", request_body = PartnerBody, security(("bearer" = [])),
    responses((status = 201, description = "on board"), (status = 400, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn onboard(
    State(app): State<App>,
    admin: Admin,
    headers: HeaderMap,
    Json(body): Json<PartnerBody>,
) -> Result<Response, ApiError> {
    // The fingerprint goes into the log, where the address must not be guessed from it.
    let fingerprinted = (&body.partner_id, &body.name, app.commands.contacts().digest(&body.contact_email));
    let request = idempotency::request(&headers, &admin.user, "POST /partners", &fingerprinted)?;
    let email = text("contactEmail", &body.contact_email)?;
    let (local, domain) = email.split_once('@').unwrap_or_default();
    if local.is_empty() || domain.is_empty() || domain.contains('@') || email.contains(char::is_whitespace) {
        return Err(ApiError::invalid("contactEmail", "must be an e-mail address"));
    }
    let partner_id = match &body.partner_id {
        Some(given) => id("partnerId", given, PartnerId::parse)?,
        None => PartnerId::new(Commands::new_id("p", request.as_ref())),
    };
    let partner = PartnerOnboarded { partner_id, name: text("name", &body.name)?, request };
    let answer = app.commands.onboard_partner(&admin.ctx, partner, &email).await?;
    Ok(wire::answered(
        StatusCode::CREATED,
        answer,
        |partner| serde_json::json!({ "partnerId": partner.partner_id }),
    ))
}
