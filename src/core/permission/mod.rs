//! What an identity may do once it is assumed: its policies, asked about a need.

mod context;
mod effort;
mod need;
mod policies;
mod words;

pub use context::Session;
pub use effort::Effort;
pub(crate) use need::MOST_NEEDS;
pub use need::{Need, needs};
pub use policies::{Actor, Answer, Resources, RolePolicies, ask_need, ask_need_within, granted_actions};
pub(crate) use words::fix_for;
pub use words::{denial, describe_statement, doubt, exemption, not_considered, place, unlisted_key};
