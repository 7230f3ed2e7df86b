//! The smallest HTTP client that will do: one connection a call.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends one request to `address` and reads the whole answer.
pub(crate) async fn send(address: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("the AWS emulator at {address} is gone"))?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    driver.abort();
    Ok(Response::from_parts(parts, body))
}

/// A request as an SDK would send it. The signature is not one: the emulator reads the account, the region and the service
/// from the header, and checks nothing.
pub(crate) fn signed(
    address: &str,
    (account, region, service): (&str, &str, &str),
    (method, path): (&str, &str),
    body: String,
) -> Result<Request<Full<Bytes>>> {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    Ok(Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address)
        .header(AUTHORIZATION, authorization)
        .body(Full::new(Bytes::from(body)))?)
}
