//! The ground itself: what it says of AWS must be so, or the tests that stand on it prove nothing.

use anyhow::{Context, Result};
use rolecall_aws_ground::{Cluster, Emulator};
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";

#[tokio::test]
async fn a_cluster_has_all_its_parts() -> Result<()> {
    let emulator = Emulator::start().await?;
    let account = emulator.account(ACCOUNT);
    let cluster = account.cluster("shop").await?;
    let trust = Cluster::pod_identity_trust();
    let role = account.role("carts", &trust).create().await?;
    let node = account.role("node", &trust).create().await?;
    let id = cluster.association("carts", "carts", &role).create().await?;
    cluster.node_group("blue", &node).await?;
    cluster.access_entry(&node, "EC2").await?;
    cluster.addon("eks-pod-identity-agent").await?;
    cluster.fargate_profile("batch", &node, "batch", &json!({ "run": "fargate" })).await?;

    let read = async |path: &str, pointer: &str| -> Result<String> {
        let answer = account.eks("GET", &format!("/clusters/shop{path}"), &Value::Null).await?;
        let value = answer.pointer(pointer).with_context(|| format!("no {pointer} in {answer}"))?;
        Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let entry = node.replace('/', "%2F");
    assert!(cluster.issuer().starts_with("https://oidc.eks.eu-west-1.amazonaws.com/id/"), "{}", cluster.issuer());
    assert_eq!(read(&format!("/pod-identity-associations/{id}"), "/association/roleArn").await?, role);
    assert_eq!(read("/node-groups/blue", "/nodegroup/nodeRole").await?, node);
    assert_eq!(read(&format!("/access-entries/{entry}"), "/accessEntry/type").await?, "EC2");
    assert_eq!(read("/addons/eks-pod-identity-agent", "/addon/addonName").await?, "eks-pod-identity-agent");
    assert_eq!(read("/fargate-profiles/batch", "/fargateProfile/selectors/0/namespace").await?, "batch");
    Ok(())
}
