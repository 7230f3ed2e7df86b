//! Compares the reference evaluator with other judges on generated cases. See `tests/differential/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rolecall_reference::differential::{Disagreement, Judge, NodeJudge, ReferenceJudge, Report, compare};
use rolecall_reference::{Case, Kind, generate};
use serde::Deserialize;

const USAGE: &str = "\
usage: rolecall-differential [--cases N] [--seed S] [--kind trust|identity] [--out FOLDER]
                             [--known FILE] [--judge FILE] [--replay FILE]...

  --cases N      how many cases to make (1000)
  --seed S       where chance starts (1)
  --kind KIND    make only trust or only identity cases
  --out FOLDER   write each disagreement there, as CLASS/ID.json
  --known FILE   the triaged classes (tests/differential/known.json)
  --judge FILE   the node judge (tests/differential/judge.mjs)
  --replay FILE  judge a stored case or disagreement instead of making any
exit code: 0 all differences are known, 1 some are not, 2 bad usage or a judge that failed";

/// How many cases are judged at a time.
const BATCH: u64 = 5_000;

struct Options {
    cases: u64,
    seed: u64,
    kind: Option<Kind>,
    out: Option<PathBuf>,
    known: PathBuf,
    judge: PathBuf,
    replay: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Known {
    classes: Vec<KnownClass>,
}

#[derive(Deserialize)]
struct KnownClass {
    id: String,
}

/// A stored case, alone or within a disagreement.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Disagreement { case: Case },
    Case(Case),
}

fn main() -> ExitCode {
    let outcome = options(std::env::args().skip(1)).and_then(|options| run(&options));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "rolecall-differential: {error}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../differential");
    let mut options = Options {
        cases: 1_000,
        seed: 1,
        kind: None,
        out: None,
        known: folder.join("known.json"),
        judge: folder.join("judge.mjs"),
        replay: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--cases" => options.cases = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--kind" => {
                options.kind = Some(match value()?.as_str() {
                    "trust" => Kind::Trust,
                    "identity" => Kind::Identity,
                    other => return Err(format!("no kind {other}\n{USAGE}").into()),
                });
            }
            "--out" => options.out = Some(value()?.into()),
            "--known" => options.known = value()?.into(),
            "--judge" => options.judge = value()?.into(),
            "--replay" => options.replay.push(value()?.into()),
            _ => return Err(format!("what is {argument}?\n{USAGE}").into()),
        }
    }
    Ok(options)
}

/// True when every difference is known.
fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let mut reference = ReferenceJudge;
    let mut node = NodeJudge::start(&options.judge)?;
    if !options.replay.is_empty() {
        return replay(options, &mut [&mut reference, &mut node]);
    }
    let known: BTreeSet<String> = match fs::read_to_string(&options.known) {
        Ok(text) => serde_json::from_str::<Known>(&text)?.classes.into_iter().map(|class| class.id).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(error.into()),
    };

    let mut report = Report::default();
    let mut number = 0;
    while number < options.cases {
        let end = options.cases.min(number + BATCH);
        let cases: Vec<Case> = (number..end).map(|number| generate::case(options.seed, number, options.kind)).collect();
        compare(&mut reference, &mut [&mut node], &cases, &mut report)?;
        number = end;
    }
    if let Some(folder) = &options.out {
        write_out(folder, &report.disagreements)?;
    }
    print(options, &report, &known)
}

fn replay(options: &Options, judges: &mut [&mut dyn Judge]) -> Result<bool, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let mut agreed = true;
    for path in &options.replay {
        let case = match serde_json::from_str(&fs::read_to_string(path)?)? {
            Stored::Disagreement { case } | Stored::Case(case) => case,
        };
        let mut decisions = BTreeSet::new();
        write!(out, "{}:", path.display())?;
        for judge in judges.iter_mut() {
            let decision = judge.decide(std::slice::from_ref(&case))?.pop().flatten();
            let said = decision.map_or_else(|| "no answer".to_owned(), |decision| decision.to_string());
            write!(out, " {} says {said};", judge.name())?;
            decisions.extend(decision);
        }
        writeln!(out)?;
        agreed &= decisions.len() <= 1;
    }
    Ok(agreed)
}

fn write_out(folder: &Path, disagreements: &[Disagreement]) -> Result<(), Box<dyn Error>> {
    for disagreement in disagreements {
        let folder = folder.join(disagreement.class.as_deref().unwrap_or("unknown"));
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", disagreement.case.id));
        fs::write(path, serde_json::to_string_pretty(disagreement)? + "\n")?;
    }
    Ok(())
}

fn print(options: &Options, report: &Report, known: &BTreeSet<String>) -> Result<bool, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(out, "{} cases, seed {}", options.cases, options.seed)?;
    for (judge, tally) in &report.tallies {
        writeln!(
            out,
            "\nreference and {judge}: {} agree, {} differ, {} without an answer",
            tally.agreed(),
            tally.differed(),
            tally.abstained
        )?;
        writeln!(out, "  {:<15} {:<15} {:>8}", "reference", judge, "cases")?;
        for ((first, other), count) in &tally.counts {
            let mark = if first == other { "" } else { "  differ" };
            writeln!(out, "  {:<15} {:<15} {count:>8}{mark}", first.to_string(), other.to_string())?;
        }
    }
    let mut classes: BTreeMap<&str, Vec<&Disagreement>> = BTreeMap::new();
    for disagreement in &report.disagreements {
        classes.entry(disagreement.class.as_deref().unwrap_or("unknown")).or_default().push(disagreement);
    }
    let mut all_known = true;
    if !classes.is_empty() {
        writeln!(out, "\n  {:<45} {:>6}  {:<9} an example", "class", "cases", "")?;
    }
    for (class, members) in classes {
        let is_known = known.contains(class);
        all_known &= is_known;
        let example = members.first().map(|member| member.case.id.as_str()).unwrap_or_default();
        writeln!(
            out,
            "  {class:<45} {:>6}  {:<9} {example}",
            members.len(),
            if is_known { "known" } else { "NOT KNOWN" }
        )?;
    }
    Ok(all_known)
}
