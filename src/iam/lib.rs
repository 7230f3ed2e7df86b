#![doc = include_str!("README.md")]
//!
//! The rules are those of the IAM User Guide's "Policy evaluation logic" and "IAM JSON policy elements reference"; each item
//! names its page.

mod arn;
mod case_analysis;
mod compare;
mod condition;
mod context;
mod document;
mod evaluate;
mod exempt;
mod explain;
mod json;
mod levels;
mod operator;
mod parse;
mod policy_set;
mod principal;
mod resources;
mod template;
mod truth;
mod wildcard;

pub use arn::{Arn, RoleArn, RoleArnFault, is_account_id};
pub use condition::Condition;
pub use context::{Context, Lookup, MapContext};
pub use document::{Actions, Document, Effect, Resources, Statement, Version};
pub use evaluate::{Request, Verdict};
pub use exempt::{Exempt, is_unsigned};
pub use explain::{ConditionReport, Found, StatementReport, Values};
pub use levels::{Levels, denied_by};
pub use operator::{BaseOperator, Operator, SetQualifier};
pub use parse::{MAX_DOCUMENT_BYTES, PolicyError};
pub use policy_set::{Accounts, Deciding, Layer, Named, NotConsidered, Policies, PolicyKind, ResourcePolicy, Ruling};
pub use principal::{AwsPrincipal, Principal, PrincipalEntry, Principals};
pub use truth::Truth;
pub use wildcard::wildcard_match;
