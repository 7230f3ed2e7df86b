//! The webhook over HTTPS: router, TLS, limits, health, metrics, audit log.
//!
//! Two listeners: reviews over TLS, health and metrics in clear on a port of their own.

mod audit;
mod body;
mod budget;
mod connection;
mod health;
mod heartbeat;
mod histogram;
mod labels;
mod listen;
mod log;
mod metrics;
mod pool;
mod process;
mod router;
mod serve;
mod state;
mod under_review;
mod would_deny;

pub use log::{LogFormat, LogGuard, init as init_log};
pub use metrics::Metrics;
pub use router::{deadline, router};
pub use serve::{Listeners, Running, start};
pub use state::{ClusterAccess, Confirmation, State};
pub use would_deny::WouldDeny;
