//! Whether pods reach the instance metadata service (IMDS): a hop limit of 1 keeps its answers on the node, so pods with a
//! network of their own get none (Amazon EC2 User Guide, "Instance metadata options"; Amazon EKS Best Practices Guide,
//! "Restrict access to the instance profile assigned to the worker node").

use serde::Deserialize;

use super::entry::{Faults, Raw, read};

/// A managed node group (EKS API, `DescribeNodegroup`, `nodegroup`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeGroup<'a> {
    #[serde(borrow)]
    ami_type: Option<&'a str>,
    launch_template: Option<LaunchTemplateReference>,
}

#[derive(Deserialize)]
struct LaunchTemplateReference {
    id: Option<String>,
    name: Option<String>,
    version: Option<String>,
}

/// A version of a launch template (EC2 API, `DescribeLaunchTemplateVersions`, an entry of `LaunchTemplateVersions`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LaunchTemplateVersion {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    version_number: Option<u64>,
    #[serde(default)]
    default_version: bool,
    launch_template_data: Option<LaunchTemplateData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LaunchTemplateData {
    metadata_options: Option<Ec2MetadataOptions>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ec2MetadataOptions {
    http_put_response_hop_limit: Option<u32>,
    http_endpoint: Option<String>,
}

/// Karpenter's node class (karpenter.k8s.aws, `EC2NodeClass`).
#[derive(Deserialize)]
struct NodeClass {
    spec: Option<NodeClassSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeClassSpec {
    metadata_options: Option<NodeClassMetadataOptions>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeClassMetadataOptions {
    http_put_response_hop_limit: Option<u32>,
    http_endpoint: Option<String>,
}

/// The parts of a snapshot that describe how nodes are started.
pub(super) struct NodeParts<'a> {
    pub(super) node_groups: Option<Vec<Raw<'a>>>,
    pub(super) launch_template_versions: Option<Vec<Raw<'a>>>,
    pub(super) node_classes: Option<Vec<Raw<'a>>>,
}

impl NodeParts<'_> {
    /// Whether pods reach IMDS from the nodes: `Some(false)` where none lets them, `Some(true)` where each does; `None` where
    /// they differ, or some do not tell.
    pub(super) fn reach(self, faults: &mut Faults) -> Option<bool> {
        let mut found: Vec<Option<bool>> = Vec::new();
        let templates: Vec<LaunchTemplateVersion> =
            entries(self.launch_template_versions.as_deref(), "launchTemplateVersions", faults)
                .into_iter()
                .flatten()
                .collect();
        for group in entries::<NodeGroup<'_>>(self.node_groups.as_deref(), "nodegroups", faults) {
            found.push(group.and_then(|group| group.reach(&templates)));
        }
        for class in entries::<NodeClass>(self.node_classes.as_deref(), "ec2NodeClasses", faults) {
            found.push(class.map(|class| class.reach()));
        }
        let first = found.first().copied()??;
        found.iter().all(|reach| *reach == Some(first)).then_some(first)
    }
}

/// The entries of a list; `None` for one that cannot be read.
fn entries<'a, T: Deserialize<'a>>(list: Option<&[Raw<'a>]>, at: &str, faults: &mut Faults) -> Vec<Option<T>> {
    let list = list.unwrap_or_default().iter().enumerate();
    let entries = list.map(|(index, raw)| match read(raw, &format!("{at}[{index}]")) {
        Ok(entry) => Some(entry),
        Err(fault) => {
            faults.push(fault);
            None
        }
    });
    entries.collect()
}

fn lets_pods(hop_limit: u32, endpoint: Option<&str>) -> bool {
    hop_limit > 1 && endpoint != Some("disabled")
}

impl NodeGroup<'_> {
    fn reach(&self, templates: &[LaunchTemplateVersion]) -> Option<bool> {
        let Some(reference) = &self.launch_template else {
            // Amazon EKS User Guide, "Upgrade from Amazon Linux 2 to Amazon Linux 2023": 1 for managed node groups.
            return self.ami_type.filter(|ami| ami.starts_with("AL2023_")).map(|_| false);
        };
        let template = templates.iter().find(|template| reference.names(template))?;
        let options = template.launch_template_data.as_ref()?.metadata_options.as_ref()?;
        Some(match options.http_put_response_hop_limit {
            Some(limit) => lets_pods(limit, options.http_endpoint.as_deref()),
            None if options.http_endpoint.as_deref() == Some("disabled") => false,
            None => return None,
        })
    }
}

