//! Log lines: JSON, one event a line, written by a thread of its own.
//!
//! A review must not wait for the reader of the log, nor pay for a system call and a wake-up each: lines go through a queue,
//! bounded in bytes, and the writer wakes up fifty times a second and writes what is there. When nothing reads and the queue is
//! full, or a line cannot be written, it is given up and counted; the same decisions are in the API server's audit annotations.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Bytes of lines that wait to be written, the ones being written among them.
const MAX_QUEUED_BYTES: usize = 8 << 20;
/// Bytes that are written in one call.
const MAX_BATCH_BYTES: usize = 256 << 10;
/// A field's value is cut to this.
const MAX_FIELD_BYTES: usize = 16 << 10;
const PAUSE: Duration = Duration::from_millis(20);
/// How long the end of the process waits for what is left to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

static LOST: AtomicU64 = AtomicU64::new(0);
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// JSON lines on standard error.
    Json,
    /// Nothing at all.
    Silent,
}

/// Keeps the writer going; dropped, it waits for what is left to be written, and no longer than a second: the process must
/// end also where nothing reads.
#[derive(Debug)]
pub struct LogGuard {
    stop: Arc<AtomicBool>,
    /// Closed when the writer ends.
    ended: Option<Receiver<()>>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(ended) = self.ended.take() {
            let _ = ended.recv_timeout(LAST_LINES);
        }
    }
}

/// Sets the process's log up; `RUST_LOG` chooses what is logged, `info` where it is not set.
pub fn init(format: LogFormat) -> LogGuard {
    let stop = Arc::new(AtomicBool::new(false));
    if format == LogFormat::Silent {
        return LogGuard { stop, ended: None };
    }
    let (queue, lines) = Queue::new();
    let (ending, ended) = channel::<()>();
    let (bytes, stopped) = (Arc::clone(&queue.bytes), Arc::clone(&stop));
    let write = move || {
        write_lines(&lines, &bytes, &stopped, &mut io::stderr());
        drop(ending);
    };
    let started = std::thread::Builder::new().name("log".to_owned()).spawn(write).is_ok();
    if QUEUE.set(queue).is_ok() {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let _ = tracing_subscriber::registry().with(filter).with(JsonLines).try_init();
    }
    LogGuard { stop, ended: started.then_some(ended) }
}

/// Lines that were given up since the start.
pub(super) fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Lines on their way to the writer.
struct Queue {
    sender: Sender<String>,
    /// Memory of all of them.
    bytes: Arc<AtomicUsize>,
}

impl Queue {
    fn new() -> (Self, Receiver<String>) {
        let (sender, lines) = channel();
        (Self { sender, bytes: Arc::default() }, lines)
    }

    /// Takes a line; false where there is no room for it.
    fn push(&self, line: String) -> bool {
        let size = line.capacity();
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > MAX_QUEUED_BYTES || self.sender.send(line).is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        true
    }
}

fn write_lines(lines: &Receiver<String>, queued: &AtomicUsize, stop: &AtomicBool, out: &mut dyn Write) {
    let mut batch = String::new();
    let mut last_words: Option<Instant> = None;
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        if stopping && last_words.get_or_insert_with(Instant::now).elapsed() > LAST_LINES {
            return;
        }
        let mut size = 0;
        let state = loop {
            match lines.try_recv() {
                Ok(line) => {
                    size += line.capacity();
                    batch.push_str(&line);
                }
                Err(state) => break Some(state),
            }
            if batch.len() >= MAX_BATCH_BYTES {
                break None;
            }
        };
        if !batch.is_empty() {
            LOST.fetch_add(write_all(out, batch.as_bytes()), Ordering::Relaxed);
            batch.clear();
            queued.fetch_sub(size, Ordering::Relaxed);
        }
        match state {
            None => {}
            Some(TryRecvError::Disconnected) => return,
            Some(TryRecvError::Empty) if stopping => return,
            Some(TryRecvError::Empty) => std::thread::sleep(PAUSE),
        }
    }
}

/// Writes lines; gives how many of them were not written to their end.
fn write_all(out: &mut dyn Write, mut bytes: &[u8]) -> u64 {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => break,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// A `tracing` layer that renders events as JSON lines.
struct JsonLines;

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = String::with_capacity(640);
        line.push_str("{\"time\":\"");
        let _ = write!(line, "{:.6}", jiff::Timestamp::now());
        line.push_str("\",\"level\":\"");
        line.push_str(metadata.level().as_str());
        line.push_str("\",\"target\":\"");
        line.push_str(metadata.target());
        line.push('"');
        event.record(&mut JsonFields(&mut line));
        line.push_str("}\n");
        if let Some(queue) = QUEUE.get()
            && !queue.push(line)
        {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Appends fields to an object under way; empty texts are left out.
struct JsonFields<'l>(&'l mut String);

impl JsonFields<'_> {
    fn key(&mut self, field: &Field) {
        self.0.push_str(",\"");
        self.0.push_str(field.name());
        self.0.push_str("\":");
    }
}

impl Visit for JsonFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !value.is_empty() {
            self.key(field);
            push_json_string(self.0, shortened(value));
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.key(field);
        self.0.push_str(if value { "true" } else { "false" });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.key(field);
        let _ = write!(self.0, "{value}");
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.key(field);
        let _ = write!(self.0, "{value}");
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.key(field);
            let _ = write!(self.0, "{value}");
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The start of a value that is too long.
fn shortened(value: &str) -> &str {
    let end = (0..=MAX_FIELD_BYTES.min(value.len())).rev().find(|at| value.is_char_boundary(*at));
    value.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// A JSON string (RFC 8259, section 7).
fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = text;
    while let Some(at) = plain.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        let (before, rest) = plain.split_at(at);
        out.push_str(before);
        let mut characters = rest.chars();
        match characters.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some(control) => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            None => {}
        }
        plain = characters.as_str();
    }
    out.push_str(plain);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_survive(text in "\\PC*|[\\x00-\\x1f\"\\\\a]*") {
            let mut json = String::new();
            push_json_string(&mut json, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn the_queue_is_bounded_in_bytes_and_gives_them_back() {
        let (queue, lines) = Queue::new();
        let line = || "x".repeat((1 << 20) - 1) + "\n";
        let taken = (0..20).filter(|_| queue.push(line())).count();
        assert!((4..=8).contains(&taken), "{taken}");
        let mut out = Vec::new();
        write_lines(&lines, &queue.bytes, &AtomicBool::new(true), &mut out);
        assert_eq!(out.len(), taken << 20);
        assert_eq!(queue.bytes.load(Ordering::Relaxed), 0);
        assert!(queue.push(line()));
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let taken = self.0.min(bytes.len());
                self.0 -= taken;
                if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(write_all(&mut Full(100), b"one\ntwo\n"), 0);
        assert_eq!(write_all(&mut Full(0), b"one\ntwo\n"), 2);
        assert_eq!(write_all(&mut Full(5), b"one\ntwo\n"), 1);
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shortened("short"), "short");
        let long = "é".repeat(1 << 20);
        let cut = shortened(&long);
        assert!(cut.len() <= MAX_FIELD_BYTES && cut.len() > MAX_FIELD_BYTES - 2);
    }
}
