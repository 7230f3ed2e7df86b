//! What an identity may do once it is assumed: its policies, asked about a need.

mod context;
mod message;
mod need;
mod policies;

pub use context::Session;
pub(crate) use context::session_tag;
pub use message::{denial, describe_statement, doubt, exemption, not_considered, place, unlisted_key};
pub(crate) use message::{fix_for, policy_name};
pub(crate) use need::MOST_NEEDS;
pub use need::{Need, needs, takes_credentials};
pub use policies::{Actor, Answer, Resources, RolePolicies, ask_need, ask_need_within, granted_actions};
