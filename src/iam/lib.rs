//! AWS IAM policies, evaluated and explained.
//!
//! A [`Document`] is parsed once from the JSON that AWS stores and then answers any number of [`Request`]s. The answer is
//! three-valued: what a [`Context`] cannot know stays [`Truth::Unknown`] and only makes the verdict unknown where the
//! verdict hangs on it.
//!
//! ```
//! use rolecall_iam::{Document, MapContext, Principal, Request, Verdict};
//!
//! let trust = Document::parse(r#"{
//!   "Version": "2012-10-17",
//!   "Statement": [{
//!     "Effect": "Allow",
//!     "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/A1"},
//!     "Action": "sts:AssumeRoleWithWebIdentity",
//!     "Condition": {"StringEquals": {"oidc.example/id/A1:sub": "system:serviceaccount:carts:carts"}}
//!   }]
//! }"#)?;
//!
//! let context = MapContext::new().with("oidc.example/id/A1:sub", "system:serviceaccount:carts:carts");
//! let request = Request {
//!     action: "sts:AssumeRoleWithWebIdentity",
//!     resource: None,
//!     principal: Some(Principal::Federated("arn:aws:iam::111122223333:oidc-provider/oidc.example/id/A1")),
//!     context: &context,
//! };
//! assert_eq!(trust.evaluate(&request), Verdict::Allowed);
//! # Ok::<(), rolecall_iam::PolicyError>(())
//! ```
//!
//! Pure: no I/O, no clock, no environment. The rules are those of the IAM User Guide's "Policy evaluation logic" and "IAM
//! JSON policy elements reference"; each item names its page.

mod arn;
mod compare;
mod condition;
mod context;
mod document;
mod evaluate;
mod explain;
mod json;
mod operator;
mod parse;
mod principal;
mod settle;
mod template;
mod truth;
mod wildcard;

pub use arn::{Arn, RoleArn, is_account_id};
pub use condition::Condition;
pub use context::{Context, Lookup, MapContext};
pub use document::{Actions, Document, Effect, Resources, Statement, Version};
pub use evaluate::{Request, Verdict};
pub use explain::{ConditionReport, Found, StatementReport};
pub use operator::{BaseOperator, Operator, SetQualifier};
pub use parse::{MAX_DOCUMENT_BYTES, PolicyError};
pub use principal::{AwsPrincipal, Principal, PrincipalEntry, Principals};
pub use truth::Truth;
pub use wildcard::wildcard_match;
