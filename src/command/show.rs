//! Command `wgrad show`: layers, columns and training of a model.

use std::path::PathBuf;

use serde::Serialize;
use wgrad::data::{counted, listed, shown};
use wgrad::loss::Task;
use wgrad::model::Metadata;
use wgrad::network::{LayerTensor, Node};
use wgrad::{Model, Network, Result};

use super::lines::{table, wrapped};
use super::paths::on_disk;
use super::report::{Output, decision, number, score_with};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad show digits.safetensors
  wgrad show house.safetensors --json
";

/// Options of `wgrad show`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Model file that wgrad wrote
    #[arg(value_hint = clap::ValueHint::FilePath)]
    #[arg(value_parser = on_disk())]
    model: PathBuf,
    /// Prints JSON: one object
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Row of the table of layers.
#[derive(Serialize)]
struct Row {
    layer: String,
    outputs: usize,
    parameters: usize,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    model: String,
    parameters: usize,
    layers: Vec<Row>,
    #[serde(flatten)]
    metadata: &'a Metadata,
}

/// Prints the network of a model, its columns, and the record of its training.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let Model { metadata, .. } = Model::load(&arguments.model)?;
    let (model, parameters, layers) =
        (arguments.model.display().to_string(), metadata.network.parameter_count(), rows(&metadata.network));
    if arguments.json {
        output.json(&Event { event: "model", model, parameters, layers, metadata: &metadata });
        return Ok(());
    }
    facts(&model, &metadata)
        .iter()
        .for_each(|(name, value)| output.line(wrapped(&format!("{name:INDENT$}"), &" ".repeat(INDENT), &shown(value))));
    output.line("");
    output.text(&layer_table(&metadata.network, &layers));
    Ok(())
}

/// Rows of the table of layers: name, number of outputs, and number of trained parameters.
fn rows(network: &Network) -> Vec<Row> {
    let row = |node: Node| Row {
        layer: node.layer.to_string(),
        outputs: node.outputs(),
        parameters: node.tensors().iter().filter(|tensor| tensor.is_trained()).map(LayerTensor::elements).sum(),
    };
    network.nodes().map(row).collect()
}

fn facts(model: &str, metadata: &Metadata) -> Vec<(String, String)> {
    let mut facts = vec![("model".to_string(), model.to_string())];
    let mut add = |name: &str, value: String| facts.push((name.into(), value));
    add("task", task(metadata));
    add("loss", metadata.loss.to_string());
    if let Some(preparation) = &metadata.preparation {
        add("columns", format!("{}: {}", preparation.count(), preparation.describe().join(", ")));
        add("inputs", metadata.columns.len().to_string());
    } else {
        add("inputs", format!("{} columns: {}", metadata.columns.len(), named(&metadata.columns)));
    }
    if let Some(classes) = &metadata.classes {
        add("classes", format!("{}: {}", classes.len(), named(classes)));
    }
    if let Some(threshold) = decision(metadata) {
        add("decision", threshold.to_string());
    }
    let scaled = [("inputs", metadata.preprocessing.is_some()), ("target", metadata.target_scaling.is_some())];
    let scaled: Vec<&str> = scaled.into_iter().filter(|(_, scaled)| *scaled).map(|(name, _)| name).collect();
    add("scaled", if scaled.is_empty() { "nothing".into() } else { scaled.join(" and ") });
    if let Some(origin) = &metadata.origin {
        add("data", format!("{}, {} rows, checksum {:08x}", origin.data, origin.rows, origin.checksum));
        let settings =
            origin.settings.iter().filter(|(name, _)| !["network", "loss", "target"].contains(&name.as_str()));
        add("settings", settings.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", "));
    }
    if let Some(record) = &metadata.record {
        let sets = ["train", "validation", "test"].map(|name| Some((name, record.sets.get(name)?)));
        let sets: Vec<String> = sets.into_iter().flatten().map(|(name, rows)| format!("{name} {rows}")).collect();
        if !sets.is_empty() {
            add("rows", sets.join(", "));
        }
        let best = record.best_epoch.map_or(String::new(), |best| format!("; epoch {best} was the best"));
        let networks = if record.networks > 1 { format!("{} networks, ", record.networks) } else { String::new() };
        let temperature = record.temperature.map(|found| format!("; calibrated with temperature {}", number(found)));
        let steps = format!("{networks}{}, {} steps{best}", counted(record.epochs, "epoch"), record.steps);
        add("training", format!("{steps}{}; wgrad {}", temperature.unwrap_or_default(), record.version));
        let metric = metadata.origin.as_ref().and_then(|origin| origin.settings.get("metric"));
        let score = score_with(&record.evaluation, metric.map(String::as_str));
        add("score", format!("{score}, on {}", of_set(record.evaluation.rows, &record.evaluated_on)));
    }
    facts
}

fn named(names: &[String]) -> String {
    listed(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Describes the rows of an evaluation; see [`Record::evaluated_on`](wgrad::model::Record::evaluated_on).
fn of_set(rows: usize, set: &str) -> String {
    match set {
        "all" => format!("all {rows} rows, which it was trained on"),
        set => format!("{rows} rows of the {set} set"),
    }
}

fn task(metadata: &Metadata) -> String {
    let target = metadata.targets.join(", ");
    let of = if target.is_empty() { String::new() } else { format!(" of {target}") };
    let task = match metadata.loss.task(metadata.network.outputs()) {
        Task::Regression => "regression".into(),
        classes => format!("{classes} classification"),
    };
    task + &of
}

/// Width of the column of names, in characters.
const INDENT: usize = 10;

fn layer_table(network: &Network, layers: &[Row]) -> String {
    let row = |layer: &str, outputs: String, parameters: String| vec![layer.to_string(), outputs, parameters];
    let number = |number: usize| if number > 0 { number.to_string() } else { String::new() };
    let layer = |found: &Row| row(&found.layer, found.outputs.to_string(), number(found.parameters));
    let mut rows = vec![
        row("layer", "outputs".into(), "parameters".into()),
        row("input", network.inputs().to_string(), String::new()),
    ];
    rows.extend(layers.iter().map(layer));
    rows.push(row("total", String::new(), network.parameter_count().to_string()));
    table(&rows, 1, 2)
}
