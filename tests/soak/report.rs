//! The report, and the checks on the whole of a run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::process::{Quarter, Sample, quarters};
use crate::run::Run;
use crate::world::REFRESH;

/// docs/reliability.md, "Memory". The snapshot of this test is small.
const MAX_RESIDENT_KIB: u64 = 160 << 10;
/// By how much the median of resident memory may be higher in the last quarter than in the second.
const MEDIAN_MARGIN_KIB: u64 = 4 << 10;
/// The same in a run of less than 10 minutes: the heap still grows to the size that the load needs.
const SHORT_MEDIAN_MARGIN_KIB: u64 = 8 << 10;
const SHORT: Duration = Duration::from_secs(600);
/// The same for the highest value: large attacks happen to meet, or not.
const PEAK_MARGIN_KIB: u64 = 24 << 10;
/// The same for the highest count of file descriptors, since attacks hold connections.
const DESCRIPTOR_MARGIN: u64 = 16;
const THREAD_MARGIN: u64 = 4;

fn percentile(sorted: &[Duration], percent: f64) -> f64 {
    let index = ((sorted.len() as f64 * percent / 100.0) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
}

/// Prints what was measured, and returns what failed.
pub(crate) fn conclude(
    run: &Run,
    whole: Duration,
    metrics: &str,
    idle: (&Sample, &Sample),
    livez: &[Duration],
) -> Vec<String> {
    let counts = &run.counts;
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let reviews = read(&counts.reviews);
    let (aws_faults, restarts, changes) = run.history_counts();
    println!("\nsoak: {} s, {reviews} reviews, {} a second", whole.as_secs(), reviews / whole.as_secs());
    println!("  denied {}, warned instead of denied {}", read(&counts.denied), read(&counts.downgraded));
    let not_compared = run.world.reviews.iter().filter_map(|review| Some((&review.name, review.not_compared?)));
    println!(
        "  reviews {}, compared with check during the run: {} answers",
        run.world.reviews.len(),
        counts.compared.load(Ordering::Relaxed)
    );
    for (name, why) in not_compared {
        println!("    not compared: {name}: {why}");
    }
    println!("  answers for which each of these could have been true:");
    let checked = counts.checked.lock().unwrap().clone();
    for (what, count) in &checked {
        println!("    {count:>8} {what}");
    }
    if checked.len() < 4 {
        run.fail("a check was about no answer", format!("{checked:?}"));
    }
    println!(
        "  chains broken or repaired {changes}, AWS faults {aws_faults}, API server restarts {restarts}, certificates {}, \
         connections replaced {}",
        counts.rotations.load(Ordering::Relaxed),
        counts.handshakes.load(Ordering::Relaxed)
    );
    println!("  after a restart the watch had a change within {:.1} s", counts.watch.lock().unwrap().as_secs_f64());
    println!(
        "  attacks: {:?}, left out {}",
        counts.attacks.lock().unwrap(),
        counts.skipped_attacks.load(Ordering::Relaxed)
    );
    println!("  latency in ms                                 reviews      p50      p99    p99.9      max");
    for ((is_from_memory, phase), latencies) in &*run.latencies.lock().unwrap() {
        let answer = if *is_from_memory { "allowed" } else { "denied or warned" };
        let mut sorted = latencies.clone();
        sorted.sort_unstable();
        println!(
            "    {:<38} {:>10} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
            format!("{answer}, {}", phase.name()),
            sorted.len(),
            percentile(&sorted, 50.0),
            percentile(&sorted, 99.0),
            percentile(&sorted, 99.9),
            percentile(&sorted, 100.0)
        );
    }
    println!(
        "  /livez, {} answers, in ms: p50 {:.1}, p99 {:.1}, slowest {:.1}",
        livez.len(),
        percentile(livez, 50.0),
        percentile(livez, 99.0),
        percentile(livez, 100.0)
    );
    println!("  the load was behind its schedule by at most {:.0} ms", run.lag.lock().unwrap().as_secs_f64() * 1e3);
    resources(run, whole, idle);
    let of_interest = ["rolecall_refreshes_total", "rolecall_rereads_total", "rolecall_certificate_rotations_total"];
    let more = ["rolecall_review_errors_total", "rolecall_log_lines_lost_total", "rolecall_connections_cut_total"];
    let more = more.into_iter().chain(["rolecall_checks_stopped_total"]);
    let of_interest: Vec<&str> = of_interest.into_iter().chain(more).collect();
    for line in metrics.lines().filter(|line| of_interest.iter().any(|name| line.starts_with(name))) {
        if !line.ends_with(" 0") {
            println!("  {line}");
        }
    }
    println!("  log lines beside the audit lines:");
    for (line, count) in &*run.log.lock().unwrap() {
        println!("    {count:>6} {line}");
        if line.contains("panicked") {
            run.fail("a panic", line.clone());
        }
    }

    let metric = |name: &str| -> f64 {
        let of = metrics.lines().filter(|line| line.starts_with(name));
        of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let refreshes = metric("rolecall_refreshes_total");
    // An outage makes some of them longer.
    if refreshes < whole.as_secs_f64() / REFRESH.as_secs_f64() * 0.6 {
        run.fail("too few refreshes", refreshes.to_string());
    }
    if metric("rolecall_log_lines_lost_total") > 0.0 || read(&counts.audit_lines) < reviews {
        let found = format!("{} for {reviews} reviews", read(&counts.audit_lines));
        run.fail("audit lines are missing", found);
    }
    if counts.compared.load(Ordering::Relaxed) == 0 {
        run.fail("nothing was compared with check", String::new());
    }
    run.failures()
}

/// Memory, file descriptors and threads by quarter.
fn resources(run: &Run, whole: Duration, (before, after): (&Sample, &Sample)) {
    let samples = run.samples.lock().unwrap();
    let of = |value: fn(&Sample) -> u64| quarters(&samples, whole, value);
    let (resident, peak) = (of(|sample| sample.resident), of(|sample| sample.peak));
    let program = of(|sample| sample.program);
    let (descriptors, threads) = (of(|sample| sample.descriptors), of(|sample| sample.threads));
    let mib = |quarters: &[Quarter; 4], value: fn(&Quarter) -> u64| {
        quarters.each_ref().map(|quarter| format!("{:.1}", value(quarter) as f64 / 1024.0)).join(" ")
    };
    let plain = |quarters: &[Quarter; 4]| quarters.map(|quarter| quarter.highest.to_string()).join(" ");
    for (when, sample) in [("before", before), ("6 s after", after)] {
        let (resident, program) = (sample.resident as f64 / 1024.0, sample.program as f64 / 1024.0);
        println!("  {when} the load: resident memory {resident:.1} MiB, of it pages of the program {program:.1} MiB");
    }
    println!("  by quarter: resident memory, median MiB {}", mib(&resident, |quarter| quarter.median));
    println!("              resident memory, highest MiB {}", mib(&peak, |quarter| quarter.highest));
    println!("              of it pages of the program, highest MiB {}", mib(&program, |quarter| quarter.highest));
    println!("              file descriptors, highest {}", plain(&descriptors));
    println!("              threads, highest {}", plain(&threads));
    if let (Some(first), Some(last)) = (samples.first(), samples.last()) {
        let seconds = (last.ticks - first.ticks) as f64 / 100.0;
        println!("  processor time {:.1} % of one core", seconds / (last.at - first.at).as_secs_f64() * 100.0);
    }
    write_samples(&samples);
    let highest = peak.iter().map(|quarter| quarter.highest).max().unwrap_or_default();
    if highest > MAX_RESIDENT_KIB {
        run.fail("resident memory is over the bound", format!("{} MiB", highest >> 10));
    }
    let grown = |what: &str, second: u64, last: u64, margin: u64| {
        if last > second + margin {
            run.fail("growth after the warm-up", format!("{what}: {second} in the second quarter, {last} in the last"));
        }
    };
    let median_margin = if whole < SHORT { SHORT_MEDIAN_MARGIN_KIB } else { MEDIAN_MARGIN_KIB };
    grown("median resident memory, KiB", resident[1].median, resident[3].median, median_margin);
    grown("highest resident memory, KiB", peak[1].highest, peak[3].highest, PEAK_MARGIN_KIB);
    grown("file descriptors", descriptors[1].highest, descriptors[3].highest, DESCRIPTOR_MARGIN);
    grown("threads", threads[1].highest, threads[3].highest, THREAD_MARGIN);
}

/// All samples, for a closer look: `target/tmp/soak.csv`.
fn write_samples(samples: &[Sample]) {
    let mut text = "seconds,resident KiB,peak KiB,program KiB,file descriptors,threads\n".to_owned();
    for Sample { at, resident, peak, program, descriptors, threads, .. } in samples {
        text += &format!("{:.1},{resident},{peak},{program},{descriptors},{threads}\n", at.as_secs_f64());
    }
    std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/soak.csv"), text).unwrap();
}
