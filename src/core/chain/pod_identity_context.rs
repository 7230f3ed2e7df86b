//! The condition keys of the two hops of Pod Identity (Amazon EKS User Guide, "Grant Pods access to AWS resources based on
//! tags" and "Create IAM role with trust policy required by EKS Pod Identity").

use rolecall_iam::{Context, Lookup};

use super::Subject;
use super::irsa_context::{of_another_token, resource_tag};
use crate::snapshot::{Association, ClusterInfo, Role};

/// The six session tags, all of them transitive.
const TAGS: [&str; 6] = [
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
];

/// Service principal of EKS Pod Identity.
pub(super) const SERVICE: &str = "pods.eks.amazonaws.com";

/// Which hop is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    /// EKS takes the association's role.
    First,
    /// That role takes the target role.
    Second,
}

/// What is known of the request.
#[derive(Clone)]
pub(super) struct PodIdentityContext<'a> {
    pub(super) hop: Hop,
    pub(super) subject: Subject<'a>,
    pub(super) cluster: Option<&'a ClusterInfo>,
    pub(super) association: &'a Association,
    /// The role that is taken.
    pub(super) role: &'a Role,
    /// The role that takes it, on the second hop.
    pub(super) first_role_arn: &'a str,
    pub(super) external_id: Option<&'a str>,
    pub(super) tag_keys: &'a [Box<str>],
    /// Also use what no document says.
    pub(super) presume: bool,
}

/// The tags' keys, as `aws:TagKeys` carries them.
pub(super) fn tag_keys() -> Vec<Box<str>> {
    TAGS.map(Into::into).to_vec()
}

/// `sts:ExternalId` of the second hop where session tags are disabled: `REGION/ACCOUNT/CLUSTER/NAMESPACE/SERVICEACCOUNT`.
pub(super) fn external_id(
    cluster: Option<&ClusterInfo>,
    subject: Subject<'_>,
    association: &Association,
) -> Option<String> {
    if let Some(given) = &association.external_id {
        return Some(given.to_string());
    }
    let cluster = cluster?;
    let place = cluster.location()?;
    let Subject { namespace, service_account } = subject;
    Some(format!("{}/{}/{}/{namespace}/{service_account}", place.region, place.account, cluster.name))
}

impl Context for PodIdentityContext<'_> {
    fn lookup(&self, key: &str) -> Lookup<'_> {
        let tagged = !self.association.disable_session_tags;
        match key {
            "aws:tagkeys" | "sts:transitivetagkeys" if tagged && self.hop == Hop::First => Lookup::Many(self.tag_keys),
            "aws:tagkeys" | "sts:transitivetagkeys" if !tagged => Lookup::Absent,
            "aws:securetransport" => Lookup::One("true"),
            "sts:externalid" if self.hop == Hop::Second && !tagged => {
                self.external_id.map_or(Lookup::Present, Lookup::One)
            }
            "aws:principalarn" if self.hop == Hop::Second => Lookup::One(self.first_role_arn),
            "aws:principalaccount" if self.hop == Hop::Second => {
                rolecall_iam::Arn::parse(self.first_role_arn).map_or(Lookup::Present, |arn| Lookup::One(arn.account))
            }
            _ => {
                if let Some(tag) = key.strip_prefix("aws:requesttag/") {
                    return match (self.hop, tagged) {
                        (_, false) => Lookup::Absent,
                        (Hop::First, true) => self.tag(tag),
                        (Hop::Second, true) if self.presume => self.tag(tag),
                        (Hop::Second, true) => Lookup::Unknown,
                    };
                }
                if let Some(tag) = key.strip_prefix("aws:principaltag/")
                    && self.hop == Hop::Second
                    && tagged
                    && TAGS.contains(&tag)
                {
                    return self.tag(tag);
                }
                if let Some(tag) = resource_tag(self.role, key) {
                    return tag;
                }
                if self.presume && self.hop == Hop::First {
                    return self.presumed(key);
                }
                if of_another_token(key) { Lookup::Absent } else { Lookup::Unknown }
            }
        }
    }
}

impl PodIdentityContext<'_> {
    fn tag(&self, tag: &str) -> Lookup<'_> {
        session_tag(self.subject, self.cluster, tag)
    }

    /// What AWS's samples suggest of a service principal's request, and no document states.
    fn presumed(&self, key: &str) -> Lookup<'_> {
        match key {
            "aws:sourceaccount" => {
                self.cluster.and_then(ClusterInfo::location).map_or(Lookup::Unknown, |place| Lookup::One(place.account))
            }
            "aws:principalservicename" => Lookup::One(SERVICE),
            "aws:principalisawsservice" => Lookup::One("true"),
            "aws:principalorgid"
            | "aws:principalorgpaths"
            | "aws:principalaccount"
            | "aws:principalarn"
            | "aws:username"
            | "aws:multifactorauthpresent"
            | "aws:multifactorauthage"
            | "sts:externalid" => Lookup::Absent,
            _ if key.starts_with("aws:principaltag/") => Lookup::Absent,
            _ if of_another_token(key) => Lookup::Absent,
            _ => Lookup::Unknown,
        }
    }
}

/// The value of a session tag that EKS sends; `tag` in lower case.
pub(crate) fn session_tag<'a>(subject: Subject<'a>, cluster: Option<&'a ClusterInfo>, tag: &str) -> Lookup<'a> {
    match tag {
        "kubernetes-namespace" => Lookup::One(subject.namespace),
        "kubernetes-service-account" => Lookup::One(subject.service_account),
        "eks-cluster-name" => cluster.map_or(Lookup::Present, |cluster| Lookup::One(&cluster.name)),
        "eks-cluster-arn" => cluster.and_then(|cluster| cluster.arn.as_deref()).map_or(Lookup::Present, Lookup::One),
        "kubernetes-pod-name" | "kubernetes-pod-uid" => Lookup::Present,
        _ => Lookup::Absent,
    }
}
