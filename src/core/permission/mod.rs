//! What an identity may do once it is assumed: its policies, asked about a need.

mod context;
mod need;
mod policies;
mod power;
mod ruling;

pub use context::Session;
pub(crate) use context::session_tag;
pub(crate) use need::MOST_NEEDS;
pub use need::{Need, needs, takes_credentials};
pub use policies::{Actor, Answer, Resources, RolePolicies, ask_need, ask_need_within, granted_actions};
pub use power::{Power, power};
pub use ruling::{Denial, RulingDoubt, StatementLimits, UnlistedKey, denial, doubt, unlisted_key};
pub(crate) use ruling::{doubt_of, fix_for, policy_name, unread};
