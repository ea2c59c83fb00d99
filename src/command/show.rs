//! `wgrad show`: what a model is, and where it comes from.

use std::path::PathBuf;

use serde::Serialize;
use wgrad::data::listed;
use wgrad::model::Metadata;
use wgrad::{Layer, Model, Network, Result};

use super::report::{Output, score_and_loss};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad show digits.safetensors
  wgrad show house.safetensors --json
";

/// Which model.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A model that wgrad wrote
    model: PathBuf,
    /// One JSON object
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// A row of the table of layers.
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

/// Prints a model's network, its columns, and the record of its training.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let Model { metadata, .. } = Model::load(&arguments.model)?;
    let (model, parameters, layers) =
        (arguments.model.display().to_string(), metadata.network.parameter_count(), rows(&metadata.network));
    if arguments.json {
        output.json(&Event { event: "model", model, parameters, layers, metadata: &metadata });
        return Ok(());
    }
    facts(&model, &metadata).iter().for_each(|(name, value)| output.text(&fact(name, value)));
    output.line("");
    output.text(&table(&metadata.network, &layers));
    Ok(())
}

/// Layers with the width behind each.
fn rows(network: &Network) -> Vec<Row> {
    let mut width = network.inputs();
    let row = |layer: &Layer| {
        let mut parameters = 0;
        if let Layer::Dense(dense) = layer {
            parameters = dense.outputs * width + if dense.bias { dense.outputs } else { 0 };
            width = dense.outputs;
        }
        Row { layer: layer.to_string(), outputs: width, parameters }
    };
    network.layers().iter().map(row).collect()
}

fn facts(model: &str, metadata: &Metadata) -> Vec<(String, String)> {
    let mut facts = vec![("model".to_string(), model.to_string())];
    let mut add = |name: &str, value: String| facts.push((name.into(), value));
    add("task", task(metadata));
    add("loss", metadata.loss.to_string());
    add("inputs", format!("{} columns: {}", metadata.columns.len(), named(&metadata.columns)));
    if let Some(classes) = &metadata.classes {
        add("classes", format!("{}: {}", classes.len(), named(classes)));
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
        let best = record.best_epoch.map_or(String::new(), |best| format!(", the best of which was {best}"));
        add("training", format!("{} epochs, {} steps{best}; wgrad {}", record.epochs, record.steps, record.version));
        let score = score_and_loss(&record.evaluation);
        add("score", format!("{score}, on {} rows of the {} set", record.evaluation.rows, record.evaluated_on));
    }
    facts
}

fn named(names: &[String]) -> String {
    listed(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn task(metadata: &Metadata) -> String {
    let target = metadata.targets.join(", ");
    let of = if target.is_empty() { String::new() } else { format!(" of {target}") };
    format!("{}{of}", if metadata.class_count().is_some() { "classification" } else { "regression" })
}

/// Widest line.
const WIDTH: usize = 80;

/// Column in which values begin.
const INDENT: usize = 10;

/// A name and its value, broken at words where they are longer than a line.
fn fact(name: &str, value: &str) -> String {
    let (mut text, mut line) = (String::new(), format!("{name:INDENT$}"));
    for word in value.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.trim() != name {
            text += line.trim_end();
            text.push('\n');
            line = " ".repeat(INDENT);
        }
        line += word;
        line.push(' ');
    }
    text + line.trim_end() + "\n"
}

fn table(network: &Network, rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.layer.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!("{:width$}  {:>7}  {:>10}\n", "layer", "outputs", "parameters");
    text += &format!("{:width$}  {:>7}\n", "input", network.inputs());
    for row in rows {
        let parameters = if row.parameters > 0 { row.parameters.to_string() } else { String::new() };
        text += format!("{:width$}  {:>7}  {parameters:>10}", row.layer, row.outputs).trim_end();
        text.push('\n');
    }
    text + &format!("{:width$}  {:>7}  {:>10}\n", "total", "", network.parameter_count())
}
