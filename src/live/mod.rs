//! Live world_state: it is read again at intervals, learns what a re-read found in between, and is swapped whole, so that no
//! review waits for it. A would-be denial waits for just its own links.
//!
//! The rule that all of this serves: no denial for a chain that held when its links were read for that denial.

mod flight;
mod gate;
mod lookup;
mod recheck;
mod refresh;
mod reread;
mod turns;
mod world_store;

pub use flight::{Flights, Waiting};
pub use gate::Requester;
pub use lookup::{ClusterReader, Lookups};
pub use recheck::{Rechecked, Rechecks};
pub use refresh::{Asked, Collection, Collector, Refresh, Refreshing, refresh_forever};
pub use reread::{ClusterPart, Confirming, LinkReader, ReadRole, Rereads, Unconfirmed};
pub use world_store::{WorldState, WorldStore};
