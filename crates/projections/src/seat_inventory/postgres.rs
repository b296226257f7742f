//! The seat inventory in PostgreSQL: one for all nodes, written by the one that has the lease.

mod columns;
mod fold;
mod lane;
mod making;
mod pages;
mod reader;
mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use lane::PostgresInventory;
pub(crate) use reader::PostgresBookings;
