//! `GET /customers/me`

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::auth::Customer;
use crate::endpoints::customers::ContactBody;
use crate::error::{ApiError, ErrorEnvelope};

/// How the caller is reached.
#[utoipa::path(get, operation_id = "readContact", path = "/api/v1/customers/me", tag = "customers", security(("bearer" = [])),
    responses((status = 200, body = ContactBody), (status = 404, description = "nothing is known, or it was erased", body = ErrorEnvelope)))]
pub(crate) async fn read(State(app): State<App>, customer: Customer) -> Result<Json<ContactBody>, ApiError> {
    let contact = app.commands.contact(&customer.user).await?;
    contact.map(|contact| Json(contact.into())).ok_or_else(|| ApiError::not_found("contact"))
}
