//! Snapshots that are shared: by an object store, and by a web server.
#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "common/aws.rs"]
mod aws;

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
