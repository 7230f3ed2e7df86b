//! Who decides.

use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use crate::evaluate::evaluate;
use crate::request::{Case, Decision};

/// Somebody who decides cases.
pub trait Judge {
    /// A short name for tables and files.
    fn name(&self) -> &str;

    /// One answer a case, in order. `None`: this judge has no answer (it failed, or a three-valued judge is undecided).
    ///
    /// # Errors
    ///
    /// When the judge can answer nothing any more.
    fn decide(&mut self, cases: &[Case]) -> Result<Vec<Option<Decision>>, JudgeError>;
}

/// A judge that cannot go on.
#[derive(Debug)]
pub struct JudgeError(String);

impl JudgeError {
    /// With a reason for people.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for JudgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JudgeError {}

impl From<io::Error> for JudgeError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for JudgeError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// The reference evaluator of this crate.
#[derive(Debug, Default)]
pub struct ReferenceJudge;

impl Judge for ReferenceJudge {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn decide(&mut self, cases: &[Case]) -> Result<Vec<Option<Decision>>, JudgeError> {
        Ok(cases.iter().map(|case| Some(evaluate(&case.policies, &case.request))).collect())
    }
}

/// `tests/differential/judge.mjs`, a process that lives as long as this value.
#[derive(Debug)]
pub struct NodeJudge {
    process: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
}

impl NodeJudge {
    /// Starts `node` with the script. Its packages must be installed beside it (`npm ci`).
    ///
    /// # Errors
    ///
    /// When the process does not start.
    pub fn start(script: &Path) -> Result<Self, JudgeError> {
        let mut process = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| JudgeError::new(format!("cannot start node: {error}")))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(JudgeError::new("node has no pipes"));
        };
        Ok(Self { process, input: Some(BufWriter::new(input)), output: BufReader::new(output) })
    }
}

impl Judge for NodeJudge {
    fn name(&self) -> &'static str {
        "iam-simulate"
    }

    fn decide(&mut self, cases: &[Case]) -> Result<Vec<Option<Decision>>, JudgeError> {
        let Some(input) = self.input.as_mut() else {
            return Err(JudgeError::new("node has ended"));
        };
        let output = &mut self.output;
        // Written and read at once: either pipe may be full.
        thread::scope(|scope| {
            let writer = scope.spawn(move || -> Result<(), JudgeError> {
                for case in cases {
                    serde_json::to_writer(&mut *input, case)?;
                    input.write_all(b"\n")?;
                }
                input.flush()?;
                Ok(())
            });
            let mut decisions = Vec::with_capacity(cases.len());
            let mut line = String::new();
            for _ in cases {
                line.clear();
                if output.read_line(&mut line)? == 0 {
                    return Err(JudgeError::new("node ended before it answered (is `npm ci` done?)"));
                }
                decisions.push(serde_json::from_str(&line)?);
            }
            match writer.join() {
                Ok(written) => written.map(|()| decisions),
                Err(_) => Err(JudgeError::new("the writing thread panicked")),
            }
        })
    }
}

impl Drop for NodeJudge {
    fn drop(&mut self) {
        // The end of its input ends the script.
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
