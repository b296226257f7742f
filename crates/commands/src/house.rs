//! The seats of a show that its partner keeps for itself.

use marquee_domain::ids::{PartnerId, ShowId};
use marquee_domain::show::{SeatsBlocked, SeatsReleased, ShowCommand};

use crate::Commands;
use crate::context::{Answer, Context};
use crate::error::CommandError;

impl Commands {
    /// Takes free seats of a partner's own show out of the sale, all or none.
    pub async fn block_seats(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        show_id: &ShowId,
        seats: SeatsBlocked,
    ) -> Result<Answer<()>, CommandError> {
        self.house_seats(ctx, partner, show_id, ShowCommand::BlockSeats(seats)).await
    }

    /// Gives seats that were taken out of the sale back to it.
    pub async fn release_seats(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        show_id: &ShowId,
        seats: SeatsReleased,
    ) -> Result<Answer<()>, CommandError> {
        self.house_seats(ctx, partner, show_id, ShowCommand::ReleaseSeats(seats)).await
    }

    async fn house_seats(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        show_id: &ShowId,
        command: ShowCommand,
    ) -> Result<Answer<()>, CommandError> {
        self.own_show(partner, show_id).await?;
        let decided = self.inner.writers.decide(show_id, command, ctx.metadata()).await?;
        Ok(Answer { value: (), position: decided.position, replayed: decided.replayed })
    }
}
