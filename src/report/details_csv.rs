//! Numbers of analyses as a tidy table: one row per number, fractions unrounded.

use crate::report::findings::{About, Findings};
use crate::report::select::run_name;

const COLUMNS: [&str; 13] =
    ["benchmark", "analysis", "run", "measure", "of_1", "of_2", "of_3", "of_4", "point", "low", "high", "n", "why"];

pub fn render(findings: &Findings) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for d in &findings.details {
        let run = d.run.map(|run| run_name(findings, run)).unwrap_or_default();
        let mut row = vec![d.benchmark.clone(), d.analysis.clone(), run, d.measure.clone()];
        let about = |at: usize| match d.of.get(at) {
            Some(About::Lang(lang)) => lang.code().to_owned(),
            Some(About::Run(run)) => run_name(findings, *run),
            Some(About::Name(name)) => name.clone(),
            Some(About::Place(place)) => place.to_string(),
            None => String::new(),
        };
        row.extend((0..4).map(about));
        let bound = |of: fn(&crate::metric::Interval) -> f64| {
            d.estimate.and_then(|e| e.interval).map(|i| of(&i).to_string()).unwrap_or_default()
        };
        row.push(d.estimate.map(|e| e.point.to_string()).unwrap_or_default());
        row.extend([bound(|i| i.low), bound(|i| i.high)]);
        row.push(d.estimate.map(|e| e.n.to_string()).unwrap_or_default());
        row.push(d.why.clone().unwrap_or_default());
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}
