//! Builds and starts the emulator.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin};

use crate::seed::Account;

/// How long a built emulator may take until it listens; it needs a tenth of a second on an idle machine.
const START: Duration = Duration::from_secs(30);

/// Variables for Cargo that the emulator's build keeps: where it finds and fetches packages. Of the others, some are a test
/// run's flags for its own build, and some describe the package under test; crates with a build script compile again when those
/// change, which takes minutes.
const CARGO_KEEPS: [&str; 7] = [
    "CARGO_BUILD_JOBS",
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
];

/// The compiler's own variables that a test run may set, for coverage or sanitizers.
const RUST_DROPS: [&str; 5] =
    ["LD_LIBRARY_PATH", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOCFLAGS", "RUSTFLAGS", "RUST_RECURSION_COUNT"];

/// A running emulator, with nothing in it. It ends when this value is dropped, or when the test process dies.
#[derive(Debug)]
pub struct Emulator {
    address: String,
    process: Child,
    /// The emulator reads it to its end, and then ends itself.
    _alive: ChildStdin,
}

impl Emulator {
    /// The region every account works in unless a test names another.
    pub const REGION: &str = "eu-west-1";

    /// Starts an emulator of its own for this test, on a free port of the loopback; builds it first where needed.
    ///
    /// # Errors
    /// When it cannot be built (with the compiler's last lines) or does not start.
    pub async fn start() -> Result<Self> {
        let binary = Self::binary().await?;
        let mut process = tokio::process::Command::new(&binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", binary.display()))?;
        let alive = process.stdin.take().context("the emulator has no standard input")?;
        let output = process.stdout.take().context("the emulator has no standard output")?;
        let mut line = String::new();
        tokio::time::timeout(START, BufReader::new(output).read_line(&mut line))
            .await
            .with_context(|| format!("the emulator does not listen after {START:?}"))??;
        let Some(address) = line.trim().strip_prefix("listening ") else {
            bail!("the emulator ended before it listened; it said {line:?}");
        };
        Ok(Self { address: address.to_owned(), process, _alive: alive })
    }

    /// The emulator's program, compiled where it is not up to date.
    ///
    /// # Errors
    /// When it does not build.
    pub async fn binary() -> Result<PathBuf> {
        tokio::task::spawn_blocking(build).await?
    }

    /// For `AWS_ENDPOINT_URL`: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process, for a test that measures it.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// An account, by its 12 digits, to be filled. It need not be made first.
    #[must_use]
    pub fn account(&self, id: &str) -> Account {
        Account::new(&self.address, id)
    }
}

/// The emulator's binary, compiled where it is not up to date.
fn build() -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(binary) = &*built {
        return Ok(binary.clone());
    }
    let ground = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = ground.ancestors().nth(2).context("tests/aws is not two folders deep")?;
    let target = root.join("target/aws-emulator");
    std::fs::create_dir_all(&target).with_context(|| format!("{} cannot be made", target.display()))?;
    // Test binaries run beside each other: one builds, the others wait for it.
    let lock = File::create(target.join("ground.lock"))?;
    lock.lock().context("the lock on target/aws-emulator cannot be taken")?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command
        .args(["build", "--locked", "--quiet", "--manifest-path"])
        .arg(ground.join("emulator/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let cargos = text.starts_with("CARGO") && !CARGO_KEEPS.iter().any(|kept| text.starts_with(kept));
        if cargos || RUST_DROPS.iter().any(|dropped| *dropped == text) {
            command.env_remove(&name);
        }
    }
    let mut cargo = command.spawn().context("cargo, which builds the AWS emulator, does not start")?;
    let mut said = String::new();
    if let Some(mut stderr) = cargo.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    let status = cargo.wait()?;
    ensure!(status.success(), "the AWS emulator (tests/aws/emulator) does not build: {status}\n{said}");
    let binary = target.join("debug").join(format!("rolecall-aws-emulator{}", std::env::consts::EXE_SUFFIX));
    ensure!(binary.is_file(), "cargo built the AWS emulator, but {} is not there", binary.display());
    *built = Some(binary.clone());
    Ok(binary)
}
