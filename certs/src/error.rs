//! Why a certificate cannot be read, created or used.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem;
use x509_parser::error::X509Error;

/// Why a certificate cannot be read, created or used. [`Error::with_causes`] renders it with its causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system does not read, create or write a file.
    #[error("{}: cannot be {action}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// `read`, `created` or `written`.
        action: &'static str,
        /// What the operating system answers.
        source: std::io::Error,
    },
    /// What is wrong is in this file or part.
    #[error("{place}")]
    In {
        /// The file or part.
        place: String,
        /// What is wrong with it.
        source: Box<Self>,
    },
    /// Certificates or keys are not PEM.
    #[error("{what} not PEM")]
    Pem {
        /// What was to be read, with its verb.
        what: &'static str,
        /// Where the text is wrong.
        source: pem::Error,
    },
    /// There is text, or a file, but no certificate in it.
    #[error("holds no certificate in PEM")]
    NoCertificate,
    /// A certificate is not X.509.
    #[error("a certificate cannot be read")]
    Certificate(#[source] X509Error),
    /// A certificate is not that of a CA.
    #[error("{0} is not the certificate of a CA")]
    NotCa(String),
    /// A key of the list is of a kind that cannot sign. Counted from 1.
    #[error("key {0} is of an unknown kind")]
    UnknownKey(usize),
    /// A key of the list belongs to none of the certificates. Counted from 1.
    #[error("key {0} belongs to no certificate of ca.crt")]
    ForeignKey(usize),
    /// TLS cannot work with this.
    #[error("{what} cannot be used")]
    Unusable {
        /// What cannot be used.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A certificate that has expired would replace one that has not.
    #[error("{}: the new certificate has expired", .0.display())]
    Expired(PathBuf),
    /// A name that is neither a DNS name nor an IP address.
    #[error("`{0}` cannot be in a certificate")]
    Name(String),
    /// A leaf must repeat its CA's name byte by byte, and this one cannot be written again.
    #[error("the CA's name has an unusual encoding; use a CA whose name consists of UTF-8 or printable strings")]
    CaName,
    /// A certificate cannot be created.
    #[error("a certificate cannot be created")]
    Create(#[from] rcgen::Error),
    /// The clock is beyond what a certificate can express.
    #[error("the time is out of range")]
    Time,
    /// A certificate is due, and no CA can sign it.
    #[error("there is no CA to sign a certificate with")]
    NoCa,
}

impl Error {
    /// The message with those of its causes, from the outermost to the innermost.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }

    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        Self::In { place: place.into(), source: Box::new(self) }
    }

    pub(crate) fn file(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), action, source }
    }

    pub(crate) fn pem(what: &'static str) -> impl FnOnce(pem::Error) -> Self {
        move |source| Self::Pem { what, source }
    }

    pub(crate) fn unusable<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Unusable { what, source: Box::new(error) }
    }
}

impl From<x509_parser::nom::Err<X509Error>> for Error {
    fn from(error: x509_parser::nom::Err<X509Error>) -> Self {
        use x509_parser::nom::Err;
        match error {
            Err::Error(error) | Err::Failure(error) => Self::Certificate(error),
            Err::Incomplete(_) => Self::Certificate(X509Error::Generic),
        }
    }
}
