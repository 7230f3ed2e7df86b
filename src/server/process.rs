//! The build and the process, by the names that Prometheus' own client libraries use: dashboards and alerts know them. Linux has the
//! values in `/proc`; where a file cannot be read, its metrics are absent.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// `USER_HZ`: the kernel counts times for `/proc` in hundredths of a second, on every architecture that rolecall is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Registers `build_info`: the version and the commit that was built.
pub(super) fn register_build_info(registry: &mut Registry) {
    let labels =
        vec![("version", env!("CARGO_PKG_VERSION")), ("commit", option_env!("ROLECALL_COMMIT").unwrap_or("unknown"))];
    registry.register("build", "Which version of rolecall runs", Info::new(labels));
}

/// The process' metrics. Their names have no prefix, so they need a registry of their own.
pub(super) fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Process));
    registry
}

#[derive(Debug)]
struct Process;

/// What `/proc` says at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sample {
    cpu_seconds: Option<f64>,
    start_seconds: Option<f64>,
    threads: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
}

impl Sample {
    fn take() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "no process has so many files")]
        let open_fds = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64);
        let files = [read("/proc/self/stat"), read("/proc/self/status"), read("/proc/self/limits"), read("/proc/stat")];
        let [stat, status, limits, system] = &files;
        Self { open_fds, ..Self::parse(stat, status, limits, system) }
    }

    fn parse(stat: &str, status: &str, limits: &str, system: &str) -> Self {
        // proc(5): the second field is the program's name in brackets, which may hold anything. The third follows.
        let fields: Vec<&str> =
            stat.rsplit_once(") ").map(|(_, rest)| rest.split_ascii_whitespace().collect()).unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<f64>().ok());
        let line = |text: &str, name: &str| -> Option<f64> {
            let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_ascii_whitespace().next()?.parse().ok()
        };
        let kilobytes = |name: &str| line(status, name).map(|kilobytes| kilobytes * 1024.0);
        let started = field(22).map(|ticks| ticks / TICKS_PER_SECOND);
        Self {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            start_seconds: line(system, "btime ").zip(started).map(|(boot, since)| boot + since),
            threads: field(20),
            resident_bytes: kilobytes("VmRSS:"),
            virtual_bytes: kilobytes("VmSize:"),
            open_fds: None,
            max_fds: line(limits, "Max open files"),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sample = Sample::take();
        if let Some(seconds) = sample.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            let help = "User and system time of the process";
            counter.encode(encoder.encode_descriptor(
                "process_cpu",
                help,
                Some(&Unit::Seconds),
                counter.metric_type(),
            )?)?;
        }
        let gauges = [
            ("process_start_time", "When the process started, since 1970", Some(Unit::Seconds), sample.start_seconds),
            ("process_resident_memory", "Memory of the process in RAM", Some(Unit::Bytes), sample.resident_bytes),
            ("process_virtual_memory", "Address space of the process", Some(Unit::Bytes), sample.virtual_bytes),
            ("process_open_fds", "File descriptors that are open", None, sample.open_fds),
            ("process_max_fds", "File descriptors that the process may have open", None, sample.max_fds),
            ("process_threads", "Threads of the process", None, sample.threads),
        ];
        for (name, help, unit, value) in gauges {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_may_hold_anything() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 1000 1048576 512 18446744073709551615\n";
        let status = "Name:\ta\nVmSize:\t    1024 kB\nVmRSS:\t     512 kB\n";
        let limits =
            "Limit Soft Hard Units\nMax open files            1024                 4096                 files\n";
        let sample = Sample::parse(stat, status, limits, "cpu 1 2\nbtime 1700000000\n");
        let expected = Sample {
            cpu_seconds: Some(3.0),
            start_seconds: Some(1_700_000_010.0),
            threads: Some(9.0),
            resident_bytes: Some(524_288.0),
            virtual_bytes: Some(1_048_576.0),
            open_fds: None,
            max_fds: Some(1024.0),
        };
        assert_eq!(sample, expected);
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        assert_eq!(Sample::parse("", "", "", ""), Sample::default());
        let unlimited = "Max open files            unlimited            unlimited            files\n";
        assert_eq!(Sample::parse("no brackets", "VmRSS:\n", unlimited, "btime x"), Sample::default());
    }
}
