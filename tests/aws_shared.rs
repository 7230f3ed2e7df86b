//! Snapshots that are shared: by an object store, and by a web server.
#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "common/aws.rs"]
mod aws;
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws::{Ground, stderr, stdout};
use rolecall::sources::SnapshotSource;
use rolecall::sources::aws::AwsSettings;
use rolecall_aws_ground::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const S3: &str = "s3://snapshots/fleet/shop.json";

/// Readers see the old snapshot or the new one, whatever becomes of the writer.
#[tokio::test]
async fn a_writer_that_dies_leaves_the_old_snapshot_to_its_readers() {
    let ground = Ground::furnished("killed").await;
    ground.account.bucket("snapshots").await.unwrap();
    let manifests = ground.path("manifests.yaml");
    let config = ground.config("");
    let write = ["snapshot", "--cluster", "shop", "-o", S3, "--config", &config, "--manifests", &manifests];
    let check = ["check", &manifests, "--source", S3, "--cluster", "shop", "--format", "json"];
    let run = ground.rolecall(&write).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let before = stdout(&ground.rolecall(&check).await);
    assert!(before.contains("gone"), "{before}");

    // The second writer would see another world, and dies while its object is under way.
    ground.account.delete_role("orders").await.unwrap();
    ground.proxy.fault(Fault::cut_before("s3:PutObject"));
    ground.proxy.fault(Fault::delay("s3:PutObject", Duration::from_secs(20)));
    let mut writer = ground.spawn(&write);
    let readers = async {
        while ground.proxy.count("s3:PutObject") < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let run = || ground.rolecall(&check);
        let (one, two, three) = tokio::join!(run(), run(), run());
        [one, two, three].map(|run| stdout(&run))
    };
    let seen = tokio::time::timeout(Duration::from_secs(60), readers).await.expect("the writer never wrote");
    writer.kill().await.unwrap();
    for report in seen {
        assert_eq!(report, before);
    }
    assert_eq!(stdout(&ground.rolecall(&check).await), before);

    ground.proxy.heal();
    let run = ground.rolecall(&write).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_ne!(stdout(&ground.rolecall(&check).await), before, "a writer that lives replaces it");
}

#[tokio::test]
async fn what_cannot_be_written_or_read_is_told() {
    let ground = Ground::furnished("places").await;
    let config = ground.config("");
    let manifests = ground.path("manifests.yaml");
    let nowhere = ground.path("no/such/folder/out.json");
    for (target, said) in [
        (nowhere.as_str(), "there is no folder"),
        ("s3://snapshots", "must be s3://BUCKET/KEY"),
        ("https://example.com/x", "is read only"),
    ] {
        let run = ground.rolecall(&["snapshot", "--cluster", "shop", "-o", target, "--config", &config]).await;
        assert_eq!(run.status.code(), Some(2));
        assert!(stderr(&run).contains(said), "{target}: {}", stderr(&run));
        assert!(ground.proxy.forget().is_empty(), "{target}: known before anything is read");
    }
    for (source, said) in [
        ("s3://snapshots/none.json", "no such object"),
        ("http://example.com/x", "use https:"),
        ("https://127.0.0.1:9/x", "cannot be fetched"),
        ("aws", "needs --cluster NAME"),
    ] {
        let run = ground.rolecall(&["check", &manifests, "--source", source]).await;
        assert_eq!(run.status.code(), Some(2), "{source}");
        assert!(stderr(&run).contains(said), "{source}: {}", stderr(&run));
    }
}

