//! Every fault, as a client meets it, and every call, as the proxy names it.

use std::time::{Duration, Instant};

use anyhow::Result;
use rolecall_aws_ground::{Account, Cluster, Emulator, Fault, FaultProxy};
use serde_json::Value;

const ACCOUNT: &str = "111122223333";
const ROLE: [(&str, &str); 1] = [("RoleName", "carts")];

struct Ground {
    _emulator: Emulator,
    proxy: FaultProxy,
    account: Account,
}

/// A cluster `shop` and a role `carts`, seen through a proxy.
async fn ground() -> Result<Ground> {
    let emulator = Emulator::start().await?;
    let proxy = FaultProxy::start(&emulator).await?;
    emulator.account(ACCOUNT).cluster("shop").await?;
    emulator.account(ACCOUNT).role("carts", &Cluster::pod_identity_trust()).create().await?;
    let account = proxy.account(ACCOUNT);
    Ok(Ground { _emulator: emulator, proxy, account })
}

impl Ground {
    /// The status and the text of GetRole, or why there is none.
    async fn iam(&self) -> Result<(u16, String)> {
        let form = "Action=GetRole&Version=2010-05-08&RoleName=carts";
        let answer = self.account.request("iam", ("POST", "/"), &[], form).await?;
        Ok((answer.status().as_u16(), String::from_utf8(answer.body().to_vec())?))
    }

    async fn eks(&self) -> Result<(u16, String, String)> {
        let answer = self.account.request("eks", ("GET", "/clusters/shop"), &[], "").await?;
        let kind = answer.headers().get("x-amzn-errortype").map_or("", |kind| kind.to_str().unwrap_or_default());
        Ok((answer.status().as_u16(), kind.to_owned(), String::from_utf8(answer.body().to_vec())?))
    }
}

