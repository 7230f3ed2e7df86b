//! How long `/livez` takes while everything else goes on. A thread of its own asks, so that the load's tasks do not delay it;
//! what other processes take of the machine is in the times.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The kubelet gives up a probe after 1 s; a longer answer shows as that long.
const PATIENCE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(100);

/// Asks until it is dropped.
pub(crate) struct Probes {
    ends: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<Duration>>>,
    failures: Arc<Mutex<Vec<String>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Probes {
    pub(crate) fn start(metrics: SocketAddr) -> Self {
        let (ends, answers) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<Duration>>>::default());
        let failures = Arc::<Mutex<Vec<String>>>::default();
        let thread = {
            let (ends, answers, failures) = (Arc::clone(&ends), Arc::clone(&answers), Arc::clone(&failures));
            std::thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    match ask(metrics) {
                        Ok(()) => answers.lock().unwrap().push(asked.elapsed()),
                        Err(why) => failures.lock().unwrap().push(why),
                    }
                    std::thread::sleep(INTERVAL.saturating_sub(asked.elapsed()));
                }
            })
        };
        Self { ends, answers, failures, thread: Some(thread) }
    }

    /// Ends, and gives the times of all answers, the shortest first, and what went wrong.
    pub(crate) fn end(&mut self) -> (Vec<Duration>, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        let mut answers = self.answers.lock().unwrap().clone();
        answers.sort_unstable();
        (answers, self.failures.lock().unwrap().clone())
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

fn ask(metrics: SocketAddr) -> Result<(), String> {
    let mut stream = TcpStream::connect(metrics).map_err(|e| e.to_string())?;
    let _ = stream.set_read_timeout(Some(PATIENCE));
    write!(stream, "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").map_err(|e| e.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| e.to_string())?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("/livez answers {answer:?}")) }
}
