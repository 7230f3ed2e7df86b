//! The condition keys of a request that a pod's session makes (IAM User Guide, "AWS global condition context keys"; Amazon
//! EKS User Guide, "Grant Pods access to AWS resources based on tags").

use rolecall_iam::{Arn, Context, Lookup};

use crate::effort::Effort;
use crate::snapshot::{Association, ClusterInfo, Role};
use crate::subject::Subject;

/// How the session came about.
#[derive(Debug, Clone, Copy)]
pub enum Session<'a> {
    /// By a web identity token: no session tags.
    WebIdentity,
    /// By Pod Identity: the association decides whether the session is tagged.
    PodIdentity(&'a Association),
    /// The node's role, through the instance's metadata.
    Node,
    /// The task role of ECS: no session tags.
    Task,
}

/// What is known of the request. What the call itself brings (addresses, times, a service's own keys) is unknown.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionContext<'a> {
    pub(super) role: &'a Role,
    pub(super) account: &'a str,
    /// ID of the account's organization, where it is known.
    pub(super) organization: Option<&'a str>,
    pub(super) subject: Subject<'a>,
    pub(super) cluster: Option<&'a ClusterInfo>,
    pub(super) session: Session<'a>,
    pub(super) resource: Option<&'a str>,
    pub(super) effort: &'a Effort,
}

impl Context for SessionContext<'_> {
    fn spend(&self, patterns: usize) -> bool {
        self.effort.spend(patterns)
    }

    fn lookup(&self, key: &str) -> Lookup<'_> {
        match key {
            "aws:principalarn" => Lookup::One(&self.role.arn),
            "aws:principalaccount" => Lookup::One(self.account),
            "aws:principalorgid" => self.organization.map_or(Lookup::Unknown, Lookup::One),
            "aws:principaltype" => Lookup::One("AssumedRole"),
            "aws:principalisawsservice" => Lookup::One("false"),
            // A service may call on the pod's behalf, so `aws:ViaAWSService` and `aws:CalledVia` stay unknown.
            "aws:principalservicename"
            | "aws:principalservicenameslist"
            | "aws:sourcearn"
            | "aws:sourceaccount"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths"
            | "aws:username" => Lookup::Absent,
            "aws:resourceaccount" => {
                let account = self.resource.and_then(Arn::parse).map(|arn| arn.account);
                account.filter(|account| rolecall_iam::is_account_id(account)).map_or(Lookup::Unknown, Lookup::One)
            }
            _ => match key.strip_prefix("aws:principaltag/") {
                Some(tag) => self.principal_tag(tag),
                None => Lookup::Unknown,
            },
        }
    }
}

impl SessionContext<'_> {
    /// Session tags come before the role's own of the same key (IAM User Guide, "Pass session tags in AWS STS").
    fn principal_tag(&self, tag: &str) -> Lookup<'_> {
        if let Session::PodIdentity(association) = self.session
            && !association.disable_session_tags
        {
            match session_tag(self.subject, self.cluster, tag) {
                Lookup::Absent => {}
                found => return found,
            }
        }
        let Some(tags) = &self.role.tags else {
            return Lookup::Unknown;
        };
        tags.iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(tag))
            .map_or(Lookup::Absent, |(_, value)| Lookup::One(value))
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