#[tokio::test]
async fn errors_come_in_the_words_of_each_service() -> Result<()> {
    let ground = ground().await?;
    let faults = [
        (Fault::throttle("*"), 400, "Throttling", 429, "TooManyRequestsException"),
        (Fault::server_error("*"), 500, "ServiceFailure", 500, "ServerException"),
        (Fault::unavailable("*"), 503, "ServiceUnavailable", 503, "ServiceUnavailableException"),
        (Fault::expired_token("*"), 403, "ExpiredToken", 403, "ExpiredTokenException"),
        (Fault::unknown_key("*"), 403, "InvalidClientTokenId", 403, "UnrecognizedClientException"),
        (Fault::access_denied("*"), 403, "AccessDenied", 403, "AccessDeniedException"),
    ];
    for (fault, iam_status, iam_code, eks_status, eks_code) in faults {
        ground.proxy.fault(fault.times(2));
        let (status, xml) = ground.iam().await?;
        assert_eq!(status, iam_status);
        assert!(xml.contains(&format!("<Code>{iam_code}</Code>")), "{xml}");
        let (status, kind, json) = ground.eks().await?;
        assert_eq!((status, kind.as_str()), (eks_status, eks_code));
        assert!(serde_json::from_str::<Value>(&json)?.get("message").is_some(), "{json}");
        assert_eq!(ground.iam().await?.0, 200, "spent after two calls");
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_names_caller_action_and_resource() -> Result<()> {
    let ground = ground().await?;
    ground.proxy.fault(Fault::access_denied("*"));
    let (_, xml) = ground.iam().await?;
    let (_, _, json) = ground.eks().await?;
    let who = "User: arn:aws:sts::111122223333:assumed-role/rolecall/rolecall is not authorized to perform:";
    assert!(xml.contains(&format!("{who} iam:GetRole on resource: role carts because")), "{xml}");
    let cluster = "arn:aws:eks:eu-west-1:111122223333:cluster/shop";
    assert!(json.contains(&format!("{who} eks:DescribeCluster on resource: {cluster} because")), "{json}");
    Ok(())
}

#[tokio::test]
async fn answers_break_on_their_way() -> Result<()> {
    let ground = ground().await?;
    let (_, whole) = ground.iam().await?;
    ground.proxy.fault(Fault::cut_before("iam:GetRole").once());
    assert!(ground.iam().await.is_err());
    assert_eq!(ground.proxy.calls().last().map(|call| (call.status, call.spoiled)), Some((0, true)));
    ground.proxy.fault(Fault::cut_within("iam:GetRole").once());
    let cut = ground.iam().await.unwrap_err();
    assert!(!format!("{cut:#}").is_empty());
    ground.proxy.fault(Fault::truncate("iam:GetRole").once());
    let (status, half) = ground.iam().await?;
    assert_eq!((status, half.len()), (200, whole.len() / 2));
    ground.proxy.fault(Fault::malformed("iam:GetRole").once());
    assert!(ground.iam().await?.1.starts_with("<html>"));
    ground.proxy.fault(Fault::malformed("eks:DescribeCluster").once());
    assert!(serde_json::from_str::<Value>(&ground.eks().await?.2).is_err());
    ground.proxy.fault(Fault::answer("iam:GetRole", 200, "mine").once());
    assert_eq!(ground.iam().await?.1, "mine");
    assert_eq!(ground.iam().await?.0, 200);
    Ok(())
}

/// The headers of a cut answer arrive, and so does its first half: that is what makes it worse than no answer.
#[tokio::test]
async fn half_of_a_cut_answer_arrives() -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ground = ground().await?;
    ground.proxy.fault(Fault::cut_within("eks:DescribeCluster"));
    let mut stream = tokio::net::TcpStream::connect(ground.proxy.address()).await?;
    let request = format!(
        "GET /clusters/shop HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/eu-west-1/eks/aws4_request\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut got = Vec::new();
    let _reset = stream.read_to_end(&mut got).await;
    let got = String::from_utf8(got)?;
    let (head, body) = got.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 200"), "{got}");
    assert!(body.starts_with("{\"cluster\"") && serde_json::from_str::<Value>(body).is_err(), "{got}");
    Ok(())
}

#[tokio::test]
async fn a_fault_strikes_whom_it_names_and_when() -> Result<()> {
    let ground = ground().await?;
    let second = ground.proxy.account("444455556666");
    ground.proxy.fault(Fault::throttle("iam:GetRole").after(1).once());
    ground.proxy.fault(Fault::server_error("iam:GetRole").with("RoleName", "other"));
    ground.proxy.fault(Fault::expired_token("iam:*").account("444455556666"));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(ground.iam().await?.0);
    }
    assert_eq!(statuses, [200, 400, 200]);
    let other = ground.account.iam("GetRole", &[("RoleName", "other")]).await.unwrap_err();
    assert!(format!("{other:#}").contains("ServiceFailure"), "{other:#}");
    let expired = second.iam("GetRole", &ROLE).await.unwrap_err();
    assert!(format!("{expired:#}").contains("ExpiredToken"), "{expired:#}");
    ground.proxy.heal();
    let gone = second.iam("GetRole", &ROLE).await.unwrap_err();
    assert!(format!("{gone:#}").contains("NoSuchEntity"), "{gone:#}");
    Ok(())
}

#[tokio::test]
async fn delays_and_rewrites_add_up() -> Result<()> {
    let ground = ground().await?;
    ground.proxy.fault(Fault::delay("iam:GetRole", Duration::from_millis(150)));
    ground.proxy.fault(Fault::rewrite("iam:GetRole", |call, text| text.replace(&call.account, "999999999999")));
    let began = Instant::now();
    let (_, xml) = ground.iam().await?;
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert!(xml.contains("arn:aws:iam::999999999999:role/carts"), "{xml}");
    Ok(())
}

#[tokio::test]
async fn calls_are_named_as_policies_name_them() -> Result<()> {
    let ground = ground().await?;
    let paths = [
        ("", "DescribeCluster"),
        ("/addons", "ListAddons"),
        ("/addons/x", "DescribeAddon"),
        ("/pod-identity-associations?namespace=n&serviceAccount=s", "ListPodIdentityAssociations"),
        ("/pod-identity-associations/x", "DescribePodIdentityAssociation"),
        ("/node-groups?nextToken=a%2Bb", "ListNodegroups"),
        ("/node-groups/x", "DescribeNodegroup"),
        ("/access-entries", "ListAccessEntries"),
        ("/access-entries/arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fx", "DescribeAccessEntry"),
        ("/fargate-profiles", "ListFargateProfiles"),
        ("/fargate-profiles/x", "DescribeFargateProfile"),
    ];
    for (path, _) in paths {
        ground.account.request("eks", ("GET", &format!("/clusters/shop{path}")), &[], "").await?;
    }
    ground.account.sts("GetCallerIdentity", &[]).await?;
    let calls = ground.proxy.forget();
    let names: Vec<_> = calls.iter().map(|call| call.action.as_str()).collect();
    let mut expected: Vec<_> = paths.iter().map(|(_, name)| format!("eks:{name}")).collect();
    expected.push("sts:GetCallerIdentity".to_owned());
    assert_eq!(names, expected);
    assert!(ground.proxy.calls().is_empty());
    let value = |number: usize, name: &str| calls.get(number).and_then(|call| call.parameter(name));
    assert_eq!(value(0, "name"), Some("shop"));
    assert_eq!((value(3, "namespace"), value(3, "serviceAccount")), (Some("n"), Some("s")));
    assert_eq!(value(5, "nextToken"), Some("a+b"));
    assert_eq!(value(8, "principalArn"), Some("arn:aws:iam::111122223333:role/x"));
    assert!(calls.iter().all(|call| call.account == ACCOUNT && call.region == "eu-west-1"));
    Ok(())
}
