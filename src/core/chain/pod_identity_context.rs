//! The condition keys of the two hops of Pod Identity (Amazon EKS User Guide, "Grant Pods access to AWS resources based on
//! tags", "Create IAM role with trust policy required by EKS Pod Identity" and "Access AWS Resources using EKS Pod Identity
//! Target IAM Roles"; IAM User Guide, "AWS global condition context keys").

use rolecall_iam::{Context, Lookup};

use super::Subject;
use super::keys;
use crate::effort::Effort;
use crate::permission::session_tag;
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

/// The role that takes the target role.
#[derive(Clone, Copy)]
pub(super) struct SecondHop<'a> {
    pub(super) first_role_arn: &'a str,
    /// Its tags are principal tags.
    pub(super) first_role: Option<&'a Role>,
    pub(super) external_id: Option<&'a str>,
}

/// What is known of the request: EKS takes the association's role, or that role takes the target role (`second`).
#[derive(Clone)]
pub(super) struct PodIdentityContext<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) cluster: Option<&'a ClusterInfo>,
    pub(super) association: &'a Association,
    /// The role that is taken.
    pub(super) role: &'a Role,
    /// The account of that role.
    pub(super) account: &'a str,
    pub(super) second: Option<SecondHop<'a>>,
    pub(super) lists: &'a Lists,
    /// Also use what no document says.
    pub(super) presume: bool,
    /// What may still be done.
    pub(super) effort: &'a Effort,
}

/// The values of the multivalued keys.
pub(super) struct Lists {
    /// The tags' keys, as `aws:TagKeys` carries them.
    tag_keys: Vec<Box<str>>,
    /// `aws:PrincipalServiceNamesList`
    service_names: Vec<Box<str>>,
}

impl Lists {
    pub(super) fn new() -> Self {
        Self { tag_keys: TAGS.map(Into::into).to_vec(), service_names: vec![SERVICE.into()] }
    }
}

/// `sts:ExternalId` of the second hop where session tags are disabled: what the association says, else what the user guide
/// says, `REGION/ACCOUNT/CLUSTER/NAMESPACE/SERVICEACCOUNT`.
pub(super) fn external_id(
    cluster: Option<&ClusterInfo>,
    subject: Subject<'_>,
    association: &Association,
) -> Option<String> {
    association.external_id.as_deref().map(str::to_owned).or_else(|| documented_external_id(cluster, subject))
}

/// The form in the user guide.
pub(super) fn documented_external_id(cluster: Option<&ClusterInfo>, subject: Subject<'_>) -> Option<String> {
    let cluster = cluster?;
    let place = cluster.location()?;
    let Subject { namespace, service_account } = subject;
    Some(format!("{}/{}/{}/{namespace}/{service_account}", place.region, place.account, cluster.name))
}

impl Context for PodIdentityContext<'_> {
    fn spend(&self, patterns: usize) -> bool {
        self.effort.spend(patterns)
    }

    fn lookup(&self, key: &str) -> Lookup<'_> {
        let tagged = !self.association.disable_session_tags;
        match key {
            "aws:securetransport" => Lookup::One("true"),
            "aws:resourceaccount" => Lookup::One(self.account),
            // Of IAM users only.
            "aws:username" => Lookup::Absent,
            "aws:tagkeys" | "sts:transitivetagkeys" if !tagged => Lookup::Absent,
            _ => {
                // AWS's own example of a target role compares the request tags of the second hop: the tags are transitive.
                // EKS cannot add others.
                if let Some(tag) = key.strip_prefix("aws:requesttag/") {
                    return if tagged { self.tag(tag) } else { Lookup::Absent };
                }
                if let Some(tag) = keys::resource_tag(self.role, key) {
                    return tag;
                }
                if keys::of_another_token(key) {
                    return Lookup::Absent;
                }
                match &self.second {
                    None => self.of_service(key),
                    Some(hop) => self.of_role(hop, key),
                }
            }
        }
    }
}

