//! Log lines: JSON, one event a line, written by a thread of its own.
//!
//! A review must not wait for whoever reads the log, nor pay for a system call and a wake-up each: lines go through a bounded
//! queue, and the writer wakes up fifty times a second and writes what has gathered in one call. When nobody reads and the
//! queue is full, lines are given up and counted; the same decisions stand in the API server's audit annotations.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

const QUEUE_LINES: usize = 1 << 16;
const PAUSE: Duration = Duration::from_millis(20);

static LOST: AtomicU64 = AtomicU64::new(0);
static QUEUE: OnceLock<SyncSender<String>> = OnceLock::new();

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// JSON lines on standard error.
    Json,
    /// Nothing at all.
    Silent,
}

/// Keeps the writer going; dropped, it writes what is left.
#[derive(Debug)]
pub struct LogGuard {
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Sets the process's log up; `RUST_LOG` chooses what is logged, `info` where it is not set.
pub fn init(format: LogFormat) -> LogGuard {
    let stop = Arc::new(AtomicBool::new(false));
    if format == LogFormat::Silent {
        return LogGuard { stop, writer: None };
    }
    let (sender, receiver) = sync_channel(QUEUE_LINES);
    let stopped = Arc::clone(&stop);
    let writer =
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&receiver, &stopped)).ok();
    if QUEUE.set(sender).is_ok() {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let _ = tracing_subscriber::registry().with(filter).with(JsonLines).try_init();
    }
    LogGuard { stop, writer }
}

/// Lines that were given up since the start.
pub(super) fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

fn write_lines(lines: &Receiver<String>, stop: &AtomicBool) {
    let mut gathered = String::new();
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        let ended = loop {
            match lines.try_recv() {
                Ok(line) => gathered.push_str(&line),
                Err(TryRecvError::Empty) => break false,
                Err(TryRecvError::Disconnected) => break true,
            }
        };
        if !gathered.is_empty() {
            // Where standard error is closed there is nobody left to tell.
            let _ = std::io::stderr().write_all(gathered.as_bytes());
            gathered.clear();
            gathered.shrink_to(1 << 20);
        }
        if stopping || ended {
            return;
        }
        std::thread::sleep(PAUSE);
    }
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
            && queue.try_send(line).is_err()
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
            push_json_string(self.0, value);
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

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
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
    use super::push_json_string;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_survive(text in "\\PC*|[\\x00-\\x1f\"\\\\a]*") {
            let mut json = String::new();
            push_json_string(&mut json, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
