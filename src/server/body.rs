//! Reading a body within limits: its own length, and the memory for all reviews.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout_at};

use super::budget::{Budget, SMALL_BYTES, Share};

/// Why a body was not read; with its start, where it came.
#[derive(Debug)]
pub(super) enum Refusal {
    TooLarge(Bytes),
    Overloaded(Bytes),
    /// It broke off, or came too slowly.
    Broken,
}

/// Most bytes that are received of a body only to be thrown away. The largest that an API server sends is smaller.
const MAX_DISCARDED_BYTES: usize = 64 << 20;
/// How long that may take after the deadline: the API server waits a little longer than that.
const DISCARD_TIME: Duration = Duration::from_millis(500);

/// How much longer a client may take at most where the server made it wait for memory.
const AFTER_WAIT: Duration = Duration::from_secs(2);

/// Reads the whole body. What comes in one frame, as nearly every review does, is not copied. `deadline` ends the wait for
/// memory, `patience` the wait for the client: the client sends nothing while the server does not read.
pub(super) async fn read(
    mut body: Body,
    limit: usize,
    budget: &Budget,
    deadline: Instant,
    patience: Instant,
) -> Result<(Bytes, Share), Refusal> {
    let Some(mut share) = budget.small(deadline).await else {
        return Err(Refusal::Overloaded(Bytes::new()));
    };
    let declared = body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut received = Received::default();
    let small = received.receive(&mut body, SMALL_BYTES.min(limit));
    if timeout_at(patience, small).await.map_err(|_| Refusal::Broken)?? {
        share.keep(received.len());
        return Ok((received.whole(), share));
    }
    // What does not say how long it is may become as long as it may be.
    let expected = declared.unwrap_or(limit);
    if expected > limit {
        discard(body, deadline).await;
        return Err(Refusal::TooLarge(received.whole()));
    }
    let waiting = Instant::now();
    if !budget.large(&mut share, expected, deadline).await {
        discard(body, deadline).await;
        return Err(Refusal::Overloaded(received.whole()));
    }
    let patience = patience.max(Instant::now() + waiting.elapsed().min(AFTER_WAIT));
    // Memory that is not written to yet costs nothing.
    received.reserve(declared.unwrap_or(0));
    if !timeout_at(patience, received.receive(&mut body, limit)).await.map_err(|_| Refusal::Broken)?? {
        discard(body, deadline).await;
        return Err(Refusal::TooLarge(received.start()));
    }
    share.keep(received.len());
    Ok((received.whole(), share))
}

/// What came of a body.
#[derive(Default)]
struct Received {
    /// The only frame.
    first: Bytes,
    /// All frames, where there are several.
    all: BytesMut,
}

impl Received {
    /// Reads on to the end, or until there are more bytes than this. Gives whether it was the end.
    async fn receive(&mut self, body: &mut Body, limit: usize) -> Result<bool, Refusal> {
        while let Some(data) = frame(body).await? {
            if self.len() == 0 {
                self.first = data;
            } else {
                self.reserve(self.len() + data.len());
                self.all.extend_from_slice(&data);
            }
            if self.len() > limit {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes room for so many bytes in sum.
    fn reserve(&mut self, bytes: usize) {
        self.all.reserve(bytes.saturating_sub(self.all.len()));
        if !self.first.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }

    /// A copy of as much as holds the fields before the objects.
    fn start(&self) -> Bytes {
        Bytes::copy_from_slice(self.all.get(..SMALL_BYTES.min(self.all.len())).unwrap_or_default())
    }
}

/// The next bytes; `None` at the end.
async fn frame(body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| Refusal::Broken)?.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => return Ok(Some(data)),
            // Trailers.
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Takes the rest of a body without keeping it: a client that is still sending may not look for an answer.
async fn discard(mut body: Body, deadline: Instant) {
    let until = deadline.max(Instant::now() + DISCARD_TIME);
    let receiving = async {
        let mut received = 0;
        while let Ok(Some(data)) = frame(&mut body).await {
            received += data.len();
            if received > MAX_DISCARDED_BYTES {
                return;
            }
        }
    };
    let _ = timeout_at(until, receiving).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};

    use super::*;

    /// Reads a body of 200 KiB whose chunks take this long each, while the memory is taken for 6 s and a client has 5 s.
    async fn read_after_a_wait(chunk_time: Duration) -> Result<usize, Refusal> {
        let budget = Budget::new(4 << 20, 3 << 20);
        let start = Instant::now();
        let mut taken = budget.small(start).await.unwrap();
        assert!(budget.large(&mut taken, 3 << 20, start).await);
        tokio::spawn(async move {
            tokio::time::sleep_until(start + Duration::from_secs(6)).await;
            drop(taken);
        });
        let chunks = stream::iter([vec![b' '; 100 << 10], vec![b' '; 100 << 10]]).then(move |chunk| async move {
            tokio::time::sleep(chunk_time).await;
            Ok::<_, Infallible>(chunk)
        });
        let seconds = |seconds| start + Duration::from_secs(seconds);
        read(Body::from_stream(chunks), 2 << 20, &budget, seconds(8), seconds(5)).await.map(|(whole, _)| whole.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_memory_does_not_count_as_the_clients() {
        assert_eq!(read_after_a_wait(Duration::from_millis(100)).await.unwrap(), 200 << 10);
        let slow = read_after_a_wait(Duration::from_millis(2_100)).await;
        assert!(matches!(slow, Err(Refusal::Broken)), "{slow:?}");
    }
}
