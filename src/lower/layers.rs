//! Rules of layers, which add the forward and backward ops of each layer.
//!
//! Node 0 of a network is its input, and node n + 1 is the output of layer n. The forward rule of a layer returns the
//! view of its output. The backward rule gets the gradient of this output. It adds gradients for the layer's tensors,
//! and passes gradients to the nodes that the layer reads.

use super::{Lowering, Pass};
use crate::error::Result;
use crate::kernels::dropout::Mask;
use crate::kernels::{
    activation, activation_grad, add, batch_norm, batch_norm_eval, batch_norm_grad, bias_add, column_sum,
    dense_forward, dropout, gated, gated_grad, matmul, row_norm, row_norm_grad, row_norm_grad_weight, slope,
    slope_grad, vector_sum,
};
use crate::network::{Layer, Node};
use crate::plan::{Op, Plan, Section, ViewId};

/// State of the backward pass.
struct Backward<'a> {
    /// Views of the nodes.
    nodes: &'a [ViewId],
    /// Gradient of each node; `None` until an op for it is added.
    gradients: Vec<Option<ViewId>>,
    /// First layer with tensors that are trained and not frozen. The nodes up to its input need no gradient.
    first: usize,
    /// Prefix of the names of the tensors' gradients.
    prefix: &'a str,
}

