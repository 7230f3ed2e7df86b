//! Defaults of the options of `check` and `scan`.

use serde::Deserialize;

/// Defaults of the options of `check`. Paths are relative to the folder of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CheckConfig {
    /// `--namespace`
    pub namespace: Option<String>,
    /// `--substitute`
    pub substitute: Vec<String>,
    /// `--substitute-file`
    pub substitute_file: Vec<String>,
    /// `--exclude`
    pub exclude: Vec<String>,
    /// `--allow-empty`
    pub allow_empty: Option<bool>,
    /// `--strict-input`
    pub strict_input: Option<bool>,
    /// `--manifests`
    pub manifests: Vec<String>,
    /// `--context`
    pub context: Option<String>,
    /// `--source`
    pub source: Option<String>,
    /// `--cluster`
    pub cluster: Option<String>,
    /// `--level`
    pub level: Option<String>,
    /// `--format`
    pub format: Option<String>,
    /// `--output`
    pub output: Vec<String>,
    /// `--fail-on`
    pub fail_on: Option<String>,
    /// `--select`
    pub select: Vec<String>,
    /// `--ignore`
    pub ignore: Vec<String>,
    /// `--baseline`
    pub baseline: Option<String>,
}

/// Defaults of the options of `scan`. Paths are relative to the folder of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ScanConfig {
    /// `--namespace`
    pub namespaces: Vec<String>,
    /// `--context`
    pub context: Option<String>,
    /// `--source`
    pub source: Option<String>,
    /// `--cluster`
    pub cluster: Option<String>,
    /// `--level`
    pub level: Option<String>,
    /// `--format`
    pub format: Option<String>,
    /// `--output`
    pub output: Vec<String>,
    /// `--fail-on`
    pub fail_on: Option<String>,
    /// `--select`
    pub select: Vec<String>,
    /// `--ignore`
    pub ignore: Vec<String>,
    /// `--baseline`
    pub baseline: Option<String>,
}