impl PodIdentityContext<'_> {
    fn tag(&self, tag: &str) -> Lookup<'_> {
        session_tag(self.subject, self.cluster, tag)
    }

    /// The service principal's own request.
    fn of_service(&self, key: &str) -> Lookup<'_> {
        match key {
            // Both actions carry the tags, whether they are asked for one or the other.
            "aws:tagkeys" | "sts:transitivetagkeys" => Lookup::Many(&self.lists.tag_keys),
            "aws:principalservicename" => Lookup::One(SERVICE),
            "aws:principalisawsservice" => Lookup::One("true"),
            // The service may have further names, of its region.
            "aws:principalservicenameslist" if !self.presume => Lookup::Present,
            "aws:principalservicenameslist" => Lookup::Many(&self.lists.service_names),
            _ if keys::of_a_session(key) || keys::of_a_forwarded_call(key) || keys::of_another_service(key) => {
                Lookup::Absent
            }
            _ if self.presume => self.presumed_of_service(key),
            _ => Lookup::Unknown,
        }
    }

    /// What AWS's samples and its users report of that request, and no document states.
    fn presumed_of_service(&self, key: &str) -> Lookup<'_> {
        match key {
            "aws:sourceaccount" => {
                self.cluster.and_then(ClusterInfo::location).map_or(Lookup::Unknown, |place| Lookup::One(place.account))
            }
            // Conditions on the ARN of an association were reported to fail; of the cluster's ARN there is no report.
            "aws:sourcearn" => {
                self.cluster.and_then(|cluster| cluster.arn.as_deref()).map_or(Lookup::Unknown, Lookup::One)
            }
            "aws:viaawsservice" => Lookup::One("false"),
            "aws:principalorgid"
            | "aws:principalorgpaths"
            | "aws:principalaccount"
            | "aws:principalarn"
            | "aws:sourceidentity"
            | "aws:federatedprovider"
            | "sts:externalid" => Lookup::Absent,
            _ if key.starts_with("aws:principaltag/") => Lookup::Absent,
            _ => Lookup::Unknown,
        }
    }

    /// The first role's request for the target role.
    fn of_role<'s>(&'s self, hop: &'s SecondHop<'_>, key: &str) -> Lookup<'s> {
        let tagged = !self.association.disable_session_tags;
        match key {
            "aws:principalarn" => Lookup::One(hop.first_role_arn),
            "aws:principalaccount" => {
                rolecall_iam::Arn::parse(hop.first_role_arn).map_or(Lookup::Present, |arn| Lookup::One(arn.account))
            }
            "aws:principaltype" => Lookup::One("AssumedRole"),
            "aws:principalisawsservice" => Lookup::One("false"),
            "sts:externalid" if !tagged => hop.external_id.map_or(Lookup::Present, Lookup::One),
            _ if keys::of_a_service_principal(key) => Lookup::Absent,
            _ if keys::of_another_service(key) && (self.presume || !keys::crosses_services(key)) => Lookup::Absent,
            _ => match key.strip_prefix("aws:principaltag/") {
                Some(tag) if tagged && TAGS.contains(&tag) => self.tag(tag),
                Some(tag) => hop.first_role.map_or(Lookup::Unknown, |role| keys::role_tag(role, tag)),
                None if self.presume => self.presumed_of_role(hop, key),
                None => Lookup::Unknown,
            },
        }
    }

    fn presumed_of_role<'s>(&'s self, hop: &SecondHop<'s>, key: &str) -> Lookup<'s> {
        match key {
            // The guide names the external ID for associations without session tags; the API reference, for any.
            "sts:externalid" => {
                self.association.external_id.as_ref().and(hop.external_id).map_or(Lookup::Absent, Lookup::One)
            }
            "aws:tagkeys" | "sts:transitivetagkeys" => Lookup::Many(&self.lists.tag_keys),
            "aws:federatedprovider" | "aws:assumedroot" | "aws:signinsessionarn" | "aws:chatbotsourcearn" => {
                Lookup::Absent
            }
            "aws:multifactorauthpresent" | "aws:multifactorauthage" | "aws:sourceidentity" => Lookup::Absent,
            _ => Lookup::Unknown,
        }
    }
}
