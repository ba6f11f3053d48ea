//! One page with a picture of each history, and nothing that has to be fetched from elsewhere.

use std::fmt::Write as _;

use super::MS;
use super::history::Report;
use super::story::{BIN_MS, Story, What};
use super::timeline::{self, State};

/// Of the picture, in pixels.
const LEFT: f64 = 130.0;
const WIDTH: f64 = 1_150.0;
const ROW: f64 = 30.0;
const SENDS: f64 = 60.0;
/// Lines of the trace a page shows.
const LINES: usize = 600;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:1330px;color:#222}\
h2{margin-top:2.2em;border-top:1px solid #ccc;padding-top:.8em}code,pre{font:12px/1.45 ui-monospace,monospace}\
pre{background:#f6f6f4;padding:.8em;overflow:auto;max-height:34em}.bad{color:#b00020}.good{color:#1a7f37}\
svg{border:1px solid #ddd;background:#fff;max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif}";

/// The page.
#[must_use]
pub fn page(reports: &[Report]) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Histories</title>\
         <style>{STYLE}</style></head><body>\n<h1>Histories of a simulated cluster</h1>\n<p>A lane is a machine: \
         grey while its process runs, hatched while it hangs, coloured while it is master or leads the controllers \
         (the number is the epoch), pale while it is a slave. Below stand the SyncStateSet as the master knows it, \
         sends acknowledged (green) and not (red) in each {BIN_MS} ms, and faults; a red line is where something was \
         found broken. Point at a mark to read it.</p>\n"
    );
    if reports.is_empty() {
        html.push_str("<p class=\"good\">No history failed.</p>\n");
    }
    for report in reports {
        section(&mut html, report);
    }
    html.push_str("</body></html>\n");
    html
}

fn section(html: &mut String, report: &Report) {
    let verdict = match report.broken.len() {
        0 => "<p class=\"good\">nothing is broken</p>\n".to_owned(),
        _ => {
            let items = report.broken.iter().map(|text| format!("<li>{}</li>", escape(text)));
            format!("<ul class=\"bad\">{}</ul>\n", items.collect::<String>())
        }
    };
    let schedule = report.schedule.iter().map(|strike| {
        format!("{:>3}: {:>6} ms  {}\n", strike.index, strike.at_ms, escape(&format!("{:?}", strike.fault)))
    });
    let trace = &report.lines[report.lines.len().saturating_sub(LINES)..];
    let _ = write!(
        html,
        "<h2 id=\"seed-{seed}\">Seed {seed}</h2>\n<p>{about}<br><code>{command}</code></p>\n{verdict}{picture}\
         <details><summary>Schedule</summary><pre>{schedule}</pre></details>\n\
         <details><summary>Story</summary><pre>{story}</pre></details>\n\
         <details><summary>End of the trace</summary><pre>{trace}</pre></details>\n",
        seed = report.seed,
        about = escape(&report.about),
        command = escape(&report.plan.command()),
        picture = picture(&report.story),
        schedule = schedule.collect::<String>(),
        story = escape(&report.story.tell()),
        trace = escape(&trace.join("\n")),
    );
}

/// The timeline.
fn picture(story: &Story) -> String {
    let end = story.end.max(MS);
    let x = |at: u64| LEFT + at.min(end) as f64 / end as f64 * WIDTH;
    let lanes = timeline::lanes(story);
    let below = ROW * lanes.len() as f64;
    let (sets_y, sends_y) = (below + 4.0, below + ROW + 4.0);
    let axis = sends_y + SENDS + 24.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {:.0} {:.0}\" width=\"{:.0}\" role=\"img\">\n<defs><pattern id=\"hatch\" width=\"6\" \
         height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><line y2=\"6\" \
         stroke=\"#444\" stroke-width=\"3\"/></pattern></defs>\n",
        LEFT + WIDTH + 20.0,
        axis + 22.0,
        LEFT + WIDTH + 20.0
    );
    let mut bar = |from: u64, to: u64, y: f64, height: f64, fill: &str, title: &str, label: &str| {
        let (left, width) = (x(from), (x(to) - x(from)).max(1.0));
        let _ = write!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\">\
             <title>{}</title></rect>",
            escape(title)
        );
        if width > 9.0 * label.len() as f64 {
            let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{label}</text>", left + 4.0, y + height - 5.0);
        }
        svg.push('\n');
    };
    for (row, lane) in lanes.iter().enumerate() {
        let y = ROW * row as f64 + 6.0;
        for span in &lane.up {
            bar(span.from, span.to, y, ROW - 8.0, "#e4e4e0", &format!("{} runs", lane.name), "");
        }
        for span in &lane.roles {
            let (fill, title, label) = match span.what {
                State::Master(epoch) => {
                    (colour(epoch), format!("{} is master in epoch {epoch}", lane.name), epoch.to_string())
                }
                State::Slave(epoch) => {
                    ("#d7e6f2", format!("{} is slave in epoch {epoch}", lane.name), epoch.to_string())
                }
                State::Leads => ("#b9a3e3", format!("{} leads the controllers", lane.name), String::new()),
                State::Up | State::Hangs => continue,
            };
            bar(span.from, span.to, y + 2.0, ROW - 12.0, fill, &title, &label);
        }
        for span in &lane.hangs {
            bar(span.from, span.to, y, ROW - 8.0, "url(#hatch)", &format!("{} hangs", lane.name), "");
        }
    }
    for (number, span) in timeline::sets(story).iter().enumerate() {
        let members: Vec<String> = span.what.iter().map(ToString::to_string).collect();
        let members = format!("{{{}}}", members.join(","));
        let fill = if number % 2 == 0 { "#f3e3b3" } else { "#ead08a" };
        bar(span.from, span.to, sets_y, ROW - 8.0, fill, &format!("SyncStateSet {members}"), &members);
    }
    let most = story.sends.iter().map(|(good, bad)| good + bad).max().unwrap_or(1).max(1);
    for (bin, (good, bad)) in story.sends.iter().enumerate() {
        let from = bin as u64 * BIN_MS * MS;
        let tall = |count: u32| SENDS * f64::from(count) / f64::from(most);
        let title = format!("{good} acknowledged, {bad} not");
        let (good, bad) = (tall(*good), tall(*bad));
        if good > 0.0 {
            bar(from, from + BIN_MS * MS, sends_y + SENDS - good, good, "#4aa564", &title, "");
        }
        if bad > 0.0 {
            bar(from, from + BIN_MS * MS, sends_y + SENDS - good - bad, bad, "#d9534f", &title, "");
        }
    }
    let names = lanes.iter().enumerate().map(|(row, lane)| (ROW * row as f64 + 22.0, lane.name.as_str()));
    let more = [(sets_y + 15.0, "SyncStateSet"), (sends_y + SENDS - 4.0, "sends"), (axis - 6.0, "faults")];
    for (y, name) in names.chain(more) {
        let _ = writeln!(svg, "<text x=\"6\" y=\"{y:.1}\">{}</text>", escape(name));
    }
    marks(&mut svg, story, x, axis);
    svg.push_str("</svg>\n");
    svg
}

