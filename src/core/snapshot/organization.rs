//! Policies of AWS Organizations in the snapshot's format: what `DescribePolicy` returns, with the places where each is
//! attached as `ListTargetsForPolicy` returns them.

use rolecall_iam::Arn;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::entry::{Faults, Fields, Raw, lazy_document, read};
use super::fault::error;
use super::model::{ControlPolicies, ControlPolicy, LazyDocument};

/// A policy as `DescribePolicy` returns it, with or without the `Policy` around it; or its summary's fields beside it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePolicy<'a> {
    #[serde(borrow)]
    policy: Option<Raw<'a>>,
    policy_summary: Option<WireSummary>,
    id: Option<Box<str>>,
    name: Option<Box<str>>,
    arn: Option<Box<str>>,
    r#type: Option<Box<str>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    /// A policy document by itself.
    #[serde(borrow)]
    statement: Option<Raw<'a>>,
    #[serde(alias = "AttachedTo", alias = "attachedTo", alias = "targets")]
    targets: Option<Vec<WireTarget>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireSummary {
    id: Option<Box<str>>,
    name: Option<Box<str>>,
    arn: Option<Box<str>>,
    r#type: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireTarget {
    Id(Box<str>),
    Target {
        #[serde(rename = "TargetId")]
        id: Box<str>,
    },
}

/// The policies of one type that bear on an account.
pub(super) fn control_policies(
    list: &[Raw<'_>],
    at: &str,
    account: &str,
    kind: &str,
    faults: &mut Faults,
) -> ControlPolicies {
    let mut policies = ControlPolicies::default();
    for (index, raw) in list.iter().enumerate() {
        let place = format!("{at}[{index}]");
        match read::<WirePolicy<'_>>(raw, &place) {
            Ok(wire) => policies.add(wire, raw, &place, account, kind, faults),
            Err(fault) => {
                let name = name_of(raw).unwrap_or_else(|| place.as_str().into());
                policies.policies.push(ControlPolicy { name, document: LazyDocument::new(""), levels: None });
                faults.push(fault);
            }
        }
    }
    policies
}

/// The name of a policy that cannot be read as a whole.
fn name_of(raw: Raw<'_>) -> Option<Box<str>> {
    let fields = Fields::of(raw);
    fields.get::<WireSummary>("PolicySummary").and_then(|summary| summary.name).or_else(|| fields.get("Name"))
}

impl ControlPolicies {
    fn add(
        &mut self,
        wire: WirePolicy<'_>,
        raw: &RawValue,
        place: &str,
        account: &str,
        kind: &str,
        faults: &mut Faults,
    ) {
        if let Some(inner) = wire.policy {
            // `DescribePolicy`'s whole answer.
            match read::<WirePolicy<'_>>(inner, &format!("{place}.Policy")) {
                Ok(policy) => {
                    let targets = policy.targets.or(wire.targets);
                    let policy = WirePolicy { policy: None, targets, ..policy };
                    self.add(policy, inner, &format!("{place}.Policy"), account, kind, faults);
                }
                Err(fault) => {
                    self.policies.push(ControlPolicy {
                        name: place.into(),
                        document: LazyDocument::new(""),
                        levels: None,
                    });
                    faults.push(fault);
                }
            }
            return;
        }
        let summary = wire.policy_summary.unwrap_or_default();
        let arn = summary.arn.or(wire.arn);
        let kind_found = summary.r#type.or(wire.r#type);
        if let Some(found) = kind_found.filter(|found| !found.eq_ignore_ascii_case(kind)) {
            faults.push(error(place, format!("is a policy of type {found}, not {kind}: it is left out")));
            return;
        }
        // `arn:aws:organizations::MANAGEMENT_ACCOUNT:policy/ORGANIZATION/TYPE/ID`; those of AWS itself name neither.
        let parsed = arn.as_deref().and_then(Arn::parse).filter(|arn| rolecall_iam::is_account_id(arn.account));
        if let Some(arn) = parsed {
            let organization = arn.resource.split('/').nth(1).filter(|id| id.starts_with("o-"));
            self.organization = self.organization.take().or(organization.map(Into::into));
            self.of_management_account |= arn.account == account;
        }
        let name = summary.name.or(wire.name).or(summary.id).or(wire.id).unwrap_or_else(|| place.into());
        let document = match (wire.content, wire.statement) {
            (Some(content), _) => lazy_document(content, &format!("{place}.Content"), faults),
            (None, Some(_)) => lazy_document(raw, place, faults),
            (None, None) => {
                faults.push(error(place, "has no Content (DescribePolicy returns it)"));
                LazyDocument::new("")
            }
        };
        if document.get().is_none() {
            faults.push(error(place, "its Content is no policy document"));
        }
        let levels: Option<Vec<Box<str>>> = wire.targets.map(|targets| {
            let ids = targets.into_iter().map(|target| match target {
                WireTarget::Id(id) | WireTarget::Target { id } => id,
            });
            // Of accounts only this one counts.
            ids.filter(|id| !rolecall_iam::is_account_id(id) || **id == *account).collect()
        });
        if levels.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        self.policies.push(ControlPolicy { name, document, levels });
    }
}
