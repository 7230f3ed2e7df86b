//! Our evaluator beside the crate iam-rs and the engine of iam-simulate, in one run: the same policies, the same requests,
//! verdicts compared before anything is timed. What is printed are ratios; see `benches/README.md`.

mod cases;
mod simulate;

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use cases::Case;
use iam_rs::{Decision, IAMPolicy, IAMRequest, PolicyEvaluator};
use rolecall_iam::{Document, MapContext, Principal, Request, Verdict};

/// Many short rounds: most of them are not interrupted, and the median is of those.
const ROUNDS: usize = 501;
/// How long one contender is timed in one round.
const SLICE: Duration = Duration::from_micros(300);

fn main() -> Result<()> {
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulate.mjs");
    let simulated = simulate::run(&judge, &cases::cases())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "nanoseconds are of this run only; a ratio of 5 says: five times as long as rolecall-iam\n")?;
    writeln!(
        out,
        "{:<24}{:<22}{:>12}{:>12}{:>8}{:>16}{:>8}",
        "policy", "what", "rolecall-iam", "iam-rs", "ratio", "iam-simulate", "ratio"
    )?;
    let mut worst = [f64::INFINITY; 2];
    for (case, simulated) in cases::cases().iter().zip(simulated) {
        let rows = measure(case)?;
        for (index, (row, theirs)) in
            rows.iter().zip([Some(simulated.allowed), Some(simulated.broken), None]).enumerate()
        {
            let (other, ratio) = theirs.map_or_else(
                || ("".to_owned(), "".to_owned()),
                |theirs| (format!("{theirs:.0} ns"), format!("{:.0}", theirs / row.ours)),
            );
            writeln!(
                out,
                "{:<24}{:<22}{:>12}{:>12}{:>8.2}{other:>16}{ratio:>8}",
                case.name,
                row.what,
                format!("{:.0} ns", row.ours),
                format!("{:.0} ns", row.theirs),
                row.ratio,
            )?;
            if let Some(worst) = worst.get_mut(index) {
                *worst = worst.min(row.ratio);
            }
        }
    }
    for (what, worst, aim) in [("allowed", worst[0], 5.0), ("broken and explained", worst[1], 1.0)] {
        let met = if worst >= aim { "met" } else { "MISSED" };
        writeln!(out, "\naim: {what} at {aim} times the speed of iam-rs, at the least: {worst:.2}, {met}")?;
    }
    Ok(())
}

struct Row {
    what: &'static str,
    /// Nanoseconds.
    ours: f64,
    theirs: f64,
    ratio: f64,
}

fn measure(case: &Case) -> Result<[Row; 3]> {
    let text = case.policy.to_string();
    let document = Document::parse(&text)?;
    let evaluator = PolicyEvaluator::with_policies(vec![read_theirs(&text)?]);
    let role = cases::role();
    let mut rows = Vec::new();
    for (what, context, allowed) in [("allowed", &case.allowed, true), ("broken, explained", &case.broken, false)] {
        let known = context.iter().fold(MapContext::new(), |known, (key, value)| known.with(key, value));
        let ours: Vec<Request<'_>> = case
            .actions
            .iter()
            .map(|action| Request {
                action,
                resource: Some(&role),
                principal: Some(our_principal(case)),
                context: &known,
            })
            .collect();
        let theirs: Vec<IAMRequest> =
            case.actions.iter().map(|action| their_request(case, action, &role, context)).collect::<Result<_>>()?;
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let verdicts = (document.evaluate(ours), decide(&evaluator, theirs)?);
            let expected = if allowed {
                (Verdict::Allowed, Decision::Allow)
            } else {
                (Verdict::ImplicitlyDenied, Decision::NotApplicable)
            };
            ensure!(verdicts == expected, "{}, {what}: {verdicts:?}", case.name);
        }
        let evaluate_theirs = || {
            theirs.iter().for_each(|request| {
                black_box(evaluator.evaluate(black_box(request)).is_ok());
            })
        };
        let (ours, theirs, ratio) = if allowed {
            let evaluate = || {
                ours.iter().for_each(|request| {
                    black_box(document.evaluate(black_box(request)));
                })
            };
            side_by_side(evaluate, evaluate_theirs)
        } else {
            // The verdict, every statement's report, and what each failed condition expected and found.
            let explain = || {
                ours.iter().for_each(|request| {
                    black_box(document.evaluate(black_box(request)));
                    for report in document.explain(black_box(request)) {
                        for failed in report.failed() {
                            black_box((&failed.condition.key, &failed.condition.values, &failed.found));
                        }
                    }
                })
            };
            side_by_side(explain, evaluate_theirs)
        };
        rows.push(Row { what, ours, theirs, ratio });
    }
    let parse_ours = || {
        black_box(Document::parse(black_box(&text)).is_ok());
    };
    let parse_theirs = || {
        black_box(IAMPolicy::from_json(black_box(&text)).is_ok());
    };
    let (ours, theirs, ratio) = side_by_side(parse_ours, parse_theirs);
    rows.push(Row { what: "parsed and compiled", ours, theirs, ratio });
    rows.try_into().ok().context("three rows")
}

fn our_principal(case: &Case) -> Principal<'_> {
    match &case.principal {
        ("Federated", arn) => Principal::Federated(arn),
        (_, name) => Principal::Service(name),
    }
}

fn read_theirs(text: &str) -> Result<IAMPolicy> {
    IAMPolicy::from_json(text).context("iam-rs reads the policy")
}

fn their_request(case: &Case, action: &str, role: &str, context: &[(String, String)]) -> Result<IAMRequest> {
    let id = iam_rs::PrincipalId::String(case.principal.1.clone());
    let principal = match case.principal.0 {
        "Federated" => iam_rs::Principal::Federated(id),
        "Service" => iam_rs::Principal::Service(id),
        other => bail!("no principal of the kind {other}"),
    };
    let role = iam_rs::Arn::parse(role).map_err(|error| anyhow::anyhow!("{error}"))?;
    let known = context.iter().fold(iam_rs::Context::new(), |known, (key, value)| known.with_string(key, value));
    Ok(IAMRequest::new_with_context(principal, action, role, known))
}

fn decide(evaluator: &PolicyEvaluator, request: &IAMRequest) -> Result<Decision> {
    let result = evaluator.evaluate(request).map_err(|error| anyhow::anyhow!("iam-rs: {error}"))?;
    Ok(result.decision)
}

/// Times both in turns; the medians of the times, and of the ratio in each round.
fn side_by_side(mut ours: impl FnMut(), mut theirs: impl FnMut()) -> (f64, f64, f64) {
    let (of_ours, of_theirs) = (repetitions(&mut ours), repetitions(&mut theirs));
    let rounds: Vec<(f64, f64)> =
        (0..ROUNDS).map(|_| (time(&mut ours, of_ours), time(&mut theirs, of_theirs))).collect();
    (
        median(rounds.iter().map(|(ours, _)| *ours)),
        median(rounds.iter().map(|(_, theirs)| *theirs)),
        median(rounds.iter().map(|(ours, theirs)| theirs / ours)),
    )
}

/// How often it runs within a slice; also warms up.
fn repetitions(run: &mut impl FnMut()) -> u32 {
    let mut count = 16;
    loop {
        let taken = time(run, count) * f64::from(count);
        if taken >= SLICE.as_nanos() as f64 || count > u32::MAX / 2 {
            return count;
        }
        count *= 2;
    }
}

/// Nanoseconds a run.
fn time(run: &mut impl FnMut(), count: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..count {
        run();
    }
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
