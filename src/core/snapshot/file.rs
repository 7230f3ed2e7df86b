//! The snapshot's file format: one JSON document whose parts keep the shapes that the AWS APIs return. A part of the wrong
//! shape is an error; an entry of a list that is malformed costs only itself, and is among the snapshot's faults.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::associations::associations;
use super::entry::{Faults, Raw, read};
use super::fault::{Result, error};
use super::issuer::Issuer;
use super::metadata::NodeParts;
use super::model::{Account, ClusterInfo, FargateProfile, FargateSelector, Snapshot};
use super::naming::NamingIndex;
use super::organization::control_policies;
use super::roles::{Stray, policies, providers, roles};

type Str<'a> = Cow<'a, str>;

/// The version of the format. It changes where a part goes or gets another meaning, not where one is added.
pub const SNAPSHOT_VERSION: u64 = 1;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSnapshot<'a> {
    schema_version: Option<u64>,
    collected_at: Option<String>,
    cluster: Option<WireCluster>,
    #[serde(borrow)]
    addons: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    pod_identity_associations: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    node_roles: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    fargate_profiles: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    nodegroups: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    launch_template_versions: Option<Vec<Raw<'a>>>,
    #[serde(borrow, rename = "ec2NodeClasses")]
    ec2_node_classes: Option<Vec<Raw<'a>>>,
    read_at: Option<WireReadAt>,
    #[serde(borrow)]
    accounts: Option<HashMap<Str<'a>, WireAccount<'a>>>,
}

/// Times of the parts; those of roles and providers stand one level deeper.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireReadAt {
    Time(String),
    Parts(HashMap<String, WireReadAt>),
    Other(serde::de::IgnoredAny),
}

