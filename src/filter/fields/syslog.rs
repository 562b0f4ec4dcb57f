//! Fields of the class syslog.

use super::info::{FieldInfo, na, text, uint};

pub(super) const FIELDS: &[FieldInfo] = &[
    uint("syslog.facility", "facility number of a syslog write", na),
    text("syslog.facility.str", "facility name", na),
    text("syslog.message", "syslog text without the <PRI> header", na),
    uint("syslog.severity", "severity number 0-7", na),
    text(
        "syslog.severity.str",
        "emerg, alert, crit, err, warn, notice, info, debug",
        na,
    ),
];
