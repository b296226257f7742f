//! `PUT /customers/me`

use std::collections::BTreeSet;

use axum::extract::State;
use marquee_domain::customer::{Channel, Contact};

use crate::app::App;
use crate::auth::Customer;
use crate::body::Json;
use crate::endpoints::customers::ContactBody;
use crate::endpoints::text;
use crate::error::{ApiError, ErrorEnvelope};
use crate::language::is_tag;

/// Says how the caller is reached, in place of what was known.
#[utoipa::path(put, operation_id = "keepContact", path = "/api/v1/customers/me", tag = "customers", request_body = ContactBody, security(("bearer" = [])),
    responses((status = 200, body = ContactBody), (status = 400, body = ErrorEnvelope), (status = 410, description = "the caller was erased", body = ErrorEnvelope)))]
pub(crate) async fn keep(
    State(app): State<App>,
    customer: Customer,
    Json(body): Json<ContactBody>,
) -> Result<axum::Json<ContactBody>, ApiError> {
    let contact = contact(body)?;
    app.commands.keep_contact(&customer.user, &contact).await?;
    Ok(axum::Json(contact.into()))
}

fn contact(body: ContactBody) -> Result<Contact, ApiError> {
    let email = body.email.map(|email| address(&email)).transpose()?;
    let phone = body.phone.map(|phone| number(&phone)).transpose()?;
    let language = match body.language {
        Some(tag) if is_tag(&tag) => Some(tag.to_ascii_lowercase().into()),
        Some(_) => return Err(ApiError::invalid("language", "must be a BCP 47 language tag")),
        None => None,
    };
    let known = |channel: Channel| match channel {
        Channel::Email => email.is_some(),
        Channel::Sms | Channel::Whatsapp => phone.is_some(),
    };
    let channels = match body.channels {
        Some(wanted) => {
            if let Some(channel) = wanted.iter().find(|channel| !known(**channel)) {
                let reason = format!("{} has no address to go to", channel.as_str());
                return Err(ApiError::invalid("channels", &reason));
            }
            wanted
        }
        None => [Channel::Email, Channel::Sms]
            .into_iter()
            .filter(|channel| known(*channel))
            .collect::<BTreeSet<_>>(),
    };
    Ok(Contact { email, phone, language, channels })
}

/// What a mail server may be given: nothing in it could end a line or begin another header.
fn address(email: &str) -> Result<smol_str::SmolStr, ApiError> {
    let email = text("email", email)?;
    let (local, domain) = email.split_once('@').unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !"\"(),:;<>@[\\]".contains(c);
    let named = !domain.is_empty() && domain.split('.').all(|label| !label.is_empty());
    if local.is_empty() || !local.chars().all(plain) || !named || !domain.chars().all(plain) {
        // The address itself is not repeated: what is refused is logged nowhere.
        return Err(ApiError::invalid("email", "must be an e-mail address"));
    }
    Ok(email)
}

fn number(phone: &str) -> Result<smol_str::SmolStr, ApiError> {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    let sound = (8..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    sound
        .then(|| phone.into())
        .ok_or_else(|| ApiError::invalid("phone", "must be a number such as +919900112233"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_a_mail_server_takes() {
        for good in ["asha@example.com", "a.b+c@mail.example.in", "o'neil@x.y"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "asha",
            "@x.y",
            "asha@",
            "a@b@c.d",
            "a b@x.y",
            "a@x..y",
            "<a@x.y>",
            "a@x.y\r\nBcc: z@x.y",
            "a,b@x.y",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_phone_number_is_in_the_form_that_every_provider_takes() {
        assert!(number("+919900112233").is_ok());
        for bad in ["", "9900112233", "+0919900112233", "+91 99001 12233", "+12", "+1234567890123456", "+91x"]
        {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
