//! `status`: all streams in a table, or all of one stream.

use crds::ConditionType;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    cluster::Cluster,
    output::{Output, span, table},
    report::StreamReport,
};

pub(crate) async fn run(cluster: &Cluster, name: Option<&str>, output: Output) -> anyhow::Result<()> {
    let now = Timestamp::now();
    if let Some(name) = name {
        let stream = cluster.stream(name).await?;
        let report = StreamReport::new(&stream, &cluster.pods(name, None).await?);
        return output.print(&report, |_| render_one(&report, now));
    }
    let (streams, pods) = cluster.streams().await?;
    let reports: Vec<_> = streams.iter().map(|stream| StreamReport::new(stream, &pods)).collect();
    if reports.is_empty() && matches!(output, Output::Table | Output::Wide) {
        eprintln!(
            "no streams here: `kubectl acuity status -A` looks everywhere, docs/livestream.md says how to make one"
        );
        return Ok(());
    }
    output.print(&json!({ "items": reports }), |wide| render_all(&reports, wide, now))
}

fn render_all(reports: &[StreamReport], wide: bool, now: Timestamp) -> String {
    let several = reports.iter().any(|report| report.namespace != reports[0].namespace);
    let mut header = vec!["NAME", "READY", "REASON", "LIVE", "ENHANCED", "GAIN", "VIEWERS", "TRAINERS", "AGE"];
    if several {
        header.insert(0, "NAMESPACE");
    }
    if wide {
        header.extend(["CHECKPOINT", "PODS", "WHIP", "WHEP"]);
    }
    let rows: Vec<_> = reports.iter().map(|report| row(report, several, wide, now)).collect();
    table(&header, &rows)
}

fn row(report: &StreamReport, several: bool, wide: bool, now: Timestamp) -> Vec<String> {
    let status = &report.status;
    let mut cells: Vec<String> = several.then(|| report.namespace.clone()).into_iter().collect();
    cells.extend([
        report.name.clone(),
        report.state_of(ConditionType::Ready).to_owned(),
        report.reason_of(ConditionType::Ready).to_owned(),
        report.state_of(ConditionType::Publishing).to_owned(),
        report.state_of(ConditionType::Enhancing).to_owned(),
        status.gain.clone().unwrap_or_default(),
        status.viewers.map(|viewers| viewers.to_string()).unwrap_or_default(),
        status.trainers.as_ref().map(|of| format!("{}/{}", of.ready, of.desired)).unwrap_or_default(),
        age(report.created_at, now),
    ]);
    if wide {
        let ready = report.pods.iter().filter(|pod| pod.ready).count();
        let endpoint = |of: fn(&crds::Endpoints) -> &String| status.endpoints.as_ref().map(of).cloned();
        cells.extend([
            status.checkpoint.as_ref().map(|checkpoint| checkpoint.version.to_string()).unwrap_or_default(),
            format!("{ready}/{}", report.pods.len()),
            endpoint(|endpoints| &endpoints.whip).unwrap_or_default(),
            endpoint(|endpoints| &endpoints.whep).unwrap_or_default(),
        ]);
    }
    cells
}

fn render_one(report: &StreamReport, now: Timestamp) -> String {
    let mut parts = vec![facts(report, now), conditions(report, now), pods(report, now)];
    if !report.why.is_empty() {
        let lines: String = report.why.iter().map(|line| format!("- {line}\n")).collect();
        let more = format!("`kubectl describe lst {} -n {}` has the events.\n", report.name, report.namespace);
        parts.push(format!("What is in the way:\n{lines}{more}"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn facts(report: &StreamReport, now: Timestamp) -> String {
    let status = &report.status;
    let mut facts = vec![
        ("Stream", format!("{}/{}, {} old", report.namespace, report.name, age(report.created_at, now))),
        ("Ready", format!("{} {}", report.state_of(ConditionType::Ready), report.reason_of(ConditionType::Ready))),
    ];
    if let Some(endpoints) = &status.endpoints {
        facts.push(("Publish", endpoints.whip.clone()));
        facts.push(("Watch", endpoints.whep.clone()));
        facts.push(("Page", endpoints.page.clone()));
    }
    facts.extend(status.viewers.map(|viewers| ("Viewers", viewers.to_string())));
    let version = status.checkpoint.as_ref().map(|checkpoint| checkpoint.version);
    let weights = match version {
        None => String::new(),
        Some(0) => " with exact bicubic".to_owned(),
        Some(1) => " with the general weights (version 1)".to_owned(),
        Some(version) => format!(" with version {version}"),
    };
    facts.extend(status.gain.as_ref().map(|gain| ("Gain", format!("{gain}{weights}"))));
    facts.extend(status.trainers.as_ref().map(|of| ("Trainers", format!("{} of {} ready", of.ready, of.desired))));
    let enhancer = |ready: bool| if ready { "ready" } else { "not ready" }.to_owned();
    facts.extend(status.enhancer.as_ref().map(|of| ("Enhancer", enhancer(of.ready))));
    facts.iter().map(|(name, fact)| format!("{:<10}{}\n", format!("{name}:"), fact.trim_end())).collect()
}

fn conditions(report: &StreamReport, now: Timestamp) -> String {
    if report.status.conditions.is_empty() {
        return String::new();
    }
    let known = ConditionType::ALL.iter().filter_map(|&kind| report.status.condition(kind));
    let rows: Vec<_> = known
        .map(|condition| {
            let since = age(Some(condition.last_transition_time.0), now);
            [&condition.type_, &condition.status, &condition.reason, &since, &condition.message]
                .map(Clone::clone)
                .into()
        })
        .collect();
    table(&["CONDITION", "STATUS", "REASON", "FOR", "MESSAGE"], &rows)
}

fn pods(report: &StreamReport, now: Timestamp) -> String {
    if report.pods.is_empty() {
        return "No pods.\n".to_owned();
    }
    let rows: Vec<_> = report
        .pods
        .iter()
        .map(|pod| {
            let ready = if pod.ready { "yes" } else { "no" };
            let node = pod.node.clone().unwrap_or_else(|| "-".to_owned());
            let age = age(pod.created_at, now);
            vec![pod.name.clone(), ready.to_owned(), pod.state.clone(), pod.restarts.to_string(), node, age]
        })
        .collect();
    table(&["POD", "READY", "STATE", "RESTARTS", "NODE", "AGE"], &rows)
}

fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    since.map_or_else(|| "?".to_owned(), |since| span(now.as_second() - since.as_second()))
}

#[cfg(test)]
mod tests;
