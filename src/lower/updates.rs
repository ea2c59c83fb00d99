//! Ops of the section `update`: what happens once per step, after the gradients are known.

use super::{AVERAGE, Lowering, tensors};
use crate::error::Result;
use crate::kernels::{average, max_norm, norm, running_update, square_sum, tensor_norm, trust_ratio, update};
use crate::lower::TrainingSpec;
use crate::optim::{Rule, TensorSettings};
use crate::plan::{Contents, Section, ViewId};
use crate::shape::{Dtype, Shape, TENSOR_ALIGNMENT, padded};

impl Lowering<'_> {
    /// Adds the ops of the section `update`: clipping, the optimizer's update, limits of norms, averages, and running
    /// statistics.
    pub(super) fn update(&mut self) -> Result<()> {
        let [parameters, gradients, flag] = ["parameters", "gradients", "flag"].map(|name| self.plan.named(name));
        let (parameters, gradients, flag) = (parameters?, gradients?, flag?);
        let averaged = self.optimizer(parameters, gradients, flag)?;
        for (number, tensor, settings) in &self.settings {
            let Some(most) = settings.max_norm.filter(|_| !settings.frozen) else { continue };
            let weight = self.plan.named(&format!("layer{number}.{}", tensor.name))?;
            let op = max_norm::op(&self.plan, weight, flag, most as f32);
            self.plan.push(Section::Update, op.of_layer(*number))?;
        }
        if self.spec.is_averaged() {
            let average = tensors(&mut self.plan, &self.spec.network, "average", AVERAGE);
            self.plan.push(Section::Update, average::op(&self.plan, averaged, average, flag))?;
        }
        let Some(running) = self.plan.find("running") else { return Ok(()) };
        let views = [running, self.plan.named("pending")?, flag];
        self.plan.push(Section::Update, running_update::op(&self.plan, self.spec.micro_batch, views))
    }

    /// Adds the ops of the optimizer. Returns the view that is averaged, if there is an average.
    fn optimizer(&mut self, parameters: ViewId, gradients: ViewId, flag: ViewId) -> Result<ViewId> {
        let norm = self.norm(gradients, flag)?;
        let optimizer = self.spec.optimizer;
        let state = |name: &&str| {
            let prefix = format!("{}.{name}", optimizer.name());
            tensors(&mut self.plan, &self.spec.network, &prefix, &format!("{prefix}."))
        };
        let states: Vec<ViewId> = optimizer.states().iter().map(state).collect();
        let rule = optimizer.rule();
        let [max_norm, max_value] = [self.spec.clip_norm.or(self.spec.clip_tensor_norm), self.spec.clip_value]
            .map(|limit| limit.map_or(f32::MAX, |limit| limit as f32));
        let settings: Vec<f32> = rule.settings.iter().map(|(_, value)| *value as f32).collect();
        let (is_grouped, direction) = (self.is_grouped(), rule.direction().map(|place| states[place]));
        let groups = (is_grouped || direction.is_some()).then(|| self.groups(&rule));
        let op = match groups.filter(|_| is_grouped) {
            None => {
                let common = update::Common { max_norm, l2: rule.l2 as f32, decay: rule.decay as f32 };
                update::op(&self.plan, rule.update, common, &settings, [parameters, gradients, norm, flag], &states)
            }
            Some(groups) => {
                let common = update::CommonOfGroups { max_norm, max_value };
                let views = [parameters, gradients, norm, flag, groups];
                update::grouped_op(&self.plan, rule.update, common, &settings, views, &states)
            }
        };
        self.plan.push(Section::Update, op)?;
        if let Some((direction, groups)) = direction.zip(groups) {
            self.trust_ratio([parameters, direction], groups, flag)?;
        }
        Ok(rule.averaged().map_or(parameters, |place| states[place]))
    }

    /// Adds the ops that move the parameters along a direction, by the trust ratio of each tensor.
    fn trust_ratio(&mut self, [parameters, direction]: [ViewId; 2], groups: ViewId, flag: ViewId) -> Result<()> {
        let norms =
            [self.tensor_norms("parameters.norm", parameters)?, self.tensor_norms("direction.norm", direction)?];
        self.plan.push(Section::Update, trust_ratio::op(&self.plan, [parameters, direction], norms, groups, flag))
    }

    /// Adds the norm by which gradients are clipped, that of each tensor if they are clipped per tensor. It is 0 if
    /// they are not clipped by norm.
    fn norm(&mut self, gradients: ViewId, flag: ViewId) -> Result<ViewId> {
        if self.spec.clip_tensor_norm.is_some() {
            return self.tensor_norms("norm", gradients);
        }
        if self.spec.clip_norm.is_none() {
            return Ok(self.plan.tensor("norm", Dtype::F32, Shape::vector(1), Contents::Persistent(0)));
        }
        let norm = self.plan.tensor("norm", Dtype::F32, Shape::vector(1), Contents::Computed);
        let partial = self.block_norms("norm.partial", gradients)?;
        self.plan.push(Section::Update, norm::op(partial, norm, flag))?;
        Ok(norm)
    }

    /// Adds the norms of all blocks of 64 elements of a view like `parameters`.
    fn block_norms(&mut self, name: &str, of: ViewId) -> Result<ViewId> {
        let partial = self.computed(name, 1, self.plan.shape(of).elements() / TENSOR_ALIGNMENT);
        self.plan.push(Section::Update, square_sum::op(&self.plan, of, partial))?;
        Ok(partial)
    }

    /// Adds the norms of all tensors of a view like `parameters`.
    fn tensor_norms(&mut self, name: &str, of: ViewId) -> Result<ViewId> {
        let partial = self.block_norms(&format!("{name}.partial"), of)?;
        let mut end = 0;
        let ends = self.settings.iter().flat_map(|(_, tensor, _)| {
            let begin = end;
            end += (padded(tensor.elements()) / TENSOR_ALIGNMENT) as u32;
            [begin, end]
        });
        let ends: Vec<u32> = ends.collect();
        let known = self.plan.find("tensors");
        let tensors = known.unwrap_or_else(|| self.plan.constant("tensors", Dtype::U32, ends, 2));
        let norm = self.plan.tensor(name, Dtype::F32, Shape::vector(self.settings.len()), Contents::Computed);
        self.plan.push(Section::Update, tensor_norm::op(&self.plan, partial, tensors, norm))?;
        Ok(norm)
    }

    /// Returns whether blocks of parameters differ in their updates: in settings other than the norms of rows, which
    /// are not a matter of the optimizer, or in how their gradients are clipped.
    fn is_grouped(&self) -> bool {
        let usual =
            |settings: &TensorSettings| TensorSettings { max_norm: None, ..*settings } == TensorSettings::default();
        let TrainingSpec { clip_value, clip_tensor_norm, .. } = *self.spec;
        clip_value.or(clip_tensor_norm).is_some() || !self.settings.iter().all(|(_, _, settings)| usual(settings))
    }

    /// Adds the table of settings with one row per block of 64 parameters.
    fn groups(&mut self, rule: &Rule) -> ViewId {
        let is_by_tensor = self.spec.clip_tensor_norm.is_some();
        let rows = self.settings.iter().enumerate().flat_map(|(number, (_, tensor, settings))| {
            let on = |decay: f64| if settings.weight_decay { decay } else { 0.0 };
            let group = update::Group {
                frozen: f32::from(u8::from(settings.frozen)),
                factor: settings.learning_rate_factor as f32,
                decay: on(rule.decay) as f32,
                l2: (on(rule.l2) + 2.0 * settings.l2) as f32,
                l1: settings.l1 as f32,
                norm: if is_by_tensor { number as f32 } else { 0.0 },
                tensor: number as f32,
                ..update::Group::default()
            };
            std::iter::repeat_n(group, padded(tensor.elements()) / TENSOR_ALIGNMENT)
        });
        let rows: Vec<update::Group> = rows.collect();
        self.plan.constant("groups", Dtype::F32, bytemuck::cast_vec(rows), update::Group::WORDS)
    }
}
