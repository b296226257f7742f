//! Customers' own data: how to reach them, and to forget them.

use marquee_domain::customer::{Contact, Customer, CustomerErased, CustomerEvent, EraseCustomer};
use marquee_domain::ids::UserId;
use marquee_domain::request::Request;
use marquee_event_store::StreamName;

use crate::Commands;
use crate::contacts::ContactsError;
use crate::context::{Answer, Context};
use crate::error::CommandError;
use crate::theatres::Requested;

impl Requested for CustomerEvent {
    fn request(&self) -> Option<&Request> {
        match self {
            // Once is for ever: a repeat needs no key to be told by.
            Self::Erased(CustomerErased { .. }) => None,
        }
    }
}

impl Commands {
    /// Keeps how to reach a customer, in place of what was known. Apart from the log, encrypted.
    pub async fn keep_contact(&self, user: &UserId, contact: &Contact) -> Result<(), CommandError> {
        self.may_be_kept(user).await?;
        self.inner.contacts.put_customer(user, contact).await.map_err(|error| out(&error))?;
        // An erasure that came in between has found nothing yet, or has destroyed this too; one that has not is found here.
        let rejected = self.may_be_kept(user).await;
        if rejected.is_err() {
            self.destroy_contact(user).await?;
        }
        rejected
    }

    /// How to reach a customer; `None` where that is not known, or was destroyed.
    pub async fn contact(&self, user: &UserId) -> Result<Option<Contact>, CommandError> {
        match self.inner.contacts.customer(user).await {
            // One that cannot be read for good must not keep the others from hearing anything.
            Err(ContactsError::Sealed) => {
                tracing::error!(%user, "alert: how to reach a customer does not decrypt: is contacts.key the one that sealed it?");
                Ok(None)
            }
            contact => contact.map_err(|error| out(&error)),
        }
    }

    /// Destroys a customer's personal data. The log has it first: what a crash leaves undone is done from there.
    pub async fn erase_customer(&self, ctx: &Context, user: &UserId) -> Result<Answer<()>, CommandError> {
        let stream = stream(user)?;
        let answer = self.answer::<Customer>(ctx, stream, None, &EraseCustomer(user.clone())).await?;
        self.destroy_contact(user).await?;
        Ok(answer.map(|_| ()))
    }

    /// Destroys how to reach a customer, as the log says it must be.
    pub(crate) async fn destroy_contact(&self, user: &UserId) -> Result<(), CommandError> {
        self.inner.contacts.erase_customer(user).await.map_err(|error| out(&error))
    }

    async fn may_be_kept(&self, user: &UserId) -> Result<(), CommandError> {
        Ok(self.load::<Customer>(stream(user)?).await?.state.may_be_kept()?)
    }
}

fn out(error: &ContactsError) -> CommandError {
    CommandError::Unavailable(error.to_string())
}

fn stream(user: &UserId) -> Result<StreamName, CommandError> {
    let stream = StreamName::customer(user);
    if stream.fits() {
        return Ok(stream);
    }
    Err(CommandError::Invalid { field: "userId", reason: "is too long".into() })
}
