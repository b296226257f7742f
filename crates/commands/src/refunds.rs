//! What gateways say of refunds.

use std::sync::Arc;

use marquee_domain::ids::RefundId;
use marquee_domain::payment::{Payment, PaymentCommand, PaymentRejection, RefundStatus};
use marquee_event_store::{Metadata, StreamName};

use crate::error::CommandError;
use crate::execute::execute;
use crate::gateway::RefundProgress;
use crate::{Commands, counters};

impl Commands {
    /// Writes down how far a refund is, where it is over. `false` where nobody asked for it.
    pub(crate) async fn record_refund(
        &self,
        metadata: &Arc<Metadata>,
        stream: &StreamName,
        refund_id: &RefundId,
        progress: RefundProgress,
    ) -> Result<bool, CommandError> {
        let (command, failure) = match progress {
            RefundProgress::Unknown | RefundProgress::Pending => return Ok(true),
            RefundProgress::Paid => (PaymentCommand::RefundSucceeded(refund_id.clone()), None),
            RefundProgress::Failed(reason) => {
                (PaymentCommand::RefundFailed(refund_id.clone(), reason.clone()), Some(reason))
            }
        };
        let (store, clock) = (&*self.inner.store, &*self.inner.clock);
        let executed = execute::<Payment>(store, clock, stream.clone(), metadata, None, &command).await;
        let executed = match executed {
            Ok(executed) => executed,
            Err(CommandError::Payment(PaymentRejection::UnknownRefund)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let stands = |status: RefundStatus| {
            let mut refunds = executed.loaded.state.refunds.iter();
            refunds.any(|refund| refund.requested.refund_id == *refund_id && refund.status == status)
        };
        if failure.is_none() && stands(RefundStatus::Failed) {
            tracing::error!(refund = %refund_id, "alert: a refund that was given up was paid after all: do not pay it by hand");
            metrics::counter!(counters::REFUNDS_FAILED).increment(1);
        }
        if let Some(reason) = failure {
            if executed.appended.is_some() {
                tracing::error!(refund = %refund_id, %reason, "alert: a gateway refuses a refund");
                metrics::counter!(counters::REFUNDS_FAILED).increment(1);
            } else if stands(RefundStatus::Succeeded) {
                tracing::error!(refund = %refund_id, %reason, "alert: a refund that was paid came back");
                metrics::counter!(counters::REFUNDS_FAILED).increment(1);
            }
        }
        Ok(true)
    }
}
