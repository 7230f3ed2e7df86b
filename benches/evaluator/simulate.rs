//! The engine of iam-simulate, timed within a node process of its own: what a process costs is not counted.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use crate::cases::{Case, role};

/// Nanoseconds for the requests of one case.
pub(crate) struct Times {
    pub(crate) allowed: f64,
    pub(crate) broken: f64,
}

/// Asks for the verdicts, which must be as expected, and for the times.
pub(crate) fn run(script: &Path, cases: &[Case]) -> Result<Vec<Times>> {
    let asked: Vec<Value> =
        cases.iter().flat_map(|case| [&case.allowed, &case.broken].map(|context| requests(case, context))).collect();
    let mut process = Command::new("node")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start node; it must be on the PATH")?;
    process.stdin.take().context("node has no input")?.write_all(Value::Array(asked).to_string().as_bytes())?;
    let output = process.wait_with_output()?;
    ensure!(output.status.success(), "{} failed; has `npm ci` been run in tests/differential?", script.display());
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    ensure!(answers.len() == 2 * cases.len(), "{} answers to {} cases", answers.len(), cases.len());
    let mut times = Vec::new();
    for (case, pair) in cases.iter().zip(answers.chunks(2)) {
        let nanoseconds = |at: usize, expected: &str| {
            let answer = pair.get(at).context("two answers a case")?;
            let decisions = answer["decisions"].as_array().context("decisions")?;
            ensure!(decisions.iter().all(|said| said == expected), "{}: iam-simulate says {decisions:?}", case.name);
            answer["nanoseconds"].as_f64().context("a time")
        };
        times.push(Times { allowed: nanoseconds(0, "allowed")?, broken: nanoseconds(1, "implicitDeny")? });
    }
    Ok(times)
}

/// In the form of `tests/differential/README.md`. A trust policy has no `Resource` there.
fn requests(case: &Case, context: &[(String, String)]) -> Value {
    let (kind, name) = &case.principal;
    let context: Map<String, Value> = context.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let requests = case.actions.iter().map(|action| {
        json!({
            "request": {
                "action": action,
                "resource": role(),
                "principal": {kind.to_lowercase(): name},
                "principalAccount": "111122223333",
                "context": context,
            },
            "policies": {"trust": case.policy, "identity": [], "sameAccount": true},
        })
    });
    requests.collect()
}