impl LaunchTemplateReference {
    fn names(&self, template: &LaunchTemplateVersion) -> bool {
        let same_template = match (&self.id, &template.launch_template_id) {
            (Some(id), Some(of_template)) => id == of_template,
            _ => self.name.is_some() && self.name == template.launch_template_name,
        };
        let same_version = match self.version.as_deref() {
            Some("$Default") | None => template.default_version,
            Some(version) => template.version_number.is_some_and(|number| number.to_string() == version),
        };
        same_template && same_version
    }
}

impl NodeClass {
    /// Without a limit of its own it has 1 (Karpenter, "NodeClasses", `spec.metadataOptions`).
    fn reach(&self) -> bool {
        let options = self.spec.as_ref().and_then(|spec| spec.metadata_options.as_ref());
        let limit = options.and_then(|options| options.http_put_response_hop_limit).unwrap_or(1);
        lets_pods(limit, options.and_then(|options| options.http_endpoint.as_deref()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use crate::snapshot::Snapshot;

    #[test]
    fn says_whether_pods_reach_instance_metadata() {
        let template = |limit: &str| {
            format!(
                r#""launchTemplateVersions": [{{"LaunchTemplateId": "lt-1", "VersionNumber": 3, "DefaultVersion": true,
                   "LaunchTemplateData": {{"MetadataOptions": {{{limit}}}}}}}]"#
            )
        };
        let group = |version: &str| {
            format!(
                r#""nodegroups": [{{"amiType": "AL2023_x86_64_STANDARD", "launchTemplate": {{"id": "lt-1", "version": "{version}"}}}}]"#
            )
        };
        let al2023 = r#""nodegroups": [{"amiType": "AL2023_x86_64_STANDARD"}]"#;
        for (parts, expected) in [
            (String::new(), None),
            (al2023.to_owned(), Some(false)),
            (r#""nodegroups": [{"amiType": "AL2_x86_64"}]"#.to_owned(), None),
            (r#""nodegroups": [{"amiType": "AL2023_ARM_64_STANDARD"}, {"amiType": "CUSTOM"}]"#.to_owned(), None),
            (format!("{}, {}", group("3"), template(r#""HttpPutResponseHopLimit": 2"#)), Some(true)),
            (format!("{}, {}", group("$Default"), template(r#""HttpPutResponseHopLimit": 1"#)), Some(false)),
            (
                format!("{}, {}", group("3"), template(r#""HttpPutResponseHopLimit": 2, "HttpEndpoint": "disabled""#)),
                Some(false),
            ),
            (format!("{}, {}", group("4"), template(r#""HttpPutResponseHopLimit": 1"#)), None),
            (format!("{}, {}", group("3"), template("")), None),
            (r#""ec2NodeClasses": [{"spec": {}}]"#.to_owned(), Some(false)),
            (
                r#""ec2NodeClasses": [{"spec": {"metadataOptions": {"httpPutResponseHopLimit": 2}}}]"#.to_owned(),
                Some(true),
            ),
            (
                format!(
                    r#"{al2023}, "ec2NodeClasses": [{{"spec": {{"metadataOptions": {{"httpPutResponseHopLimit": 2}}}}}}]"#
                ),
                None,
            ),
            (r#""ec2NodeClasses": [7]"#.to_owned(), None),
        ] {
            let snapshot = Snapshot::parse(&format!("{{{parts}}}")).unwrap();
            assert_eq!(snapshot.pods_reach_metadata, expected, "{parts}");
        }
    }
}
