//! `marquee token`

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::Failure;
use crate::config::{CommonArgs, parse_duration};
use crate::secrets;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Customer,
    Partner,
    Ops,
    Auditor,
    Admin,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Partner => "partner",
            Self::Ops => "ops",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

/// Who the token is for. Signed with `MARQUEE_JWT_SECRET`, or with the secret that `serve` made in the data directory.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What its bearer may do.
    #[arg(long, value_enum)]
    role: Role,
    /// Whom it names.
    #[arg(long)]
    sub: String,
    /// Which partner its bearer acts for.
    #[arg(long, required_if_eq("role", "partner"))]
    partner_id: Option<String>,
    /// How long it is good for.
    #[arg(long, default_value = "12h", value_parser = parse_duration)]
    ttl: Duration,
    #[command(flatten)]
    common: CommonArgs,
}

impl TokenArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let common = self.common.load()?;
        let token =
            secrets::mint(&common, self.role.as_str(), &self.sub, self.partner_id.as_deref(), self.ttl)?;
        println!("{token}");
        Ok(())
    }
}
