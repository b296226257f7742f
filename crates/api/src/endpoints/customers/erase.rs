//! `DELETE /customers/me`, `DELETE /customers/{userId}`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use marquee_commands::Context;
use marquee_domain::ids::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Admin, Customer};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::wire;

/// A customer of whom nothing personal is kept any more.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErasedBody {
    user_id: String,
    erased: bool,
}

/// Destroys the caller's personal data, for good. Bookings and payments stay, under the opaque id alone.
#[utoipa::path(delete, operation_id = "eraseOwnData", path = "/api/v1/customers/me", tag = "customers", security(("bearer" = [])),
    responses((status = 200, description = "erased, now or before", body = ErasedBody), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn erase_own(State(app): State<App>, customer: Customer) -> Result<Response, ApiError> {
    erased(&app, &customer.ctx, &customer.user).await
}

/// Destroys a customer's personal data, for good, on the customer's behalf.
#[utoipa::path(delete, operation_id = "eraseCustomer", path = "/api/v1/customers/{userId}", tag = "customers", params(("userId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, description = "erased, now or before", body = ErasedBody), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn erase(
    State(app): State<App>,
    admin: Admin,
    Segments(user): Segments<String>,
) -> Result<Response, ApiError> {
    erased(&app, &admin.ctx, &UserId::new(user)).await
}

async fn erased(app: &App, ctx: &Context, user: &UserId) -> Result<Response, ApiError> {
    let answer = app.commands.erase_customer(ctx, user).await?;
    let body = |()| ErasedBody { user_id: user.to_string(), erased: true };
    Ok(wire::answered(StatusCode::OK, answer, body))
}
