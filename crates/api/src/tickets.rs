//! Tickets: a token that a scanner can check with the public keys alone. It names nobody.

pub(crate) mod calendar;
pub(crate) mod facts;
pub(crate) mod page;
pub(crate) mod qr;
mod words;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use marquee_domain::ids::{BookingId, SeatId, ShowId, TicketId};
use marquee_domain::show::{Booking, ShowDetails, tickets_end};
use marquee_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::{AppError, TicketKey};
use crate::error::ApiError;

const TYPE: &str = "marquee-ticket+jwt";

/// Signs tickets with one key, and knows those of others that are still about.
pub(crate) struct Tickets {
    key: EncodingKey,
    header: Header,
    known: Vec<(String, DecodingKey)>,
    validation: Validation,
    jwks: Value,
}

/// What a ticket says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketClaims<'a> {
    pub ticket_id: &'a TicketId,
    pub booking_id: &'a BookingId,
    pub show_id: &'a ShowId,
    pub seat_ids: &'a [SeatId],
    /// Seconds since the epoch.
    exp: i64,
}

impl<'a> TicketClaims<'a> {
    /// A ticket lets nobody in from some time after its show's end.
    pub fn new(
        ticket_id: &'a TicketId,
        booking_id: &'a BookingId,
        show_id: &'a ShowId,
        seat_ids: &'a [SeatId],
        show_end: Timestamp,
    ) -> Self {
        Self { ticket_id, booking_id, show_id, seat_ids, exp: tickets_end(show_end).as_second() }
    }

    /// Of a booking that is worth a ticket.
    pub fn of(ticket_id: &'a TicketId, booking: &'a Booking, show: &'a ShowDetails) -> Self {
        Self::new(ticket_id, &booking.id, &show.show_id, &booking.seat_ids, show.end_time)
    }
}

/// What is read of a ticket that was scanned: the log has the rest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scanned {
    pub ticket_id: TicketId,
    /// The seats that it was issued for. Its booking may have fewer by now, and never others.
    #[serde(default)]
    pub seat_ids: Vec<SeatId>,
}

impl Scanned {
    /// The seats that its booking has no more, if any: what was scanned was issued before they were cancelled.
    pub fn cancelled_seats(&self, booking: &Booking) -> Option<Vec<SeatId>> {
        let gone = |seat: &&SeatId| !booking.seat_ids.contains(seat);
        let gone: Vec<SeatId> = self.seat_ids.iter().filter(gone).cloned().collect();
        (!gone.is_empty()).then_some(gone)
    }
}

/// Why a token is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTicket {
    /// It is none of Marquee's tokens of tickets.
    Malformed,
    /// It is signed with a key that is not published.
    UnknownKey,
    /// It is not what was signed.
    BadSignature,
}

impl NoTicket {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::UnknownKey => "UNKNOWN_KEY",
            Self::BadSignature => "BAD_SIGNATURE",
        }
    }
}

struct Public {
    kid: String,
    key: DecodingKey,
    jwk: Value,
}

/// The public half of a key pair. Its name is made of itself, so that every node gives it the same.
fn public(key: &TicketKey) -> Result<Public, AppError> {
    let unsound = || AppError::TicketKey(key.name.clone());
    let pair = Ed25519KeyPair::from_pkcs8(&key.pkcs8).map_err(|_| unsound())?;
    let public = pair.public_key().as_ref();
    let kid = hex::encode(digest(&SHA256, public).as_ref().get(..8).unwrap_or_default());
    let x = URL_SAFE_NO_PAD.encode(public);
    let key = DecodingKey::from_ed_components(&x).map_err(|_| unsound())?;
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x });
    Ok(Public { kid, key, jwk })
}

impl Tickets {
    /// The first key signs; all verify.
    pub fn new(keys: &[TicketKey]) -> Result<Self, AppError> {
        let signs = keys.first().ok_or(AppError::NoTicketKey)?;
        let publics = keys.iter().map(public).collect::<Result<Vec<_>, _>>()?;
        let kid = publics.first().map(|public| public.kid.clone());
        let jwks: Vec<&Value> = publics.iter().map(|public| &public.jwk).collect();
        let jwks = json!({ "keys": jwks });
        // Whether it is too late is asked of the log: a show may have been moved since the ticket was issued.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp"]);
        validation.validate_exp = false;
        Ok(Self {
            key: EncodingKey::from_ed_der(&signs.pkcs8),
            header: Header { kid, typ: Some(TYPE.into()), ..Header::new(Algorithm::EdDSA) },
            known: publics.into_iter().map(|public| (public.kid, public.key)).collect(),
            validation,
            jwks,
        })
    }

    /// The text of the QR code.
    pub fn sign(&self, claims: &TicketClaims<'_>) -> Result<String, ApiError> {
        encode(&self.header, claims, &self.key)
            .map_err(|error| ApiError::unavailable(&format!("ticket signing: {error}")))
    }