impl Lowering<'_> {
    /// Adds the forward ops of all layers, and returns the views of the nodes.
    pub(super) fn forward(&mut self, pass: &Pass) -> Result<Vec<ViewId>> {
        let mut nodes = vec![self.first_input(pass)?];
        for node in self.spec.network.nodes() {
            nodes.push(self.forward_rule(pass, node, &nodes)?);
        }
        Ok(nodes)
    }

    fn forward_rule(&mut self, pass: &Pass, node: Node, nodes: &[ViewId]) -> Result<ViewId> {
        let Node { number, layer, inputs: columns, start } = node;
        let input = nodes[number];
        match layer {
            noise if noise.is_noise() && !pass.training => Ok(input),
            Layer::ResidualStart => Ok(input),
            Layer::ResidualEnd => {
                let mut shortcut = nodes[start.map_or(number, |(start, _)| start)];
                if let Some(weight) = self.tensor(pass, number, "weight") {
                    shortcut = self.emit(pass, number, "shortcut", columns, |plan, output| {
                        matmul::nt(plan, shortcut, weight, output)
                    })?;
                }
                self.emit(pass, number, "output", columns, |plan, output| add::op(plan, input, shortcut, output))
            }
            Layer::Dropout { rate } => self.emit(pass, number, "output", columns, |plan, output| {
                dropout::op(plan, Mask::new(number, rate), input, output)
            }),
            Layer::AlphaDropout { rate } => self.emit(pass, number, "output", columns, |plan, output| {
                dropout::alpha_op(plan, number, rate, input, output)
            }),
            Layer::GaussianNoise { std } => self.emit(pass, number, "output", columns, |plan, output| {
                dropout::additive_op(plan, number, std, input, output)
            }),
            Layer::Activation(function) => {
                self.emit(pass, number, "output", columns, |plan, output| activation::op(plan, function, input, output))
            }
            Layer::Prelu { .. } | Layer::Scaling => {
                let weight = self.plan.named(&format!("{}layer{number}.weight", pass.tensors))?;
                self.emit(pass, number, "output", columns, |plan, output| {
                    slope::op(plan, keeps_positive(layer), [input, weight, output])
                })
            }
            Layer::Gated(gate) => self.emit(pass, number, "output", columns / 2, |plan, output| {
                gated::op(plan, gate.function(), input, output)
            }),
            Layer::BatchNorm => {
                let [weight, bias] = self.parts(pass.tensors, number, ["weight", "bias"])?;
                let [mean, var] = self.parts("", number, ["running_mean", "running_var"])?;
                if !pass.training {
                    return self.emit(pass, number, "output", columns, |plan, output| {
                        batch_norm_eval::op(plan, [input, weight, bias, mean, var, output])
                    });
                }
                let statistics = self.computed(format!("layer{number}.statistics"), 3, columns);
                let [mean, var] = self.parts("pending.", number, ["running_mean", "running_var"])?;
                self.emit(pass, number, "output", columns, |plan, output| {
                    batch_norm::op(plan, [input, weight, bias, output, statistics, mean, var])
                })
            }
            Layer::LayerNorm | Layer::RmsNorm => {
                let weight = self.plan.named(&format!("{}layer{number}.weight", pass.tensors))?;
                let bias = self.tensor(pass, number, "bias");
                let bias = bias.unwrap_or_else(|| dense_forward::no_bias(&mut self.plan, columns));
                let statistics = self.computed(format!("{}layer{number}.statistics", pass.prefix), pass.rows, 2);
                let centered = layer == Layer::LayerNorm;
                self.emit(pass, number, "output", columns, |plan, output| {
                    row_norm::op(plan, centered, [input, weight, bias, output, statistics])
                })
            }
            Layer::Dense(dense) => {
                let weight = self.plan.named(&format!("{}layer{number}.weight", pass.tensors))?;
                let bias = self.tensor(pass, number, "bias");
                let part = if bias.is_some() { "product" } else { "output" };
                let product = self
                    .emit(pass, number, part, dense.outputs, |plan, output| matmul::nt(plan, input, weight, output))?;
                let Some(bias) = bias else { return Ok(product) };
                self.emit(pass, number, "output", dense.outputs, |plan, output| {
                    bias_add::op(plan, product, bias, output)
                })
            }
        }
    }

    /// Returns the views `{prefix}layerN.{part}` of these parts.
    fn parts<const N: usize>(&self, prefix: &str, number: usize, parts: [&str; N]) -> Result<[ViewId; N]> {
        let mut views = [ViewId(0); N];
        for (view, part) in views.iter_mut().zip(parts) {
            *view = self.plan.named(&format!("{prefix}layer{number}.{part}"))?;
        }
        Ok(views)
    }

    /// Returns a trained tensor of a layer, or its average; `None` if the layer has no such tensor.
    fn tensor(&self, pass: &Pass, number: usize, name: &str) -> Option<ViewId> {
        self.plan.find(&format!("{}layer{number}.{name}", pass.tensors))
    }

    /// Adds a forward op and the view `layerN.{part}` that the op writes; returns the view.
    fn emit(
        &mut self,
        pass: &Pass,
        number: usize,
        part: &str,
        columns: usize,
        op: impl FnOnce(&Plan, ViewId) -> Op,
    ) -> Result<ViewId> {
        let output = self.computed(format!("{}layer{number}.{part}", pass.prefix), pass.rows, columns);
        self.plan.push(pass.section, op(&self.plan, output).of_layer(number))?;
        Ok(output)
    }

    /// Adds the backward ops, from the gradient of the last node down to the first layer with tensors that are trained
    /// and not frozen. Gradients of tensors are called `{prefix}layerN.weight` and so on; those of frozen tensors stay
    /// 0.
    pub(super) fn backward(&mut self, nodes: &[ViewId], gradient: ViewId, prefix: &str) -> Result<()> {
        let network = &self.spec.network;
        let trained = self.settings.iter().find(|(_, _, settings)| !settings.frozen);
        let first = trained.map_or(0, |(number, ..)| *number);
        let mut backward = Backward { nodes, gradients: vec![None; nodes.len()], first, prefix };
        backward.gradients[nodes.len() - 1] = Some(gradient);
        for node in network.nodes().skip(first).collect::<Vec<_>>().into_iter().rev() {
            self.backward_rule(&mut backward, node)?;
        }
        Ok(())
    }

    fn backward_rule(&mut self, backward: &mut Backward<'_>, node: Node) -> Result<()> {
        let Node { number, layer, start, .. } = node;
        let (input, output) = (backward.nodes[number], backward.nodes[number + 1]);
        let Some(above) = backward.gradients[number + 1] else { return Ok(()) };
        let below = gradient_name(number);
        match layer {
            Layer::ResidualStart | Layer::GaussianNoise { .. } => self.receive(backward, number, number, above),
            Layer::ResidualEnd => {
                self.receive(backward, number, number, above)?;
                let start = start.map_or(number, |(start, _)| start);
                let Some(weight) = self.plan.find(&format!("layer{number}.weight")) else {
                    return self.receive(backward, number, start, above);
                };
                if let Some(own) = self.own(backward, number, "weight") {
                    let op = matmul::tn(&self.plan, above, backward.nodes[start], own);
                    self.plan.push(Section::Gradients, op.of_layer(number))?;
                }
                let name = format!("grad.layer{number}.shortcut_input");
                self.pass_on(backward, number, start, name, |plan, gradient| matmul::nn(plan, above, weight, gradient))
            }
            Layer::Dropout { rate } => self.pass_on(backward, number, number, below, |plan, gradient| {
                dropout::op(plan, Mask::new(number, rate), above, gradient)
            }),
            Layer::AlphaDropout { rate } => self.pass_on(backward, number, number, below, |plan, gradient| {
                dropout::op(plan, Mask::alpha(number, rate), above, gradient)
            }),
            Layer::Activation(function) => {
                let argument = if function.keeps_input() { input } else { output };
                self.pass_on(backward, number, number, below, |plan, gradient| {
                    activation_grad::op(plan, function, above, argument, gradient)
                })
            }
            Layer::BatchNorm => {
                let statistics = self.plan.named(&format!("layer{number}.statistics"))?;
                let [own_weight, own_bias] =
                    ["weight", "bias"].map(|part| self.written(backward, number, part, node.inputs));
                let (gradient, flag) = (self.written_gradient(backward, number), self.plan.named("flag")?);
                let views = [above, input, statistics, own_weight, own_bias, gradient, flag];
                self.plan.push(Section::Gradients, batch_norm_grad::op(&self.plan, views).of_layer(number))?;
                self.receive(backward, number, number, gradient)
            }
            Layer::Prelu { .. } | Layer::Scaling => {
                let weight = self.plan.named(&format!("layer{number}.weight"))?;
                let own = self.written(backward, number, "weight", self.plan.shape(weight).columns);
                // A weight that several columns share has the sum of their gradients.
                let is_shared = self.plan.shape(weight).columns < node.inputs;
                let name = format!("grad.layer{number}.weight_terms");
                let terms = if is_shared { self.computed(name, 1, node.inputs) } else { own };
                let (gradient, flag) = (self.written_gradient(backward, number), self.plan.named("flag")?);
                let views = [above, input, weight, terms, gradient, flag];
                let op = slope_grad::op(&self.plan, keeps_positive(layer), views);
                self.plan.push(Section::Gradients, op.of_layer(number))?;
                if is_shared {
                    self.plan.push(Section::Gradients, vector_sum::op([terms, own, flag]).of_layer(number))?;
                }
                self.receive(backward, number, number, gradient)
            }
            Layer::Gated(gate) => self.pass_on(backward, number, number, below, |plan, gradient| {
                gated_grad::op(plan, gate.function(), [above, input, gradient])
            }),
            Layer::LayerNorm | Layer::RmsNorm => {
                let [weight, statistics] = self.parts("", number, ["weight", "statistics"])?;
                let flag = self.plan.named("flag")?;
                if ["weight", "bias"].iter().any(|part| self.trains(number, part)) {
                    let [own, bias] = ["weight", "bias"].map(|part| self.written(backward, number, part, node.inputs));
                    let op = row_norm_grad_weight::op(&self.plan, [above, input, statistics, own, bias, flag]);
                    self.plan.push(Section::Gradients, op.of_layer(number))?;
                }
                let centered = layer == Layer::LayerNorm;
                self.pass_on(backward, number, number, below, |plan, gradient| {
                    row_norm_grad::op(plan, centered, [above, input, statistics, weight, gradient])
                })
            }
            Layer::Dense(_) => {
                let own = |part: &str| self.own(backward, number, part);
                let weight = own("weight").map(|weight| matmul::tn(&self.plan, above, input, weight));
                let bias = own("bias").map(|bias| column_sum::op(&self.plan, above, bias));
                for op in weight.into_iter().chain(bias) {
                    self.plan.push(Section::Gradients, op.of_layer(number))?;
                }
                let weight = self.plan.named(&format!("layer{number}.weight"))?;
                self.pass_on(backward, number, number, below, |plan, gradient| {
                    matmul::nn(plan, above, weight, gradient)
                })
            }
        }
    }

    /// Adds the view of the gradient of the input of layer `number`, for a kernel that writes it even if it is not
    /// needed.
    fn written_gradient(&mut self, backward: &Backward<'_>, number: usize) -> ViewId {
        let is_needed = number > backward.first;
        let name = if is_needed { gradient_name(number) } else { format!("grad.layer{number}.no_input") };
        let shape = self.plan.shape(backward.nodes[number]);
        self.computed(name, shape.rows, shape.columns)
    }

    /// Returns the view of the gradient of a layer's tensor; `None` if there is no such tensor or it is frozen.
    fn own(&self, backward: &Backward<'_>, number: usize, part: &str) -> Option<ViewId> {
        let view = self.plan.find(&format!("{}layer{number}.{part}", backward.prefix));
        view.filter(|_| self.trains(number, part))
    }

    /// Returns the view of the gradient of a layer's vector. If there is no such vector or it is frozen, returns a new
    /// view, for a kernel that writes the gradient in any case.
    fn written(&mut self, backward: &Backward<'_>, number: usize, part: &str, columns: usize) -> ViewId {
        let own = self.own(backward, number, part);
        own.unwrap_or_else(|| self.computed(format!("grad.layer{number}.no_{part}"), 1, columns))
    }

    /// Adds an op of layer `number` that computes the view `name`, a gradient of `node`, if that node needs one.
    fn pass_on(
        &mut self,
        backward: &mut Backward<'_>,
        number: usize,
        node: usize,
        name: String,
        op: impl FnOnce(&Plan, ViewId) -> Op,
    ) -> Result<()> {
        if node <= backward.first {
            return Ok(());
        }
        let shape = self.plan.shape(backward.nodes[node]);
        let gradient = self.computed(name, shape.rows, shape.columns);
        self.plan.push(Section::Gradients, op(&self.plan, gradient).of_layer(number))?;
        self.receive(backward, number, node, gradient)
    }

    /// Records a gradient of a node, if the node needs one. A second gradient is added to the first, by an op of layer
    /// `number`.
    fn receive(&mut self, backward: &mut Backward<'_>, number: usize, node: usize, gradient: ViewId) -> Result<()> {
        if node <= backward.first {
            return Ok(());
        }
        let Some(first) = backward.gradients[node].replace(gradient) else { return Ok(()) };
        let shape = self.plan.shape(gradient);
        let sum = self.computed(gradient_name(node), shape.rows, shape.columns);
        self.plan.push(Section::Gradients, add::op(&self.plan, first, gradient, sum).of_layer(number))?;
        backward.gradients[node] = Some(sum);
        Ok(())
    }
}

/// Returns the name of the view that holds the gradient of a node.
fn gradient_name(node: usize) -> String {
    format!("grad.layer{}.output", node.saturating_sub(1))
}

/// Returns `true` if a layer multiplies only negative elements by its weight.
fn keeps_positive(layer: Layer) -> bool {
    matches!(layer, Layer::Prelu { .. })
}