/// Faults, what was found broken, and the seconds.
fn marks(svg: &mut String, story: &Story, x: impl Fn(u64) -> f64, axis: f64) {
    for mark in &story.marks {
        let (colour, shape) = match mark.what {
            What::Fault => ("#c77700", "stroke-dasharray=\"2 4\""),
            What::Healed => ("#1a7f37", "stroke-dasharray=\"1 6\""),
            What::Broken => ("#d00020", "stroke-width=\"2\""),
            _ => continue,
        };
        let x = x(mark.at);
        let _ = writeln!(
            svg,
            "<g class=\"{}\"><line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{:.1}\" stroke=\"{colour}\" {shape}/>\
             <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/><title>{:.3} s: {}</title></g>",
            match mark.what {
                What::Fault => "fault",
                What::Healed => "healed",
                _ => "broken",
            },
            axis - 10.0,
            axis - 10.0,
            mark.at as f64 / 1e9,
            escape(&mark.text)
        );
    }
    for second in 0..=story.end / (1_000 * MS) {
        let x = x(second * 1_000 * MS);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{axis:.1}\" y2=\"{:.1}\" stroke=\"#888\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#666\">{second}</text>",
            axis + 5.0,
            x + 2.0,
            axis + 16.0
        );
    }
}

/// Neighbouring epochs look different.
fn colour(epoch: i32) -> &'static str {
    const COLOURS: [&str; 6] = ["#5b9bd5", "#e58f65", "#6cbf84", "#c98bc9", "#d9b44a", "#5fbfbf"];
    COLOURS[usize::try_from(epoch).unwrap_or(0) % COLOURS.len()]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Report {
        Report {
            seed: 42,
            broken: vec!["lost & gone: <message>".to_owned()],
            lines: vec!["a < b".to_owned()],
            story: timeline::tests::example(),
            ..Report::default()
        }
    }

    #[test]
    fn a_page_stands_alone_and_shows_what_happened() {
        let html = page(&[example()]);
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
        for outside in ["http:", "https:", "<script", "<link", "src=", "@import"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert_eq!(html.matches("<svg").count(), 1);
        assert_eq!(html.matches("class=\"fault\"").count(), 1);
        assert_eq!(html.matches("class=\"broken\"").count(), 1);
        assert!(html.contains("machine-4 is master in epoch 1") && html.contains("SyncStateSet {1,2}"));
        assert!(html.contains("3 acknowledged, 1 not") && html.contains("machine-4 hangs"));
        assert!(html.contains("lost &amp; gone: &lt;message&gt;") && !html.contains("<message>"));
        assert!(html.contains("Kill(4, &lt;5&gt;)") && html.contains("seed-42"));
    }

    #[test]
    fn every_element_is_closed() {
        let html = page(&[example(), Report::default()]);
        for element in ["svg", "text", "rect", "g", "pre", "details", "h2", "ul", "li", "title", "pattern"] {
            let open =
                html.matches(&format!("<{element} ")).count() + html.matches(&format!("<{element}>")).count();
            assert_eq!(open, html.matches(&format!("</{element}>")).count(), "{element}");
        }
        assert!(page(&[]).contains("No history failed"));
    }
}
