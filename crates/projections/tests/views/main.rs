//! The read side over a real log: what readers see, and that a view made again is the view that was.

#[cfg(test)]
mod browsing;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod films;
#[cfg(test)]
mod inventory;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod rebuilds;
#[cfg(test)]
mod seats;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod world;
