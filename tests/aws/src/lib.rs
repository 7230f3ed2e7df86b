//! An AWS for tests: [`Emulator`] starts one process that answers like IAM, STS, EKS and S3, [`Account`] and [`Cluster`] fill
//! it, [`FaultProxy`] stands in front of it, records every call and spoils the answers that a test names.
//!
//! A 12-digit access key is that account's root, whatever the secret. Nothing is skipped when a part cannot be built or
//! started: the error says what and where.

mod emulator;
mod http;
mod proxy;
mod seed;

pub use emulator::Emulator;
pub use proxy::{Call, Fault, FaultProxy};
pub use seed::{Account, Association, Cluster, Role};