impl WireReadAt {
    fn oldest(&self) -> Option<Timestamp> {
        match self {
            Self::Time(text) => text.parse().ok(),
            Self::Parts(parts) => parts.values().filter_map(Self::oldest).min(),
            Self::Other(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCluster {
    name: Box<str>,
    arn: Option<Box<str>>,
    identity: Option<WireIdentity>,
    compute_config: Option<WireComputeConfig>,
    kubernetes_network_config: Option<WireNetworkConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireNetworkConfig {
    ip_family: Option<Box<str>>,
}

#[derive(Deserialize)]
struct WireIdentity {
    oidc: Option<WireOidc>,
}

#[derive(Deserialize)]
struct WireOidc {
    issuer: Option<String>,
}

#[derive(Deserialize)]
struct WireComputeConfig {
    enabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAddon {
    addon_name: Box<str>,
    status: Option<Box<str>>,
}

impl WireAddon {
    /// Not on its way out, and not stuck on its way in.
    fn is_there(&self) -> bool {
        !matches!(self.status.as_deref(), Some("DELETING" | "CREATE_FAILED"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFargateProfile {
    fargate_profile_name: Box<str>,
    status: Option<Box<str>>,
    selectors: Option<Vec<WireSelector>>,
}

impl WireFargateProfile {
    fn is_active(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "ACTIVE")
    }
}

#[derive(Deserialize)]
struct WireSelector {
    namespace: Option<Box<str>>,
    labels: Option<HashMap<Box<str>, Box<str>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAccount<'a> {
    #[serde(borrow)]
    roles: Option<Vec<Raw<'a>>>,
    roles_read: Option<WireRolesRead>,
    #[serde(borrow)]
    missing_roles: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    policies: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    oidc_providers: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    service_control_policies: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    resource_control_policies: Option<Vec<Raw<'a>>>,
}

/// Which roles were read: all, or those that something names.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum WireRolesRead {
    All,
    Named,
}

impl Snapshot {
    /// Reads the format of the design's "Snapshot" contract. Unknown fields are passed over, missing parts stay unknown, and
    /// so does what depends on an entry that is malformed: [`Snapshot::faults`] names each.
    ///
    /// # Errors
    /// A part of the wrong shape, by its place.
    pub fn parse(text: &str) -> Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let wire: WireSnapshot<'_> = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|e| error(e.path().to_string(), e.inner().to_string()))?;
        deserializer.end().map_err(|e| error("", e.to_string()))?;
        wire.build()
    }
}

impl WireSnapshot<'_> {
    fn build(self) -> Result<Snapshot> {
        if let Some(version) = self.schema_version.filter(|version| *version > SNAPSHOT_VERSION) {
            let reason = format!("is {version}, and this version of rolecall reads {SNAPSHOT_VERSION}");
            return Err(error("schemaVersion", reason));
        }
        let collected_at =
            match self.collected_at {
                None => None,
                Some(text) => Some(text.parse::<Timestamp>().map_err(|_| {
                    error("collectedAt", format!("`{text}` is not a time such as 2026-11-24T17:26:52Z"))
                })?),
            };
        let mut faults = Faults::new();
        let cluster = self.cluster.map(WireCluster::build);
        let mut unreadable_associations = Vec::new();
        let associations = self.pod_identity_associations.map(|list| {
            let (associations, lost) = associations(&list, cluster.as_ref(), &mut faults);
            unreadable_associations = lost;
            associations
        });
        let mut accounts: HashMap<Box<str>, Account> = HashMap::new();
        let mut strays = Vec::new();
        for (id, account) in self.accounts.unwrap_or_default() {
            if !rolecall_iam::is_account_id(&id) {
                return Err(error(format!("accounts.{id}"), "the key of an account is its twelve-digit ID"));
            }
            let place = format!("accounts.{id}");
            accounts.insert(id.as_ref().into(), account.build(&place, &id, &mut strays, &mut faults));
        }
        for Stray { account, name, fault } in strays {
            if let Some(account) = accounts.get_mut(&account) {
                account.note_unreadable_role(Some(&name), &fault);
            }
        }
        Ok(Snapshot {
            withheld: None,
            naming: NamingIndex::default(),
            collected_at,
            oldest_part: self.read_at.as_ref().and_then(WireReadAt::oldest),
            cluster,
            addons: addons(self.addons, &mut faults),
            associations,
            unreadable_associations,
            node_roles: node_roles(self.node_roles, &mut faults),
            fargate_profiles: self.fargate_profiles.map(|list| {
                let profiles: Vec<WireFargateProfile> = each(&list, "fargateProfiles", &mut faults).0;
                profiles.into_iter().filter(WireFargateProfile::is_active).map(fargate_profile).collect()
            }),
            pods_reach_metadata: NodeParts {
                node_groups: self.nodegroups,
                launch_template_versions: self.launch_template_versions,
                node_classes: self.ec2_node_classes,
            }
            .reach(&mut faults),
            accounts,
            faults,
        })
    }
}

/// The entries of a list that can be read, and whether those are all.
fn each<'a, T: Deserialize<'a>>(list: &[Raw<'a>], at: &str, faults: &mut Faults) -> (Vec<T>, bool) {
    let before = faults.len();
    let mut entries = Vec::with_capacity(list.len());
    for (index, raw) in list.iter().enumerate() {
        match read(raw, &format!("{at}[{index}]")) {
            Ok(entry) => entries.push(entry),
            Err(fault) => faults.push(fault),
        }
    }
    (entries, faults.len() == before)
}

/// The add-ons; where one cannot be read it may be the agent.
fn addons(list: Option<Vec<Raw<'_>>>, faults: &mut Faults) -> Option<Vec<Box<str>>> {
    let (addons, all) = each::<WireAddon>(&list?, "addons", faults);
    let names: Vec<Box<str>> = addons.into_iter().filter(WireAddon::is_there).map(|addon| addon.addon_name).collect();
    (all || names.iter().any(|name| **name == *"eks-pod-identity-agent")).then_some(names)
}

/// The nodes' roles; without one of them none is the only one.
fn node_roles(list: Option<Vec<Raw<'_>>>, faults: &mut Faults) -> Option<Vec<Box<str>>> {
    let (roles, all) = each(&list?, "nodeRoles", faults);
    all.then_some(roles)
}

impl WireCluster {
    fn build(self) -> ClusterInfo {
        let issuer = self.identity.and_then(|identity| identity.oidc).and_then(|oidc| oidc.issuer);
        ClusterInfo {
            name: self.name,
            arn: self.arn,
            issuer: issuer.filter(|url| !url.is_empty()).map(|url| Issuer::new(&url)),
            ipv6: self.kubernetes_network_config.and_then(|config| config.ip_family).as_deref() == Some("ipv6"),
            auto_mode: self.compute_config.and_then(|config| config.enabled).unwrap_or(false),
        }
    }
}

fn fargate_profile(wire: WireFargateProfile) -> FargateProfile {
    let selectors = wire.selectors.unwrap_or_default().into_iter().filter_map(|selector| {
        Some(FargateSelector {
            namespace: selector.namespace?,
            labels: selector.labels.unwrap_or_default().into_iter().collect(),
        })
    });
    FargateProfile { name: wire.fargate_profile_name, selectors: selectors.collect() }
}

impl WireAccount<'_> {
    fn build(self, place: &str, id: &str, strays: &mut Vec<Stray>, faults: &mut Faults) -> Account {
        let mut account =
            Account { only_named_roles: self.roles_read == Some(WireRolesRead::Named), ..Account::default() };
        if let Some(list) = self.roles {
            strays.extend(roles(&list, place, id, &mut account, faults));
        }
        account.policies = self.policies.map(|list| policies(&list, place, faults));
        if let Some(list) = self.oidc_providers {
            providers(&list, place, &mut account, faults);
        }
        let at = format!("{place}.missingRoles");
        for arn in each::<Box<str>>(&self.missing_roles.unwrap_or_default(), &at, faults).0 {
            match rolecall_iam::RoleArn::parse(&arn) {
                Ok(parsed) => {
                    account.missing_roles.insert(parsed.name.to_ascii_lowercase().into());
                }
                Err(complaint) => faults.push(error(at.as_str(), format!("`{arn}`: {complaint}"))),
            }
        }
        let mut control = |list: Option<Vec<Raw<'_>>>, part: &str, kind: &str| {
            list.map(|list| control_policies(&list, &format!("{place}.{part}"), id, kind, faults))
        };
        account.service_control =
            control(self.service_control_policies, "serviceControlPolicies", "SERVICE_CONTROL_POLICY");
        account.resource_control =
            control(self.resource_control_policies, "resourceControlPolicies", "RESOURCE_CONTROL_POLICY");
        account
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::super::model::Role;
    use super::*;
    use crate::known::Known;

    #[test]
    fn names_the_place_of_what_is_wrong() {
        for (text, place, message) in [
            ("{", "", "EOF"),
            (r#"{"cluster": {"name": 7}}"#, "cluster.name", "invalid type"),
            (r#"{"collectedAt": "yesterday"}"#, "collectedAt", "not a time"),
            (r#"{"schemaVersion": 2}"#, "schemaVersion", "is 2, and this version of rolecall reads 1"),
            (r#"{"accounts": {"1": {}}}"#, "accounts.1", "twelve-digit"),
            (r#"{"accounts": {"111122223333": {"roles": "all"}}}"#, "accounts.111122223333.roles", "invalid type"),
            (r#"{"accounts": {"111122223333": {"roles": {}}}}"#, "accounts.111122223333.roles", "invalid type"),
            (r#"{"podIdentityAssociations": 7}"#, "podIdentityAssociations", "invalid type"),
            (r#"{"accounts": []}"#, "accounts", "invalid type"),
            ("[]", "", "invalid"),
            (r#"{"collectedAt": null, "collectedAt": null}"#, "", "duplicate field"),
            ("{} x", "", "trailing characters"),
        ] {
            let e = Snapshot::parse(text).unwrap_err();
            assert!(e.place.contains(place) && e.message.contains(message), "{text}: {e}");
        }
    }

    #[test]
    fn reads_url_encoded_documents() {
        let snapshot = Snapshot::parse(
            r#"{"accounts": {"111122223333": {"roles": [{"Arn": "arn:aws:iam::111122223333:role/p/X",
               "AssumeRolePolicyDocument": "%7B%22Statement%22%3A%5B%5D%7D"}]}}}"#,
        )
        .unwrap();
        assert!(snapshot.role("arn:aws:iam::111122223333:role/p/X").unwrap().trust.is_some());
        assert!(snapshot.role("arn:aws:iam::111122223333:role/X").is_none());
        assert!(snapshot.role_by_name("111122223333", "x").is_present());
        assert!(snapshot.role_by_name("444455556666", "x").is_unknown(), "an account that is absent is unknown");
    }

    const TRUST: &str = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}"#;

    fn of_account(parts: &str) -> Snapshot {
        Snapshot::parse(&format!(r#"{{"accounts": {{"111122223333": {{{parts}}}}}}}"#)).unwrap()
    }

    fn places(snapshot: &Snapshot) -> Vec<&str> {
        snapshot.faults.iter().map(|fault| &*fault.place).collect()
    }

    #[test]
    fn a_malformed_role_costs_only_itself() {
        let good = format!(
            r#"{{"Arn": "arn:aws:iam::111122223333:role/good", "AssumeRolePolicyDocument": {TRUST}, "RolePolicyList": [], "AttachedManagedPolicies": []}}"#
        );
        let at = "accounts.111122223333.roles[1]";
        let known = |snapshot: &Snapshot, name: &str| snapshot.role_by_name("111122223333", name).map(Role::clone);
        // What the entry is, the place of its fault, and whether role x is known to exist.
        for (entry, place, exists) in [
            ("7", at.to_owned(), Known::Unknown),
            ("{}", at.to_owned(), Known::Unknown),
            (r#"{"RoleName": "x"}"#, at.to_owned(), Known::Unknown),
            (r#"{"Arn": 7, "RoleName": "X"}"#, format!("{at}.Arn"), Known::Unknown),
            (r#"{"Arn": "x", "RoleName": "x"}"#, format!("{at}.Arn"), Known::Unknown),
            (r#"{"Arn": "arn:aws:iam::444455556666:role/x"}"#, format!("{at}.Arn"), Known::Unknown),
            (
                r#"{"Arn": "arn:aws:iam::111122223333:role/x", "AssumeRolePolicyDocument": {"Statement": {"Effect": "Permit", "Action": "*"}}}"#,
                format!("{at}.AssumeRolePolicyDocument"),
                Known::Present(()),
            ),
            (
                r#"{"Arn": "arn:aws:iam::111122223333:role/x", "AssumeRolePolicyDocument": "%7B"}"#,
                format!("{at}.AssumeRolePolicyDocument"),
                Known::Present(()),
            ),
            (r#"{"Arn": "arn:aws:iam::111122223333:role/x", "Tags": 7}"#, format!("{at}.Tags"), Known::Present(())),
            (
                r#"{"Arn": "arn:aws:iam::111122223333:role/x", "RolePolicyList": [{"PolicyName": "p"}]}"#,
                format!("{at}.RolePolicyList[0]"),
                Known::Present(()),
            ),
            (
                r#"{"Arn": "arn:aws:iam::111122223333:role/x", "AttachedManagedPolicies": [{}]}"#,
                format!("{at}.AttachedManagedPolicies[0]"),
                Known::Present(()),
            ),
            (
                r#"{"Arn": "arn:aws:iam::111122223333:role/x", "PermissionsBoundary": "p"}"#,
                format!("{at}.PermissionsBoundary"),
                Known::Present(()),
            ),
        ] {
            let snapshot = of_account(&format!(r#""roles": [{good}, {entry}]"#));
            assert_eq!(places(&snapshot), [place], "{entry}");
            assert!(known(&snapshot, "good").present().unwrap().trust.is_some(), "{entry}");
            assert_eq!(known(&snapshot, "x").map(drop), exists, "{entry}");
        }
        let snapshot = of_account(&format!(r#""roles": [{good}, {{"RoleName": "x"}}]"#));
        assert_eq!(known(&snapshot, "y"), Known::Absent, "another role is missing all the same");
        let snapshot = of_account(&format!(r#""roles": [{good}, {{}}]"#));
        assert_eq!(known(&snapshot, "y"), Known::Unknown, "it may be the one that has no name");
    }

    #[test]
    fn a_role_with_an_unusual_path_is_read() {
        let arn = r#"arn:aws:iam::111122223333:role/a:b/*/\"${x}\"/good"#;
        let snapshot = of_account(&format!(r#""roles": [{{"Arn": "{arn}"}}]"#));
        assert!(snapshot.faults.is_empty(), "{:?}", snapshot.faults);
        assert!(snapshot.role(&arn.replace('\\', "")).is_some());
    }

    #[test]
    fn what_is_in_a_list_twice() {
        let role = |tags: &str| {
            format!(
                r#"{{"Arn": "arn:aws:iam::111122223333:role/x", "Tags": {tags}, "AssumeRolePolicyDocument": {TRUST}}}"#
            )
        };
        let twice = |a: &str, b: &str| of_account(&format!(r#""roles": [{}, {}]"#, role(a), role(b)));
        let same = twice("[]", "[]");
        assert!(same.role("arn:aws:iam::111122223333:role/x").unwrap().trust.is_some() && same.faults.len() == 1);
        let different = twice("[]", r#"[{"Key": "a", "Value": "b"}]"#);
        let role = different.role("arn:aws:iam::111122223333:role/x").unwrap();
        assert!(role.trust.is_none() && role.trust_fault.is_some() && different.faults.len() == 1);
    }

    #[test]
    fn other_malformed_entries_cost_only_themselves() {
        let snapshot = of_account(
            r#""policies": [7, {"Arn": "p", "PolicyVersionList": [{"IsDefaultVersion": true, "Document": {"Statement": []}}]}],
               "oidcProviders": [{"Arn": 7, "Url": "x.example/a"}, {"Arn": "arn:aws:iam::111122223333:oidc-provider/x.example/b"}],
               "missingRoles": [7, "x", "arn:aws:iam::111122223333:role/y"]"#,
        );
        let at = |part: &str| format!("accounts.111122223333.{part}");
        assert_eq!(
            places(&snapshot),
            [at("policies[0]"), at("oidcProviders[0].Arn"), at("missingRoles[0]"), at("missingRoles")]
        );
        let account = &snapshot.accounts["111122223333"];
        assert_eq!(account.policies.as_ref().unwrap().len(), 1);
        let provider = |url: &str| snapshot.provider("111122223333", &Issuer::new(url)).map(drop);
        assert_eq!(
            (provider("https://x.example/a"), provider("https://x.example/c")),
            (Known::Present(()), Known::Absent)
        );
        let lost = of_account(r#""oidcProviders": [{"Url": 7}]"#);
        assert_eq!(lost.provider("111122223333", &Issuer::new("https://x.example/a")), Known::Unknown);

        let snapshot = Snapshot::parse(
            r#"{"addons": [7], "nodeRoles": ["a", 7], "fargateProfiles": [7, {"fargateProfileName": "f"}],
                "cluster": {"name": "shop"},
                "podIdentityAssociations": [
                    {"namespace": "a", "serviceAccount": "good", "roleArn": "r", "createdAt": "yesterday"},
                    {"namespace": "a", "serviceAccount": "bad", "roleArn": 7},
                    {"namespace": "a", "serviceAccount": "other", "clusterName": "another"},
                    {"namespace": "a", "serviceAccount": "twice", "roleArn": "r"},
                    {"namespace": "a", "serviceAccount": "twice", "roleArn": "s"}]}"#,
        )
        .unwrap();
        assert_eq!(snapshot.faults.len(), 7, "{:?}", snapshot.faults);
        assert!(snapshot.addons.is_none() && snapshot.node_roles.is_none());
        assert_eq!(snapshot.fargate_profiles.as_ref().unwrap().len(), 1);
        assert_eq!(snapshot.association("a", "good").present().unwrap().role_arn.as_deref(), Some("r"));
        for unreadable in ["bad", "other", "twice"] {
            let association = snapshot.association("a", unreadable).present().unwrap();
            assert!(association.role_arn.is_none() && association.fault.is_some(), "{unreadable}");
        }
        assert_eq!(snapshot.association("a", "none"), Known::Absent);
        let lost = Snapshot::parse(r#"{"podIdentityAssociations": [{"namespace": "a"}]}"#).unwrap();
        assert_eq!(lost.association("a", "none"), Known::Unknown, "it may be this one's");
    }

    #[test]
    fn policies_of_organizations_in_each_form() {
        let content = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
        let quoted = serde_json::Value::from(content).to_string();
        let arn = "arn:aws:organizations::999988887777:policy/o-example/service_control_policy/p-1";
        let summary = format!(r#"{{"Id": "p-1", "Arn": "{arn}", "Name": "Guard", "Type": "SERVICE_CONTROL_POLICY"}}"#);
        for policy in [
            format!(r#"{{"PolicySummary": {summary}, "Content": {quoted}}}"#),
            format!(r#"{{"PolicySummary": {summary}, "Content": {content}}}"#),
            format!(r#"{{"Policy": {{"PolicySummary": {summary}, "Content": {quoted}}}}}"#),
            format!(r#"{{"Name": "Guard", "Arn": "{arn}", "Content": {quoted}}}"#),
        ] {
            let snapshot = of_account(&format!(r#""serviceControlPolicies": [{policy}]"#));
            assert!(snapshot.faults.is_empty(), "{policy}: {:?}", snapshot.faults);
            let account = &snapshot.accounts["111122223333"];
            let control = account.service_control.as_ref().unwrap();
            assert_eq!((account.organization(), control.of_management_account), (Some("o-example"), false));
            let [policy] = control.policies.as_slice() else { panic!("{policy}") };
            assert!(*policy.name == *"Guard" && policy.document.get().is_some() && policy.levels.is_none());
        }
        let with_targets = |targets: &str| {
            let policy = format!(r#"{{"PolicySummary": {summary}, "Content": {content}, "Targets": {targets}}}"#);
            let snapshot = of_account(&format!(r#""serviceControlPolicies": [{policy}]"#));
            let control = snapshot.accounts["111122223333"].service_control.clone().unwrap();
            control.policies.first().map(|policy| policy.levels.clone().unwrap().concat())
        };
        let targets =
            r#"[{"TargetId": "r-1", "Type": "ROOT"}, "111122223333", {"TargetId": "444455556666", "Type": "ACCOUNT"}]"#;
        assert_eq!(with_targets(targets).as_deref(), Some("r-1111122223333"));
        assert_eq!(with_targets(r#"["444455556666"]"#), None, "attached elsewhere");
        for (policy, place) in [
            (r#"{"Name": "Guard"}"#.to_owned(), "[0]"),
            (r#"{"Name": "Guard", "Content": "{"}"#.to_owned(), "[0]"),
            (r#"{"Name": "Guard", "Content": 7}"#.to_owned(), "[0]"),
            (format!(r#"{{"Name": "Guard", "Type": "RESOURCE_CONTROL_POLICY", "Content": {content}}}"#), "[0]"),
            ("7".to_owned(), "[0]"),
        ] {
            let snapshot = of_account(&format!(r#""serviceControlPolicies": [{policy}]"#));
            assert!(snapshot.faults[0].place.ends_with(place), "{policy}: {:?}", snapshot.faults);
            let control = snapshot.accounts["111122223333"].service_control.as_ref().unwrap();
            assert!(control.policies.iter().all(|policy| policy.document.get().is_none()), "{policy}");
        }
    }
}
