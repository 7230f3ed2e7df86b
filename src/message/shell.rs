//! Shell commands whose values cannot become commands of their own.

use rolecall_core::fix::CUT;

/// How values begin that the AWS CLI replaces by the content of a file or of an address (AWS CLI User Guide, "Load a parameter
/// from a file"; addresses in version 1).
const LOADED: [&str; 4] = ["file://", "fileb://", "http://", "https://"];

/// Quotes a value as one word of a POSIX shell.
pub fn quote(value: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=@+,".contains(c);
    if !value.is_empty() && value.chars().all(is_safe) { value.to_owned() } else { quoted(value) }
}

/// The same with quotes in any case, as people write a program.
pub(crate) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A shell command. Values come in as words only, and each is quoted: none can become a command. There is no command with a
/// value that would be an option of its own, that the AWS CLI would load, or that was cut.
#[derive(Debug, Clone)]
pub struct Command {
    text: String,
    is_usable: bool,
}

impl Command {
    /// Begins with words that are the program's own, such as `aws eks create-addon`.
    #[must_use]
    pub fn new(words: &'static str) -> Self {
        Self { text: words.to_owned(), is_usable: true }
    }

    /// Adds a value.
    #[must_use]
    pub fn word(mut self, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        self.is_usable &= !value.starts_with('-') && !value.contains(CUT);
        if self.text.starts_with("aws ") {
            self.is_usable &= !LOADED.iter().any(|prefix| value.starts_with(prefix));
        }
        self.text.push(' ');
        self.text.push_str(&quote(value));
        self
    }

    /// Adds an option with its value.
    #[must_use]
    pub fn option(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.text.push(' ');
        self.text.push_str(name);
        self.word(value)
    }

    /// Adds an option that is written as one word with its value: `--from=cronjob/NAME`.
    #[must_use]
    pub(crate) fn joined_option(mut self, name: &'static str, value: &str) -> Self {
        self.is_usable &= !value.contains(CUT);
        self.text.push_str(&format!(" {}", quote(&format!("{name}{value}"))));
        self
    }

    /// Adds an option with an `https` URL, which the AWS CLI takes as it is for this option.
    #[must_use]
    pub(crate) fn https_option(mut self, name: &'static str, address: &str) -> Self {
        self.is_usable &= !address.contains(CUT);
        self.text.push_str(&format!(" {name} {}", quote(&format!("https://{address}"))));
        self
    }

    /// Adds words of the program's own.
    #[must_use]
    pub fn words(mut self, words: &'static str) -> Self {
        self.text.push(' ');
        self.text.push_str(words);
        self
    }

    /// Adds an option whose value is the output of another command.
    #[must_use]
    pub fn output_of(mut self, name: &'static str, command: &Self) -> Self {
        self.is_usable &= command.is_usable;
        self.text.push_str(&format!(" {name} \"$({})\"", command.text));
        self
    }

    /// Sends its output through a `jq` program.
    #[must_use]
    pub fn jq(mut self, program: &str) -> Self {
        self.is_usable &= !program.contains(CUT);
        self.text.push_str(" | jq ");
        self.text.push_str(&quoted(program));
        self
    }

    /// Runs another command where this one succeeds.
    #[must_use]
    pub fn and(mut self, next: &Self) -> Self {
        self.is_usable &= next.is_usable;
        self.text.push_str(" && ");
        self.text.push_str(&next.text);
        self
    }

    /// The command; `None` where a value cannot be a part of it.
    pub fn finish(self) -> Option<String> {
        self.is_usable.then_some(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_harmful_ones_leave_no_command() {
        let command = Command::new("kubectl annotate").option("-n", "a b").word("it's=$(id)").words("--overwrite");
        assert_eq!(command.finish().unwrap(), r"kubectl annotate -n 'a b' 'it'\''s=$(id)' --overwrite");
        assert_eq!(quote(""), "''");
        for value in ["--all", "-x", "cut…", "file:///etc/passwd", "https://example.com"] {
            assert_eq!(Command::new("aws iam").option("--client-id", value).finish(), None, "{value}");
        }
        let url = Command::new("aws iam").https_option("--url", "example.com/id").finish();
        assert_eq!(url.unwrap(), "aws iam --url https://example.com/id");
    }
}
