//! Kubernetes audit events while recording: `--audit-log` and `--audit-webhook`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::stderr::{self, one_line};
use crate::event::number::{counted, grouped};
use crate::record::{AuditCounts, AuditOptions, Options, TlsOptions, WebhookOptions};

/// Options that name sources of audit events.
#[derive(Debug, clap::Args)]
pub(super) struct AuditSources {
    /// Also record the events that are appended to this Kubernetes audit log while recording, in order of time with those of
    /// the machine. The log can be rotated and truncated
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,

    /// Also record the audit events that an API server posts to its webhook at this address
    #[arg(long, value_name = "IP:PORT")]
    audit_webhook: Option<SocketAddr>,

    /// With --audit-webhook, use TLS with this certificate (PEM), followed by its chain
    #[arg(long, value_name = "FILE", requires_all = ["audit_webhook", "audit_webhook_key"])]
    audit_webhook_cert: Option<PathBuf>,

    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "audit_webhook_cert")]
    audit_webhook_key: Option<PathBuf>,

    /// Accept only clients with a certificate that one of these has signed (PEM)
    #[arg(long, value_name = "FILE", requires = "audit_webhook_cert")]
    audit_webhook_client_ca: Option<PathBuf>,
}

impl AuditSources {
    /// Adds the sources to the options of a recording.
    pub(super) fn add_to(&self, options: &mut Options) {
        let tls = match (&self.audit_webhook_cert, &self.audit_webhook_key) {
            (Some(cert), Some(key)) => Some(TlsOptions {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: self.audit_webhook_client_ca.clone(),
            }),
            _ => None,
        };
        let webhook = self
            .audit_webhook
            .map(|address| WebhookOptions { address, tls });
        if let Some(log) = &self.audit_log {
            let log = log.to_string_lossy().into_owned();
            options.given.push(("audit-log".to_owned(), log));
        }
        if let Some(webhook) = &webhook {
            let address = webhook.address.to_string();
            options.given.push(("audit-webhook".to_owned(), address));
        }
        options.audit = AuditOptions {
            log: self.audit_log.clone(),
            webhook,
        };
    }

    /// Prints the address at which the webhook is listened for, and who can use it.
    pub(super) fn print_address(&self, address: SocketAddr) {
        let (scheme, who) = match (&self.audit_webhook_cert, &self.audit_webhook_client_ca) {
            (None, _) if address.ip().is_loopback() => ("http", ""),
            (None, _) => (
                "http",
                "; anybody who can reach it can add events, and read them on their way",
            ),
            (Some(_), None) => ("https", "; anybody who can reach it can add events"),
            (Some(_), Some(_)) => ("https", ""),
        };
        stderr::print(&format!(
            "listening for audit events at {scheme}://{address}{who}\n"
        ));
    }
}

/// Appends the lines of the summary.
pub(super) fn text(out: &mut String, counts: &AuditCounts) {
    out.push_str(&counted(counts.events, "audit event"));
    if counts.duplicates > 0 {
        out.push_str(&format!(
            ", {} that came twice left out",
            grouped(counts.duplicates)
        ));
    }
    out.push('\n');
    if counts.moved > 0 {
        out.push_str(&format!(
            "{} too late or too far ahead for the time in them, and have the time at which they came\n",
            match counts.moved {
                1 => "1 of them was".to_owned(),
                many => format!("{} of them were", grouped(many)),
            }
        ));
    }
    for (refusal, count) in &counts.refused {
        out.push_str(&one_line(&format!(
            "  not taken: {} ({refusal})",
            grouped(*count)
        )));
        out.push('\n');
    }
    if counts.rejected > 0 {
        out.push_str(&format!(
            "  refused: {}\n",
            counted(counts.rejected, "request")
        ));
    }
}
