//! The report as one page that loads nothing from outside: style, script and data are in it.

use std::io::Write;

use super::model::Report;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the report as an HTML page.
///
/// # Errors
/// Where writing fails.
pub fn html(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let data = escaped(&serde_json::to_string(report)?);
    let mut rest = PAGE;
    for (place, part) in [("{{style}}", STYLE), ("{{data}}", &*data), ("{{script}}", SCRIPT)] {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        write!(out, "{before}{part}")?;
        rest = after;
    }
    write!(out, "{rest}")?;
    Ok(())
}

/// JSON that a parser of HTML reads as text: no value can end the element, or begin a comment in it (HTML Standard, "Restrictions
/// for contents of script elements").
fn escaped(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_the_element() {
        let text = escaped(&serde_json::to_string("</script><!--<script>&amp;").unwrap());
        assert!(!text.contains(['<', '>', '&']), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "</script><!--<script>&amp;");
    }

    #[test]
    fn each_part_has_its_place() {
        for place in ["{{style}}", "{{data}}", "{{script}}"] {
            assert_eq!(PAGE.matches(place).count(), 1, "{place}");
        }
        assert!(!STYLE.contains("</style") && !SCRIPT.contains("</script"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