/// The webhook over a bucket: what was put there counts for the next denial, not for the next look.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_put_into_the_bucket_counts_for_the_next_denial() {
    let ground = Ground::furnished("bucket").await;
    ground.account.bucket("snapshots").await.unwrap();
    let manifests = ground.write(
        "cluster.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {rolecall.dev/enforce: chain}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: orders, namespace: shop, annotations: \
         {eks.amazonaws.com/role-arn: \"arn:aws:iam::111122223333:role/team/orders\"}}\n",
    );
    let aws = std::fs::read_to_string(ground.config("")).unwrap();
    let config = ground.write("serve.yaml", &format!("{aws}\nrefresh: {{intervalSeconds: 3600}}\n"));
    let write = ["snapshot", "--cluster", "shop", "-o", S3, "--config", &config, "--manifests", &manifests];
    let written = async || {
        let run = ground.rolecall(&write).await;
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    };
    let wrong = ground.cluster.irsa_trust(&ground.account, "shop", "order");
    ground.account.set_trust("orders", &wrong).await.unwrap();
    written().await;
    let server = tokio::task::block_in_place(|| {
        let arguments = ["--cluster", "shop", "--config", &config];
        common::Server::start_from(std::path::Path::new(&manifests), S3, &arguments, &ground.environment())
    });
    let path = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {
        "serviceAccountName": "orders",
        "containers": [{"name": "app", "image": "app", "volumeMounts": [{"name": "aws-iam-token", "mountPath": path}],
            "env": [{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/team/orders"},
                {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{path}/token")}]}],
        "volumes": [{"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken":
            {"audience": aws::AUDIENCE, "expirationSeconds": 86400, "path": "token"}}]}}]}});
    let body = serde_json::to_vec(&common::review(("", "Pod"), "CREATE", &pod, None)).unwrap();
    let mut client = server.client().await;
    let mut ask = async || {
        let (status, answer) = client.post("/validate?timeout=5s", body.clone()).await.unwrap();
        assert_eq!(status, 200);
        serde_json::from_slice::<serde_json::Value>(&answer).unwrap()["response"].clone()
    };
    assert_eq!(ask().await["allowed"], false);
    ground.proxy.forget();
    assert_eq!(ask().await["allowed"], false);
    assert_eq!(ground.proxy.count("s3:GetObject"), 1, "one conditional request: {:?}", ground.proxy.calls());

    // The bucket does not answer in time.
    ground.proxy.fault(Fault::delay("s3:GetObject", Duration::from_secs(6)));
    let warned = ask().await;
    let warnings = warned["warnings"].to_string();
    assert!(warned["allowed"] == true && warnings.contains("no answer in time"), "{warned}");
    assert!(warnings.contains("irsa-trust-subject"), "{warned}");
    ground.proxy.heal();

    let right = ground.cluster.irsa_trust(&ground.account, "shop", "orders");
    ground.account.set_trust("orders", &right).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ask().await["allowed"], false, "the bucket has what it had");
    written().await;
    let allowed = ask().await;
    assert_eq!((&allowed["allowed"], &allowed["warnings"]), (&true.into(), &serde_json::Value::Null), "{allowed}");
    assert_eq!(tokio::task::block_in_place(|| server.metric("rolecall_rereads_total{outcome=\"changed\"}")), 1.0);
}

/// A web server that knows ETags; on loopback, so that it may speak in clear.
#[tokio::test]
async fn a_web_server_is_asked_only_for_what_changed() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/shop.json?signature=secret", listener.local_addr().unwrap());
    let version = Arc::new(AtomicUsize::new(1));
    let bodies = Arc::new(AtomicUsize::new(0));
    let (served, sent) = (Arc::clone(&version), Arc::clone(&bodies));
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
            let etag = format!("\"v{}\"", served.load(Ordering::SeqCst));
            let answer = if request.contains(&format!("if-none-match: {etag}")) {
                "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned()
            } else {
                sent.fetch_add(1, Ordering::SeqCst);
                let body = format!("{{\"version\": {etag}}}");
                let length = body.len();
                format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\netag: {etag}\r\ncontent-length: {length}\r\n\r\n{body}"
                )
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut source = SnapshotSource::open(&url, &AwsSettings::default()).await.unwrap();
    let first = source.poll().await.unwrap().unwrap();
    assert_eq!((first.text.as_str(), first.etag.as_deref()), ("{\"version\": \"v1\"}", Some("\"v1\"")));
    assert_eq!(source.poll().await.unwrap(), None);
    assert_eq!(source.poll().await.unwrap(), None);
    version.store(2, Ordering::SeqCst);
    assert_eq!(source.poll().await.unwrap().unwrap().text, "{\"version\": \"v2\"}");
    assert_eq!(bodies.load(Ordering::SeqCst), 2);
    server.abort();
    let _ = server.await;
    let message = format!("{:#}", source.poll().await.unwrap_err());
    assert!(message.contains("/shop.json") && !message.contains("secret"), "{message}");
}
