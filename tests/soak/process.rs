//! What the process of rolecall uses, once a second.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    /// Resident memory now, in KiB, the program's own pages included.
    pub(crate) resident: u64,
    /// The highest resident memory since the sample before, in KiB.
    pub(crate) peak: u64,
    /// The part of `resident` that is pages of the program's file, in KiB.
    pub(crate) program: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// Processor time since the start of the process, in clock ticks.
    pub(crate) ticks: u64,
}

impl Sample {
    pub(crate) fn take(pid: u32, at: Duration) -> std::io::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
            line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0)
        };
        // Resets the peak (proc_pid_clear_refs(5)).
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<u64> = after_name.split_whitespace().map(|text| text.parse().unwrap_or(0)).collect();
        Ok(Self {
            at,
            resident: field("VmRSS:"),
            peak: field("VmHWM:"),
            program: field("RssFile:"),
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
            threads: field("Threads:"),
            ticks: fields[11] + fields[12],
        })
    }
}

/// A quantity in each quarter of the run: its highest value and its median.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quarter {
    pub(crate) highest: u64,
    pub(crate) median: u64,
}

pub(crate) fn quarters(samples: &[Sample], whole: Duration, of: impl Fn(&Sample) -> u64) -> [Quarter; 4] {
    let mut quarters = [Quarter::default(); 4];
    for (index, quarter) in (0..).zip(&mut quarters) {
        let within = |sample: &&Sample| whole * index / 4 <= sample.at && sample.at < whole * (index + 1) / 4;
        let mut values: Vec<u64> = samples.iter().filter(within).map(&of).collect();
        values.sort_unstable();
        quarter.highest = values.last().copied().unwrap_or_default();
        quarter.median = values.get(values.len() / 2).copied().unwrap_or_default();
    }
    quarters
}