    /// What a token was issued for.
    pub fn read(&self, token: &str) -> Result<Scanned, NoTicket> {
        let header = decode_header(token).map_err(|_| NoTicket::Malformed)?;
        let Header { typ, alg, kid, jku, jwk, x5u, x5c, crit, .. } = header;
        let brings_a_key = jku.is_some() || jwk.is_some() || x5u.is_some() || x5c.is_some() || crit.is_some();
        if alg != Algorithm::EdDSA || typ.as_deref() != Some(TYPE) || brings_a_key {
            return Err(NoTicket::Malformed);
        }
        let known = self.known.iter().find(|(known, _)| Some(known) == kid.as_ref());
        let (_, key) = known.ok_or(NoTicket::UnknownKey)?;
        let scanned =
            decode::<Scanned>(token, key, &self.validation).map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => NoTicket::BadSignature,
                _ => NoTicket::Malformed,
            })?;
        let Scanned { ticket_id, seat_ids } = scanned.claims;
        let ticket_id = TicketId::parse_composed(ticket_id.as_str()).ok_or(NoTicket::Malformed)?;
        Ok(Scanned { ticket_id, seat_ids })
    }

    /// The public keys.
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;

    fn key(name: &str) -> TicketKey {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        TicketKey { name: name.into(), pkcs8: pair.as_ref().to_vec() }
    }

    fn signed(tickets: &Tickets) -> String {
        let (booking, show) = (BookingId::from("bk_sh_1_01J"), ShowId::from("sh_1"));
        let claims =
            TicketClaims::new(&booking.ticket(), &booking, &show, &["A1".into()], Timestamp::UNIX_EPOCH).exp;
        assert_eq!(claims, 1_800, "half an hour after the show's end");
        let ticket = booking.ticket();
        let seats = ["A1".into()];
        tickets.sign(&TicketClaims::new(&ticket, &booking, &show, &seats, Timestamp::UNIX_EPOCH)).unwrap()
    }

    #[test]
    fn a_new_key_signs_and_tickets_of_the_old_one_still_verify_until_it_is_gone() {
        let (old, new) = (key("ticket.key"), key("ticket.key"));
        let before = Tickets::new(std::slice::from_ref(&old)).unwrap();
        let issued = Scanned { ticket_id: "tkt_sh_1_01J".into(), seat_ids: vec!["A1".into()] };
        let handed_out = signed(&before);
        let after = Tickets::new(&[new.clone(), old]).unwrap();
        assert_eq!(after.read(&handed_out), Ok(issued.clone()));
        let fresh = signed(&after);
        assert_ne!(decode_header(&fresh).unwrap().kid, decode_header(&handed_out).unwrap().kid);
        assert_eq!(before.read(&fresh), Err(NoTicket::UnknownKey));
        assert_eq!(after.jwks()["keys"].as_array().unwrap().len(), 2);
        let later = Tickets::new(&[new]).unwrap();
        assert_eq!(later.read(&handed_out), Err(NoTicket::UnknownKey));
        assert_eq!(later.read(&fresh), Ok(issued));
    }

    #[test]
    fn a_token_that_was_tampered_with_is_no_ticket() {
        let tickets = Tickets::new(&[key("ticket.key")]).unwrap();
        let sound = signed(&tickets);
        let [head, claims, signature] = sound.split('.').collect::<Vec<_>>().try_into().unwrap();
        let other = URL_SAFE_NO_PAD.encode(json!({ "ticketId": "tkt_sh_1_02J", "exp": 1 }).to_string());
        assert_eq!(tickets.read(&format!("{head}.{other}.{signature}")), Err(NoTicket::BadSignature));
        for head in [
            json!({ "alg": "none", "typ": TYPE }),
            json!({ "alg": "HS256", "typ": TYPE }),
            json!({ "alg": "EdDSA", "typ": "JWT" }),
            json!({ "alg": "EdDSA", "typ": TYPE, "jku": "https://example.com" }),
        ] {
            let head = URL_SAFE_NO_PAD.encode(head.to_string());
            assert_eq!(tickets.read(&format!("{head}.{claims}.{signature}")), Err(NoTicket::Malformed));
        }
        for nonsense in ["", "x", "a.b.c", "..", "tkt_sh_1_01J"] {
            assert_eq!(tickets.read(nonsense), Err(NoTicket::Malformed), "{nonsense}");
        }
    }

    #[test]
    fn a_token_that_names_no_seats_is_a_ticket_all_the_same() {
        let tickets = Tickets::new(&[key("ticket.key")]).unwrap();
        let bare = json!({ "ticketId": "tkt_sh_1_01J", "exp": 1 });
        let token = encode(&tickets.header, &bare, &tickets.key).unwrap();
        let issued = Scanned { ticket_id: "tkt_sh_1_01J".into(), seat_ids: vec![] };
        assert_eq!(tickets.read(&token), Ok(issued));
    }

    #[test]
    fn a_key_that_is_none_is_refused_by_its_name() {
        let unsound = TicketKey { name: "ticket-old.key".into(), pkcs8: vec![1, 2, 3] };
        let refused = Tickets::new(&[key("ticket.key"), unsound]).err().unwrap();
        assert!(refused.to_string().contains("ticket-old.key"), "{refused}");
    }
}
