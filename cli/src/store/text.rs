//! The reports of `mqadmin store` for people.

use std::io::{self, Write};

use sansmq_store::tools::Report;

/// Prints a report.
pub fn print(report: &Report, verified: bool, out: &mut dyn Write) -> io::Result<()> {
    let state = if report.clean { "closed in order" } else { "in use, or not closed in order" };
    writeln!(out, "store    {} ({state})", report.root.display())?;
    writeln!(
        out,
        "log      bytes {}..{}, {} records in {} files",
        report.log_start,
        report.log_end,
        report.records,
        report.log.len()
    )?;
    if let Some((log, queues)) = report.durable {
        writeln!(out, "durable  log up to byte {log}, queues up to byte {queues}")?;
    }
    writeln!(out, "\n{:<22} {:>12} {:>12} {:>10}  last store time", "log file", "bytes", "used", "records")?;
    for file in &report.log {
        let row = (file.base, file.len, file.used, file.records, file.last_time);
        writeln!(out, "{:020}   {:>12} {:>12} {:>10}  {}", row.0, row.1, row.2, row.3, row.4)?;
    }
    writeln!(out, "\n{:<40} {:>5} {:>12} {:>12} {:>6}", "queue", "id", "min", "max", "files")?;
    for queue in &report.queues {
        let (topic, id) = (&queue.topic, queue.queue_id);
        write!(out, "{topic:<40} {id:>5} {:>12} {:>12} {:>6}", queue.min, queue.max, queue.files)?;
        match (queue.is_batch, queue.ext_units) {
            (true, _) => writeln!(out, "  inner batches")?,
            (false, 0) => writeln!(out)?,
            (false, units) => writeln!(out, "  {units} extension units")?,
        }
    }
    writeln!(out, "\n{:<22} {:>12} {:>14} {:>14}", "index file", "entries", "first byte", "last byte")?;
    for file in &report.index {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        writeln!(out, "{name:<22} {:>12} {:>14} {:>14}", file.entries, file.begin_offset, file.end_offset)?;
    }
    writeln!(out)?;
    for finding in &report.findings {
        let kind = if finding.is_damage { "DAMAGE" } else { "note" };
        writeln!(out, "{kind}: {} byte {}: {}", finding.path.display(), finding.at, finding.what)?;
    }
    let damage = report.findings.iter().filter(|finding| finding.is_damage).count();
    match (damage, verified) {
        (0, true) => writeln!(out, "no damage found"),
        (0, false) => writeln!(out, "nothing obviously wrong; checksums and queue entries were not compared"),
        (count, _) => writeln!(out, "{count} places are damaged"),
    }
}
