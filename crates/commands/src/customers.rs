//! Customers' own data: how to reach them, and to forget them.

use marquee_domain::customer::{Contact, Customer, CustomerErased, CustomerEvent, EraseCustomer};
use marquee_domain::ids::UserId;
use marquee_domain::request::Request;
use marquee_event_store::StreamName;

use crate::Commands;
use crate::contacts::{Contacts, ContactsError};
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
    pub async fn keep_contact(&self, user: &UserId, contact: Contact) -> Result<(), CommandError> {
        self.may_be_kept(user).await?;
        let kept = user.clone();
        self.with_contacts(move |contacts| contacts.put_customer(&kept, &contact)).await?;
        // An erasure that came in between has found nothing yet, or has destroyed this too; one that has not is found here.
        let rejected = self.may_be_kept(user).await;
        if rejected.is_err() {
            self.destroy_contact(user).await?;
        }
        rejected
    }

    /// How to reach a customer; `None` where that is not known, or was destroyed.
    pub async fn contact(&self, user: &UserId) -> Result<Option<Contact>, CommandError> {
        let user = user.clone();
        self.with_contacts(move |contacts| contacts.customer(&user)).await
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
        let user = user.clone();
        self.with_contacts(move |contacts| contacts.erase_customer(&user)).await
    }

    async fn may_be_kept(&self, user: &UserId) -> Result<(), CommandError> {
        Ok(self.load::<Customer>(stream(user)?).await?.state.may_be_kept()?)
    }

    async fn with_contacts<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Contacts) -> Result<T, ContactsError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let contacts = self.inner.contacts.clone();
        let done = tokio::task::spawn_blocking(move || work(&contacts)).await;
        let done = done.map_err(|error| CommandError::Unavailable(error.to_string()))?;
        done.map_err(|error| CommandError::Unavailable(error.to_string()))
    }
}

fn stream(user: &UserId) -> Result<StreamName, CommandError> {
    let stream = StreamName::customer(user);
    if stream.fits() {
        return Ok(stream);
    }
    Err(CommandError::Invalid { field: "userId", reason: "is too long".into() })
}
